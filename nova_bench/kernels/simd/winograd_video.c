/* Convolutions of videos by Winograd's minimal filtering within frames: see winograd.py. float32, channels last. */
#include "winograd.h"

/* x [frames + taps - 1 - front, height, width, channels] after `front` more of its first frame -> out [frames, height,
 * width, outputs], or added to it: 3 x 3 filters over 1 or 3 frames. With scale and shift [channels], of
 * SiLU(x * scale + shift). If `doubled`, x has half the height and width, and each of its pixels counts as 2 x 2.
 * weights: for each of 36 points, panels as in product(), of all taps one after the other, outputs rounded up to 16. A
 * thread keeps the points of `together` tiles of the frames that a result needs, and of one result, in its part of
 * room, of room_size floats. */
void winograd_video(const float *x, int64_t frames, int taps, int front, int64_t height, int64_t width, int doubled,
                    int64_t channels, const float *scale, const float *shift, const float *weights, const float *bias,
                    int64_t outputs, int add, float *out, int64_t together, float *room, int64_t room_size,
                    int threads) {
    enum { POINTS = 36 };
    const int64_t columns = (width + TILE - 1) / TILE, count = (height + TILE - 1) / TILE * columns;
    const int64_t padded = (outputs + SIDE - 1) / SIDE * SIDE, width_in = (channels + SIDE - 1) / SIDE * SIDE;
    const int64_t plane = together * width_in | SIDE, out_plane = together * padded | SIDE;
    if (!add) large_pages(out, frames * height * width * outputs * sizeof *out);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t start = 0; start < count; start += together) {
        float *own = room + omp_get_thread_num() * room_size;
        float *made = own + taps * POINTS * plane;
        const int64_t end = start + together < count ? start + together : count;
        for (int64_t frame = 0; frame < frames + taps - 1; frame++) {
            const int64_t source = frame > front ? frame - front : 0, pixels = height * width >> 2 * doubled;
            const struct map map = {
                x + source * pixels * channels, height, width, channels, channels, scale, shift, doubled};
            float *points = own + frame % taps * POINTS * plane;
            for (int64_t tile = start; tile < end; tile++) {
                const int64_t top = tile / columns * TILE - 1, left = tile % columns * TILE - 1;
                float *to = points + (tile - start) * width_in;
                if (scale)
                    before(&map, 1, top, left, 6, 6, BEFORE3, 6, to, plane);
                else
                    before(&map, 0, top, left, 6, 6, BEFORE3, 6, to, plane);
            }
            const int64_t first = frame - taps + 1;
            if (first < 0) continue;
            for (int p = 0; p < POINTS; p++) {
                struct rows rows = {.taps = taps, .depth = channels, .step = width_in};
                for (int tap = 0; tap < taps; tap++)
                    rows.frames[tap] = own + ((first + tap) % taps * POINTS + p) * plane;
                product(end - start, &rows, weights + p * padded * taps * channels, padded, made + p * out_plane);
            }
            for (int64_t tile = start; tile < end; tile++)
                after(made + (tile - start) * padded, out_plane, bias, 0, add, out + first * height * width * outputs,
                      height, width, outputs, outputs, tile / columns * TILE, tile % columns * TILE, 6, 6, AFTER3, 6);
        }
    }
}
