/* The kernels of draws.h for any machine. */
#include "kernels/draws.h"

#define NAME ln_draws_baseline

#include "kernels/draws_body.h"
