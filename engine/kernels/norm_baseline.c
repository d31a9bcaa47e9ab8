/* The kernels of norm.h for any machine. */
#include "kernels/norm.h"

#define LANES 4
#define NAME ln_norm_baseline

#include "kernels/norm_body.h"
