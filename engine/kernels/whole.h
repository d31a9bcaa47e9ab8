/* Inside kernels/: whole numbers. */
#ifndef LN_KERNELS_WHOLE_H
#define LN_KERNELS_WHOLE_H

#include <stdint.h>

/* The first multiple of `to` that is not below `count`. */
static inline int64_t up(int64_t count, int64_t to)
{
    return (count + to - 1) / to * to;
}

static inline int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t greatest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
