/* Attention on float32: softmax(query key^T / sqrt(channels)) value. */
#include <math.h>

#include "product.h"
#include "threads.h"

enum {
    MOST = 128,          /* channels of a head */
    DEPTH = 512,         /* keys whose scores stay in the first cache */
    STEP = DEPTH + SIDE, /* so that rows don't compete for the same cache sets */
};

/* Heads [images, heads, tokens, channels] with a token's channels side by side: floats from one to the next. */
struct heads {
    const float *first;
    int64_t image, head, token;
};

/* One head as a thread works on it: panels of keys [channels, PANEL] and of values [tokens, PANEL]. */
struct head {
    float *keys, *values;
    int64_t tokens, channels;
};

static int64_t rounded(int64_t count) { return (count + PANEL - 1) / PANEL * PANEL; }

/* Floats that a thread needs. */
int64_t attention_room(int64_t tokens, int64_t channels) {
    return rounded(tokens) * channels + tokens * rounded(channels);
}

static void arrange(const struct head *head, const float *key, int64_t key_step, const float *value,
                    int64_t value_step) {
    const int64_t channels = head->channels;
    for (int64_t start = 0; start < head->tokens; start += SIDE)
        for (int64_t c = 0; c < channels; c += SIDE) {
            vector lines[SIDE];
            for (int i = 0; i < SIDE; i++) /* the last key fills up the last panel */
                lines[i] = v_load(key + (start + i < head->tokens ? start + i : head->tokens - 1) * key_step + c);
            v_transpose(lines);
            float *to = head->keys + start / PANEL * PANEL * channels + c * PANEL + start % PANEL;
            for (int i = 0; i < SIDE; i++) v_store(to + i * PANEL, lines[i]);
        }
    for (int64_t c = 0; c < channels; c += SIDE) {
        float *panel = head->values + c / PANEL * PANEL * head->tokens + c % PANEL;
        for (int64_t i = 0; i < head->tokens; i++) v_store(panel + i * PANEL, v_load(value + i * value_step + c));
    }
    if (channels % PANEL)
        for (int64_t i = 0; i < head->tokens; i++)
            v_store(head->values + channels / PANEL * PANEL * head->tokens + i * PANEL + SIDE, v_zero());
}

/* Scores of `count` keys from `start` on for some queries [rows, channels], STEP floats apart. */
INLINE void score(int rows, const struct head *head, const float *queries, int64_t start, int64_t count,
                  float *scores) {
    for (int64_t n = 0; n < count; n += PANEL) {
        vector sums[TALL][WIDE];
        multiply_panel(rows, queries, STEP, head->keys + (start + n) * head->channels, head->channels, sums);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (int j = 0; j < WIDE; j++) v_store(scores + i * STEP + n + j * SIDE, sums[i][j]);
    }
}

/* A query's scores, in powers of two -> their shares 2^(score - top), where top is the highest so far. Returns the
 * factor for what was computed with the previous top. */
static float share(float *scores, int64_t count, float *top, float *sum) {
    enum { TURNS = 4 }; /* several chains of operations that don't wait for each other */
    const int64_t end = (count + TURNS * SIDE - 1) / (TURNS * SIDE) * TURNS * SIDE;
    for (int64_t i = count; i < end; i++) scores[i] = -INFINITY;
    vector highest[TURNS], totals[TURNS];
    for (int t = 0; t < TURNS; t++) highest[t] = v_all(*top), totals[t] = v_zero();
    for (int64_t i = 0; i < end; i += TURNS * SIDE)
#pragma GCC unroll 4
        for (int t = 0; t < TURNS; t++) highest[t] = v_max(highest[t], v_load(scores + i + t * SIDE));
    const float before = *top;
    *top = v_highest(v_max(v_max(highest[0], highest[1]), v_max(highest[2], highest[3])));
    const vector shift = v_all(*top);
    for (int64_t i = 0; i < end; i += TURNS * SIDE)
#pragma GCC unroll 4
        for (int t = 0; t < TURNS; t++) {
            const vector e = v_exp2(v_sub(v_load(scores + i + t * SIDE), shift));
            totals[t] = v_add(totals[t], e);
            v_store(scores + i + t * SIDE, e);
        }
    const float factor = exp2f(before - *top);
    *sum = *sum * factor + v_total(v_add(v_add(totals[0], totals[1]), v_add(totals[2], totals[3])));
    return factor;
}

/* Adds to results [rows, channels], STEP floats apart, the values of `count` keys from `start` on by their shares. */
INLINE void gather(int rows, const struct head *head, const float *shares, int64_t start, int64_t count,
                   const float *factors, float *results) {
    for (int64_t n = 0; n < head->channels; n += PANEL) {
        vector sums[TALL][WIDE];
        multiply_panel(rows, shares, STEP, head->values + n * head->tokens + start * PANEL, count, sums);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (int j = 0; j < WIDE; j++) {
                float *to = results + i * STEP + n + j * SIDE;
                v_store(to, start > 0 ? v_fma(v_load(to), v_all(factors[i]), sums[i][j]) : sums[i][j]);
            }
    }
}

/* out: `rows` queries' results, out_step floats apart. */
static void attend(const struct head *head, const float *query, int64_t query_step, int64_t rows, float *out,
                   int64_t out_step) {
    static _Thread_local float __attribute__((aligned(64))) queries[TALL * STEP], scores[TALL * STEP],
        results[TALL * STEP];
    float tops[TALL], sums[TALL] = {0}, factors[TALL];
    const float scale = 1.44269504f / sqrtf((float)head->channels);
    for (int64_t i = 0; i < rows; i++) {
        tops[i] = -INFINITY;
        for (int64_t c = 0; c < head->channels; c++) queries[i * STEP + c] = query[i * query_step + c] * scale;
    }
    for (int64_t start = 0; start < head->tokens; start += DEPTH) {
        const int64_t count = start + DEPTH < head->tokens ? DEPTH : head->tokens - start;
#define SCORE(n) score(n, head, queries, start, count, scores)
        FOR_ROWS(rows, SCORE)
        for (int64_t i = 0; i < rows; i++) factors[i] = share(scores + i * STEP, count, tops + i, sums + i);
#define GATHER(n) gather(n, head, scores, start, count, factors, results)
        FOR_ROWS(rows, GATHER)
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < head->channels; c += SIDE)
            v_store(out + i * out_step + c, v_mul(v_load(results + i * STEP + c), v_all(1 / sums[i])));
}

/* out [images, queries, heads, channels]. Channels are 16, 32, ... to MOST; a thread's part of room has room_size
 * floats. What a query becomes doesn't depend on the other queries, nor on the number of threads. */
void attention(const struct heads *query, const struct heads *key, const struct heads *value, int64_t images,
               int64_t heads, int64_t queries, int64_t tokens, int64_t channels, float *out, float *room,
               int64_t room_size, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t index = 0; index < images * heads; index++) {
        const int64_t image = index / heads, of = index % heads;
        float *own = room + omp_get_thread_num() * room_size;
        const struct head head = {own, own + rounded(tokens) * channels, tokens, channels};
        arrange(&head, key->first + image * key->image + of * key->head, key->token,
                value->first + image * value->image + of * value->head, value->token);
        const float *from = query->first + image * query->image + of * query->head;
        float *to = out + (image * queries * heads + of) * channels;
        for (int64_t i = 0; i < queries; i += TALL)
            attend(&head, from + i * query->token, query->token, queries - i < TALL ? queries - i : TALL,
                   to + i * heads * channels, heads * channels);
    }
}
