/* The search for an anchor: of the rules whose precision is at least `precision`, with confidence, the one of the
 * greatest coverage that a beam search meets.
 *
 *   rules begin with the empty one; each round gives every rule of the beam one more condition, in every way
 *   that leaves more coverage than the best anchor so far has; best_arms.h keeps the `beam` of them whose
 *   precision is the greatest; each of these is judged, and up to as many of the others whose tosses so far
 *   reach the precision, the widest first; a rule is an anchor where its mean is at least `precision` and its
 *   lower bound no more than `slack` below
 *
 * A rule is judged by tosses of its own, that had no part in choosing it: `batch` of them a look, until its mean
 * reaches `precision` and its lower bound comes within `slack` of it, or its mean does not and its upper bound is
 * no more than `slack` above. Bounds at look t have the level log(K t (t + 1) / delta), K = 1 + 2 beam
 * conditions being how many rules are judged at most: the chances of all looks at all of them to be wrong sum
 * up to no more than delta, since 1 / (t (t + 1)) sum up to 1. So, whatever chose the rule,
 *
 *   P(the anchor's precision >= precision - slack) >= 1 - delta
 *
 * Equal coverage: the rule judged first. Where nothing reaches the precision, the rule judged whose mean is the
 * greatest is the answer, and says so. Source: Ribeiro, Singh and Guestrin 2018, algorithms 1 and 2; slack as in
 * their package; the bounds' level, the tosses of its own and a look at the others are ours. */
#ifndef LN_EXPLAINERS_ANCHOR_SEARCH_H
#define LN_EXPLAINERS_ANCHOR_SEARCH_H

#include "explainers/common/best_arms.h"
#include "explainers/common/conditions.h"

/* Draws `count` rows under a rule; in how many of them the model decides as at the row explained. */
typedef ln_status (*ln_rule_toss_fn)(void *context, const int32_t *rule, int64_t size,
                                     int64_t count, int64_t *heads, ln_error *err);

typedef struct ln_anchor_options {
    double precision, slack, delta; /* see above */
    double tolerance;               /* of the choice of a beam, by delta too */
    int64_t beam, batch;            /* rules kept a round; tosses at a time */
    int64_t longest;                /* conditions of a rule, at most */
    int64_t samples;                /* tosses in all, at most */
    ln_rule_toss_fn toss;
    void *context; /* of toss */
} ln_anchor_options;

/* A rule that was judged: one condition more than its parent has. */
typedef struct ln_judged_rule {
    int32_t parent;    /* among those judged; -1: it is the empty one */
    int32_t condition; /* what it adds */
    int64_t size;      /* conditions */
    int64_t tosses, heads;
    double coverage, lower, upper; /* bounds of its precision at the last look */
} ln_judged_rule;

typedef struct ln_candidate {
    int32_t parent, condition; /* as of a judged rule */
    double coverage;
    uint64_t hash; /* of its set of conditions */
} ln_candidate;

/* A worker's scratch, and what a search leaves in it. */
typedef struct ln_anchor_search {
    ln_judged_rule *judged;
    ln_candidate *candidates;
    int32_t *known; /* (places) the round's candidates by hash, while they are proposed */
    int64_t places;
    ln_arms arms;
    int32_t *beam, *rule, *other;
    int64_t judged_count, candidate_count, beam_count;
    int64_t tosses; /* so far, also those that chose the beams */
    int32_t best;   /* the anchor among those judged, or the one that comes nearest */
    bool reached;   /* it is an anchor */
    bool ended;     /* samples ran out */
} ln_anchor_search;

/* `most` as ln_conditions_most says; options->longest is no more than that. */
ln_anchor_search ln_anchor_search_carve(const ln_anchor_options *options, int64_t most,
                                        ln_carver *carver);
ln_status ln_anchor_search_run(ln_anchor_search *search, const ln_anchor_options *options,
                               const ln_conditions *conditions, ln_error *err);
/* The conditions of a judged rule in the order in which they came in; returns how many. */
int64_t ln_anchor_search_rule(const ln_anchor_search *search, int32_t judged, int32_t *rule);

#endif
