/* The kernels of paths.h with AVX-512 registers. */
#include "kernels/paths.h"

#define NAME ln_paths_avx512

#include "kernels/paths_body.h"
