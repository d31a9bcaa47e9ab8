/* What the tests of judges share: one call that judges all items. Included by one program each. */
#ifndef LN_TESTS_JUDGING_H
#define LN_TESTS_JUDGING_H

#include "networks.h"

#include "judges/judge.h"

/* A judge's verdict on all items. */
typedef struct verdict {
    double values[80];
    const char *reasons[80];
} verdict;

static inline verdict judge_all(const char *word, const char *given, ln_judged judged,
                                ln_pool *pool)
{
    ln_error err = {0};
    verdict out;
    const ln_judge *judge = ln_judge_find(word);
    assert_non_null(judge);
    assert_true(judged.item_count <= 80);
    parameters params = parameters_of(&judge->word, given);
    judged.params = params.bytes;
    assert_ok(judge->run(&judged, pool, out.values, out.reasons, &err));
    return out;
}

#endif
