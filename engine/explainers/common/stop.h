/* Ending a row early: the parameter `stop` = { standard_error = number } of words whose values are
 * estimates. A row is looked at after numbers of draws that depend on its word and parameters alone, and
 * ends at the first look whose greatest standard error is small enough; what it then has is what it
 * would have had if no more draws had been asked for. The budget is the most that a row gets. */
#ifndef LN_EXPLAINERS_STOP_H
#define LN_EXPLAINERS_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/param.h"

/* The parameter of a word whose struct `of` has a double field `stop`; NaN: none. */
#define LN_STOP(of)                                                                                \
    {                                                                                              \
        .name = "stop", .type = LN_PARAM_STOP, .offset = offsetof(of, stop), .fallback = "nil",    \
        .help = "a row ends early where the greatest standard error of its values is at most that" \
    }

/* Looks that cost much come where there is half as much again as at the one before: `before` draws (0: none
 * yet) to how many, `first` at the first look, `most` at the end, and at once without a stop. */
static inline int64_t ln_stop_next(double stop, int64_t before, int64_t first, int64_t most)
{
    if (!(stop > 0))
        return most;
    const int64_t next = before > 0 ? before + before / 2 : first;
    return next < most ? next : most;
}

/* Whether all `count` errors are at most `stop`; one that is not known (NaN) is not. */
static inline bool ln_stop_holds(double stop, const double *errors, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!(errors[i] <= stop))
            return false;
    return stop > 0;
}

#endif
