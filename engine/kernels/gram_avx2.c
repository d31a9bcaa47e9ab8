/* The kernels of gram.h with AVX2 registers. */
#include "kernels/gram.h"

#define NAME ln_gram_avx2

typedef double wide __attribute__((vector_size(32), aligned(8), may_alias));

#include "kernels/gram_body.h"
