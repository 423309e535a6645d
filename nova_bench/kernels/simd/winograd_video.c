/* Convolutions of videos by Winograd's minimal filtering within frames: see winograd.py. float32, channels last. */
#include "../activations.h"
#include "winograd.h"

enum {
    PLANES = POINTS * POINTS,
    RUN = 8, /* tiles whose pixels are prepared together */
    STRIP = POINTS * (RUN * TILE3 + 2),
};

/* What is read of a frame: values of [height, width] pixels, or of half as many in each direction that count as 2 x 2
 * each. With scale and shift [channels], SiLU(value * scale + shift). */
struct frame {
    struct map map;
    const float *scale, *shift;
    int doubled;
};

/* POINTS x `wide` pixels from (top, left) on, zeros outside the frame: strip [POINTS, wide, step]. */
static void prepare(const struct frame *frame, int64_t top, int64_t left, int64_t wide, float *strip, int64_t step) {
    const struct map *map = &frame->map;
    const int doubled = frame->doubled;
    for (int64_t c = 0; c < map->channels; c += SIDE) {
        const int64_t left_over = map->channels - c;
        const vector scale = frame->scale ? v_load_first(frame->scale + c, left_over) : v_zero();
        const vector shift = frame->scale ? v_load_first(frame->shift + c, left_over) : v_zero();
        for (int64_t i = 0; i < POINTS; i++) {
            const int64_t y = top + i;
            float *to = strip + i * wide * step + c;
            for (int64_t j = 0; j < wide; j++) {
                const int64_t x = left + j;
                if (y < 0 || y >= map->height || x < 0 || x >= map->width) {
                    v_store(to + j * step, v_zero());
                    continue;
                }
                const int64_t pixel = (y >> doubled) * (map->width >> doubled) + (x >> doubled);
                const vector v = v_load_first(map->values + pixel * map->step + c, left_over);
                v_store(to + j * step, frame->scale ? v_silu(v_fma(v, scale, shift)) : v);
            }
        }
    }
}

/* The points of the tiles from `start` to `end`, with `columns` tiles side by side in the frame. What must be computed
 * before is kept in strip, of STRIP pixels: each activation once, not once per tile that reads it. */
static void all_before(const struct frame *frame, int64_t start, int64_t end, int64_t columns, float *strip,
                       int64_t step, float *points, int64_t plane) {
    const struct map *map = &frame->map;
    for (int64_t tile = start, run; tile < end; tile += run) {
        const int64_t row = tile / columns, column = tile % columns, most = end - tile < RUN ? end - tile : RUN;
        const int64_t top = row * TILE3 - 1, left = column * TILE3 - 1;
        run = columns - column < most ? columns - column : most;
        const int64_t wide = run * TILE3 + 2;
        const int direct = !frame->scale && !frame->doubled;
        const struct map made = {strip, POINTS, wide, map->channels, step};
        if (!direct) prepare(frame, top, left, wide, strip, step);
        for (int64_t i = 0; i < run; i++)
            before(direct ? map : &made, direct ? top : 0, (direct ? left : 0) + i * TILE3, POINTS, POINTS,
                   points + (tile - start + i) * step, plane);
    }
}

/* x [frames + taps - 1 - front, height, width, channels] after `front` more of its first frame -> out [frames, height,
 * width, outputs], or added to it: 3 x 3 filters over 1 or 3 frames. With scale and shift [channels], of
 * SiLU(x * scale + shift). If `doubled`, x has half the height and width, and each of its pixels counts as 2 x 2.
 * weights: for each of 64 points, panels as in product(), of all taps one after the other, outputs rounded up to SIDE.
 * A thread keeps the points of `together` tiles of the frames that a result needs, and of one result, and a strip of
 * pixels in its part of room, of room_size floats. */
void winograd_video(const float *x, int64_t frames, int taps, int front, int64_t height, int64_t width, int doubled,
                    int64_t channels, const float *scale, const float *shift, const float *weights, const float *bias,
                    int64_t outputs, int add, float *out, int64_t together, float *room, int64_t room_size,
                    int threads) {
    const int64_t columns = (width + TILE3 - 1) / TILE3, count = (height + TILE3 - 1) / TILE3 * columns;
    const int64_t padded = (outputs + SIDE - 1) / SIDE * SIDE, width_in = (channels + SIDE - 1) / SIDE * SIDE;
    const int64_t plane = together * width_in | LINE, out_plane = together * padded | LINE;
    if (!add) large_pages(out, frames * height * width * outputs * sizeof *out);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t start = 0; start < count; start += together) {
        float *own = room + omp_get_thread_num() * room_size;
        float *made = own + taps * PLANES * plane, *strip = made + PLANES * out_plane;
        const int64_t end = start + together < count ? start + together : count;
        for (int64_t frame = 0; frame < frames + taps - 1; frame++) {
            const int64_t source = frame > front ? frame - front : 0, pixels = height * width >> 2 * doubled;
            const struct frame read = {
                {x + source * pixels * channels, height, width, channels, channels}, scale, shift, doubled};
            all_before(&read, start, end, columns, strip, width_in, own + frame % taps * PLANES * plane, plane);
            const int64_t first = frame - taps + 1;
            if (first < 0) continue;
            for (int p = 0; p < PLANES; p++) {
                struct rows rows = {.taps = taps, .depth = channels, .step = width_in};
                for (int tap = 0; tap < taps; tap++)
                    rows.frames[tap] = own + ((first + tap) % taps * PLANES + p) * plane;
                product(end - start, &rows, weights + p * padded * taps * channels, padded, made + p * out_plane);
            }
            for (int64_t tile = start; tile < end; tile++)
                after(made + (tile - start) * padded, out_plane, bias, 0, add, out + first * height * width * outputs,
                      height, width, outputs, outputs, tile / columns * TILE3, tile % columns * TILE3, TILE3, TILE3);
        }
    }
}
