/* The library that stands behind the two tables beside our own kernels: oneDNN (kernels/onednn/), or
 * none (library_none.c), as the program was built (`make KERNELS=plain`). Nothing else chooses: a
 * program has one set of kernels an instruction set, so that build and instruction set fix the bits. */
#ifndef LN_KERNELS_LIBRARY_H
#define LN_KERNELS_LIBRARY_H

#include <stddef.h>

#include "kernels/convolution.h"
#include "kernels/kernels.h"

/* Its entries, where it has fast invariant ones for this machine's instruction set; else NULL. */
const ln_kernels *ln_library_products(void);
const ln_convolutions *ln_library_convolutions(void);

/* What the kernels are, for a reader: "oneDNN 2.6.3" or "plain"; returns buffer. */
const char *ln_library_name(char *buffer, size_t size);

#endif
