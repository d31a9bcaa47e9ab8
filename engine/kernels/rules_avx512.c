/* The kernels of rules.h with AVX-512 registers. */
#include "kernels/rules.h"

#define NAME ln_rules_avx512

#include "kernels/rules_body.h"
