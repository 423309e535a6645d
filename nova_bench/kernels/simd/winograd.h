/* Winograd's minimal filtering: what convolutions of images and of videos share. See winograd.py. */
#pragma once
#include <stdint.h>

#include "memory.h"
#include "threads.h"
#include "vectors.h"

enum { TILE = 4, MOST = 8, TAPS = 3 };

/* Results are 4 to a side. A 3-wide filter takes 6 points (0, 1, -1, 1/2, -2 and infinity), a 5-wide one 8 (0, 1, -1,
 * 2, -2, 1/2, -1/2 and infinity). Rows of BEFORE are scaled by powers of two, and the filters by the inverse. */
static const float BEFORE3[MOST][MOST] = {{0.25f, -0.375f, -0.5f, 0.375f, 0.25f},
                                          {0, -0.5f, 0.25f, 1.25f, 0.5f},
                                          {0, 0.5f, -1.25f, 0.25f, 0.5f},
                                          {0, -0.5f, -0.25f, 0.5f, 0.25f},
                                          {0, 0.25f, -0.5f, -0.25f, 0.5f},
                                          {0, 0.25f, -0.375f, -0.5f, 0.375f, 0.25f}};
static const float AFTER3[TILE][MOST] = {
    {1, 1, 1, 1, 1}, {0, 1, -1, 0.5f, -2}, {0, 1, 1, 0.25f, 4}, {0, 1, -1, 0.125f, -8, 1}};
static const float BEFORE5[MOST][MOST] = {{-0.125f, 0, 0.65625f, 0, -0.65625f, 0, 0.125f},
                                          {0, 0.125f, 0.125f, -0.53125f, -0.53125f, 0.125f, 0.125f},
                                          {0, -0.125f, 0.125f, 0.53125f, -0.53125f, -0.125f, 0.125f},
                                          {0, 0.125f, 0.0625f, -0.625f, -0.3125f, 0.5f, 0.25f},
                                          {0, -0.125f, 0.0625f, 0.625f, -0.3125f, -0.5f, 0.25f},
                                          {0, 0.25f, 0.5f, -0.3125f, -0.625f, 0.0625f, 0.125f},
                                          {0, -0.25f, 0.5f, 0.3125f, -0.625f, -0.0625f, 0.125f},
                                          {0, -0.125f, 0, 0.65625f, 0, -0.65625f, 0, 0.125f}};
static const float AFTER5[TILE][MOST] = {{1, 1, 1, 1, 1, 1, 1},
                                         {0, 1, -1, 2, -2, 0.5f, -0.5f},
                                         {0, 1, 1, 4, 4, 0.25f, 0.25f},
                                         {0, 1, -1, 8, -8, 0.125f, -0.125f, 1}};

/* to[i] = sum of matrix[i][j] * from[j], every `step`-th of both. All loops are unrolled and zeros left out. */
INLINE void combine(const float matrix[][MOST], int rows, int columns, const vector *from, vector *to, int from_step,
                    int to_step) {
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        vector sum = v_zero();
        int first = 1;
#pragma GCC unroll 8
        for (int j = 0; j < columns; j++) {
            const float factor = matrix[i][j];
            if (factor == 0) continue;
            const vector v = from[j * from_step];
            if (first)
                sum = factor == 1 ? v : v_mul(v, v_all(factor));
            else if (factor == 1)
                sum = v_add(sum, v);
            else if (factor == -1)
                sum = v_sub(sum, v);
            else
                sum = v_fma(v, v_all(factor), sum);
            first = 0;
        }
        to[i * to_step] = sum;
    }
}

struct map {
    const float *values;
    int64_t height, width, channels, step; /* floats from one pixel to the next */
};

/* The points of one tile of 4 x 4 results, 1 x 4 or 4 x 1, whose first read pixel is (top, left), in planes. */
INLINE void before(const struct map *map, int64_t top, int64_t left, int down, int across, const float matrix[][MOST],
                   int points, float *to, int64_t plane) {
    const int whole = top >= 0 && left >= 0 && top + down <= map->height && left + across <= map->width;
    for (int64_t c = 0; c < map->channels; c += SIDE) {
        const int64_t left_over = map->channels - c;
        vector read[MOST * MOST], half[MOST * MOST];
        if (whole && left_over >= SIDE) {
            const float *first = map->values + (top * map->width + left) * map->step + c;
#pragma GCC unroll 8
            for (int i = 0; i < down; i++)
#pragma GCC unroll 8
                for (int j = 0; j < across; j++)
                    read[i * across + j] = v_load(first + (i * map->width + j) * map->step);
        } else {
            for (int i = 0; i < down; i++)
                for (int j = 0; j < across; j++) {
                    const int64_t y = top + i, x = left + j;
                    const int inside = y >= 0 && y < map->height && x >= 0 && x < map->width;
                    read[i * across + j] =
                        inside ? v_load_first(map->values + (y * map->width + x) * map->step + c, left_over) : v_zero();
                }
        }
        if (down > 1 && across > 1) {
#pragma GCC unroll 8
            for (int i = 0; i < down; i++) combine(matrix, points, across, read + i * across, half + i * across, 1, 1);
#pragma GCC unroll 8
            for (int j = 0; j < across; j++) combine(matrix, points, down, half + j, read + j, across, across);
        } else
            combine(matrix, points, points, read, read + MOST, 1, 1);
        const vector *made = down > 1 && across > 1 ? read : read + MOST;
#pragma GCC unroll 64
        for (int p = 0; p < down * across; p++) v_store_first(to + p * plane + c, made[p], left_over);
    }
}

/* The results of a tile of planes, plus bias, times `slopes` where they are negative, in pixels from (top, left) on;
 * with `add`, added to what is there. */
INLINE void after(const float *from, int64_t plane, const float *bias, const float *slopes, int add, float *values,
                  int64_t height, int64_t width, int64_t outputs, int64_t step, int64_t top, int64_t left, int down,
                  int across, const float matrix[][MOST], int points) {
    const int high = down > 1 ? TILE : 1, wide = across > 1 ? TILE : 1;
    for (int64_t c = 0; c < outputs; c += SIDE) {
        const int64_t left_over = outputs - c;
        vector read[MOST * MOST], half[MOST * MOST];
#pragma GCC unroll 64
        for (int p = 0; p < down * across; p++) read[p] = v_load(from + p * plane + c);
        if (down > 1 && across > 1) {
#pragma GCC unroll 8
            for (int i = 0; i < down; i++) combine(matrix, TILE, points, read + i * across, half + i * TILE, 1, 1);
#pragma GCC unroll 8
            for (int j = 0; j < TILE; j++) combine(matrix, TILE, points, half + j, read + j, TILE, TILE);
        } else {
            combine(matrix, TILE, points, read, half, 1, 1);
#pragma GCC unroll 8
            for (int i = 0; i < TILE; i++) read[i] = half[i];
        }
        const vector slope = slopes ? v_load_first(slopes + c, left_over) : v_zero();
        const vector offset = bias ? v_load_first(bias + c, left_over) : v_zero();
#pragma GCC unroll 4
        for (int i = 0; i < high; i++)
#pragma GCC unroll 4
            for (int j = 0; j < wide; j++) {
                const int64_t y = top + i, x = left + j;
                if (y >= height || x >= width) continue;
                vector v = v_add(read[i * wide + j], offset);
                if (slopes) v = v_scale_negative(v, slope);
                float *to = values + (y * width + x) * step + c;
                if (add) v = v_add(v, v_load_first(to, left_over));
                v_store_first(to, v, left_over);
            }
    }
}

/* Rows of `depth` values, `step` floats from one to the next, from each of several frames: those of all frames make one
 * row of a product. */
struct rows {
    const float *frames[TAPS];
    int taps;
    int64_t depth, step;
};

/* out [rows, SIDE * vectors] = x, from row `top` on, times a panel of weights [taps * depth, SIDE * vectors]. */
INLINE void multiply(int rows, int vectors, const struct rows *x, int64_t top, const float *panel, float *out,
                     int64_t out_step) {
    vector sums[ROWS][2];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) sums[i][0] = sums[i][1] = v_zero();
    for (int tap = 0; tap < x->taps; tap++) {
        const float *from = x->frames[tap] + top * x->step;
        for (int64_t k = 0; k < x->depth; k++, panel += vectors * SIDE) {
            const vector first = v_load(panel), second = vectors > 1 ? v_load(panel + SIDE) : first;
#pragma GCC unroll 12
            for (int i = 0; i < rows; i++) {
                const vector v = v_all(from[i * x->step + k]);
                sums[i][0] = v_fma(v, first, sums[i][0]);
                if (vectors > 1) sums[i][1] = v_fma(v, second, sums[i][1]);
            }
        }
    }
    out += top * out_step;
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        v_store(out + i * out_step, sums[i][0]);
        if (vectors > 1) v_store(out + i * out_step + SIDE, sums[i][1]);
    }
}

INLINE void strip(int vectors, int64_t rows, const struct rows *x, const float *panel, float *out, int64_t out_step) {
    int64_t i = 0;
    for (; i + ROWS <= rows; i += ROWS) multiply(ROWS, vectors, x, i, panel, out, out_step);
    for (; i + ROWS / 3 <= rows; i += ROWS / 3) multiply(ROWS / 3, vectors, x, i, panel, out, out_step);
    for (; i < rows; i++) multiply(1, vectors, x, i, panel, out, out_step);
}

/* out [rows, outputs] = x times weights in panels of 2 * SIDE outputs, the last one perhaps of SIDE. */
static void product(int64_t rows, const struct rows *x, const float *weights, int64_t outputs, float *out) {
    for (int64_t n = 0; n < outputs; n += 2 * SIDE) {
        const float *panel = weights + n * x->taps * x->depth;
        if (outputs - n > SIDE)
            strip(2, rows, x, panel, out + n, outputs);
        else
            strip(1, rows, x, panel, out + n, outputs);
    }
}
