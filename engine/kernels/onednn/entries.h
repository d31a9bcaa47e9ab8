/* Inside kernels/onednn/: its entries of the two tables. */
#ifndef LN_KERNELS_ONEDNN_ENTRIES_H
#define LN_KERNELS_ONEDNN_ENTRIES_H

#include "kernels/convolution.h"
#include "kernels/kernels.h"

extern const ln_kernels ln_kernels_onednn;
extern const ln_convolutions ln_convolutions_onednn;

#endif
