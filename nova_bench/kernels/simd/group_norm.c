/* Group norm, a sum and ReLU of channels-last maps in one go; sums for the norm of a video. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../vectors.h"

enum { MOST = 1024 /* channels */, BLOCK = 64 /* pixels summed in float32, and in the cache */ };

/* Per channel, the sum over pixels of (x - of)^power; `of` and sums [channels]. */
static void moments(const float *x, int64_t pixels, int64_t channels, const float *of, int square, double *sums) {
    memset(sums, 0, channels * sizeof *sums);
    for (int64_t start = 0; start < pixels; start += BLOCK) {
        const int64_t end = start + BLOCK < pixels ? start + BLOCK : pixels;
        for (int64_t c = 0; c < channels; c += LINE) {
            vector centre[PARTS], sum[PARTS];
            for (int p = 0; p < PARTS; p++) centre[p] = v_load(of + c + p * SIDE), sum[p] = v_zero();
            for (int64_t i = start; i < end; i++)
                for (int p = 0; p < PARTS; p++) {
                    const vector v = v_sub(v_load(x + i * channels + c + p * SIDE), centre[p]);
                    sum[p] = square ? v_fma(v, v, sum[p]) : v_add(sum[p], v);
                }
            for (int p = 0; p < PARTS; p++) v_add_to(sums + c + p * SIDE, sum[p]);
        }
    }
}

/* The sums' mean over each group's channels and all pixels, for each channel of the group. */
static void over_groups(const double *sums, int64_t pixels, int64_t channels, int64_t groups, float *means) {
    const int64_t size = channels / groups;
    for (int64_t start = 0; start < channels; start += size) {
        double sum = 0;
        for (int64_t c = start; c < start + size; c++) sum += sums[c];
        for (int64_t c = start; c < start + size; c++) means[c] = (float)(sum / (double)(size * pixels));
    }
}

/* x [images, pixels, channels] -> normalized x * weight + bias + added, with relu at least 0. weight and bias may be
 * null, added too; out may be x. Channels are a multiple of 16, at most MOST. */
void group_norm(const float *x, int64_t images, int64_t pixels, int64_t channels, int64_t groups, const float *weight,
                const float *bias, float eps, const float *added, int relu, float *out, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t image = 0; image < images; image++) {
        const int64_t from = image * pixels * channels;
        double sums[MOST];
        float mean[MOST] = {0}, factor[MOST], shift[MOST];
        moments(x + from, pixels, channels, mean, 0, sums);
        over_groups(sums, pixels, channels, groups, mean);
        moments(x + from, pixels, channels, mean, 1, sums);
        over_groups(sums, pixels, channels, groups, factor);
        for (int64_t c = 0; c < channels; c++) {
            factor[c] = (weight ? weight[c] : 1) / sqrtf(factor[c] + eps);
            shift[c] = (bias ? bias[c] : 0) - mean[c] * factor[c];
        }
        for (int64_t i = from; i < from + pixels * channels; i += channels)
            for (int64_t c = 0; c < channels; c += SIDE) {
                vector v = v_fma(v_load(x + i + c), v_load(factor + c), v_load(shift + c));
                if (added) v = v_add(v, v_load(added + i + c));
                v_store(out + i + c, relu ? v_max(v_zero(), v) : v);
            }
    }
}

/* For each `part` of the pixels of x [pixels, channels] the sums of x - centre and of its square: sums [parts, 2,
 * channels]. Channels are a multiple of 16. */
void channel_sums(const float *x, int64_t pixels, int64_t channels, const float *centre, int64_t part, double *sums,
                  int threads) {
    const int64_t parts = (pixels + part - 1) / part;
    memset(sums, 0, parts * 2 * channels * sizeof *sums);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t index = 0; index < parts; index++) {
        double *own = sums + index * 2 * channels;
        const int64_t last = (index + 1) * part < pixels ? (index + 1) * part : pixels;
        for (int64_t start = index * part; start < last; start += BLOCK) {
            const int64_t end = start + BLOCK < last ? start + BLOCK : last;
            for (int64_t c = 0; c < channels; c += SIDE) {
                const vector of = v_load(centre + c);
                vector sum = v_zero(), square = v_zero();
                for (int64_t i = start; i < end; i++) {
                    const vector v = v_sub(v_load(x + i * channels + c), of);
                    sum = v_add(sum, v);
                    square = v_fma(v, v, square);
                }
                v_add_to(own + c, sum);
                v_add_to(own + channels + c, square);
            }
        }
    }
}
