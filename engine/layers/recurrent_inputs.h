/* Where the inputs of a recurrent node stand (recurrent.c says which there are) and what sizes they have. */
#ifndef LN_LAYERS_RECURRENT_INPUTS_H
#define LN_LAYERS_RECURRENT_INPUTS_H

#include "layers/recurrent.h"

static inline int ln_recurrent_directions(const ln_recurrent_attributes *own)
{
    return own->bidirectional ? 2 : 1;
}

static inline int ln_recurrent_each_direction(const ln_recurrent_attributes *own)
{
    return own->bias ? 4 : 2;
}

/* Places of the node's inputs. */
static inline int ln_recurrent_parameter_input(const ln_recurrent_attributes *own, int direction,
                                               int which)
{
    return 1 + direction * ln_recurrent_each_direction(own) + which;
}

enum { LN_FIRST_HIDDEN, LN_FIRST_MEMORY, LN_LENGTHS, LN_PEEPHOLE };

static inline int ln_recurrent_extra_input(const ln_recurrent_attributes *own, int which)
{
    return 1 + ln_recurrent_directions(own) * ln_recurrent_each_direction(own) + which;
}

/* Steps, the batch within a row and the inputs of a row. */
bool ln_recurrent_row_sizes(const ln_recurrent_attributes *own, const ln_shape *row, int64_t *steps,
                            int64_t *batch, int64_t *inputs);

#endif
