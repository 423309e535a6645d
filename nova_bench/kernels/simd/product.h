/* Products of some rows and a panel of weights, which linear layers and attention share. */
#pragma once
#include "vectors.h"

enum { PANEL = WIDE * SIDE };

/* sums [rows][WIDE] = x [rows, depth], `step` floats from row to row, a constant, times a panel [depth, PANEL]. */
INLINE void multiply_panel(int rows, const float *x, int64_t step, const float *panel, int64_t depth,
                           vector sums[TALL][WIDE]) {
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < WIDE; j++) sums[i][j] = v_zero();
#pragma GCC unroll 4
    for (int64_t k = 0; k < depth; k++, panel += PANEL) {
        vector lines[WIDE];
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

/* CALL(n) with the constant n that `rows` is, from 1 to TALL. */
#if defined __AVX512F__
#define FOR_ROWS(rows, CALL)                                                        \
    switch (rows) {                                                                 \
        case 1: CALL(1); break;                                                     \
        case 2: CALL(2); break;                                                     \
        case 3: CALL(3); break;                                                     \
        case 4: CALL(4); break;                                                     \
        case 5: CALL(5); break;                                                     \
        case 6: CALL(6); break;                                                     \
        case 7: CALL(7); break;                                                     \
        case 8: CALL(8); break;                                                     \
        case 9: CALL(9); break;                                                     \
        case 10: CALL(10); break;                                                   \
        case 11: CALL(11); break;                                                   \
        case 12: CALL(12); break;                                                   \
        case 13: CALL(13); break;                                                   \
        default: CALL(14);                                                          \
    }
#else
#define FOR_ROWS(rows, CALL)                                                        \
    switch (rows) {                                                                 \
        case 1: CALL(1); break;                                                     \
        case 2: CALL(2); break;                                                     \
        case 3: CALL(3); break;                                                     \
        case 4: CALL(4); break;                                                     \
        case 5: CALL(5); break;                                                     \
        default: CALL(6);                                                           \
    }
#endif
