/* Winograd's minimal filtering: what convolutions of images and of videos share. See winograd.py. */
#pragma once
#include <stdint.h>

#include "memory.h"
#include "threads.h"
#include "../vectors.h"

enum {
    POINTS = 8,         /* along a row or a column: 0, 1, -1, 2, -2, 1/2, -1/2 and infinity */
    TILE3 = POINTS - 2, /* results of a filter of 3 taps */
    TAPS = 3,           /* frames of a filter of videos, at most */
    SUMMED = 128,       /* products that are summed up one after the other: more would cost accuracy */
};

/* What becomes of 8 values at the points 0, 1, 2, 1/2 and infinity. At -1, -2 and -1/2 odd columns count negatively.
 * Rows are scaled by powers of two, and the filters by the inverse. */
static const float AT[][POINTS] = {{-0.125f, 0, 0.65625f, 0, -0.65625f, 0, 0.125f},
                                   {0, 0.125f, 0.125f, -0.53125f, -0.53125f, 0.125f, 0.125f},
                                   {0, 0.125f, 0.0625f, -0.625f, -0.3125f, 0.5f, 0.25f},
                                   {0, 0.25f, 0.5f, -0.3125f, -0.625f, 0.0625f, 0.125f},
                                   {0, -0.125f, 0, 0.65625f, 0, -0.65625f, 0, 0.125f}};

/* The sum of factors[j] * from[j * step] for the even j or the odd ones; zeros are left out. */
INLINE vector half_sum(const float *factors, int odd, const vector *from, int step) {
    vector sum = v_zero();
    int first = 1;
#pragma GCC unroll 4
    for (int j = odd; j < POINTS; j += 2) {
        if (factors[j] == 0) continue;
        const vector v = from[j * step], factor = v_all(factors[j]);
        sum = first ? v_mul(v, factor) : v_fma(v, factor, sum);
        first = 0;
    }
    return sum;
}

/* to [POINTS] = from [POINTS], `step` vectors from one to the next, at the points. */
INLINE void to_points(const vector *from, int step, vector *to) {
    to[0] = half_sum(AT[0], 0, from, step);
#pragma GCC unroll 3
    for (int i = 1; i < 4; i++) {
        const vector even = half_sum(AT[i], 0, from, step), odd = half_sum(AT[i], 1, from, step);
        to[2 * i - 1] = v_add(even, odd);
        to[2 * i] = v_sub(even, odd);
    }
    to[POINTS - 1] = half_sum(AT[4], 1, from, step);
}

/* to [results], `step` vectors from one to the next: what products from [POINTS] at the points mean. */
INLINE void from_points(int results, const vector *from, vector *to, int step) {
    vector sums[3], differences[3];
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        sums[i] = v_add(from[2 * i + 1], from[2 * i + 2]);
        differences[i] = v_sub(from[2 * i + 1], from[2 * i + 2]);
    }
#pragma GCC unroll 6
    for (int k = 0; k < results; k++) { /* powers k of the points */
        const vector *of = k % 2 ? differences : sums;
        vector sum = k == 0 ? v_add(of[0], from[0]) : k == results - 1 ? v_add(of[0], from[POINTS - 1]) : of[0];
        sum = v_fma(of[1], v_all(1 << k), sum);
        to[k * step] = v_fma(of[2], v_all(1.f / (1 << k)), sum);
    }
}

struct map {
    const float *values;
    int64_t height, width, channels, step; /* floats from one pixel to the next */
};

/* SIDE channels of a pixel from c on, zeros outside the map. */
INLINE vector pixel(const struct map *map, int64_t y, int64_t x, int64_t c) {
    if (y < 0 || y >= map->height || x < 0 || x >= map->width) return v_zero();
    return v_load_first(map->values + (y * map->width + x) * map->step + c, map->channels - c);
}

/* The points of one tile that reads `down` x `across` pixels, each 1 or POINTS, from (top, left) on, in planes. */
INLINE void before(const struct map *map, int64_t top, int64_t left, int down, int across, float *to, int64_t plane) {
    const int square = down > 1 && across > 1;
    const int inside = top >= 0 && left >= 0 && top + down <= map->height && left + across <= map->width;
    const float *first = map->values + (top * map->width + left) * map->step;
    const int64_t next = (across > 1 ? 1 : map->width) * map->step;
    for (int64_t c = 0; c < map->channels; c += SIDE) {
        const int whole = inside && map->channels - c >= SIDE;
        vector read[POINTS], half[POINTS * POINTS], made[POINTS];
        for (int i = 0; i < (square ? POINTS : 1); i++) {
            if (whole)
#pragma GCC unroll 8
                for (int j = 0; j < POINTS; j++) read[j] = v_load(first + i * map->width * map->step + j * next + c);
            else
                for (int j = 0; j < POINTS; j++)
                    read[j] = pixel(map, top + (across > 1 ? i : j), left + (across > 1 ? j : 0), c);
            to_points(read, 1, half + i * POINTS);
        }
        for (int j = 0; j < (square ? POINTS : 1); j++) {
            if (square) to_points(half + j, POINTS, made);
#pragma GCC unroll 8
            for (int i = 0; i < POINTS; i++)
                v_store(to + (square ? i * POINTS + j : i) * plane + c, square ? made[i] : half[i]);
        }
    }
}

/* The results of a tile of planes, plus bias, times `slopes` where they are negative, in down x across pixels from
 * (top, left) on; with `add`, added to what is there. */
INLINE void after(const float *from, int64_t plane, const float *bias, const float *slopes, int add, float *values,
                  int64_t height, int64_t width, int64_t outputs, int64_t step, int64_t top, int64_t left, int down,
                  int across) {
    const int square = down > 1 && across > 1, results = down > 1 ? down : across;
    for (int64_t c = 0; c < outputs; c += SIDE) {
        const int64_t left_over = outputs - c;
        vector read[POINTS], half[POINTS * POINTS], made[POINTS];
        for (int j = 0; j < (square ? POINTS : 1); j++) {
#pragma GCC unroll 8
            for (int i = 0; i < POINTS; i++) read[i] = v_load(from + (square ? i * POINTS + j : i) * plane + c);
            from_points(results, read, half + j, square ? POINTS : 1);
        }
        const vector slope = slopes ? v_load_first(slopes + c, left_over) : v_zero();
        const vector offset = bias ? v_load_first(bias + c, left_over) : v_zero();
        for (int i = 0; i < (square ? results : 1); i++) {
            if (square) from_points(results, half + i * POINTS, made, 1);
#pragma GCC unroll 6
            for (int j = 0; j < results; j++) {
                const int64_t y = top + (across > 1 ? i : j), x = left + (across > 1 ? j : 0);
                if (y >= height || x >= width) continue;
                vector v = v_add(square ? made[j] : half[j], offset);
                if (slopes) v = v_scale_negative(v, slope);
                float *to = values + (y * width + x) * step + c;
                if (add) v = v_add(v, v_load_first(to, left_over));
                v_store_first(to, v, left_over);
            }
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

/* out [rows, SIDE * vectors] = x, from row `top` on, times a panel of weights [taps * depth, SIDE * vectors]. Meanwhile
 * memory from `ahead` on is prefetched, `pace` bytes for each of the depths. */
INLINE void multiply(int rows, int vectors, const struct rows *x, int64_t top, const float *panel, float *out,
                     int64_t out_step, const char *ahead, int64_t pace) {
    out += top * out_step;
    for (int tap = 0; tap < x->taps; tap++) {
        const float *from = x->frames[tap] + top * x->step;
        for (int64_t k = 0; k < x->depth;) {
            const int first = tap == 0 && k == 0;
            const int64_t end = k + SUMMED < x->depth ? k + SUMMED : x->depth;
            vector sums[ROWS][2];
#pragma GCC unroll 12
            for (int i = 0; i < rows; i++) sums[i][0] = sums[i][1] = v_zero();
            for (; k < end; k++, panel += vectors * SIDE, ahead += pace) {
                __builtin_prefetch(ahead, 0, 2); /* into the second-level cache */
                const vector one = v_load(panel), other = vectors > 1 ? v_load(panel + SIDE) : one;
#pragma GCC unroll 12
                for (int i = 0; i < rows; i++) {
                    const vector v = v_all(from[i * x->step + k]);
                    sums[i][0] = v_fma(v, one, sums[i][0]);
                    if (vectors > 1) sums[i][1] = v_fma(v, other, sums[i][1]);
                }
            }
#pragma GCC unroll 12
            for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
                for (int j = 0; j < vectors; j++) {
                    float *to = out + i * out_step + j * SIDE;
                    v_store(to, first ? sums[i][j] : v_add(v_load(to), sums[i][j]));
                }
        }
    }
}

/* The same for all rows. While some are multiplied by this panel, they prefetch their share of the next one. */
INLINE void strip(int vectors, int64_t rows, const struct rows *x, const float *panel, float *out, int64_t out_step) {
    const int64_t depth = x->taps * x->depth, pace = vectors * SIDE * sizeof *panel / ((rows + ROWS - 1) / ROWS);
    const char *ahead = (const char *)(panel + depth * vectors * SIDE);
    int64_t i = 0;
    for (; i + ROWS <= rows; i += ROWS, ahead += depth * pace)
        multiply(ROWS, vectors, x, i, panel, out, out_step, ahead, pace);
    for (; i + ROWS / 3 <= rows; i += ROWS / 3)
        multiply(ROWS / 3, vectors, x, i, panel, out, out_step, ahead, pace);
    for (; i < rows; i++) multiply(1, vectors, x, i, panel, out, out_step, ahead, pace);
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
