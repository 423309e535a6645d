/* Memory in large pages. */
#pragma once
#include <stdint.h>

/* Asks for large pages, if the system has some to give: far fewer faults when memory is first written, and fewer misses
 * of the address cache when it is read. */
void large_pages(void *memory, int64_t bytes);
