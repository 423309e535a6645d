/* Bilinear samples of maps on square windows, as networks/correlation.py describes them. */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LARGEST_RADIUS = 4, WIDEST = 2 * LARGEST_RADIUS + 2 };

/* maps [count, rows, columns], centres [count, 2] (x, y) -> out [count, step], of each the first (2 * radius + 1)^2.
 * All samples of a window are as far from whole positions, so each whole position in reach is read once. Outside the
 * map there are zeros. */
void lookup(const float *maps, int64_t count, int64_t rows, int64_t columns, const float *centres, float factor,
                   int64_t radius, float *out, int64_t step, int threads) {
    const int64_t side = 2 * radius + 1;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t index = 0; index < count; index++) {
        const float *map = maps + index * rows * columns;
        const float x = centres[2 * index] * factor, y = centres[2 * index + 1] * factor;
        float *to = out + index * step;
        const int far = !(fabsf(x) < (1 << 24) && fabsf(y) < (1 << 24));
        const float whole_x = far ? 0 : floorf(x), whole_y = far ? 0 : floorf(y);
        const float right = x - whole_x, lower = y - whole_y;
        const int64_t left = (int64_t)whole_x - radius, top = (int64_t)whole_y - radius;
        if (far || left + side < 0 || left >= columns || top + side < 0 || top >= rows) {
            memset(to, 0, side * side * sizeof *to);
            continue;
        }
        float read[WIDEST][WIDEST] = {0}, across[WIDEST][WIDEST];
        const int64_t begin = left < 0 ? -left : 0, end = left + side + 1 > columns ? columns - left : side + 1;
        for (int64_t row = 0; row <= side; row++)
            if (top + row >= 0 && top + row < rows)
                memcpy(read[row] + begin, map + (top + row) * columns + left + begin, (end - begin) * sizeof(float));
        for (int64_t row = 0; row <= side; row++)
            for (int64_t column = 0; column < side; column++)
                across[row][column] = (1 - right) * read[row][column] + right * read[row][column + 1];
        for (int64_t column = 0; column < side; column++)
            for (int64_t row = 0; row < side; row++)
                to[column * side + row] = (1 - lower) * across[row][column] + lower * across[row + 1][column];
    }
}
