#include "explainers/common/anchor_search.h"

#include <math.h>
#include <stdlib.h>

#include "base/parallel.h"
#include "explainers/common/bernoulli.h"

#define NONE (-1)

/* What the callbacks of one search see. */
typedef struct searching {
    ln_anchor_search *search;
    const ln_anchor_options *options;
    const ln_conditions *conditions;
} searching;

static int64_t most_judged(const ln_anchor_options *options)
{
    return 1 + 2 * options->beam * options->longest;
}

/* A power of two, by which at most half of the places are taken. */
static int64_t places_for(int64_t candidates)
{
    int64_t places = 1;
    while (places < 2 * candidates)
        places *= 2;
    return places;
}

ln_anchor_search ln_anchor_search_carve(const ln_anchor_options *options, int64_t most,
                                        ln_carver *carver)
{
    ln_anchor_search made = {0};
    const int64_t candidates = options->beam * most;
    made.judged = ln_carve(carver, most_judged(options), sizeof *made.judged);
    made.candidates = ln_carve(carver, candidates, sizeof *made.candidates);
    made.places = places_for(candidates);
    made.known = ln_carve(carver, made.places, sizeof *made.known);
    made.arms = ln_arms_carve(candidates, carver);
    made.beam = ln_carve(carver, options->beam, sizeof *made.beam);
    made.rule = ln_carve(carver, options->longest + 1, sizeof *made.rule);
    made.other = ln_carve(carver, options->longest + 1, sizeof *made.other);
    return made;
}

int64_t ln_anchor_search_rule(const ln_anchor_search *it, int32_t judged, int32_t *rule)
{
    const int64_t size = it->judged[judged].size;
    for (int64_t k = size - 1; k >= 0; k--) {
        rule[k] = it->judged[judged].condition;
        judged = it->judged[judged].parent;
    }
    return size;
}

/* The rule of a candidate; returns its conditions. */
static int64_t rule_of(const ln_anchor_search *it, const ln_candidate *candidate, int32_t *rule)
{
    const int64_t size = ln_anchor_search_rule(it, candidate->parent, rule);
    rule[size] = candidate->condition;
    return size + 1;
}

/* ---------------------------------------------------------------- candidates */

static bool has(const int32_t *rule, int64_t size, int32_t condition)
{
    for (int64_t k = 0; k < size; k++)
        if (rule[k] == condition)
            return true;
    return false;
}

/* Where in it->known the candidate is that is the same set of conditions as it->rule, or where it belongs. */
static int64_t place_of(const ln_anchor_search *it, uint64_t hash, int64_t size)
{
    int64_t place = (int64_t)(hash & (uint64_t)(it->places - 1));
    for (; it->known[place] != NONE; place = (place + 1) & (it->places - 1)) {
        const ln_candidate *known = &it->candidates[it->known[place]];
        if (known->hash != hash)
            continue;
        bool same = true;
        rule_of(it, known, it->other);
        for (int64_t k = 0; k < size && same; k++)
            same = has(it->other, size, it->rule[k]);
        if (same)
            break;
    }
    return place;
}

/* A number of a condition whose sums tell most sets apart: SplitMix64's mixing (Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t condition)
{
    uint64_t z = (condition + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t hash_of(const int32_t *rule, int64_t size)
{
    uint64_t sum = 0;
    for (int64_t k = 0; k < size; k++)
        sum += mix((uint64_t)rule[k]);
    return sum;
}

/* Widest first, so that of equal means the wider rule is the better arm; of equal width the one made first. */
static int by_coverage(const void *one, const void *other)
{
    const ln_candidate *a = one, *b = other;
    if (a->coverage != b->coverage)
        return a->coverage > b->coverage ? -1 : 1;
    if (a->parent != b->parent)
        return a->parent < b->parent ? -1 : 1;
    return a->condition < b->condition ? -1 : a->condition > b->condition;
}

/* The rule of the beam with one more condition, in every way that no other rule of it came to before. */
static void lengthen(const searching *s, int32_t parent)
{
    ln_anchor_search *it = s->search;
    const int64_t size = ln_anchor_search_rule(it, parent, it->rule);
    for (int32_t c = 0; c < s->conditions->count; c++) {
        if (ln_conditions_imply(s->conditions, it->rule, size, c))
            continue;
        it->rule[size] = c;
        const uint64_t hash = hash_of(it->rule, size + 1);
        const int64_t place = place_of(it, hash, size + 1);
        if (it->known[place] != NONE)
            continue;
        const double coverage = ln_conditions_coverage(s->conditions, it->rule, size + 1);
        if (it->best != NONE && coverage <= it->judged[it->best].coverage)
            continue;
        it->known[place] = (int32_t)it->candidate_count;
        it->candidates[it->candidate_count++] =
            (ln_candidate){.parent = parent, .condition = c, .coverage = coverage, .hash = hash};
    }
}

/* Every rule of the beam with one more condition that leaves more coverage than the anchor so far has. */
static ln_status propose(const searching *s, ln_error *err)
{
    ln_anchor_search *it = s->search;
    ln_status status = LN_OK;
    it->candidate_count = 0;
    for (int64_t i = 0; i < it->places; i++)
        it->known[i] = NONE;
    for (int64_t b = 0; b < it->beam_count && !status; b++) {
        status = ln_check_interrupt(err);
        if (!status)
            lengthen(s, it->beam[b]);
    }
    qsort(it->candidates, (size_t)it->candidate_count, sizeof *it->candidates, by_coverage);
    return status;
}

/* ---------------------------------------------------------------- tosses */

/* So many, or what is left of them. */
static ln_status toss(const searching *s, const int32_t *rule, int64_t size, int64_t wanted,
                      int64_t *tosses, int64_t *heads, ln_error *err)
{
    ln_anchor_search *it = s->search;
    const int64_t left = s->options->samples - it->tosses;
    *heads = 0;
    *tosses = wanted < left ? wanted : left;
    it->ended |= *tosses < wanted;
    it->tosses += *tosses;
    return *tosses > 0 ? s->options->toss(s->options->context, rule, size, *tosses, heads, err)
                       : LN_OK;
}

static ln_status toss_arm(void *context, int64_t arm, int64_t wanted, int64_t *tosses,
                          int64_t *heads, ln_error *err)
{
    const searching *s = context;
    const int64_t size = rule_of(s->search, &s->search->candidates[arm], s->search->rule);
    return toss(s, s->search->rule, size, wanted, tosses, heads, err);
}

/* Whether more tosses are needed to tell on which side of the precision the rule is. */
static bool is_open(const ln_anchor_options *options, const ln_judged_rule *rule, double mean)
{
    return mean >= options->precision ? rule->lower < options->precision - options->slack
                                      : rule->upper >= options->precision + options->slack;
}

/* Judges one more rule; it is the anchor so far where it is one, and wider. */
static ln_status judge(const searching *s, ln_judged_rule rule, ln_error *err)
{
    ln_anchor_search *it = s->search;
    const ln_anchor_options *options = s->options;
    const int32_t own = (int32_t)it->judged_count++;
    ln_judged_rule *judged = &it->judged[own];
    *judged = rule;
    const int64_t size = ln_anchor_search_rule(it, own, it->rule);
    double mean = 0;
    bool open = true;
    for (int64_t look = 1; open && !it->ended; look++) {
        int64_t tosses, heads;
        ln_status status = toss(s, it->rule, size, options->batch, &tosses, &heads, err);
        if (status)
            return status;
        judged->tosses += tosses;
        judged->heads += heads;
        if (judged->tosses == 0)
            return LN_OK;
        mean = (double)judged->heads / (double)judged->tosses;
        const double level =
            log((double)most_judged(options) * (double)look * (double)(look + 1) / options->delta) /
            (double)judged->tosses;
        judged->lower = ln_bernoulli_lower(mean, level);
        judged->upper = ln_bernoulli_upper(mean, level);
        open = is_open(options, judged, mean);
    }
    if (open || mean < options->precision)
        return LN_OK;
    if (it->best == NONE || judged->coverage > it->judged[it->best].coverage)
        it->best = own;
    return LN_OK;
}

/* ---------------------------------------------------------------- the search */

/* Of the rules judged the one whose mean is the greatest, of these the widest, the first. */
static int32_t find_nearest(const ln_anchor_search *it)
{
    int32_t nearest = 0;
    double best = -1;
    for (int32_t i = 0; i < it->judged_count; i++) {
        const ln_judged_rule *rule = &it->judged[i];
        const double mean = rule->tosses > 0 ? (double)rule->heads / (double)rule->tosses : -1;
        if (mean > best || (mean == best && rule->coverage > it->judged[nearest].coverage)) {
            nearest = i;
            best = mean;
        }
    }
    return nearest;
}

static ln_status judge_candidate(const searching *s, int64_t arm, ln_error *err)
{
    ln_anchor_search *it = s->search;
    const ln_candidate *from = &it->candidates[arm];
    return judge(s,
                 (ln_judged_rule){.parent = from->parent,
                                  .condition = from->condition,
                                  .size = it->judged[from->parent].size + 1,
                                  .coverage = from->coverage,
                                  .upper = 1},
                 err);
}

/* The widest of the candidates that were not kept, but whose tosses look as if they were anchors. */
static ln_status judge_wide(const searching *s, int64_t kept, ln_error *err)
{
    ln_anchor_search *it = s->search;
    ln_arms *arms = &it->arms;
    ln_status status = LN_OK;
    int64_t left = s->options->beam;
    for (int64_t i = 0; i < kept; i++)
        arms->tosses[arms->order[i]] = 0;
    for (int64_t arm = 0; arm < it->candidate_count && left > 0 && !status && !it->ended; arm++) {
        if (it->best != NONE && it->candidates[arm].coverage <= it->judged[it->best].coverage)
            break; /* they come widest first */
        if (arms->tosses[arm] == 0 ||
            (double)arms->heads[arm] < s->options->precision * (double)arms->tosses[arm])
            continue;
        status = judge_candidate(s, arm, err);
        left--;
    }
    return status;
}

/* One round: longer candidates, the best of them, what each is worth. */
static ln_status widen(const searching *s, bool *more, ln_error *err)
{
    ln_anchor_search *it = s->search;
    const ln_anchor_options *options = s->options;
    ln_status status = propose(s, err);
    *more = it->candidate_count > 0;
    if (status || !*more)
        return status;
    const ln_best_arms task = {.count = it->candidate_count,
                               .most = options->beam,
                               .batch = options->batch,
                               .delta = options->delta,
                               .tolerance = options->tolerance,
                               .toss = toss_arm,
                               .context = (void *)s};
    bool all;
    status = ln_best_arms_find(&task, &it->arms, &all, err);
    const int64_t kept = it->candidate_count < options->beam ? it->candidate_count : options->beam;
    it->beam_count = 0;
    for (int64_t i = 0; i < kept && !status && !it->ended; i++) {
        it->beam[it->beam_count++] = (int32_t)it->judged_count;
        status = judge_candidate(s, it->arms.order[i], err);
    }
    if (!status)
        status = judge_wide(s, kept, err);
    *more = !it->ended;
    return status;
}

ln_status ln_anchor_search_run(ln_anchor_search *it, const ln_anchor_options *options,
                               const ln_conditions *conditions, ln_error *err)
{
    const searching s = {.search = it, .options = options, .conditions = conditions};
    it->judged_count = it->tosses = 0;
    it->best = NONE;
    it->ended = false;
    it->beam_count = 1;
    it->beam[0] = 0;
    ln_status status = judge(
        &s, (ln_judged_rule){.parent = NONE, .condition = NONE, .coverage = 1, .upper = 1}, err);
    bool more = it->best == NONE && !it->ended;
    for (int64_t size = 1; size <= options->longest && more && !status; size++)
        status = widen(&s, &more, err);
    it->reached = it->best != NONE;
    if (!it->reached)
        it->best = find_nearest(it);
    return status;
}
