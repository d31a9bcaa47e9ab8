/* layers: forward and both gradients of every layer against a naive reference in float64, and the
 * promise that a row's bits depend on the row alone. */
#include "layers_families.h"

static void every_layer_matches_its_reference(void **state)
{
    (void)state;
    for (int f = 0; f < FAMILIES; f++)
        for (int i = 0; i < families[f].count; i++) {
            check_case(&families[f].cases[i], LAYER_ROWS);
            check_case(&families[f].cases[i], 1);
        }
}

/* Layers of whole numbers and truth values, whose tests are in test_layers_types.c, and those that
 * training changes, in test_layers_batch_norm.c. */
static const char *const elsewhere[] = {
    "equal",
    "less",
    "less_or_equal",
    "greater",
    "greater_or_equal",
    "is_nan",
    "is_inf",
    "logical_and",
    "logical_or",
    "logical_xor",
    "not",
    "where",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "shift_left",
    "shift_right",
    "argument",
    "embedding",
    "batch_norm1d",
    "batch_norm2d",
    "batch_norm3d",
    "reverse_sequence",
    "gather",
    "gather_elements",
    "gather_nd",
    "scatter_elements",
    "scatter_nd",
    "one_hot",
    NULL,
};

static void every_layer_of_the_table_is_tested(void **state)
{
    (void)state;
    for (int i = 0; ln_layers[i]; i++) {
        const ln_layer *layer = ln_layers[i];
        bool tested = false;
        for (int f = 0; f < FAMILIES; f++)
            for (int j = 0; j < families[f].count; j++)
                tested = tested || strcmp(families[f].cases[j].word, layer->word.name) == 0;
        for (int j = 0; elsewhere[j]; j++)
            tested = tested || strcmp(elsewhere[j], layer->word.name) == 0;
        if (!tested)
            fail_msg("layer '%s' has no case here", layer->word.name);
        assert_ptr_equal(ln_layer_find(layer->word.name), layer);
        assert_true(strlen(layer->word.summary) > 0 && strlen(layer->word.source) > 0);
        assert_non_null(layer->word.formula);
        assert_true(layer->infer && layer->forward && layer->backward);
        assert_true((layer->word.params_size > 0) == (layer->word.params != NULL));
        for (const ln_param *param = layer->word.params; param && param->name; param++)
            assert_true(param->offset < layer->word.params_size && strlen(param->help) > 0);
    }
    assert_null(ln_layer_find("no such layer"));
}

/* Every pass over some rows, at any position and under a plan of any size, gives the same bits. */
static void check_rows(const layer_case *layer)
{
    enum { ROWS = 70 };
    layer_bed bed = layer_bed_make(layer);
    layer_results whole = layer_run(&bed, ROWS, 0, ROWS, false);
    for (int64_t rows = 1; rows <= ROWS; rows += rows < 20 ? 1 : 7)
        for (int64_t first = 0; first + rows <= ROWS; first += 17) {
            const int64_t planned = first % 2 ? ROWS : rows;
            layer_results part = layer_run(&bed, planned, first, rows, false);
            assert_same_bits(part.out, whole.out + first * bed.width,
                             (size_t)(rows * bed.width) * sizeof(float));
            for (int i = 0; i < layer->live; i++)
                assert_same_bits(part.gradient[i], whole.gradient[i] + first * bed.widths[i],
                                 (size_t)(rows * bed.widths[i]) * sizeof(float));
            layer_results_free(&bed, &part);
        }
    layer_results_free(&bed, &whole);
    ln_graph_release(bed.graph);
}

static void rows_are_invariant(void **state)
{
    (void)state;
    for (int f = 0; f < FAMILIES; f++)
        for (int i = 0; i < families[f].count; i++)
            check_rows(&families[f].cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_matches_its_reference),
        cmocka_unit_test(every_layer_of_the_table_is_tested),
        cmocka_unit_test(rows_are_invariant),
    };
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
