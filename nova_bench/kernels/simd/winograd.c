/* Convolutions with stride 1 by Winograd's minimal filtering: see winograd.py. float32, channels last. */
#include <stdint.h>
#include <sys/mman.h>

#include "vectors.h"
#ifdef _OPENMP
#include <omp.h>
#endif

enum { TILE = 4, MOST = 8 };

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
INLINE void combine(const float matrix[][MOST], int rows, int columns,
                                                          const vector *from, vector *to, int from_step, int to_step) {
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
INLINE void before(const struct map *map, int64_t top, int64_t left, int down,
                                                         int across, const float matrix[][MOST], int points, float *to,
                                                         int64_t plane) {
    for (int64_t c = 0; c < map->channels; c += SIDE) {
        const int64_t left_over = map->channels - c;
        vector read[MOST * MOST], half[MOST * MOST];
#pragma GCC unroll 8
        for (int i = 0; i < down; i++) {
            const int64_t y = top + i;
#pragma GCC unroll 8
            for (int j = 0; j < across; j++) {
                const int64_t x = left + j;
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

/* The results of a tile of planes, plus bias, times `slopes` where they are negative, in pixels from (top, left) on. */
INLINE void after(const float *from, int64_t plane, const float *bias,
                                                        const float *slopes, float *values, int64_t height,
                                                        int64_t width, int64_t outputs, int64_t step, int64_t top,
                                                        int64_t left, int down, int across,
                                                        const float matrix[][MOST], int points) {
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
                v_store_first(values + (y * width + x) * step + c, v, left_over);
            }
    }
}

/* out [rows, 16 * vectors] = x [rows, depth] times a panel of weights [depth, 16 * vectors], `panel_step` floats from
 * one line of it to the next. */
INLINE void multiply(int rows, int vectors, const float *x, int64_t x_step, const float *panel, int64_t panel_step,
                     int64_t depth, float *out, int64_t out_step) {
    vector sums[ROWS][2];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) sums[i][0] = sums[i][1] = v_zero();
    for (int64_t k = 0; k < depth; k++, panel += panel_step) {
        const vector first = v_load(panel), second = vectors > 1 ? v_load(panel + SIDE) : first;
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            const vector v = v_all(x[i * x_step + k]);
            sums[i][0] = v_fma(v, first, sums[i][0]);
            if (vectors > 1) sums[i][1] = v_fma(v, second, sums[i][1]);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        v_store(out + i * out_step, sums[i][0]);
        if (vectors > 1) v_store(out + i * out_step + SIDE, sums[i][1]);
    }
}

INLINE void strip(int vectors, int64_t rows, const float *x, int64_t x_step, const float *panel, int64_t panel_step,
                  int64_t depth, float *out, int64_t out_step) {
    int64_t i = 0;
    for (; i + ROWS <= rows; i += ROWS)
        multiply(ROWS, vectors, x + i * x_step, x_step, panel, panel_step, depth, out + i * out_step, out_step);
    for (; i + ROWS / 3 <= rows; i += ROWS / 3)
        multiply(ROWS / 3, vectors, x + i * x_step, x_step, panel, panel_step, depth, out + i * out_step, out_step);
    for (; i < rows; i++)
        multiply(1, vectors, x + i * x_step, x_step, panel, panel_step, depth, out + i * out_step, out_step);
}

/* out [rows, outputs] = x [rows, depth] times weights in panels of 32 outputs, the last one perhaps of 16. */
static void product(int64_t rows, const float *x, int64_t x_step, const float *weights, int64_t depth, int64_t outputs,
                    float *out) {
    for (int64_t n = 0; n < outputs; n += 2 * SIDE) {
        const int64_t vectors = outputs - n >= 2 * SIDE ? 2 : 1;
        const float *panel = weights + n * depth;
        if (vectors == 2 && WIDE == 2)
            strip(2, rows, x, x_step, panel, 2 * SIDE, depth, out + n, outputs);
        else
            for (int64_t half = 0; half < vectors; half++)
                strip(1, rows, x, x_step, panel + half * SIDE, vectors * SIDE, depth, out + n + half * SIDE, outputs);
    }
}

/* Memory in large pages, if the system has some to give: far fewer faults when it is first written. */
static void large_pages(void *memory, int64_t bytes) {
    const uintptr_t size = 1 << 21, start = ((uintptr_t)memory + size - 1) / size * size;
    const uintptr_t end = ((uintptr_t)memory + bytes) / size * size;
    if (end > start) madvise((void *)start, end - start, MADV_HUGEPAGE);
}

enum { SQUARE3, ROW5, COLUMN5 };

/* Images x [images, height, width, channels], `step` floats from pixel to pixel -> out, of `outputs` channels and
 * `out_step`. weights: for each point, panels as in product(), outputs rounded up to 16. bias may be null, and so may
 * slopes, the factors of a channel's negative results. The points of `together` tiles are kept in a thread's part of
 * room, of room_size floats. */
void winograd(const float *x, int64_t images, int64_t height, int64_t width, int64_t channels, int64_t step, int kind,
              const float *weights, const float *bias, int64_t outputs, const float *slopes, float *out,
              int64_t out_step, int64_t together, float *room, int64_t room_size, int threads) {
    const int points = kind == SQUARE3 ? 36 : 8;
    const int64_t high = kind == ROW5 ? 1 : TILE, wide = kind == COLUMN5 ? 1 : TILE;
    const int64_t rows = (height + high - 1) / high, columns = (width + wide - 1) / wide;
    const int64_t count = rows * columns, blocks = (count + together - 1) / together;
    const int64_t padded = (outputs + SIDE - 1) / SIDE * SIDE, width_in = (channels + SIDE - 1) / SIDE * SIDE;
    /* Planes an odd number of cache lines apart don't compete for the same cache sets. */
    const int64_t plane = together * width_in | SIDE, out_plane = together * padded | SIDE;
    large_pages(out, images * height * width * out_step * sizeof *out);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < images * blocks; block++) {
#ifdef _OPENMP
        float *own = room + omp_get_thread_num() * room_size;
#else
        float *own = room;
#endif
        float *made = own + points * plane;
        const int64_t image = block / blocks, start = block % blocks * together;
        const int64_t end = start + together < count ? start + together : count;
        const struct map map = {x + image * height * width * step, height, width, channels, step};
        float *target = out + image * height * width * out_step;
        for (int64_t tile = start; tile < end; tile++) {
            const int64_t top = tile / columns * high, left = tile % columns * wide;
            float *to = own + (tile - start) * width_in;
            if (kind == SQUARE3) before(&map, top - 1, left - 1, 6, 6, BEFORE3, 6, to, plane);
            else if (kind == ROW5) before(&map, top, left - 2, 1, 8, BEFORE5, 8, to, plane);
            else before(&map, top - 2, left, 8, 1, BEFORE5, 8, to, plane);
        }
        for (int p = 0; p < points; p++)
            product(end - start, own + p * plane, width_in, weights + p * padded * channels, channels, padded,
                    made + p * out_plane);
        for (int64_t tile = start; tile < end; tile++) {
            const int64_t top = tile / columns * high, left = tile % columns * wide;
            const float *from = made + (tile - start) * padded;
#define AFTER(down, across, matrix, points) \
    after(from, out_plane, bias, slopes, target, height, width, outputs, out_step, top, left, down, across, matrix, \
          points)
            if (kind == SQUARE3) AFTER(6, 6, AFTER3, 6);
            else if (kind == ROW5) AFTER(1, 8, AFTER5, 8);
            else AFTER(8, 1, AFTER5, 8);
        }
    }
}
