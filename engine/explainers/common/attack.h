/* Adversarial inputs: rows moved a little, along the gradient of the loss, so that the model errs.
 *
 * The loss is the cross-entropy if the target were the label (link "loss"). An attack raises it, away from the
 * target, or, targeted, lowers it, towards the target. A step of size alpha moves every input by alpha
 * sign(g) (linf), or the row by alpha g / |g| (l2); then the row is brought back to within epsilon of where it
 * was, and to between low and high. Inputs of whole numbers stay. Values are the moved row, `output` its loss,
 * `fit` whether the attack succeeded: whether the model's class (the least loss; of equals the first) is no
 * longer, or targeted now is, the target's. */
#ifndef LN_EXPLAINERS_ATTACK_H
#define LN_EXPLAINERS_ATTACK_H

#include "explainers/explainer.h"

#define LN_ATTACK_NORMS "linf|l2"
#define LN_ATTACK_L2 1 /* its place there */

typedef struct ln_attack {
    double epsilon, alpha; /* how far in all, and a step */
    int64_t steps;
    int norm;         /* of both: LN_ATTACK_NORMS */
    bool targeted;    /* towards the target */
    bool random;      /* starts at a random point within epsilon */
    double low, high; /* of every input */
} ln_attack;

/* One row an item; LN_EINVALID of field "low" where high is below. */
ln_status ln_attack_prepare(ln_job *job, const ln_attack *attack, size_t *scratch_bytes,
                            ln_error *err);
ln_status ln_attack_run(const ln_job *job, const ln_attack *attack, ln_job_chunk *chunk,
                        ln_error *err);

#endif
