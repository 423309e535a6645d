/* Convolutions with stride 1 by Winograd's minimal filtering: see winograd.py. float32, channels last. */
#include "winograd.h"

enum { SQUARE3, ROW5, COLUMN5 };
enum { TILE5 = POINTS - 4 /* results of a filter of 5 taps */ };

/* Images x [images, height, width, channels], `step` floats from pixel to pixel -> out, of `outputs` channels and
 * `out_step`. weights: for each point, panels as in product(), outputs rounded up to SIDE. bias may be null, and so may
 * slopes, the factors of a channel's negative results. The points of `together` tiles are kept in a thread's part of
 * room, of room_size floats. */
void winograd(const float *x, int64_t images, int64_t height, int64_t width, int64_t channels, int64_t step, int kind,
              const float *weights, const float *bias, int64_t outputs, const float *slopes, float *out,
              int64_t out_step, int64_t together, float *room, int64_t room_size, int threads) {
    const int points = kind == SQUARE3 ? POINTS * POINTS : POINTS;
    const int64_t high = kind == ROW5 ? 1 : kind == COLUMN5 ? TILE5 : TILE3;
    const int64_t wide = kind == ROW5 ? TILE5 : kind == COLUMN5 ? 1 : TILE3;
    const int64_t rows = (height + high - 1) / high, columns = (width + wide - 1) / wide;
    const int64_t count = rows * columns, blocks = (count + together - 1) / together;
    const int64_t padded = (outputs + SIDE - 1) / SIDE * SIDE, width_in = (channels + SIDE - 1) / SIDE * SIDE;
    /* Planes an odd number of cache lines apart don't compete for the same cache sets. */
    const int64_t plane = together * width_in | LINE, out_plane = together * padded | LINE;
    large_pages(out, images * height * width * out_step * sizeof *out);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < images * blocks; block++) {
        float *own = room + omp_get_thread_num() * room_size;
        float *made = own + points * plane;
        const int64_t image = block / blocks, start = block % blocks * together;
        const int64_t end = start + together < count ? start + together : count;
        const struct map map = {x + image * height * width * step, height, width, channels, step};
        float *target = out + image * height * width * out_step;
        for (int64_t tile = start; tile < end; tile++) {
            const int64_t top = tile / columns * high, left = tile % columns * wide;
            float *to = own + (tile - start) * width_in;
            if (kind == SQUARE3) before(&map, top - 1, left - 1, POINTS, POINTS, to, plane);
            else if (kind == ROW5) before(&map, top, left - 2, 1, POINTS, to, plane);
            else before(&map, top - 2, left, POINTS, 1, to, plane);
        }
        for (int p = 0; p < points; p++) {
            const struct rows points_of = {{own + p * plane}, 1, channels, width_in};
            product(end - start, &points_of, weights + p * padded * channels, padded, made + p * out_plane);
        }
        for (int64_t tile = start; tile < end; tile++) {
            const int64_t top = tile / columns * high, left = tile % columns * wide;
            const float *from = made + (tile - start) * padded;
#define AFTER(down, across) \
    after(from, out_plane, bias, slopes, 0, target, height, width, outputs, out_step, top, left, down, across)
            if (kind == SQUARE3) AFTER(TILE3, TILE3);
            else if (kind == ROW5) AFTER(1, TILE5);
            else AFTER(TILE5, 1);
        }
    }
}
