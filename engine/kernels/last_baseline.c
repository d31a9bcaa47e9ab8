/* The kernels of last.h for any processor. */
#include <string.h>

#include "kernels/lanes_baseline.h"
#include "kernels/last.h"

#define THIN_LIST(X) X(1, 4) X(2, 2) X(3, 2) X(4, 1)
#define ACROSS_LIST(X) X(3, 4) X(4, 2) X(6, 2) X(8, 1)
#define FORWARD_PLACES 4
#define NAME ln_last_baseline

typedef int32_t lane_mask __attribute__((vector_size(16)));

static inline float total(vector a)
{
    return (a[0] + a[2]) + (a[1] + a[3]);
}

static inline lane_mask wins(vector a, vector b)
{
    return (a > b) | (a != a);
}

static inline lane_mask same(vector a, vector b)
{
    return a == b;
}

static inline vector choose(lane_mask mask, vector a, vector b)
{
    return (vector)(((lane_mask)a & mask) | ((lane_mask)b & ~mask));
}

#include "kernels/last_body.h"
