/* The kernels of planes.h for any processor. */
#include "kernels/lanes_baseline.h"
#include "kernels/planes.h"

#define BLOCK_LIST(X)                                                                              \
    UP_TO_4(X, 1) UP_TO_4(X, 2) UP_TO_3(X, 3) UP_TO_3(X, 4) UP_TO_2(X, 5) UP_TO_2(X, 6)
#define NAME ln_planes_baseline

static const int8_t most_vectors[LN_PLANES_ROWS + 1] = {0, 4, 4, 3, 3, 2, 2};

typedef struct lane_mask {
    int64_t first, end;
} lane_mask;

static inline lane_mask between(int64_t first, int64_t end)
{
    return (lane_mask){first, end};
}

static inline vector load_lanes(const float *p, lane_mask mask)
{
    vector out = {0};
    for (int64_t i = mask.first; i < mask.end; i++)
        out[i] = p[i];
    return out;
}

static inline vector add_lanes(vector a, const float *p, lane_mask mask)
{
    return a + load_lanes(p, mask);
}

static inline void store_lanes(float *p, vector a, lane_mask mask)
{
    for (int64_t i = mask.first; i < mask.end; i++)
        p[i] = a[i];
}

#include "kernels/planes_body.h"
