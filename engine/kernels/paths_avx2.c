/* The kernels of paths.h with AVX2 registers. */
#include "kernels/paths.h"

#define NAME ln_paths_avx2

#include "kernels/paths_body.h"
