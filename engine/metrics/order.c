/* Sorting scores: a radix sort of (key, tag) pairs, most significant bits first. A float64's bits, with
 * the sign bit flipped for positive numbers and all bits for negative ones, order as the numbers do;
 * complementing them once more gives the descending order.
 *
 * The keys between the least and the greatest of a range are cut into up to 4096 buckets of equal
 * width, each of which is sorted the same way: of a million spread scores the first cut leaves some
 * 250 in a bucket, which fit in the nearest cache, the second a few. Each cut shortens the keys by
 * three bits or more, so that no input takes more than some 20; equal keys are done at once.
 *
 * Cost: O(n) time, 32 n bytes. It is stable, so that equal scores keep their row order. */
#include "metrics/order.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define BUCKET_BITS 12 /* at most so many buckets, as a power of two */
#define ROOMY 2        /* a bucket is for 4 pairs and more */
#define FEW 32         /* sorted by insertion */

uint64_t ln_order_key(double score)
{
    double plain = score + 0.0; /* -0 becomes 0 */
    uint64_t bits;
    memcpy(&bits, &plain, sizeof bits);
    bits ^= bits >> 63 ? UINT64_MAX : (uint64_t)1 << 63;
    return ~bits;
}

double ln_order_score(uint64_t key)
{
    uint64_t bits = ~key;
    bits ^= bits >> 63 ? (uint64_t)1 << 63 : UINT64_MAX;
    double score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

/* A few pairs, by insertion. */
static void sort_few(ln_pair *pairs, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        const ln_pair pair = pairs[i];
        int64_t at = i;
        for (; at > 0 && pairs[at - 1].key > pair.key; at--)
            pairs[at] = pairs[at - 1];
        pairs[at] = pair;
    }
}

/* How the keys of a range are cut into buckets: (key - least) >> shift. */
typedef struct cut {
    uint64_t least, greatest;
    int shift;
} cut;

static cut cut_of(const ln_pair *pairs, int64_t n)
{
    cut of = {pairs[0].key, pairs[0].key, 0};
    for (int64_t i = 1; i < n; i++) {
        of.least = pairs[i].key < of.least ? pairs[i].key : of.least;
        of.greatest = pairs[i].key > of.greatest ? pairs[i].key : of.greatest;
    }
    if (of.greatest > of.least) {
        const int rows = 63 - __builtin_clzll((uint64_t)n) - ROOMY;
        const int bits = rows < BUCKET_BITS ? rows : BUCKET_BITS;
        const int width = 64 - __builtin_clzll(of.greatest - of.least);
        of.shift = width > bits ? width - bits : 0;
    }
    return of;
}

/* Sorts `from`; the result is in `to` where `into`, else in `from` itself. */
static void sort_range(ln_pair *from, ln_pair *to, int64_t n, bool into)
{
    const cut of = n > FEW ? cut_of(from, n) : (cut){0};
    if (n <= FEW)
        sort_few(from, n);
    if (n <= FEW || of.least == of.greatest) {
        if (into)
            memcpy(to, from, (size_t)n * sizeof *to);
        return;
    }
    int64_t ends[1 << BUCKET_BITS];
    const int64_t buckets = (int64_t)((of.greatest - of.least) >> of.shift) + 1;
    memset(ends, 0, (size_t)buckets * sizeof *ends);
    for (int64_t i = 0; i < n; i++)
        ends[(from[i].key - of.least) >> of.shift]++;
    int64_t sum = 0;
    for (int64_t b = 0; b < buckets; b++) {
        const int64_t count = ends[b];
        ends[b] = sum; /* where the bucket starts; counted up to its end below */
        sum += count;
    }
    for (int64_t i = 0; i < n; i++)
        to[ends[(from[i].key - of.least) >> of.shift]++] = from[i];
    int64_t start = 0;
    for (int64_t b = 0; b < buckets; start = ends[b++]) {
        if (ends[b] > start)
            sort_range(to + start, from + start, ends[b] - start, !into);
    }
}

ln_pair *ln_order_sort(ln_pair *pairs, ln_pair *scratch, int64_t n)
{
    sort_range(pairs, scratch, n, false);
    return pairs;
}

ln_status ln_order_descending(const double *scores, int64_t n, int64_t stride, int64_t *order,
                              ln_error *err)
{
    if (n <= 0)
        return LN_OK;
    ln_pair *pairs = ln_calloc((size_t)n, 2 * sizeof *pairs);
    if (!pairs)
        return ln_fail_memory(err, (size_t)n * 2 * sizeof *pairs);
    for (int64_t i = 0; i < n; i++)
        pairs[i] = (ln_pair){ln_order_key(scores[i * stride]), i};
    const ln_pair *sorted = ln_order_sort(pairs, pairs + n, n);
    for (int64_t i = 0; i < n; i++)
        order[i] = sorted[i].tag;
    ln_free(pairs);
    return LN_OK;
}
