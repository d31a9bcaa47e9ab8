/* Sorting scores: a radix sort of (key, tag) pairs, or of keys alone, most significant bits first. A
 * float64's bits, with the sign bit flipped for positive numbers and all bits for negative ones,
 * order as the numbers do; complementing them once more gives the descending order.
 *
 * The keys between the least and the greatest of a range are cut into up to 4096 buckets of equal
 * width, each of which is sorted the same way: of a million spread scores the first cut leaves some
 * 250 in a bucket, which fit in the nearest cache, the second a few. Each cut shortens the keys by
 * three bits or more, so that no input takes more than some 20; equal keys are done at once.
 *
 * Cost: O(n) time, 32 n bytes (16 n of keys alone). It is stable, so that equal scores keep their row order. */
#include "metrics/order.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define BUCKET_BITS 12 /* at most so many buckets, as a power of two */
#define ROOMY 1        /* a bucket is for 2 items and more */
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

/* What is sorted is seen as items of one word (a key) or two (a key and its tag); every function
 * below is made for both, as a constant, by the two sort functions at their end. */
typedef void (*sort_fn)(uint64_t *from, uint64_t *to, int64_t n, bool into);

static inline __attribute__((always_inline)) void move(uint64_t *to, const uint64_t *from,
                                                       int words)
{
    to[0] = from[0];
    if (words == 2)
        to[1] = from[1];
}

/* A few items, by insertion. */
static inline __attribute__((always_inline)) void sort_few(uint64_t *items, int64_t n, int words)
{
    for (int64_t i = 1; i < n; i++) {
        uint64_t item[2];
        move(item, items + i * words, words);
        int64_t at = i;
        for (; at > 0 && items[(at - 1) * words] > item[0]; at--)
            move(items + at * words, items + (at - 1) * words, words);
        move(items + at * words, item, words);
    }
}

/* How the keys of a range are cut into buckets: (key - least) >> shift. */
typedef struct cut {
    uint64_t least, greatest;
    int shift;
} cut;

static inline __attribute__((always_inline)) cut cut_of(const uint64_t *items, int64_t n, int words)
{
    cut of = {items[0], items[0], 0};
    for (int64_t i = 1; i < n; i++) {
        const uint64_t key = items[i * words];
        of.least = key < of.least ? key : of.least;
        of.greatest = key > of.greatest ? key : of.greatest;
    }
    if (of.greatest > of.least) {
        const int rows = 63 - __builtin_clzll((uint64_t)n) - ROOMY;
        const int bits = rows < BUCKET_BITS ? rows : BUCKET_BITS;
        const int width = 64 - __builtin_clzll(of.greatest - of.least);
        of.shift = width > bits ? width - bits : 0;
    }
    return of;
}

/* Sorts `from`; the result is in `to` where `into`, else in `from` itself. `again` is the function that
 * this is the body of. */
static inline __attribute__((always_inline)) void sort_range(uint64_t *from, uint64_t *to,
                                                             int64_t n, bool into, int words,
                                                             sort_fn again)
{
    const cut of = n > FEW ? cut_of(from, n, words) : (cut){0};
    if (n <= FEW)
        sort_few(from, n, words);
    if (n <= FEW || of.least == of.greatest) {
        if (into)
            memcpy(to, from, (size_t)(n * words) * sizeof *to);
        return;
    }
    int64_t ends[1 << BUCKET_BITS];
    const int64_t buckets = (int64_t)((of.greatest - of.least) >> of.shift) + 1;
    memset(ends, 0, (size_t)buckets * sizeof *ends);
    for (int64_t i = 0; i < n; i++)
        ends[(from[i * words] - of.least) >> of.shift]++;
    int64_t sum = 0;
    for (int64_t b = 0; b < buckets; b++) {
        const int64_t count = ends[b];
        ends[b] = sum; /* where the bucket starts; counted up to its end below */
        sum += count;
    }
    for (int64_t i = 0; i < n; i++)
        move(to + ends[(from[i * words] - of.least) >> of.shift]++ * words, from + i * words,
             words);
    int64_t start = 0;
    for (int64_t b = 0; b < buckets; start = ends[b++]) {
        if (ends[b] > start)
            again(to + start * words, from + start * words, ends[b] - start, !into);
    }
}

static void sort_keys(uint64_t *from, uint64_t *to, int64_t n, bool into)
{
    sort_range(from, to, n, into, 1, sort_keys);
}

static void sort_pairs(uint64_t *from, uint64_t *to, int64_t n, bool into)
{
    sort_range(from, to, n, into, 2, sort_pairs);
}

void ln_order_sort_keys(uint64_t *keys, uint64_t *scratch, int64_t n)
{
    sort_keys(keys, scratch, n, false);
}

void ln_order_sort(ln_pair *pairs, ln_pair *scratch, int64_t n)
{
    sort_pairs((uint64_t *)pairs, (uint64_t *)scratch, n, false);
}
