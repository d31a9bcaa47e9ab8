/* Top-k by a heap of the k best so far whose root is the worst of them: an element that does not
 * beat the root costs one comparison, so a list of n numbers costs about n comparisons and a few k
 * log k. Taking the roots off one by one leaves the heap sorted, best first. */
#include "store/topk.h"

#include <math.h>

/* True where element i stands behind element j in the order wanted. */
static bool behind(const ln_floats *floats, int64_t i, int64_t j)
{
    float a = fabsf(ln_float_at(floats, i)), b = fabsf(ln_float_at(floats, j));
    return a != b ? a < b : i > j;
}

static void sift_down(const ln_floats *floats, int64_t *heap, int64_t size, int64_t at)
{
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= size)
            return;
        if (child + 1 < size && behind(floats, heap[child + 1], heap[child]))
            child++;
        if (!behind(floats, heap[child], heap[at]))
            return;
        int64_t moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

static void sift_up(const ln_floats *floats, int64_t *heap, int64_t at)
{
    while (at > 0) {
        int64_t parent = (at - 1) / 2;
        if (!behind(floats, heap[at], heap[parent]))
            return;
        int64_t moved = heap[at];
        heap[at] = heap[parent];
        heap[parent] = moved;
        at = parent;
    }
}

static int64_t fill_heap(const ln_floats *floats, int64_t *heap, int64_t room)
{
    int64_t size = 0;
    for (int64_t i = 0; i < floats->count; i++) {
        if (isnan(ln_float_at(floats, i)))
            continue;
        if (size < room) {
            heap[size] = i;
            sift_up(floats, heap, size++);
        } else if (room > 0 && behind(floats, heap[0], i)) {
            heap[0] = i;
            sift_down(floats, heap, size, 0);
        }
    }
    return size;
}

bool ln_topk(sqlite3_context *context, const char *function, const ln_floats *floats,
             sqlite3_value *k, int64_t **out, int64_t *count)
{
    if (sqlite3_value_type(k) == SQLITE_NULL)
        return false;
    int64_t wanted = sqlite3_value_int64(k);
    if (sqlite3_value_numeric_type(k) != SQLITE_INTEGER || wanted < 0) {
        ln_sql_error(context, "%s expects k to be a whole number, 0 or greater", function);
        return false;
    }
    int64_t room = wanted < floats->count ? wanted : floats->count;
    int64_t *heap = sqlite3_malloc64((sqlite3_uint64)(room + 1) * sizeof *heap);
    if (!heap) {
        sqlite3_result_error_nomem(context);
        return false;
    }
    int64_t size = fill_heap(floats, heap, room);
    *count = size;
    while (size > 1) {
        int64_t worst = heap[0];
        heap[0] = heap[--size];
        heap[size] = worst;
        sift_down(floats, heap, size, 0);
    }
    *out = heap;
    return true;
}
