/* Layer norm and a sum in one go. */
#include <math.h>
#include <stdint.h>

#include "vectors.h"

/* x [rows, width] -> each row normalized * weight + bias + added; weight and bias may be null. Width is a multiple of
 * 16. */
void layer_norm(const float *x, int64_t rows, int64_t width, const float *weight, const float *bias, float eps,
                const float *added, float *out, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const float *line = x + row * width;
        vector sum = v_zero(), squares = v_zero();
        for (int64_t c = 0; c < width; c += SIDE) sum = v_add(sum, v_load(line + c));
        const vector mean = v_all(v_total(sum) / (float)width);
        for (int64_t c = 0; c < width; c += SIDE) {
            const vector v = v_sub(v_load(line + c), mean);
            squares = v_fma(v, v, squares);
        }
        const vector factor = v_all(1 / sqrtf(v_total(squares) / (float)width + eps));
        for (int64_t c = 0; c < width; c += SIDE) {
            vector v = v_mul(v_sub(v_load(line + c), mean), factor);
            if (weight) v = v_mul(v, v_load(weight + c));
            if (bias) v = v_add(v, v_load(bias + c));
            v_store(out + row * width + c, v_add(v, v_load(added + row * width + c)));
        }
    }
}
