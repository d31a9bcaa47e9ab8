/* Sorting scores: a least-significant-digit radix sort of (key, tag) pairs. A float64's bits, with
 * the sign bit flipped for positive numbers and all bits for negative ones, order as the numbers
 * do; complementing them once more gives the descending order. Six passes over 11 bits each, of
 * which those in which all keys agree are skipped (probabilities share most of their exponent).
 *
 * Cost: O(n) time for any input, 32 n bytes. It is stable, so that equal scores keep their row
 * order. A million scores take some 30 ms; a comparison sort takes several times that. */
#include "metrics/order.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define DIGIT_BITS 11
#define DIGITS (1 << DIGIT_BITS)
#define PASSES 6 /* times 11 bits: all 64 */

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

/* How often each digit occurs: one reading for all passes, since moving pairs changes no count. */
static void count_digits(const ln_pair *pairs, int64_t n, int64_t (*counts)[DIGITS])
{
    for (int64_t i = 0; i < n; i++)
        for (int digit = 0; digit < PASSES; digit++)
            counts[digit][pairs[i].key >> digit * DIGIT_BITS & (DIGITS - 1)]++;
}

/* One pass from `from` to `to`; false when all digits agree and nothing was moved. */
static bool pass(const ln_pair *from, ln_pair *to, int64_t n, int shift, const int64_t *count)
{
    if (count[from[0].key >> shift & (DIGITS - 1)] == n)
        return false;
    int64_t start[DIGITS], sum = 0;
    for (int digit = 0; digit < DIGITS; digit++) {
        start[digit] = sum;
        sum += count[digit];
    }
    for (int64_t i = 0; i < n; i++)
        to[start[from[i].key >> shift & (DIGITS - 1)]++] = from[i];
    return true;
}

ln_pair *ln_order_sort(ln_pair *pairs, ln_pair *scratch, int64_t n)
{
    if (n < 2)
        return pairs;
    int64_t counts[PASSES][DIGITS] = {{0}};
    count_digits(pairs, n, counts);
    for (int digit = 0; digit < PASSES; digit++) {
        if (pass(pairs, scratch, n, digit * DIGIT_BITS, counts[digit])) {
            ln_pair *swap = pairs;
            pairs = scratch;
            scratch = swap;
        }
    }
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
