/* The kernels of bins.h for any machine. */
#include "kernels/bins.h"
#include "kernels/lanes_baseline.h"

#define NAME ln_bins_baseline

#include "kernels/bins_body.h"
