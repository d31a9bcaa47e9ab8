/* The kernels of winograd.h in registers of 8 floats: 12 of 16 hold sums. */
#include "kernels/lanes_avx2.h"
#include "kernels/winograd.h"

#define VECTORS 2
#define MOST_ROWS 6
#define ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define NAME ln_winograd_avx2

#include "kernels/winograd_body.h"
