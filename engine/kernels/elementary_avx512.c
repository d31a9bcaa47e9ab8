/* Functions of many numbers in registers of 16 floats, for AVX-512. */

#include "kernels/elementary.h"
#include "kernels/lanes_avx512.h"

#define ELEMENTARY ln_elementary_avx512

typedef int32_t whole __attribute__((vector_size(64), aligned(4), may_alias));

#include "kernels/elementary_body.h"
