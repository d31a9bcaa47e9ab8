/* Ending a row early: the parameter `stop` = { standard_error = number } of words whose values are
 * estimates. A row is looked at after numbers of draws that depend on its word and parameters alone, and
 * ends at the first look whose greatest standard error is small enough; what it then has is what it
 * would have had if no more draws had been asked for. The budget is the most that a row gets. */
#ifndef LN_EXPLAINERS_STOP_H
#define LN_EXPLAINERS_STOP_H

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/param.h"
#include "explainers/explainer.h"

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

/* LN_EINVALID where no row could end early, since the budget, the parameter `field`, ends at the first look or before:
 * `first` draws; such a stop says nothing (request->allows_idle). For words whose looks do not depend on how many
 * features vary. */
static inline ln_status ln_stop_check(const ln_request *request, double stop, int64_t budget,
                                      int64_t first, const char *field, ln_error *err)
{
    if (!(stop > 0) || budget > first || request->allows_idle)
        return LN_OK;
    ln_fail(err, LN_EINVALID,
            "stop first looks at the errors after %" PRId64 " of them, and there are %" PRId64
            " at most: expected more",
            first, budget);
    ln_error_field(err, field);
    return LN_EINVALID;
}

/* Looks that cost little come every `every` draws: how many of the next `count` draws there are to the next look,
 * all of them without a stop. */
static inline int64_t ln_stop_before_look(double stop, int64_t done, int64_t count, int64_t every)
{
    const int64_t look = every - done % every;
    return stop > 0 && look < count ? look : count;
}

/* Whether one comes after `done` draws. */
static inline bool ln_stop_looks(double stop, int64_t done, int64_t every)
{
    return stop > 0 && done % every == 0;
}

/* Whether the errors at `count` places (NULL: the first `count`) are all at most `stop`; one that is not known
 * (NaN) is not. */
static inline bool ln_stop_holds(double stop, const double *errors, const int64_t *places,
                                 int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!(errors[places ? places[i] : i] <= stop))
            return false;
    return stop > 0;
}

/* The standard error of a mean over `draws` draws whose squared distances from it sum to `spread`; NaN of one. */
static inline double ln_stop_error(double spread, int64_t draws)
{
    return draws > 1 ? sqrt(spread / (double)(draws - 1) / (double)draws) : NAN;
}

#endif
