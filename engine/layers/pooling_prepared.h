/* What a pooling's prepare makes of its windows (pooling_windows.c) and its passes read (pooling.c). */
#ifndef LN_LAYERS_POOLING_PREPARED_H
#define LN_LAYERS_POOLING_PREPARED_H

#include "layers/pooling.h"

typedef enum ln_pool_kind { LN_POOL_MAX, LN_POOL_AVERAGE, LN_POOL_LP } ln_pool_kind;

/* The window at one place of an axis. */
typedef struct ln_pool_span {
    int32_t first;   /* element it starts at, inside the input */
    int32_t count;   /* elements of it that are inside, `dilation` apart */
    int32_t divisor; /* elements that count in a mean */
} ln_pool_span;

/* What prepare makes. */
typedef struct ln_pool_prepared {
    ln_pool_kind kind;
    int64_t in[LN_WINDOW_AXES], out[LN_WINDOW_AXES], dilation[LN_WINDOW_AXES];
    int64_t most;                        /* elements of the longest window of the last axis */
    int64_t planes;                      /* channels of all images of a row */
    int64_t divisor;                     /* of every mean; 0: as the spans say */
    double p;                            /* of lp */
    bool absolute;                       /* lp: of |x| */
    bool by_columns;                     /* max: places count the first axis fastest */
    bool pairs;                          /* max: windows of 2 x 2 side by side from the first on */
    ln_pool_span *spans[LN_WINDOW_AXES]; /* one a place of the axis */
} ln_pool_prepared;

#endif
