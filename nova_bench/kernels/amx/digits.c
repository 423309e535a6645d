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
