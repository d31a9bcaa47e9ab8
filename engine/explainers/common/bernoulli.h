/* How far the mean of coin tosses can be from their probability. With KL(p, q) = p log(p / q) + (1 - p) log((1 - p)
 * / (1 - q)), the divergence of a coin of q from one of p, and p the mean of n tosses of a coin of q,
 *
 *   P(p > q and n KL(p, q) > level) <= exp(-level),   and the same of p < q        (Chernoff)
 *
 * so that q lies between the two numbers of KL(p, q) = level / n but for a probability of exp(-level) a side. */
#ifndef LN_EXPLAINERS_BERNOULLI_H
#define LN_EXPLAINERS_BERNOULLI_H

/* In nats; p and q in [0, 1], 0 log 0 = 0. INFINITY where q rules out what p has. */
double ln_bernoulli_divergence(double p, double q);

/* The greatest and the least q with KL(p, q) <= divergence, to rounding. divergence >= 0. */
double ln_bernoulli_upper(double p, double divergence);
double ln_bernoulli_lower(double p, double divergence);

#endif
