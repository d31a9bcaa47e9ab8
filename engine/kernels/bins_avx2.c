/* The kernels of bins.h with AVX2 registers. */
#include "kernels/bins.h"
#include "kernels/lanes_avx2.h"

#define NAME ln_bins_avx2

#include "kernels/bins_body.h"
