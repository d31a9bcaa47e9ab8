/* Functions of many numbers in registers of 4 floats, for any machine. */
#include "kernels/elementary.h"
#include "kernels/lanes_baseline.h"

#define ELEMENTARY ln_elementary_baseline

typedef int32_t whole __attribute__((vector_size(16), aligned(4), may_alias));

#include "kernels/elementary_body.h"
