/* Products of some rows and a panel of weights, which linear layers and attention share. */
#pragma once
#include "../vectors.h"

enum { WIDE = 2 /* vectors of a panel's line */, PANEL = WIDE * SIDE };

/* sums [rows][WIDE] = x [rows, depth], `step` floats from row to row, a constant, times a panel [depth, PANEL].
 * Meanwhile memory from `ahead` on, unless it is null, is prefetched, `pace` bytes for each of the depths. */
INLINE void multiply_panel(int rows, const float *x, int64_t step, const float *panel, int64_t depth,
                           const char *ahead, int64_t pace, vector sums[TALL][WIDE]) {
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < WIDE; j++) sums[i][j] = v_zero();
#pragma GCC unroll 4
    for (int64_t k = 0; k < depth; k++, panel += PANEL) {
        vector lines[WIDE];
        if (ahead) __builtin_prefetch(ahead + k * pace, 0, 2); /* into the second-level cache */
#pragma GCC unroll 2
        for (int j = 0; j < WIDE; j++) lines[j] = v_load(panel + j * SIDE);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            const vector v = v_all(x[i * step + k]);
#pragma GCC unroll 2
            for (int j = 0; j < WIDE; j++) sums[i][j] = v_fma(v, lines[j], sums[i][j]);
        }
    }
}

/* CALL(n) with the constant n that `rows` is, from 1 on, or with TALL; cases above TALL, at most 14, don't occur. */
#define ROWS_CASE(n, CALL) \
    case n: CALL(n < TALL ? n : TALL); break;
#define FOR_ROWS(rows, CALL)                                                                      \
    switch ((rows) < TALL ? (rows) : TALL) {                                                      \
        ROWS_CASE(1, CALL) ROWS_CASE(2, CALL) ROWS_CASE(3, CALL) ROWS_CASE(4, CALL)               \
        ROWS_CASE(5, CALL) ROWS_CASE(6, CALL) ROWS_CASE(7, CALL) ROWS_CASE(8, CALL)               \
        ROWS_CASE(9, CALL) ROWS_CASE(10, CALL) ROWS_CASE(11, CALL) ROWS_CASE(12, CALL)            \
        ROWS_CASE(13, CALL) ROWS_CASE(14, CALL)                                                   \
    }
