#include "explainers/common/anchor_gains.h"

#include <math.h>

ln_anchor_gains ln_anchor_gains_carve(int64_t longest, ln_carver *carver)
{
    ln_anchor_gains made = {0};
    made.rule = ln_carve(carver, longest, sizeof *made.rule);
    made.share = ln_carve(carver, longest + 1, sizeof *made.share);
    made.spread = ln_carve(carver, longest + 1, sizeof *made.spread);
    made.step = ln_carve(carver, longest + 1, sizeof *made.step);
    return made;
}

void ln_anchor_gains_measure(ln_anchor_gains *it, const ln_anchor_search *search)
{
    int32_t judged = search->best;
    it->size = ln_anchor_search_rule(search, search->best, it->rule);
    for (int64_t k = it->size; k >= 0; k--) {
        const ln_judged_rule *rule = &search->judged[judged];
        const double n = (double)rule->tosses, h = (double)rule->heads;
        const double likely = (h + 1) / (n + 2);
        it->share[k] = h / n;
        it->spread[k] = likely * (1 - likely) / n;
        judged = rule->parent;
    }
}

/* The value is a sum of shares, each once more for a condition of the group and once less for one behind it. */
double ln_anchor_gains_of(const ln_anchor_gains *it, const ln_conditions *conditions, int64_t group,
                          double *error)
{
    double sum = 0, variance = 0;
    bool named = false;
    for (int64_t k = 0; k <= it->size; k++)
        it->step[k] = 0;
    for (int64_t k = 1; k <= it->size; k++) {
        if (conditions->at[it->rule[k - 1]].group != group)
            continue;
        named = true;
        sum += it->share[k] - it->share[k - 1];
        it->step[k]++;
        it->step[k - 1]--;
    }
    for (int64_t k = 0; k <= it->size; k++)
        variance += it->step[k] * it->step[k] * it->spread[k];
    *error = named ? sqrt(variance) : NAN;
    return sum;
}
