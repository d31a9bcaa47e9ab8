/* Which oneDNN this program runs with, for the store's environment. */
#ifndef LN_KERNELS_LIBRARY_H
#define LN_KERNELS_LIBRARY_H

#include <stddef.h>

/* "2.6.3"; returns buffer. */
const char *ln_kernels_library(char *buffer, size_t size);

#endif
