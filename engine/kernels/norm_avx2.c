/* The kernels of norm.h with AVX2 registers. */
#include "kernels/norm.h"

#define LANES 8
#define NAME ln_norm_avx2

#include "kernels/norm_body.h"
