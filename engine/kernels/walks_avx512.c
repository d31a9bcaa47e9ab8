/* The loops of walks.h for AVX-512. */
#include "kernels/lanes_avx512.h"
#include "kernels/walks.h"

#define NAME ln_walks_avx512

#include "kernels/walks_body.h"
