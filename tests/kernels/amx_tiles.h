/* AMX's tiles in plain C, for CPUs that have AVX-512 alone: included before the sources of nova_bench/kernels/amx.
 * Operations follow Intel's Software Developer's Manual (TDPBSSD, TILELOADD, TILESTORED). Where the
 * hardware faults, since a tile isn't configured, its size is zero here: nothing is summed, and the result is wrong. */
#pragma once
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#undef _tile_dpbssd
#undef _tile_loadd
#undef _tile_stored
#undef _tile_stream_loadd
#undef _tile_zero
#define _tile_dpbssd(out, left, right) tiles_multiply(out, left, right)
#define _tile_loadconfig(from) memcpy(&tiles_setting, from, sizeof tiles_setting)
#define _tile_loadd(tile, from, stride) tiles_load(tile, from, stride)
#define _tile_storeconfig(to) memcpy(to, &tiles_setting, sizeof tiles_setting)
#define _tile_stored(tile, to, stride) tiles_store(tile, to, stride)
#define _tile_stream_loadd(tile, from, stride) tiles_load(tile, from, stride)
#define _tile_zero(tile) memset(tiles_content[tile], 0, sizeof tiles_content[tile])
#define syscall(...) 0 /* Linux would refuse tiles to this CPU */

static _Thread_local struct __attribute__((packed)) {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} tiles_setting;
static _Thread_local int32_t __attribute__((aligned(64))) tiles_content[8][16][16];

__attribute__((unused, noinline)) static void tiles_load(int tile, const void *from, int64_t stride) {
    memset(tiles_content[tile], 0, sizeof tiles_content[tile]);
    for (int row = 0; row < tiles_setting.rows[tile]; row++)
        memcpy(tiles_content[tile][row], (const char *)from + row * stride, tiles_setting.bytes[tile]);
}

__attribute__((unused, noinline)) static void tiles_store(int tile, void *to, int64_t stride) {
    for (int row = 0; row < tiles_setting.rows[tile]; row++)
        memcpy((char *)to + row * stride, tiles_content[tile][row], tiles_setting.bytes[tile]);
}

/* out[i, j] += sum over k of left[i, k] . right[k, j]; a word is four signed bytes. */
__attribute__((unused, noinline)) static void tiles_multiply(int out, int left, int right) {
    for (int i = 0; i < tiles_setting.rows[out]; i++)
        for (int k = 0; k < tiles_setting.bytes[left] / 4; k++) {
            int8_t ours[4];
            memcpy(ours, &tiles_content[left][i][k], 4);
            for (int j = 0; j < tiles_setting.bytes[out] / 4; j++) {
                const int8_t *theirs = (const int8_t *)&tiles_content[right][k][j];
                for (int byte = 0; byte < 4; byte++) tiles_content[out][i][j] += ours[byte] * theirs[byte];
            }
        }
}
