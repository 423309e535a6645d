/* Attention on float32: softmax(query key^T / sqrt(channels)) value. */
#include <math.h>

#include "product.h"
#include "threads.h"

enum {
    MOST = 128,          /* channels of a head */
    DEPTH = 512,         /* keys whose scores stay in the first cache */
    STEP = DEPTH + LINE, /* so that rows don't compete for the same cache sets */
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
    for (int64_t start = 0; start < rounded(head->tokens); start += SIDE)
        for (int64_t c = 0; c < channels; c += SIDE) {
            vector lines[SIDE];
            for (int i = 0; i < SIDE; i++) /* the last key fills up the last panel, so no score there is the highest */
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

/* What a thread keeps of the queries that it works on. Rows of the first three are STEP floats apart. */
struct work {
    float queries[TALL * STEP], scores[TALL * STEP], results[TALL * STEP];
    float highest[TALL * SIDE], sums[TALL * SIDE]; /* by lanes, over all keys so far */
    float tops[SIDE], factors[SIDE];               /* of each query */
};

/* Scores of `count` keys from `start` on, in powers of two. */
INLINE void score(int rows, const struct head *head, int64_t start, int64_t count, struct work *work) {
    for (int64_t n = 0; n < count; n += PANEL) {
        vector sums[TALL][WIDE];
        multiply_panel(rows, work->queries, STEP, head->keys + (start + n) * head->channels, head->channels, 0,
                       0, sums);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            vector highest = v_load(work->highest + i * SIDE);
#pragma GCC unroll 2
            for (int j = 0; j < WIDE; j++) {
                v_store(work->scores + i * STEP + n + j * SIDE, sums[i][j]);
                highest = v_max(highest, sums[i][j]);
            }
            v_store(work->highest + i * SIDE, highest);
        }
    }
}

/* Scores of `count` keys -> their shares 2^(score - top), where top is the query's highest so far. The factors are for
 * what was computed with the previous tops. Queries don't wait for one another's maximum and sum. */
static void share(int64_t rows, int64_t count, struct work *work) {
    const int64_t end = rounded(count);
    const vector before = v_load(work->tops);
    for (int64_t i = 0; i < rows; i++) work->tops[i] = v_highest(v_load(work->highest + i * SIDE));
    v_store(work->factors, v_exp2(v_sub(before, v_load(work->tops))));
    for (int64_t i = 0; i < rows; i++) {
        float *scores = work->scores + i * STEP;
        for (int64_t n = count; n < end; n++) scores[n] = -INFINITY;
        const vector top = v_all(work->tops[i]);
        vector sum = v_zero();
        for (int64_t n = 0; n < end; n += PANEL)
#pragma GCC unroll 2
            for (int j = 0; j < WIDE; j++) {
                const vector e = v_exp2(v_sub(v_load(scores + n + j * SIDE), top));
                sum = v_add(sum, e);
                v_store(scores + n + j * SIDE, e);
            }
        float *sums = work->sums + i * SIDE;
        v_store(sums, v_fma(v_load(sums), v_all(work->factors[i]), sum));
    }
}

/* Adds to the results the values of `count` keys from `start` on by their shares. */
INLINE void gather(int rows, const struct head *head, int64_t start, int64_t count, struct work *work) {
    for (int64_t n = 0; n < head->channels; n += PANEL) {
        vector sums[TALL][WIDE];
        multiply_panel(rows, work->scores, STEP, head->values + n * head->tokens + start * PANEL, count, 0, 0, sums);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (int j = 0; j < WIDE; j++) {
                float *to = work->results + i * STEP + n + j * SIDE;
                v_store(to, start > 0 ? v_fma(v_load(to), v_all(work->factors[i]), sums[i][j]) : sums[i][j]);
            }
    }
}

/* out: `rows` queries' results, out_step floats apart. */
static void attend(const struct head *head, const float *query, int64_t query_step, int64_t rows, float *out,
                   int64_t out_step) {
    static _Thread_local struct work __attribute__((aligned(64))) work;
    const float scale = 1.44269504f / sqrtf((float)head->channels);
    v_store(work.tops, v_all(-INFINITY));
    for (int64_t i = 0; i < rows; i++) {
        v_store(work.highest + i * SIDE, v_all(-INFINITY));
        v_store(work.sums + i * SIDE, v_zero());
        for (int64_t c = 0; c < head->channels; c++) work.queries[i * STEP + c] = query[i * query_step + c] * scale;
    }
    for (int64_t start = 0; start < head->tokens; start += DEPTH) {
        const int64_t count = start + DEPTH < head->tokens ? DEPTH : head->tokens - start;
#define SCORE(n) score(n, head, start, count, &work)
        FOR_ROWS(rows, SCORE)
        share(rows, count, &work);
#define GATHER(n) gather(n, head, start, count, &work)
        FOR_ROWS(rows, GATHER)
    }
    for (int64_t i = 0; i < rows; i++) {
        const vector inverse = v_all(1 / v_total(v_load(work.sums + i * SIDE)));
        for (int64_t c = 0; c < head->channels; c += SIDE)
            v_store(out + i * out_step + c, v_mul(v_load(work.results + i * STEP + c), inverse));
    }
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
