/* The cascade for any machine, in registers of 4 floats: 2 rows x 1 panel (four registers) are 8 of 16. */
#include <string.h>

#include "kernels/cascade.h"
#include "kernels/lanes_baseline.h"

#define ROWS 2
#define PANELS 1

typedef double wide __attribute__((vector_size(16), aligned(8), may_alias));

static inline vector narrow(wide low, wide high)
{
    return (vector){(float)low[0], (float)low[1], (float)high[0], (float)high[1]};
}

static inline vector cut(vector x)
{
    typedef int32_t whole __attribute__((vector_size(sizeof(vector)), may_alias));
    return (vector)((whole)x & ~(whole)(x < (vector){0}));
}

#define differs(x)                                                                                 \
    ((uint64_t)((x)[0] != 0) | (uint64_t)((x)[1] != 0) << 1 | (uint64_t)((x)[2] != 0) << 2 |       \
     (uint64_t)((x)[3] != 0) << 3)

#include "kernels/cascade_body.h"

void ln_cascade_baseline(const ln_cascade *cascade, const ln_cascade_rows *rows)
{
    all_rows(cascade, rows);
}
