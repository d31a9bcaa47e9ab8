/* The kernels of rules.h with AVX2 registers. */
#include "kernels/rules.h"

#define NAME ln_rules_avx2

#include "kernels/rules_body.h"
