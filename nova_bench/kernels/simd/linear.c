/* Linear layers on float32, with the activation that follows. */
#include <string.h>

#include "../activations.h"
#include "product.h"

enum {
    BLOCKS = 8, /* of TALL rows, whose values stay in the second-level cache */
    /* Values of a row that are summed up before the result is written, in shallow layers and in deep ones. */
    SHORT = 512,
    LONG = 1024,
    /* Floats from row to row, so that rows don't compete for the same cache sets. */
    NEAR = SHORT + LINE,
    FAR = LONG + LINE,
};

struct layer {
    const float *weights, *bias;
    int64_t depth, outputs;
    int activation;
    float *out;
};

/* Adds sums, the products of some rows over depths from k on, to `left` results from `out` on; after the last ones the
 * bias, and the activation. */
INLINE void finish(int rows, const struct layer *l, vector sums[TALL][WIDE], int first, int last, const float *bias,
                   int64_t left, float *out) {
#pragma GCC unroll 2
    for (int j = 0; j < WIDE; j++) {
        if (j * SIDE >= left) return;
        const vector b = last && bias ? v_load_first(bias + j * SIDE, left - j * SIDE) : v_zero();
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            float *to = out + i * l->outputs + j * SIDE;
            vector v = sums[i][j];
            if (!first) v = v_add(v, v_load_first(to, left - j * SIDE));
            if (last) v = v_add(v, b);
            if (last) v = v_activate(v, l->activation);
            v_store_first(to, v, left - j * SIDE);
        }
    }
}

/* Adds the products of some rows with one panel of weights, for the depths from k on, to their results from n on. For
 * `ahead` and `pace` see multiply_panel. */
INLINE void part(int rows, int64_t step, const struct layer *l, const float *x, int64_t k, int64_t count, int64_t row,
                 int64_t n, const char *ahead, int64_t pace) {
    vector sums[TALL][WIDE];
    float *out = l->out + row * l->outputs + n;
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < PANEL; j += LINE) __builtin_prefetch(out + i * l->outputs + j, 1);
    multiply_panel(rows, x, step, l->weights + n * l->depth + k * PANEL, count, ahead, pace, sums);
    const float *bias = l->bias ? l->bias + n : 0;
    if (l->outputs - n >= PANEL)
        finish(rows, l, sums, k == 0, k + count == l->depth, bias, PANEL, out);
    else
        finish(rows, l, sums, k == 0, k + count == l->depth, bias, l->outputs - n, out);
}

/* Floats that one line of a panel has. */
int64_t panel_width(void) { return PANEL; }

/* x [rows, depth] -> out [rows, outputs]. weights: panels [depth, PANEL] of outputs, the last one filled up. bias may
 * be null. What a row becomes doesn't depend on the others, nor on the number of threads. */
void linear(const float *x, int64_t rows, int64_t depth, const float *weights, const float *bias, int64_t outputs,
            int activation, float *out, int threads) {
    if (rows == 0) return;
    const struct layer layer = {weights, bias, depth, outputs, activation, out};
    const int64_t most = depth > SHORT ? LONG : SHORT, step = most + LINE;
    const int64_t panels = (outputs + PANEL - 1) / PANEL, strips = (rows + TALL - 1) / TALL;
    /* Rows are shared among threads or, if they are few, outputs. */
    const int64_t high = strips >= threads ? (strips + threads - 1) / threads : strips;
    const int64_t tall = (high < BLOCKS ? high : BLOCKS) * TALL, blocks = (rows + tall - 1) / tall;
    const int64_t shares = blocks >= threads ? 1 : threads, wide = (panels + shares - 1) / shares * PANEL;
#pragma omp parallel for collapse(2) num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++)
        for (int64_t share = 0; share < shares; share++) {
            static _Thread_local float __attribute__((aligned(64))) values[TALL * BLOCKS * FAR];
            const int64_t top = block * tall, bottom = top + tall < rows ? top + tall : rows;
            const int64_t left = share * wide, right = left + wide < outputs ? left + wide : outputs;
            for (int64_t k = 0; k < depth && left < right; k += most) {
                const int64_t count = k + most < depth ? most : depth - k;
                for (int64_t i = top; i < bottom; i++)
                    memcpy(values + (i - top) * step, x + i * depth + k, count * sizeof *x);
                /* While rows are multiplied by one panel, each strip prefetches its share of the next one. */
                const int64_t bytes = PANEL * sizeof *weights, pace = bytes / ((bottom - top + TALL - 1) / TALL);
                for (int64_t n = left; n < right; n += PANEL) {
                    const int64_t next = n + PANEL < right ? n + PANEL : left;
                    const char *ahead = (const char *)(weights + next * depth + k * PANEL);
                    for (int64_t i = top; i < bottom; i += TALL, ahead += count * pace) {
                        const float *from = values + (i - top) * step;
#define NEAR_PART(rows) part(rows, NEAR, &layer, from, k, count, i, n, ahead, pace)
#define FAR_PART(rows) part(rows, FAR, &layer, from, k, count, i, n, ahead, pace)
                        if (most == SHORT) {
                            FOR_ROWS(bottom - i, NEAR_PART)
                        } else {
                            FOR_ROWS(bottom - i, FAR_PART)
                        }
                    }
                }
            }
        }
}
