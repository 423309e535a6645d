/* Sums of products of digits in AMX's tiles, and what makes float32 results of them. */
#pragma once
#include "../activations.h"
#include "digits.h"

struct __attribute__((packed)) tiles {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
};

/* Eight tiles of 16 lines. Returns what was set before, since other libraries use tiles too. */
static struct tiles configure_tiles(void) {
    struct tiles before, ours = {.palette = 1};
    _tile_storeconfig(&before);
    for (int i = 0; i < 8; i++) ours.bytes[i] = LANES, ours.rows[i] = SIDE;
    _tile_loadconfig(&ours);
    return before;
}

/* What is left to do with the sums of SIDE rows and outputs, once the tiles are stored. */
struct sums {
    int32_t (*tiles)[SIDE][SIDE]; /* of high * high, of what is 256 times smaller, of the next order */
    float *part;                  /* [SIDE, SIDE]: sums of the steps so far, in units of the scales */
    int first, last;              /* whether these are the first and the last steps */
    int64_t rows;
    const float *scales;
    const int64_t *places; /* where a row's results go, from `out` on; negative: nowhere */
    __m512 weight_scales, bias;
    __mmask16 outputs;
    float *out;
    int activation, add; /* add: to what is there already */
};

static inline __attribute__((always_inline)) void finish(const struct sums *s, int row) {
    if (row >= s->rows) return;
    float *part = s->part + row * SIDE;
    __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(s->tiles[2][row]));
    if (!s->first) sum = _mm512_add_ps(sum, _mm512_load_ps(part));
    sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(s->tiles[1][row])), _mm512_set1_ps(256.0f), sum);
    sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(s->tiles[0][row])), _mm512_set1_ps(65536.0f), sum);
    if (!s->last) {
        _mm512_store_ps(part, sum);
    } else if (s->places[row] >= 0) {
        sum = _mm512_mul_ps(sum, _mm512_set1_ps(s->scales[row] * 65536.0f));
        sum = _mm512_fmadd_ps(sum, s->weight_scales, s->bias);
        sum = v_activate(sum, s->activation);
        if (s->add) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(s->outputs, s->out + s->places[row]));
        _mm512_mask_storeu_ps(s->out + s->places[row], s->outputs, sum);
    }
}

static inline void finish_all(const struct sums *s) {
    for (int row = 0; row < SIDE; row++) finish(s, row);
}

#define WEIGHTS(tile, digit) _tile_stream_loadd(tile, weights + (3 * step + digit) * TILE, LANES);
#define STORE(sum) \
    if (step == steps - 1) _tile_stored(sum, tiles[sum], LANES);

/* Weights lie as [steps / CHUNK, panels of SIDE outputs, CHUNK, 3, 16, 16, 4], the last chunk shorter: where those of
 * one panel begin, for the chunk of steps from `start` on. */
static inline int64_t place_of_weights(int64_t steps, int64_t panels, int64_t start, int64_t panel) {
    return (start * panels + panel * least(CHUNK, steps - start)) * 3 * TILE;
}

/* The three sums of SIDE rows and outputs over some steps of LANES channels: tile 0 of high * high, 1 of what is 256
 * times smaller, 2 of the next order. The three products below that are less than float32's own rounding. Tile
 * operations wait for each other most of the time, so that what is left to do of the sums before costs little in
 * between. */
static inline __attribute__((always_inline)) void accumulate(const int8_t *const *digits, int64_t plane,
                                                             const int8_t *weights, const int steps,
                                                             int32_t (*tiles)[SIDE][SIDE], const struct sums *before) {
    const struct sums left = *before;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
#pragma GCC unroll 8
    for (int step = 0; step < steps; step++) {
        const int8_t *high = digits[step], *middle = high + plane, *low = middle + plane;
        WEIGHTS(6, 0)
        _tile_loadd(3, high, LANES);
        _tile_dpbssd(0, 3, 6);
        STORE(0)
        _tile_loadd(4, middle, LANES);
        _tile_dpbssd(1, 4, 6);
        _tile_loadd(5, low, LANES);
        _tile_dpbssd(2, 5, 6);
        WEIGHTS(7, 1)
        _tile_dpbssd(1, 3, 7);
        STORE(1)
        _tile_dpbssd(2, 4, 7);
        WEIGHTS(6, 2)
        _tile_dpbssd(2, 3, 6);
        STORE(2)
        for (int row = SIDE * step / steps; row < SIDE * (step + 1) / steps; row++) finish(&left, row);
    }
}

static void accumulate_steps(const int8_t *const *digits, int64_t plane, const int8_t *weights, int steps,
                             int32_t (*tiles)[SIDE][SIDE], const struct sums *before) {
    switch (steps) {
        case 1: accumulate(digits, plane, weights, 1, tiles, before); break;
        case 2: accumulate(digits, plane, weights, 2, tiles, before); break;
        case 3: accumulate(digits, plane, weights, 3, tiles, before); break;
        case 4: accumulate(digits, plane, weights, 4, tiles, before); break;
        case 5: accumulate(digits, plane, weights, 5, tiles, before); break;
        default: accumulate(digits, plane, weights, CHUNK, tiles, before);
    }
}
_Static_assert(CHUNK == 6, "accumulate_steps lists the numbers of steps");
