/* Attention: softmax(query key^T / sqrt(channels)) value for heads of 16, 32, 48 or 64 channels, the two products out of
 * digits. A head's channels fill one step of LANES, if need be with zeros. */
#include "tiles.h"

#include <math.h>
#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_thread_num(void) { return 0; }
#endif

/* Tokens of a head, each with its channels side by side, `step` floats apart. */
struct tokens {
    const float *first;
    int64_t step;
};

/* One thread's memory. Digits of key and value lie as weights do (see product.c). */
struct room {
    int8_t *key, *value, *query, *shares;
    float *key_scales, *scores, *parts;
};

static int64_t panels_of(int64_t tokens) { return quotient_up(tokens, SIDE); }
static int64_t steps_of(int64_t tokens) { return quotient_up(tokens, LANES); }

static struct room room_in(int8_t *memory, int64_t tokens) {
    struct room room;
    const int64_t panels = panels_of(tokens), steps = steps_of(tokens);
    room.key = memory;
    room.value = room.key + panels * 3 * TILE;
    room.query = room.value + steps * (LANES / SIDE) * 3 * TILE;
    room.shares = room.query + 3 * SIDE * LANES;
    room.key_scales = (float *)(room.shares + steps * 3 * SIDE * LANES);
    room.scores = room.key_scales + panels * SIDE;
    room.parts = room.scores + SIDE * steps * LANES;
    return room;
}

/* Bytes that a thread needs for that many tokens. */
int64_t sliced_attention_room(int64_t tokens) {
    const struct room room = room_in(0, tokens);
    return (int64_t)(uintptr_t)(room.parts + LANES / SIDE * SIDE * SIDE);
}

/* Keys [tokens, channels] as the weights of a product with one step: [panels, 3, 16 fours of channels, 16 keys, 4]. */
static void pack_key(struct tokens key, int64_t tokens, int64_t channels, struct room *room) {
    int8_t __attribute__((aligned(64))) digits[3][SIDE][LANES];
    const __m512i lines = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                             _mm512_set1_epi32(LANES));
    for (int64_t start = 0; start < tokens; start += SIDE) {
        for (int64_t i = 0; i < least(SIDE, tokens - start); i++) {
            const float *line = key.first + (start + i) * key.step, top = largest(line, channels);
            room->key_scales[start + i] = top / LARGEST;
            cut(line, channels, inverse(top), digits[0][i], SIDE * LANES);
        }
        for (int digit = 0; digit < 3; digit++)
            for (int four = 0; four < SIDE; four++)
                _mm512_store_si512(room->key + ((start / SIDE * 3 + digit) * SIDE + four) * LANES,
                                   _mm512_i32gather_epi32(lines, digits[digit][0] + 4 * four, 1));
    }
}

/* Values [tokens, channels] as the weights of a product that sums over tokens: chunks of steps of LANES tokens,
 * [panels of 16 channels, steps, 3, 16 fours of tokens, 16 channels, 4]; one scale for each channel. */
static void pack_value(struct tokens value, int64_t tokens, int64_t channels, struct room *room,
                       float scales[LANES]) {
    const int64_t steps = steps_of(tokens), panels = channels / SIDE;
    for (int64_t panel = 0; panel < panels; panel++) {
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
        for (int64_t step = 0; step < steps; step++) {
            const int64_t start = step / CHUNK * CHUNK;
            int8_t *out = room->value + place_of_weights(steps, panels, start, panel) + (step - start) * 3 * TILE;
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
}

/* Scores of one query, readable up to a multiple of LANES -> digits of exp(score - highest score), whose scale is
 * 1 / LARGEST. Returns their sum. */
static float share(const float *scores, int64_t tokens, int8_t *out, int64_t plane) {
    __m512 top = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < tokens; i += SIDE)
        top = _mm512_mask_max_ps(top, first(tokens - i), top, _mm512_loadu_ps(scores + i));
    const __m512 highest = _mm512_set1_ps(_mm512_reduce_max_ps(top));
    for (int64_t start = 0; start < tokens; start += LANES, out += 3 * plane) {
        __m512i numbers[4];
        for (int i = 0; i < 4; i++) {
            const int64_t place = start + SIDE * i;
            numbers[i] = _mm512_setzero_si512();
            if (place >= tokens) continue;
            __m512 e = exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + place), highest));
            e = _mm512_maskz_mov_ps(first(tokens - place), e);
            sum = _mm512_add_ps(sum, e);
            numbers[i] = _mm512_cvtps_epi32(_mm512_mul_ps(e, _mm512_set1_ps(LARGEST)));
        }
        put(numbers, out, plane);
    }
    return _mm512_reduce_add_ps(sum);
}

/* One strip of queries of one head. `scales` are those of the values' channels. */
static void attend(struct tokens query, int64_t rows, int64_t tokens, int64_t channels, const struct room *room,
                   const float *scales, float *out, int64_t out_step) {
    enum { PLANE = SIDE * LANES };
    int32_t __attribute__((aligned(64))) tiles[2][3][SIDE][SIDE];
    float row_scales[SIDE];
    int64_t score_places[SIDE], places[SIDE];
    const int64_t line = steps_of(tokens) * LANES, steps = steps_of(tokens), panels = channels / SIDE;
    const float factor = 1 / sqrtf((float)channels) / LARGEST;
    struct sums pending = {.rows = 0};
    int turn = 0;
    for (int64_t row = 0; row < rows; row++) {
        const float *values = query.first + row * query.step, top = largest(values, channels);
        row_scales[row] = top * factor;
        cut(values, channels, inverse(top), room->query + row * LANES, PLANE);
        score_places[row] = row * line;
        places[row] = row * out_step;
    }
    const int8_t *lines[CHUNK] = {room->query};
    for (int64_t n = 0; n < tokens; n += SIDE) {
        accumulate_steps(lines, PLANE, room->key + n / SIDE * 3 * TILE, 1, tiles[turn], &pending);
        pending = (struct sums){
            .tiles = tiles[turn],
            .first = 1,
            .last = 1,
            .rows = rows,
            .scales = row_scales,
            .places = score_places,
            .weight_scales = _mm512_loadu_ps(room->key_scales + n),
            .bias = _mm512_setzero_ps(),
            .outputs = 0xffff,
            .out = room->scores + n,
        };
        turn = !turn;
    }
    finish_all(&pending);
    pending.rows = 0;
    for (int64_t row = 0; row < rows; row++)
        row_scales[row] = 1 / share(room->scores + row * line, tokens, room->shares + row * LANES, PLANE) / LARGEST;
    for (int64_t start = 0; start < steps; start += CHUNK) {
        const int64_t count = least(CHUNK, steps - start);
        for (int64_t i = 0; i < count; i++) lines[i] = room->shares + (start + i) * 3 * PLANE;
        for (int64_t panel = 0; panel < panels; panel++) {
            accumulate_steps(lines, PLANE, room->value + place_of_weights(steps, panels, start, panel), (int)count,
                             tiles[turn], &pending);
            pending = (struct sums){
                .tiles = tiles[turn],
                .part = room->parts + panel * SIDE * SIDE,
                .first = start == 0,
                .last = start + count == steps,
                .rows = rows,
                .scales = row_scales,
                .places = places,
                .weight_scales = _mm512_loadu_ps(scales + panel * SIDE),
                .bias = _mm512_setzero_ps(),
                .outputs = 0xffff,
                .out = out + panel * SIDE,
            };
            turn = !turn;
        }
    }
    finish_all(&pending);
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
