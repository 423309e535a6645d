/* Attention: softmax(query key^T / sqrt(channels)) value for heads of 16, 32, 48 or 64 channels, the two products out of
 * digits. A head's channels fill one step of LANES, if need be with zeros. */
#include "tiles.h"

#include <math.h>
#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_thread_num(void) { return 0; }
#endif

enum { STRIP = SIDE * SIDE, PLANE = SIDE * LANES };

/* Tokens of a head, each with its channels side by side, `step` floats apart. */
struct tokens {
    const float *first;
    int64_t step;
};

/* One thread's memory: digits in tiles, [panels of 16 keys, 3], [panels of 16 channels, steps, 3], [3], [steps, 3];
 * scores [panels of 16 keys, 16 queries, 16]. */
struct room {
    int8_t *key, *value, *query, *shares;
    float *key_scales, *scores;
};

static int64_t panels_of(int64_t tokens) { return quotient_up(tokens, SIDE); }
static int64_t steps_of(int64_t tokens) { return quotient_up(tokens, LANES); }

static struct room room_in(int8_t *memory, int64_t tokens) {
    struct room room;
    const int64_t panels = panels_of(tokens), steps = steps_of(tokens);
    room.key = memory;
    room.value = room.key + panels * 3 * TILE;
    room.query = room.value + steps * (LANES / SIDE) * 3 * TILE;
    room.shares = room.query + 3 * TILE;
    room.key_scales = (float *)(room.shares + steps * 3 * TILE);
    room.scores = room.key_scales + panels * SIDE;
    return room;
}

/* Bytes that a thread needs for that many tokens. */
int64_t sliced_attention_room(int64_t tokens) {
    const struct room room = room_in(0, tokens);
    return (int64_t)(uintptr_t)(room.scores + panels_of(tokens) * STRIP);
}

/* 16 x 16 words: rows become columns. */
static void transpose(const int8_t *in, int8_t *out) {
    __m512i a[SIDE], b[SIDE];
    for (int i = 0; i < SIDE; i += 2) {
        const __m512i one = _mm512_load_si512(in + i * LANES), other = _mm512_load_si512(in + (i + 1) * LANES);
        a[i] = _mm512_unpacklo_epi32(one, other);
        a[i + 1] = _mm512_unpackhi_epi32(one, other);
    }
    for (int i = 0; i < SIDE; i += 4)
        for (int j = 0; j < 2; j++) {
            b[i + 2 * j] = _mm512_unpacklo_epi64(a[i + j], a[i + j + 2]);
            b[i + 2 * j + 1] = _mm512_unpackhi_epi64(a[i + j], a[i + j + 2]);
        }
    for (int j = 0; j < 4; j++) { /* quarter q of b[4 * i + j] is the part from row 4 * i on of column 4 * q + j */
        const __m512i even[] = {_mm512_shuffle_i32x4(b[j], b[j + 4], 0x88),
                                _mm512_shuffle_i32x4(b[j + 8], b[j + 12], 0x88)};
        const __m512i odd[] = {_mm512_shuffle_i32x4(b[j], b[j + 4], 0xdd),
                               _mm512_shuffle_i32x4(b[j + 8], b[j + 12], 0xdd)};
        _mm512_store_si512(out + j * LANES, _mm512_shuffle_i32x4(even[0], even[1], 0x88));
        _mm512_store_si512(out + (j + 4) * LANES, _mm512_shuffle_i32x4(odd[0], odd[1], 0x88));
        _mm512_store_si512(out + (j + 8) * LANES, _mm512_shuffle_i32x4(even[0], even[1], 0xdd));
        _mm512_store_si512(out + (j + 12) * LANES, _mm512_shuffle_i32x4(odd[0], odd[1], 0xdd));
    }
}

/* Keys [tokens, channels] as the weights of a product with one step: [panels, 3, 16 fours of channels, 16 keys, 4]. The
 * last key fills up the last panel. */
static void pack_key(struct tokens key, int64_t tokens, int64_t channels, struct room *room) {
    int8_t __attribute__((aligned(64))) digits[3][SIDE][LANES];
    for (int64_t start = 0; start < tokens; start += SIDE) {
        for (int64_t i = 0; i < SIDE; i++) {
            const float *line = key.first + least(start + i, tokens - 1) * key.step, top = largest(line, channels);
            room->key_scales[start + i] = top / LARGEST;
            cut(line, channels, inverse(top), digits[0][i], PLANE);
        }
        for (int digit = 0; digit < 3; digit++)
            transpose(digits[digit][0], room->key + (start / SIDE * 3 + digit) * TILE);
    }
}

/* Values [tokens, channels] as the weights of a product that sums over tokens: [panels of 16 channels, steps, 3,
 * 16 fours of tokens, 16 channels, 4]; one scale for each channel. */
static void pack_value(struct tokens value, int64_t tokens, int64_t channels, struct room *room,
                       float scales[LANES]) {
    int8_t *out = room->value;
    for (int64_t panel = 0; panel < channels / SIDE; panel++) {
        const float *column = value.first + panel * SIDE;
        __m512 top = _mm512_setzero_ps(), odd = top;
        for (int64_t token = 0; token < tokens; token++) {
            const __m512 v = _mm512_loadu_ps(column + token * value.step);
            top = _mm512_max_ps(top, _mm512_abs_ps(v));
            odd = _mm512_fmadd_ps(v, _mm512_setzero_ps(), odd);
        }
        top = _mm512_add_ps(top, odd); /* NaN where a value is not finite */
        _mm512_storeu_ps(scales + panel * SIDE, _mm512_div_ps(top, _mm512_set1_ps(LARGEST)));
        const __mmask16 some = _mm512_cmp_ps_mask(top, _mm512_setzero_ps(), _CMP_GT_OQ);
        const __m512 factor = _mm512_maskz_div_ps(some, _mm512_set1_ps(LARGEST), top);
        for (int64_t step = 0; step < steps_of(tokens); step++, out += 3 * TILE)
            for (int line = 0; line < SIDE; line++) {
                __m512i numbers[4]; /* of the tokens that share a word, see put */
                for (int i = 0; i < 4; i++) {
                    const int64_t token = step * LANES + SIDE * i + line;
                    const __m512 v = token < tokens ? _mm512_loadu_ps(column + token * value.step) : _mm512_setzero_ps();
                    numbers[i] = _mm512_cvtps_epi32(_mm512_mul_ps(v, factor));
                }
                put(numbers, out + line * LANES, TILE);
            }
    }
}

/* Sums of one step, of three orders -> scores in units of the queries' scales * 2^24; `tops` follows each query's
 * highest in 16 lanes. */
static inline void keep_scores(int32_t (*tiles)[SIDE][SIDE], __m512 key_scales, float *scores, __m512 tops[SIDE]) {
    for (int row = 0; row < SIDE; row++) {
        const __m512i lower = _mm512_srai_epi32(_mm512_load_si512(tiles[2][row]), 8);
        const __m512i upper = _mm512_slli_epi32(_mm512_load_si512(tiles[0][row]), 8);
        const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(lower, upper), _mm512_load_si512(tiles[1][row]));
        const __m512 score = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), key_scales);
        tops[row] = _mm512_max_ps(tops[row], score);
        _mm512_storeu_ps(scores + row * SIDE, score);
    }
}

/* Scores of a strip of queries, and each one's highest. */
static void score(const struct room *room, int64_t tokens, __m512 tops[SIDE]) {
    int32_t __attribute__((aligned(64))) tiles[2][3][SIDE][SIDE];
    const int8_t *key = room->key;
    for (int row = 0; row < SIDE; row++) tops[row] = _mm512_set1_ps(-INFINITY);
    _tile_loadd(3, room->query, LANES);
    _tile_loadd(4, room->query + PLANE, LANES);
    _tile_loadd(5, room->query + 2 * PLANE, LANES);
    for (int64_t panel = 0; panel < panels_of(tokens); panel++, key += 3 * TILE) {
        int32_t(*sums)[SIDE][SIDE] = tiles[panel % 2];
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_loadd(6, key, LANES);
        _tile_dpbssd(0, 3, 6);
        _tile_dpbssd(1, 4, 6);
        _tile_dpbssd(2, 5, 6);
        _tile_loadd(7, key + TILE, LANES);
        _tile_dpbssd(1, 3, 7);
        _tile_dpbssd(2, 4, 7);
        _tile_loadd(6, key + 2 * TILE, LANES);
        _tile_dpbssd(2, 3, 6);
        if (panel > 0)
            keep_scores(tiles[1 - panel % 2], _mm512_loadu_ps(room->key_scales + (panel - 1) * SIDE),
                        room->scores + (panel - 1) * STRIP, tops);
        _tile_stored(0, sums[0], LANES);
        _tile_stored(1, sums[1], LANES);
        _tile_stored(2, sums[2], LANES);
    }
    const int64_t last = panels_of(tokens) - 1;
    keep_scores(tiles[last % 2], _mm512_loadu_ps(room->key_scales + last * SIDE), room->scores + last * STRIP, tops);
}

/* LARGEST * 2^x by a polynomial fitted on -0.5 to 0.5 (relative error 7.5e-8). */
static inline __m512 power_of_two(__m512 x) {
    static const float factors[] = {9.675541331e-3f * LARGEST, 5.550713275e-2f * LARGEST, 2.402211972e-1f * LARGEST,
                                    6.931469671e-1f * LARGEST, 1.0f * LARGEST};
    const __m512 n = _mm512_roundscale_ps(x, 0), r = _mm512_sub_ps(x, n);
    __m512 sum = _mm512_set1_ps(1.327647152e-3f * LARGEST);
    for (int i = 0; i < 5; i++) sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(factors[i]));
    return _mm512_scalef_ps(sum, n);
}

/* A row of up to LANES scores, SIDE of them STRIP floats after the others -> digits of LARGEST * 2^(score * scale - shift),
 * which are added to `sum`. */
static inline __attribute__((always_inline)) void share_step(const float *scores, int64_t count, __m512 scale,
                                                             __m512 shift, __m512 *sum, int8_t *out) {
    __m512i numbers[4];
    for (int i = 0; i < 4; i++) {
        numbers[i] = _mm512_setzero_si512();
        if (SIDE * i >= count) continue;
        const __m512 e = power_of_two(_mm512_fmsub_ps(_mm512_loadu_ps(scores + i * STRIP), scale, shift));
        *sum = _mm512_mask_add_ps(*sum, first(count - SIDE * i), *sum, e);
        numbers[i] = _mm512_cvtps_epi32(e);
    }
    put(numbers, out, PLANE);
}

/* A query's scores [panels, SIDE] (STRIP floats apart), of which `top` is the highest -> digits of the numbers
 * LARGEST * exp(factor * (score - top)). Returns the sum of these numbers. */
static float share(const float *scores, int64_t tokens, float top, float factor, int8_t *out) {
    const __m512 scale = _mm512_set1_ps(factor * 1.44269504f), shift = _mm512_set1_ps(top * factor * 1.44269504f);
    __m512 sum = _mm512_setzero_ps();
    for (; tokens >= LANES; tokens -= LANES, scores += 4 * STRIP, out += 3 * PLANE)
        share_step(scores, LANES, scale, shift, &sum, out);
    if (tokens > 0) share_step(scores, tokens, scale, shift, &sum, out);
    return _mm512_reduce_add_ps(sum);
}

/* Shares times the values of one panel of channels. int32 holds the sums of up to 43,690 tokens. */
static void combine(const int8_t *share, const int8_t *value, int64_t steps, int32_t (*sums)[SIDE][SIDE]) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    for (int64_t step = 0; step < steps; step++, share += 3 * PLANE, value += 3 * TILE) {
        _tile_loadd(3, share, LANES);
        _tile_loadd(6, value, LANES);
        _tile_dpbssd(0, 3, 6);
        _tile_loadd(4, share + PLANE, LANES);
        _tile_dpbssd(1, 4, 6);
        _tile_loadd(5, share + 2 * PLANE, LANES);
        _tile_dpbssd(2, 5, 6);
        _tile_loadd(7, value + TILE, LANES);
        _tile_dpbssd(1, 3, 7);
        _tile_dpbssd(2, 4, 7);
        _tile_loadd(6, value + 2 * TILE, LANES);
        _tile_dpbssd(2, 3, 6);
    }
    _tile_stored(0, sums[0], LANES);
    _tile_stored(1, sums[1], LANES);
    _tile_stored(2, sums[2], LANES);
}

/* One strip of queries of one head. `scales` are those of the values' channels. */
static void attend(struct tokens query, int64_t rows, int64_t tokens, int64_t channels, const struct room *room,
                   const float *scales, float *out, int64_t out_step) {
    int32_t __attribute__((aligned(64))) sums[LANES / SIDE * 3][SIDE][SIDE];
    float row_scales[SIDE];
    __m512 tops[SIDE];
    const int64_t steps = steps_of(tokens), panels = channels / SIDE;
    for (int64_t row = 0; row < rows; row++) {
        const float *values = query.first + row * query.step, top = largest(values, channels);
        row_scales[row] = top / LARGEST * (1 << 24) / sqrtf((float)channels);
        cut(values, channels, inverse(top), room->query + row * LANES, PLANE);
    }
    score(room, tokens, tops);
    for (int64_t row = 0; row < rows; row++)
        row_scales[row] = 65536.0f / share(room->scores + row * SIDE, tokens, _mm512_reduce_max_ps(tops[row]),
                                           row_scales[row], room->shares + row * LANES);
    for (int64_t panel = 0; panel < panels; panel++)
        combine(room->shares, room->value + panel * steps * 3 * TILE, steps, sums + 3 * panel);
    for (int64_t panel = 0; panel < panels; panel++) {
        const __m512 scale = _mm512_loadu_ps(scales + panel * SIDE);
        for (int64_t row = 0; row < rows; row++) {
            __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(sums[3 * panel + 2][row]));
            for (int order = 1; order >= 0; order--)
                sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums[3 * panel + order][row])),
                                      _mm512_set1_ps(order ? 256.0f : 65536.0f), sum);
            sum = _mm512_mul_ps(_mm512_mul_ps(sum, _mm512_set1_ps(row_scales[row])), scale);
            _mm512_storeu_ps(out + row * out_step + panel * SIDE, sum);
        }
    }
}

/* Query, key or value: [images, heads, tokens, channels] with these steps in floats; that of channels is 1. */
struct heads {
    const float *first;
    int64_t image, head, token;
};

static struct tokens of_head(const struct heads *all, int64_t image, int64_t head, int64_t from) {
    return (struct tokens){all->first + image * all->image + head * all->head + from * all->token, all->token};
}

/* Query [images, heads, queries, channels], key and value [images, heads, tokens, channels] -> out [images, queries,
 * heads, channels]. `memory`: sliced_attention_room(tokens) bytes for each thread, aligned to 64. */
void sliced_attention(const struct heads *query, const struct heads *key, const struct heads *value, int64_t images,
                      int64_t heads, int64_t queries, int64_t tokens, int64_t channels, float *out, int8_t *memory,
                      int threads) {
    const int64_t bytes = sliced_attention_room(tokens), out_step = heads * channels;
#pragma omp parallel num_threads(threads)
    {
        const struct tiles before = configure_tiles();
        struct room room = room_in(memory + bytes * omp_get_thread_num(), tokens);
        float scales[LANES];
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < heads * images; i++) {
            const int64_t image = i % images, head = i / images;
            pack_key(of_head(key, image, head, 0), tokens, channels, &room);
            pack_value(of_head(value, image, head, 0), tokens, channels, &room, scales);
            for (int64_t row = 0; row < queries; row += SIDE)
                attend(of_head(query, image, head, row), least(SIDE, queries - row), tokens, channels, &room, scales,
                       out + (image * queries + row) * out_step + head * channels, out_step);
        }
        _tile_loadconfig(&before);
    }
}
