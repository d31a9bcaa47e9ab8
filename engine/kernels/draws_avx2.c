/* The kernels of draws.h with AVX2 registers. */
#include "kernels/draws.h"

#define NAME ln_draws_avx2

#include "kernels/draws_body.h"
