/* Float32 matrix products out of exact int8 ones, for CPUs with AMX (see layers.py for the idea).
 *
 * "Digits" of a value: v = scale * (65536 * high + 256 * middle + low), each digit a signed byte. They lie in planes of
 * LANES channels, [lanes / LANES, 3 digits, rows or pixels, LANES], `plane` bytes each: 16 rows of a plane are a tile,
 * wherever they begin. The last plane is filled up with zeros. */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    LANES = 64,
    SIDE = 16,
    TILE = LANES * SIDE,
    STRIP = 2 * SIDE,
    BLOCK = 512, /* rows and outputs whose sums stay in the second-level cache */
    LARGEST = 8355000 /* < 127 * (65536 + 256 + 1) */
};

/* Linux grants tile registers on demand, to the whole process. 0 if it does. */
int sliced_prepare(void) { return (int)syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */); }

static inline __mmask16 first(int64_t count) { return count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1); }

/* Largest magnitude; NaN if any value is NaN or infinite. */
static float largest(const float *x, int64_t count) {
    __m512 top = _mm512_setzero_ps(), odd = top;
    for (int64_t i = 0; i < count; i += 16) {
        __m512 v = _mm512_maskz_loadu_ps(first(count - i), x + i);
        top = _mm512_max_ps(top, _mm512_abs_ps(v));
        odd = _mm512_fmadd_ps(v, _mm512_setzero_ps(), odd);
    }
    return _mm512_reduce_max_ps(top) + _mm512_reduce_add_ps(odd);
}

static inline float inverse(float top) { return top > 0 ? LARGEST / top : 0; }

/* Memory of that size in large pages, if the system has some to give: far fewer faults when it is first written. */
void sliced_large_pages(void *memory, int64_t bytes) {
    const uintptr_t size = 1 << 21, start = ((uintptr_t)memory + size - 1) / size * size;
    const uintptr_t end = ((uintptr_t)memory + bytes) / size * size;
    if (end > start) madvise((void *)start, end - start, MADV_HUGEPAGE);
}

static inline __m512i joined(const __m128i quarters[4]) {
    __m512i all = _mm512_castsi128_si512(quarters[0]);
    all = _mm512_inserti32x4(all, quarters[1], 1);
    all = _mm512_inserti32x4(all, quarters[2], 2);
    return _mm512_inserti32x4(all, quarters[3], 3);
}

/* Digits of one plane's `count` channels (at most LANES) of one row. */
static inline void cut(const float *x, int64_t count, float factor, int8_t *out, int64_t plane) {
    __m128i high[4], middle[4], low[4];
    for (int i = 0; i < 4; i++) {
        __m512 v = SIDE * i < count ? _mm512_maskz_loadu_ps(first(count - SIDE * i), x + SIDE * i) : _mm512_setzero_ps();
        __m512i n = _mm512_cvtps_epi32(_mm512_mul_ps(v, _mm512_set1_ps(factor)));
        low[i] = _mm512_cvtepi32_epi8(n); /* signed: what is above 127 is owed to the next digit */
        middle[i] = _mm512_cvtepi32_epi8(_mm512_srai_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(0x80)), 8));
        high[i] = _mm512_cvtepi32_epi8(_mm512_srai_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(0x8080)), 16));
    }
    _mm512_storeu_si512(out, joined(high));
    _mm512_storeu_si512(out + plane, joined(middle));
    _mm512_storeu_si512(out + 2 * plane, joined(low));
}

/* x [rows, width] -> digits, and one scale for each row. */
void sliced_rows(const float *x, int64_t rows, int64_t width, int8_t *digits, int64_t plane, float *scales, int threads) {
    enum { TOGETHER = 8 }; /* written side by side in each plane, and still in the cache when they are read again */
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t start = 0; start < rows; start += TOGETHER) {
        const int64_t end = start + TOGETHER < rows ? start + TOGETHER : rows;
        for (int64_t row = start; row < end; row++) scales[row] = largest(x + row * width, width) / LARGEST;
        for (int64_t lane = 0; lane < width; lane += LANES)
            for (int64_t row = start; row < end; row++)
                cut(x + row * width + lane, width - lane, inverse(scales[row] * LARGEST),
                    digits + lane / LANES * 3 * plane + row * LANES, plane);
    }
}

/* x [count, height, width, channels] with strides in floats (that of channels is 1) -> digits of images with a border
 * of zeros, [count, height + 2 * down, width + 2 * across], and one scale for each image. */
void sliced_images(const float *x, int64_t count, int64_t height, int64_t width, int64_t channels, int64_t image_stride,
                   int64_t row_stride, int64_t pixel_stride, int64_t down, int64_t across, int8_t *digits,
                   int64_t plane, float *scales, float *row_tops, int threads) {
    const int64_t rows = height + 2 * down, columns = width + 2 * across;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (int64_t i = 0; i < count * height; i++) {
            float top = 0;
            for (int64_t column = 0; column < width; column++) {
                float one = largest(x + i / height * image_stride + i % height * row_stride + column * pixel_stride,
                                    channels);
                top = one > top || isnan(one) ? one : top;
            }
            row_tops[i] = top;
        }
#pragma omp for schedule(static)
        for (int64_t image = 0; image < count; image++) {
            float top = 0, *tops = row_tops + image * height;
            for (int64_t row = 0; row < height; row++) top = tops[row] > top || isnan(tops[row]) ? tops[row] : top;
            scales[image] = top / LARGEST;
        }
#pragma omp for schedule(static)
        for (int64_t i = 0; i < count * rows; i++) {
            const int64_t image = i / rows, row = i % rows - down;
            const float factor = inverse(scales[image] * LARGEST);
            for (int64_t lane = 0; lane < channels; lane += LANES) {
                int8_t *out = digits + lane / LANES * 3 * plane + i * columns * LANES;
                for (int64_t column = -across; column < width + across; column++, out += LANES)
                    if (row < 0 || row >= height || column < 0 || column >= width)
                        for (int digit = 0; digit < 3; digit++) memset(out + digit * plane, 0, LANES);
                    else
                        cut(x + image * image_stride + row * row_stride + column * pixel_stride + lane, channels - lane,
                            factor, out, plane);
            }
        }
    }
}

struct __attribute__((packed)) tiles { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; };

/* Eight tiles of 16 lines. Returns what was set before, since other libraries use tiles too. */
static struct tiles configure_tiles(void) {
    struct tiles before, ours = {.palette = 1};
    _tile_storeconfig(&before);
    for (int i = 0; i < 8; i++) ours.bytes[i] = LANES, ours.rows[i] = SIDE;
    _tile_loadconfig(&ours);
    return before;
}

static inline __m512 exponential(__m512 x) {
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x); /* ln 2 in two parts: the first product is exact */
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    static const float factors[] = {1 / 720.0f, 1 / 120.0f, 1 / 24.0f, 1 / 6.0f, 0.5f, 1.0f, 1.0f};
    __m512 sum = _mm512_set1_ps(1 / 5040.0f);
    for (int i = 0; i < 7; i++) sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(factors[i]));
    return _mm512_scalef_ps(sum, n);
}

/* erfc of x >= 0 to float32 precision: Numerical Recipes, second edition, section 6.2. */
static inline __m512 complementary_error(__m512 x) {
    static const float factors[] = {-0.82215223f, 1.48851587f, -1.13520398f, 0.27886807f, -0.18628806f,
                                    0.09678418f,  0.37409196f, 1.00002368f,  -1.26551223f};
    const __m512 one = _mm512_set1_ps(1.0f);
    const __m512 t = _mm512_div_ps(one, _mm512_fmadd_ps(x, _mm512_set1_ps(0.5f), one));
    __m512 sum = _mm512_set1_ps(0.17087277f);
    for (int i = 0; i < 9; i++) sum = _mm512_fmadd_ps(sum, t, _mm512_set1_ps(factors[i]));
    return _mm512_mul_ps(t, exponential(_mm512_fnmadd_ps(x, x, sum)));
}

enum { NONE, SILU, GELU };

static inline __m512 activate(__m512 x, int activation) {
    if (activation == SILU) {
        const __m512 one = _mm512_set1_ps(1.0f);
        return _mm512_div_ps(x, _mm512_add_ps(one, exponential(_mm512_sub_ps(_mm512_setzero_ps(), x))));
    }
    if (activation == GELU) {
        __m512 tail = complementary_error(_mm512_abs_ps(_mm512_mul_ps(x, _mm512_set1_ps(0.707106781f))));
        tail = _mm512_mul_ps(tail, _mm512_mul_ps(x, _mm512_set1_ps(0.5f)));
        return _mm512_mask_sub_ps(tail, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), x, tail);
    }
    return x;
}

/* What is left to do with the sums of one strip of rows and 16 outputs, once the tiles are stored. */
struct sums {
    int32_t (*tiles)[SIDE][SIDE]; /* two of high * high, two of what is 256 times smaller, two of the next order */
    float *part;                  /* [STRIP, SIDE]: sums of the steps so far, in units of the scales */
    int first, last;              /* whether these are the first and the last steps */
    int64_t rows;
    const float *scales;
    const int64_t *places; /* where a row's results go, from `out` on; negative: nowhere */
    __m512 weight_scales, bias;
    __mmask16 outputs;
    float *out;
    int activation;
};

static inline __attribute__((always_inline)) void finish(const struct sums *s, int row) {
    if (row >= s->rows) return;
    const int half = row / SIDE, line = row % SIDE;
    float *part = s->part + row * SIDE;
    __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(s->tiles[4 + half][line]));
    if (!s->first) sum = _mm512_add_ps(sum, _mm512_load_ps(part));
    __m512 middle = _mm512_cvtepi32_ps(_mm512_load_si512(s->tiles[2 + half][line]));
    __m512 high = _mm512_cvtepi32_ps(_mm512_load_si512(s->tiles[half][line]));
    sum = _mm512_fmadd_ps(middle, _mm512_set1_ps(256.0f), sum);
    sum = _mm512_fmadd_ps(high, _mm512_set1_ps(65536.0f), sum);
    if (!s->last) {
        _mm512_store_ps(part, sum);
    } else if (s->places[row] >= 0) {
        sum = _mm512_mul_ps(sum, _mm512_set1_ps(s->scales[row] * 65536.0f));
        sum = _mm512_fmadd_ps(sum, s->weight_scales, s->bias);
        _mm512_mask_storeu_ps(s->out + s->places[row], s->outputs, activate(sum, s->activation));
    }
}

#define WEIGHTS(digit) _tile_stream_loadd(6, weights + (3 * step + digit) * TILE, LANES);
#define MULTIPLY(sum, lines) _tile_loadd(7, lines, LANES); _tile_dpbssd(sum, 7, 6);
#define STORE(sum) if (step == steps - 1) _tile_stored(sum, tiles[sum], LANES);

/* The six sums of STRIP rows x 16 outputs over some steps of LANES channels; the three products below that are less
 * than float32's own rounding. Tile operations wait for each other most of the time, so that what is left to do of the
 * sums before costs little in between. Four other products lie between two that add to the same tile. */
static inline __attribute__((always_inline)) void accumulate(const int8_t *const *digits, int64_t plane,
                                                             const int8_t *weights, const int steps,
                                                             int32_t (*tiles)[SIDE][SIDE], const struct sums *before) {
    const struct sums left = *before;
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3); _tile_zero(4); _tile_zero(5);
#pragma GCC unroll 8
    for (int step = 0; step < steps; step++) {
        const int8_t *high = digits[step], *middle = high + plane, *low = middle + plane;
        WEIGHTS(0)
        MULTIPLY(0, high) MULTIPLY(1, high + TILE)
        STORE(0) STORE(1)
        MULTIPLY(2, middle) MULTIPLY(3, middle + TILE)
        MULTIPLY(4, low) MULTIPLY(5, low + TILE)
        WEIGHTS(1)
        MULTIPLY(2, high) MULTIPLY(3, high + TILE)
        STORE(2) STORE(3)
        MULTIPLY(4, middle) MULTIPLY(5, middle + TILE)
        WEIGHTS(2)
        MULTIPLY(4, high) MULTIPLY(5, high + TILE)
        STORE(4) STORE(5)
        for (int row = STRIP * step / steps; row < STRIP * (step + 1) / steps; row++) finish(&left, row);
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
    int activation;
};

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t quotient_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Ask for lines that the second-level cache will have to have. */
static inline void fetch(const int8_t *lines, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += LANES) _mm_prefetch((const char *)(lines + i), _MM_HINT_T1);
}

/* Weights for the outputs from n on of the chunk of steps from `start` on. */
static inline const int8_t *weights_of(const struct product *p, int64_t start, int64_t n) {
    return p->weights + (start * quotient_up(p->outputs, SIDE) + n / SIDE * least(CHUNK, p->steps - start)) * 3 * TILE;
}

/* Rows from `top` to `bottom`, outputs from `left` to `right`; at most BLOCK of each. */
static void multiply_block(const struct product *p, int64_t top, int64_t bottom, int64_t left, int64_t right) {
    static _Thread_local float __attribute__((aligned(64))) parts[BLOCK / STRIP][BLOCK / SIDE][STRIP * SIDE];
    int32_t __attribute__((aligned(64))) tiles[2][6][SIDE][SIDE];
    float scales[BLOCK];
    int64_t places[BLOCK];
    struct sums pending = {.rows = 0};
    int turn = 0;
    for (int64_t row = top; row < bottom; row++) {
        const int64_t image = row / (p->height * p->width), y = row / p->width % p->height, x = row % p->width;
        const int wanted = y < p->out_height && x < p->out_width;
        scales[row - top] = p->scales[image];
        places[row - top] = wanted ? ((image * p->out_height + y) * p->out_width + x) * p->pixel_step : -1;
    }
    const int64_t turns = quotient_up(bottom - top, STRIP) * quotient_up(right - left, SIDE);
    for (int64_t start = 0; start < p->steps; start += CHUNK) {
        const int64_t count = least(CHUNK, p->steps - start);
        /* The weights that come next: of the next steps, or of the first ones for the next outputs. */
        const int done = start + count == p->steps;
        const int8_t *next = done ? weights_of(p, 0, right) : weights_of(p, start + count, left);
        const int64_t columns = done ? least(BLOCK, p->outputs - right) : right - left;
        const int64_t bytes = quotient_up(columns, SIDE) * least(CHUNK, done ? p->steps : p->steps - start - count) * 3 * TILE;
        const int64_t share = quotient_up(quotient_up(bytes, turns), LANES) * LANES;
        int64_t asked = 0;
        for (int64_t row = top; row < bottom; row += STRIP) {
            const int8_t *lines[CHUNK];
            for (int64_t i = 0; i < count; i++)
                lines[i] = p->digits + (start + i) % p->lanes * 3 * p->plane
                           + (row + p->offsets[(start + i) / p->lanes]) * LANES;
            for (int64_t n = left; n < right; n += SIDE) {
                const int64_t panel = (n - left) / SIDE;
                if (panel < 3 * count && row + STRIP < bottom)
                    fetch(lines[panel / 3] + panel % 3 * p->plane + STRIP * LANES, STRIP * LANES);
                fetch(next + asked, least(share, bytes - asked));
                asked += least(share, bytes - asked);
                accumulate_steps(lines, p->plane, weights_of(p, start, n), (int)count, tiles[turn], &pending);
                const __mmask16 outputs = first(p->outputs - n);
                pending = (struct sums){
                    .tiles = tiles[turn],
                    .part = parts[(row - top) / STRIP][panel],
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
                };
                turn = !turn;
            }
        }
    }
    for (int row = 0; row < STRIP; row++) finish(&pending, row);
}

/* Sum over taps of (digits from row + offset on) times weights, plus bias (may be null), activated.
 * Rows are those of images of height x width pixels, which share a scale; of each image the upper left
 * out_height x out_width pixels are written, one after the other, in lines pixel_step floats apart; blocks of 64 outputs
 * lie block_step floats apart. That is [images, out_height, out_width, outputs] with steps of `outputs` and 64, or
 * attention heads one after the other.
 * A step is LANES channels of a tap; a chunk is CHUNK steps, whose digits of a strip of rows stay in the first-level
 * cache while all outputs of a block are gone through. weights [steps / CHUNK, outputs / 16, CHUNK, 3, 16, 16, 4], the
 * last chunk shorter. Digits must be readable for rows + 31 rows past the largest offset; what is there does not
 * matter. */
void sliced_product(const int8_t *digits, int64_t plane, int64_t channels, int64_t rows, const float *scales,
                    int64_t height, int64_t width, int64_t out_height, int64_t out_width, int64_t taps,
                    const int64_t *offsets, const int8_t *weights, const float *weight_scales, int64_t outputs,
                    const float *bias, float *out, int64_t pixel_step, int64_t block_step, int activation,
                    int threads) {
    const int64_t lanes = quotient_up(channels, LANES);
    const struct product p = {digits, plane, rows, scales, height, width, out_height, out_width, lanes, taps * lanes, offsets,
                              weights, weight_scales, outputs, bias, out, pixel_step, block_step, activation};
    /* No larger than gives work to every thread. */
    const int64_t block = least(BLOCK, quotient_up(quotient_up(rows, threads), STRIP) * STRIP);
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
