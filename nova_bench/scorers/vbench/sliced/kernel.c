/* Float32 matrix products out of exact int8 ones, for CPUs with AMX (see layers.py for the idea).
 *
 * "Digits" of a value: v = scale * (65536 * high + 256 * middle + low), each digit a signed byte. They lie in three
 * planes; in each, a line of bytes (a multiple of LANES, zeros at its end) holds the channels of one row or pixel, and
 * lines are `stride` bytes apart. */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LANES = 64, SIDE = 16, TILE = LANES * SIDE, GROUP = 4 /* 64 outputs */, LARGEST = 8355000 /* < 127 * (65536 + 256 + 1) */ };

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

static void cut(const float *x, int64_t count, float factor, int8_t *out, int64_t plane, int64_t line) {
    const __m512 scale = _mm512_set1_ps(factor);
    for (int64_t i = 0; i < line; i += 16) {
        __m512 v = i < count ? _mm512_maskz_loadu_ps(first(count - i), x + i) : _mm512_setzero_ps();
        __m512i n = _mm512_cvtps_epi32(_mm512_mul_ps(v, scale));
        __m128i low = _mm512_cvtepi32_epi8(n);
        n = _mm512_srai_epi32(_mm512_sub_epi32(n, _mm512_cvtepi8_epi32(low)), 8);
        __m128i middle = _mm512_cvtepi32_epi8(n);
        n = _mm512_srai_epi32(_mm512_sub_epi32(n, _mm512_cvtepi8_epi32(middle)), 8);
        _mm_storeu_si128((__m128i *)(out + i), _mm512_cvtepi32_epi8(n));
        _mm_storeu_si128((__m128i *)(out + plane + i), middle);
        _mm_storeu_si128((__m128i *)(out + 2 * plane + i), low);
    }
}

/* x [rows, width] -> digits, and one scale for each row. */
void sliced_rows(const float *x, int64_t rows, int64_t width, int8_t *digits, int64_t plane, int64_t stride, int64_t line,
                 float *scales, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const float *values = x + row * width;
        float top = largest(values, width);
        scales[row] = top / LARGEST;
        cut(values, width, inverse(top), digits + row * stride, plane, line);
    }
}

/* x [count, height, width, channels] with strides in floats (that of channels is 1) -> digits of images with a border
 * of zeros, [count, height + 2 * down, width + 2 * across], and one scale for each image. */
void sliced_images(const float *x, int64_t count, int64_t height, int64_t width, int64_t channels, int64_t image_stride,
                   int64_t row_stride, int64_t pixel_stride, int64_t down, int64_t across, int8_t *digits,
                   int64_t plane, int64_t stride, int64_t line, float *scales, float *row_tops, int threads) {
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
            for (int64_t column = -across; column < width + across; column++) {
                int8_t *out = digits + (i * columns + column + across) * stride;
                if (row < 0 || row >= height || column < 0 || column >= width)
                    for (int digit = 0; digit < 3; digit++) memset(out + digit * plane, 0, line);
                else
                    cut(x + image * image_stride + row * row_stride + column * pixel_stride, channels, factor, out,
                        plane, line);
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

/* Ask for the next three tiles of weights, which would otherwise be waited for. */
static inline void fetch(const int8_t *tiles) {
    for (int i = 0; i < 3 * TILE; i += LANES) _mm_prefetch((const char *)(tiles + i), _MM_HINT_T0);
}

#define MULTIPLY(sum, a) _tile_loadd(7, a, stride); _tile_dpbssd(sum, 7, 6);

/* The six sums of 32 rows x 16 outputs: tiles 0 and 1 of high * high, 2 and 3 of what is 256 times smaller, 4 and 5
 * of the next order. The three products below that are less than float32's own rounding. The order of instructions
 * keeps four others between two that add to the same tile. */
static void accumulate(const int8_t *digits, int64_t plane, int64_t stride, int64_t line, int64_t taps,
                       const int64_t *offsets, const int8_t *weights, int32_t sums[6][SIDE][SIDE]) {
    const int64_t below = SIDE * stride;
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3); _tile_zero(4); _tile_zero(5);
    for (int64_t tap = 0; tap < taps; tap++) {
        const int8_t *high = digits + offsets[tap] * stride, *middle = high + plane, *low = middle + plane;
        for (int64_t lane = 0; lane < line; lane += LANES, weights += 3 * TILE) {
            fetch(weights + 3 * TILE);
            _tile_loadd(6, weights, LANES);
            MULTIPLY(0, high + lane) MULTIPLY(1, high + lane + below)
            MULTIPLY(4, low + lane) MULTIPLY(5, low + lane + below)
            MULTIPLY(2, middle + lane) MULTIPLY(3, middle + lane + below)
            _tile_loadd(6, weights + 2 * TILE, LANES);
            MULTIPLY(4, high + lane) MULTIPLY(5, high + lane + below)
            _tile_loadd(6, weights + TILE, LANES);
            MULTIPLY(2, high + lane) MULTIPLY(3, high + lane + below)
            MULTIPLY(4, middle + lane) MULTIPLY(5, middle + lane + below)
        }
    }
    _tile_stored(0, sums[0], LANES); _tile_stored(1, sums[1], LANES); _tile_stored(2, sums[2], LANES);
    _tile_stored(3, sums[3], LANES); _tile_stored(4, sums[4], LANES); _tile_stored(5, sums[5], LANES);
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

/* Sum over taps of (digits from row + offset on) times weights, plus bias (may be null), activated.
 * Rows are those of images of height x width pixels, which share a scale; of each image the upper left
 * out_height x out_width pixels are written, one after the other, in lines pixel_step floats apart; blocks of 64 outputs
 * lie block_step floats apart. That is [images, out_height, out_width, outputs] with steps of `outputs` and 64, or
 * attention heads one after the other.
 * weights [outputs / 16, taps, line / 64, 3, 16, 16, 4]. Digits must be readable for rows + 31 rows past the largest
 * offset; what is there does not matter. */
void sliced_product(const int8_t *digits, int64_t plane, int64_t stride, int64_t line, int64_t rows,
                    const float *scales, int64_t height, int64_t width, int64_t out_height, int64_t out_width,
                    int64_t taps, const int64_t *offsets, const int8_t *weights, const float *weight_scales,
                    int64_t outputs, const float *bias, float *out, int64_t pixel_step, int64_t block_step,
                    int activation, int threads) {
    const int64_t panel = taps * line / LANES * 3 * TILE, strips = (rows + 31) / 32;
    /* As many rows at once as leave half of the second-level cache to weights; and work for every thread. */
    int64_t block = (1 << 20) / (32 * 3 * line), share = (strips + threads - 1) / threads;
    block = block > share ? share : block;
    block = block < 1 ? 1 : block;
#pragma omp parallel num_threads(threads)
    {
        int32_t __attribute__((aligned(64))) sums[GROUP][6][SIDE][SIDE];
        const struct tiles before = configure_tiles();
#pragma omp for schedule(dynamic)
        for (int64_t start = 0; start < strips; start += block)
            for (int64_t n = 0; n < outputs; n += GROUP * SIDE)
                for (int64_t strip = start; strip < start + block && strip < strips; strip++) {
                    const int64_t group = (outputs - n + SIDE - 1) / SIDE < GROUP ? (outputs - n + SIDE - 1) / SIDE : GROUP;
                    for (int64_t g = 0; g < group; g++)
                        accumulate(digits + strip * 32 * stride, plane, stride, line, taps, offsets,
                                   weights + (n / SIDE + g) * panel, sums[g]);
                    for (int64_t r = 0; r < 32 && strip * 32 + r < rows; r++) {
                        const int64_t row = strip * 32 + r, half = r / SIDE;
                        const int64_t image = row / (height * width), y = row / width % height, x = row % width;
                        if (y >= out_height || x >= out_width) continue;
                        float *place = out + ((image * out_height + y) * out_width + x) * pixel_step + n / 64 * block_step;
                        const __m512 scale = _mm512_set1_ps(scales[image] * 65536.0f);
                        for (int64_t g = 0; g < group; g++) {
                            const int64_t column = n + g * SIDE;
                            const __mmask16 mask = first(outputs - column);
                            __m512 high = _mm512_cvtepi32_ps(_mm512_load_si512(sums[g][half][r % SIDE]));
                            __m512 middle = _mm512_cvtepi32_ps(_mm512_load_si512(sums[g][2 + half][r % SIDE]));
                            __m512 low = _mm512_cvtepi32_ps(_mm512_load_si512(sums[g][4 + half][r % SIDE]));
                            __m512 sum = _mm512_fmadd_ps(middle, _mm512_set1_ps(256.0f), low);
                            sum = _mm512_fmadd_ps(high, _mm512_set1_ps(65536.0f), sum);
                            sum = _mm512_mul_ps(sum, _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, weight_scales + column), scale));
                            if (bias) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, bias + column));
                            _mm512_mask_storeu_ps(place + g * SIDE, mask, activate(sum, activation));
                        }
                    }
                }
        _tile_loadconfig(&before);
    }
}
