/* Inside kernels/: products by tiles, where the processor has them (tiles.h). */
#ifndef LN_KERNELS_PRODUCTS_AMX_H
#define LN_KERNELS_PRODUCTS_AMX_H

#include "kernels/kernels.h"

extern const ln_kernels ln_kernels_tiles;

#endif
