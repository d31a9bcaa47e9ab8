/* The kernels of norm.h with AVX-512 registers. */
#include "kernels/norm.h"

#define LANES 16
#define NAME ln_norm_avx512

#include "kernels/norm_body.h"
