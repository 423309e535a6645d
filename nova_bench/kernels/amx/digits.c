/* Digits of matrices and images, and what the process has to ask of Linux. */
#include "digits.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux grants tile registers on demand, to the whole process. 0 if it does. */
int sliced_prepare(void) { return (int)syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */); }

/* Memory of that size in large pages, if the system has some to give: far fewer faults when it is first written. */
void sliced_large_pages(void *memory, int64_t bytes) {
    const uintptr_t size = 1 << 21, start = ((uintptr_t)memory + size - 1) / size * size;
    const uintptr_t end = ((uintptr_t)memory + bytes) / size * size;
    if (end > start) madvise((void *)start, end - start, MADV_HUGEPAGE);
}

/* x [rows, width] -> digits, and one scale for each row. */
void sliced_rows(const float *x, int64_t rows, int64_t width, int8_t *digits, int64_t plane, float *scales,
                 int threads) {
    enum { TOGETHER = 8 }; /* written side by side in each plane, and still in the cache when they are read again */
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t start = 0; start < rows; start += TOGETHER) {
        const int64_t end = least(rows, start + TOGETHER);
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
                float one =
                    largest(x + i / height * image_stride + i % height * row_stride + column * pixel_stride, channels);
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

/* Two vectors of numbers for a pixel's up to 32 channels. */
static void half_numbers(const float *x, int64_t channels, float factor, __m512i numbers[2]) {
    for (int i = 0; i < 2; i++) {
        const __m512 v =
            SIDE * i < channels ? _mm512_maskz_loadu_ps(first(channels - SIDE * i), x + SIDE * i) : _mm512_setzero_ps();
        numbers[i] = _mm512_cvtps_epi32(_mm512_mul_ps(v, _mm512_set1_ps(factor)));
    }
}

/* A line of pixels of at most 32 channels: next to each pixel's digits lie those of the pixel on its right. */
static void cut_pairs(const float *line, int64_t width, int64_t channels, float factor, int8_t *out, int64_t plane) {
    const __m512i zero = _mm512_setzero_si512();
    __m512i numbers[4] = {zero, zero, zero, zero};
    for (int64_t column = -1; column <= width; column++, out += LANES) {
        numbers[0] = numbers[2], numbers[1] = numbers[3];
        if (column + 1 < width)
            half_numbers(line + (column + 1) * channels, channels, factor, numbers + 2);
        else
            numbers[2] = numbers[3] = zero;
        put(numbers, out, plane);
    }
}

/* Rows from `top` - 1 to `bottom` (inclusive) of a frame x [height, width, channels], whose largest magnitude is `most`
 * or less -> digits [rows, width + 2], with a border of zeros around the frame; `paired`: see cut_pairs. */
void sliced_frame(const float *x, int64_t height, int64_t width, int64_t channels, int64_t top, int64_t bottom,
                  float most, int paired, int8_t *digits, int64_t plane, int threads) {
    const float factor = inverse(most);
    const int64_t columns = width + 2, planes = paired ? 1 : quotient_up(channels, LANES);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t row = top - 1; row <= bottom; row++) {
        const float *line = x + row * width * channels;
        int8_t *out = digits + (row - top + 1) * columns * LANES;
        const int inside = row >= 0 && row < height;
        if (inside && paired) {
            cut_pairs(line, width, channels, factor, out, plane);
            continue;
        }
        for (int64_t i = 0; i < planes; i++, out += 3 * plane)
            for (int64_t column = 0; column < columns; column++)
                if (inside && column > 0 && column <= width)
                    cut(line + (column - 1) * channels + i * LANES, channels - i * LANES, factor, out + column * LANES,
                        plane);
                else
                    for (int digit = 0; digit < 3; digit++) memset(out + digit * plane + column * LANES, 0, LANES);
    }
}
