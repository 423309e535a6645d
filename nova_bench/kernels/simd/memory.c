#include "memory.h"

#include <sys/mman.h>

void large_pages(void *memory, int64_t bytes) {
    const uintptr_t size = 1 << 21, start = ((uintptr_t)memory + size - 1) / size * size;
    const uintptr_t end = ((uintptr_t)memory + bytes) / size * size;
    if (end > start) madvise((void *)start, end - start, MADV_HUGEPAGE);
}
