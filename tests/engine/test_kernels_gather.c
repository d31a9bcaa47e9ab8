/* kernels: sums of parts that are gathered from tables. */
#include "kernels_support.h"

#include "base/rng.h"
#include "kernels/gather.h"

/* Parts are added in the order of their tables: the same bits as one sum an element, on every
 * instruction set. */
static void gathered_sums_are_sums_in_order(void **state)
{
    (void)state;
    enum { ROWS = 9, TABLES = 3, PARTS = 5, WIDEST = 150 };
    static uint16_t chosen[ROWS * TABLES];
    ln_rng rng = ln_rng_make(1, "test gather", 0, 0);
    for (int i = 0; i < ROWS * TABLES; i++)
        chosen[i] = (uint16_t)ln_rng_below(&rng, PARTS);
    float *start = floats(ROWS * WIDEST, 2), *tables = floats(TABLES * PARTS * WIDEST, 3);
    float *y = floats(ROWS * WIDEST, 4);
    for (int64_t width = 1; width <= WIDEST; width += width < 70 ? 1 : 40)
        for (int variant = 0; variant < 4; variant++) {
            const bool one = variant & 1, cut = variant & 2;
            ln_gather gather = {.rows = ROWS,
                                .width = width,
                                .count = TABLES,
                                .parts = PARTS,
                                .start = start,
                                .start_row = one ? 0 : width,
                                .tables = tables,
                                .chosen = chosen,
                                .y = y,
                                .cut = cut};
            ln_kernels_gather()(&gather);
            for (int64_t r = 0; r < ROWS; r++)
                for (int64_t i = 0; i < width; i++) {
                    float sum = start[(one ? 0 : r * width) + i];
                    for (int64_t t = 0; t < TABLES; t++)
                        sum += tables[(t * PARTS + chosen[r * TABLES + t]) * width + i];
                    if (cut && sum <= 0)
                        sum = 0;
                    assert_same_bits(&sum, &y[r * width + i], sizeof sum);
                }
        }
    ln_free_aligned(start);
    ln_free_aligned(tables);
    ln_free_aligned(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathered_sums_are_sums_in_order),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
