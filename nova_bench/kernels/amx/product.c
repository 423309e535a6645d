/* Matrix products and convolutions. */
#include "tiles.h"

/* The arguments of sliced_product. */
struct product {
    const int8_t *digits;
    int64_t plane, rows;
    const float *scales;
    int64_t height, width, out_height, out_width, lanes, steps;
    const int64_t *offsets;
    const int8_t *weights;
    const float *weight_scales;
    int64_t outputs;
    const float *bias;
    float *out;
    int64_t pixel_step, block_step;
    int activation, add;
};

/* Ask for lines that the second-level cache will have to have. */
static inline void fetch(const int8_t *lines, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += LANES) _mm_prefetch((const char *)(lines + i), _MM_HINT_T1);
}

/* Weights for the outputs from n on of the chunk of steps from `start` on. */
static inline const int8_t *weights_of(const struct product *p, int64_t start, int64_t n) {
    return p->weights + place_of_weights(p->steps, quotient_up(p->outputs, SIDE), start, n / SIDE);
}

/* Rows from `top` to `bottom`, outputs from `left` to `right`; at most BLOCK of each. */
static void multiply_block(const struct product *p, int64_t top, int64_t bottom, int64_t left, int64_t right) {
    static _Thread_local float __attribute__((aligned(64))) parts[BLOCK / SIDE][BLOCK / SIDE][SIDE * SIDE];
    int32_t __attribute__((aligned(64))) tiles[2][3][SIDE][SIDE];
    float scales[BLOCK];
    int64_t places[BLOCK];
    struct sums pending = {.rows = 0};
    int turn = 0;
    int64_t image = top / (p->height * p->width), y = top / p->width % p->height, x = top % p->width;
    for (int64_t row = top; row < bottom; row++) {
        const int wanted = y < p->out_height && x < p->out_width;
        scales[row - top] = p->scales[image];
        places[row - top] = wanted ? ((image * p->out_height + y) * p->out_width + x) * p->pixel_step : -1;
        if (++x == p->width) x = 0, y++;
        if (y == p->height) y = 0, image++;
    }
    const int64_t turns = quotient_up(bottom - top, SIDE) * quotient_up(right - left, SIDE);
    for (int64_t start = 0; start < p->steps; start += CHUNK) {
        const int64_t count = least(CHUNK, p->steps - start);
        /* The weights that come next: of the next steps, or of the first ones for the next outputs. */
        const int done = start + count == p->steps;
        const int8_t *next = done ? weights_of(p, 0, right) : weights_of(p, start + count, left);
        const int64_t columns = done ? least(BLOCK, p->outputs - right) : right - left;
        const int64_t bytes =
            quotient_up(columns, SIDE) * least(CHUNK, done ? p->steps : p->steps - start - count) * 3 * TILE;
        const int64_t share = quotient_up(quotient_up(bytes, turns), LANES) * LANES;
        int64_t asked = 0;
        for (int64_t row = top; row < bottom; row += SIDE) {
            const int8_t *lines[CHUNK];
            for (int64_t i = 0; i < count; i++)
                lines[i] = p->digits + (start + i) % p->lanes * 3 * p->plane +
                           (row + p->offsets[(start + i) / p->lanes]) * LANES;
            for (int64_t n = left; n < right; n += SIDE) {
                const int64_t panel = (n - left) / SIDE;
                if (panel < 3 * count && row + SIDE < bottom)
                    fetch(lines[panel / 3] + panel % 3 * p->plane + SIDE * LANES, SIDE * LANES);
                fetch(next + asked, least(share, bytes - asked));
                asked += least(share, bytes - asked);
                accumulate_steps(lines, p->plane, weights_of(p, start, n), (int)count, tiles[turn], &pending);
                const __mmask16 outputs = first(p->outputs - n);
                pending = (struct sums){
                    .tiles = tiles[turn],
                    .part = parts[(row - top) / SIDE][panel],
                    .first = start == 0,
                    .last = done,
                    .rows = bottom - row,
                    .scales = scales + row - top,
                    .places = places + row - top,
                    .weight_scales = _mm512_maskz_loadu_ps(outputs, p->weight_scales + n),
                    .bias = p->bias ? _mm512_maskz_loadu_ps(outputs, p->bias + n) : _mm512_setzero_ps(),
                    .outputs = outputs,
                    .out = p->out + n / 64 * p->block_step + n % 64,
                    .activation = p->activation,
                    .add = p->add,
                };
                turn = !turn;
            }
        }
    }
    finish_all(&pending);
}

/* Sum over taps of (digits from row + offset on) times weights, plus bias (may be null), activated; with `add`, added to
 * what `out` holds.
 * Rows are those of images of height x width pixels, which share a scale; of each image the upper left
 * out_height x out_width pixels are written, one after the other, in lines pixel_step floats apart; blocks of 64
 * outputs lie block_step floats apart. That is [images, out_height, out_width, outputs] with steps of `outputs` and 64,
 * or attention heads one after the other. A step is LANES channels of a tap; a chunk is CHUNK steps, whose digits of 16
 * rows stay in the first-level cache while all outputs of a block are gone through. weights [steps / CHUNK, outputs /
 * 16, CHUNK, 3, 16, 16, 4], the last chunk shorter. Digits must be readable for rows + 15 rows past the largest offset;
 * what is there does not matter. */
void sliced_product(const int8_t *digits, int64_t plane, int64_t channels, int64_t rows, const float *scales,
                    int64_t height, int64_t width, int64_t out_height, int64_t out_width, int64_t taps,
                    const int64_t *offsets, const int8_t *weights, const float *weight_scales, int64_t outputs,
                    const float *bias, float *out, int64_t pixel_step, int64_t block_step, int activation,
                    int add, int threads) {
    const int64_t lanes = quotient_up(channels, LANES);
    const struct product p = {digits,    plane, rows,         scales,     height,    width,         out_height,
                              out_width, lanes, taps * lanes, offsets,    weights,   weight_scales, outputs,
                              bias,      out,   pixel_step,   block_step, activation,    add};
    /* No larger than gives work to every thread. */
    const int64_t block = least(BLOCK, quotient_up(quotient_up(rows, threads), SIDE) * SIDE);
#pragma omp parallel num_threads(threads)
    {
        const struct tiles before = configure_tiles();
#pragma omp for schedule(dynamic) collapse(2)
        for (int64_t top = 0; top < rows; top += block)
            for (int64_t left = 0; left < outputs; left += BLOCK)
                multiply_block(&p, top, least(rows, top + block), left, least(outputs, left + BLOCK));
        _tile_loadconfig(&before);
    }
}
