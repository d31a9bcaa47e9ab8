#include "explainers/common/order.h"

#include <string.h>

/* Merges from[low, middle) and from[middle, high) into to; on a tie the left one, which holds the
 * lower indices, goes first. */
static void merge(const float *values, const int32_t *from, int32_t *to, int64_t low,
                  int64_t middle, int64_t high)
{
    int64_t left = low, right = middle;
    for (int64_t i = low; i < high; i++) {
        bool take_right =
            left == middle || (right < high && values[from[right]] > values[from[left]]);
        to[i] = from[take_right ? right++ : left++];
    }
}

void ln_order_by_value(const float *values, int64_t count, int32_t *order, int32_t *spare)
{
    int32_t *from = order, *to = spare;
    for (int64_t i = 0; i < count; i++)
        from[i] = (int32_t)i;
    for (int64_t run = 1; run < count; run *= 2) {
        for (int64_t low = 0; low < count; low += 2 * run) {
            int64_t middle = low + run < count ? low + run : count;
            int64_t high = low + 2 * run < count ? low + 2 * run : count;
            merge(values, from, to, low, middle, high);
        }
        int32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order)
        memcpy(order, from, (size_t)count * sizeof *order);
}
