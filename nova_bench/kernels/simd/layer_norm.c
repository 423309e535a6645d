/* Layer norm and a sum in one go. */
#include <math.h>
#include <stdint.h>

#include "../vectors.h"

/* x [rows, width] -> each row normalized * weight + bias + added; weight and bias may be null. Width is a multiple of
 * 16. */
void layer_norm(const float *x, int64_t rows, int64_t width, const float *weight, const float *bias, float eps,
                const float *added, float *out, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const float *line = x + row * width;
        vector sums[PARTS], squares[PARTS];
        for (int p = 0; p < PARTS; p++) sums[p] = squares[p] = v_zero();
        for (int64_t c = 0; c < width; c += LINE)
            for (int p = 0; p < PARTS; p++) sums[p] = v_add(sums[p], v_load(line + c + p * SIDE));
        for (int p = 1; p < PARTS; p++) sums[0] = v_add(sums[0], sums[p]);
        const vector mean = v_all(v_total(sums[0]) / (float)width);
        for (int64_t c = 0; c < width; c += LINE)
            for (int p = 0; p < PARTS; p++) {
                const vector v = v_sub(v_load(line + c + p * SIDE), mean);
                squares[p] = v_fma(v, v, squares[p]);
            }
        for (int p = 1; p < PARTS; p++) squares[0] = v_add(squares[0], squares[p]);
        const vector factor = v_all(1 / sqrtf(v_total(squares[0]) / (float)width + eps));
        for (int64_t c = 0; c < width; c += SIDE) {
            vector v = v_mul(v_sub(v_load(line + c), mean), factor);
            if (weight) v = v_mul(v, v_load(weight + c));
            if (bias) v = v_add(v, v_load(bias + c));
            v_store(out + row * width + c, v_add(v, v_load(added + row * width + c)));
        }
    }
}
