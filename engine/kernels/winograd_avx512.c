/* The kernels of winograd.h in registers of 16 floats: 24 of 32 hold sums. */
#include "kernels/lanes_avx512.h"
#include "kernels/winograd.h"

#define VECTORS 2
#define MOST_ROWS 12
#define ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#define NAME ln_winograd_avx512

#include "kernels/winograd_body.h"
