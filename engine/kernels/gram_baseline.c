/* The kernels of gram.h for any machine. */
#include "kernels/gram.h"

#define NAME ln_gram_baseline

typedef double wide __attribute__((vector_size(16), aligned(8), may_alias));

#include "kernels/gram_body.h"
