/* The loops of walks.h for AVX2. */
#include "kernels/lanes_avx2.h"
#include "kernels/walks.h"

#define NAME ln_walks_avx2

#include "kernels/walks_body.h"
