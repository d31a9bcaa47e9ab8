/* Functions of many numbers in registers of 8 floats, for AVX2. */

#include "kernels/elementary.h"
#include "kernels/lanes_avx2.h"

#define ELEMENTARY ln_elementary_avx2

typedef int32_t whole __attribute__((vector_size(32), aligned(4), may_alias));

#include "kernels/elementary_body.h"
