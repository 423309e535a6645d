/* The number of the thread that runs, also where the compiler has no OpenMP. */
#pragma once
#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_thread_num(void) { return 0; }
#endif
