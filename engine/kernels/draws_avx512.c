/* The kernels of draws.h with AVX-512 registers. */
#include "kernels/draws.h"

#define NAME ln_draws_avx512

#include "kernels/draws_body.h"
