/* What a convolutional GRU computes of each value, between its convolutions: see gru.py. */
#include "../activations.h"

/* gates [pixels, 2 * channels] with share added, z and r: z takes the place of the first half, reset = r * hidden. The
 * others have `..._step` floats from one pixel to the next. Channels are a multiple of 16. */
void gru_reset(float *gates, const float *share, int64_t share_step, const float *hidden, int64_t hidden_step,
               float *reset, int64_t reset_step, int64_t pixels, int64_t channels, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < pixels; i++) {
        float *gate = gates + i * 2 * channels;
        const float *added = share + i * share_step, *state = hidden + i * hidden_step;
        for (int64_t c = 0; c < channels; c += SIDE) {
            v_store(gate + c, v_sigmoid(v_add(v_load(gate + c), v_load(added + c))));
            const vector r = v_sigmoid(v_add(v_load(gate + channels + c), v_load(added + channels + c)));
            v_store(reset + i * reset_step + c, v_mul(r, v_load(state + c)));
        }
    }
}

/* hidden += z * (tanh(candidate + share) - hidden), z being the first half of gates [pixels, 2 * channels]. */
void gru_update(float *hidden, int64_t hidden_step, const float *gates, const float *candidate, const float *share,
                int64_t share_step, int64_t pixels, int64_t channels, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < channels; c += SIDE) {
            float *state = hidden + i * hidden_step + c;
            const vector x = v_add(v_load(candidate + i * channels + c), v_load(share + i * share_step + c));
            const vector tanh = v_sub(v_mul(v_all(2), v_sigmoid(v_add(x, x))), v_all(1));
            const vector before = v_load(state);
            v_store(state, v_fma(v_load(gates + i * 2 * channels + c), v_sub(tanh, before), before));
        }
}
