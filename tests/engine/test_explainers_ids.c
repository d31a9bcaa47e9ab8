/* Networks whose only inputs are ids of the rows of a table: what relevance and differences say of an id is what they say of
 * the numbers of its row, in the same network on those; and what needs numbers between two ids is refused. */
#include "contrasting.h"

#include "model/declare.h"

enum { IDS = 4, TABLE = 7, WIDE = 3, ROWS = 9, CLASSES = 3 };

/* Dense layers, with a residual and a maximum, behind rows of numbers (N, IDS, WIDE). */
static int behind_rows(ln_graph *graph, int rows)
{
    const ln_reshape_attributes flat = {.shape = {1, {IDS * WIDE}}};
    const int x = add_node(graph, "reshape", &flat, rows, -1);
    const int hidden = add_node(graph, "relu", NULL, dense(graph, x, 6, 1), -1);
    const int more = add_node(graph, "add", NULL, hidden, dense(graph, hidden, 6, 2));
    return dense(graph, add_node(graph, "relu", NULL, more, -1), CLASSES, 3);
}

static ln_model *on_numbers(void)
{
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, IDS, WIDE), &x);
    return finish(graph, behind_rows(graph, x));
}

/* As a layer, or as files spell it, or so that only whole numbers made of them are looked up. */
enum { LAYER, SPELT, CAST };
static ln_model *on_ids(const ln_tensor *table, int how)
{
    const ln_cast_attributes narrow = {.to = LN_CAST_I32};
    const ln_shape shape = TEST_SHAPE(-1, IDS);
    const ln_axis_attributes first = {.axis = 1};
    const ln_embedding_attributes sizes = {.num_embeddings = TABLE, .embedding_dim = WIDE};
    int ids, rows;
    ln_graph *graph;
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "ids", LN_I64, &shape, &ids, &err));
    ln_tensor *own = tensor_f32(table->shape, ln_f32(table));
    assert_ok(ln_graph_add_constant(graph, "table", own, false, &rows, &err));
    ln_tensor_release(own);
    if (how == CAST)
        ids = add_node(graph, "cast", &narrow, ids, -1);
    const int found = how != LAYER ? add_node(graph, "gather", &first, rows, ids)
                                   : add_node(graph, "embedding", &sizes, ids, rows);
    return finish(graph, behind_rows(graph, found));
}

typedef struct setting {
    ln_tensor *table, *ids, *other;         /* ids of rows, and of baselines */
    ln_tensor *numbers, *numbers_of_others; /* their rows */
    ln_item items[ROWS];
} setting;

static ln_tensor *draw_ids(int step)
{
    float ids[ROWS * IDS];
    for (int i = 0; i < ROWS * IDS; i++)
        ids[i] = (float)(i * step % TABLE);
    return tensor_f32(TEST_SHAPE(ROWS, IDS), ids);
}

static ln_tensor *rows_of(const ln_tensor *table, const ln_tensor *ids)
{
    float numbers[ROWS * IDS * WIDE];
    for (int i = 0; i < ROWS * IDS; i++)
        memcpy(numbers + i * WIDE, ln_f32(table) + (int)ln_f32(ids)[i] * WIDE,
               WIDE * sizeof *numbers);
    return tensor_f32(TEST_SHAPE(ROWS, IDS * WIDE), numbers);
}

static setting set_up(void)
{
    setting at = {.table = tensor_random(TEST_SHAPE(TABLE, WIDE), 5),
                  .ids = draw_ids(3),
                  .other = draw_ids(5)};
    at.numbers = rows_of(at.table, at.ids);
    at.numbers_of_others = rows_of(at.table, at.other);
    for (int i = 0; i < ROWS; i++)
        at.items[i] = (ln_item){i, i % CLASSES};
    return at;
}

static void clear(setting *at)
{
    ln_tensor_release(at->table);
    ln_tensor_release(at->ids);
    ln_tensor_release(at->other);
    ln_tensor_release(at->numbers);
    ln_tensor_release(at->numbers_of_others);
}

static ln_explanation explained(const setting *at, ln_model *model, const char *word,
                                const char *given, bool ids, int first, int count)
{
    const bool compares = strcmp(word, "deeplift") == 0;
    const ln_tensor *baseline = ids ? at->other : at->numbers_of_others;
    return explain(word, given,
                   (ln_request){.model = model,
                                .x = ids ? at->ids : at->numbers,
                                .items = at->items + first,
                                .item_count = count,
                                .baseline = compares ? baseline : NULL},
                   NULL);
}

static const char *const cases[][2] = {{"lrp", ""},
                                       {"lrp", "composite=\"epsilon_plus\""},
                                       {"lrp", "rule=\"gamma\""},
                                       {"lrp", "composite=\"epsilon_plus_flat\""},
                                       {"deep_taylor", ""},
                                       {"excitation_backprop", ""},
                                       {"deeplift", ""},
                                       {"deeplift", REVEAL}};
enum { CASES = sizeof cases / sizeof *cases };

static void an_id_has_what_its_numbers_have(void **state)
{
    (void)state;
    setting at = set_up();
    ln_model *numbers = on_numbers();
    for (int c = 0; c < 2 * CASES; c++) {
        const char *word = cases[c / 2][0], *given = cases[c / 2][1];
        ln_model *model = on_ids(at.table, c % 2);
        ln_explanation got = explained(&at, model, word, given, true, 0, ROWS);
        ln_explanation of = explained(&at, numbers, word, given, false, 0, ROWS);
        double scale = 0;
        for (int i = 0; i < ROWS * IDS * WIDE; i++)
            scale = fmax(scale, fabs((double)of.values[i]));
        for (int i = 0; i < ROWS * IDS; i++) {
            double sum = 0;
            for (int j = 0; j < WIDE; j++)
                sum += (double)of.values[i * WIDE + j];
            /* An id that is the baseline's brings nothing. */
            if (!(fabs((double)got.values[i] - sum) <= 2e-6 * scale))
                fail_msg("%s %s, id %d: %.9g is not %.9g", word, given, i, (double)got.values[i],
                         sum);
        }
        assert_true(scale > 1e-2);
        for (int i = 0; i < ROWS; i++) { /* alone as among the others */
            ln_explanation one = explained(&at, model, word, given, true, i, 1);
            assert_same_bits(one.values, got.values + (ptrdiff_t)i * IDS, IDS * sizeof(float));
            ln_explanation_free(&one);
        }
        ln_explanation_free(&got);
        ln_explanation_free(&of);
        ln_model_release(model);
    }
    ln_model_release(numbers);
    clear(&at);
}

static ln_status try_at(const char *word, const char *given, ln_model *model, const ln_tensor *ids)
{
    const ln_explainer *explainer = ln_explainer_find(word);
    parameters params = parameters_of(&explainer->word, given);
    const ln_item item = {0, 0};
    ln_job *job = NULL;
    const int value = ln_graph_find_value(model->graph, "gather.0");
    ln_request request = completed(
        explainer, (ln_request){.model = model, .x = ids, .items = &item, .item_count = 1});
    request.params = params.bytes;
    request.layer = explainer->flags & LN_TAKES_LAYER ? value : -1;
    err = (ln_error){0};
    ln_status status = ln_job_new(explainer, &request, NULL, &job, &err);
    ln_job_free(job);
    return status;
}

static void there_is_nothing_between_ids(void **state)
{
    (void)state;
    setting at = set_up();
    ln_model *model = on_ids(at.table, SPELT);
    static const char *const on_the_way[] = {"layer_conductance", "internal_influence"};
    static const char *const gradients[] = {"saliency", "input_x_gradient", "guided_backprop"};
    for (int i = 0; i < 2; i++) {
        assert_fails(try_at(on_the_way[i], "", model, at.ids), LN_EUNSUPPORTED,
                     "the model's input 'ids' takes whole numbers, and there is nothing between");
        assert_string_equal(err.hint,
                            "layer_integrated_gradients goes between a layer's own numbers");
    }
    for (int i = 0; i < 3; i++) {
        assert_fails(try_at(gradients[i], "", model, at.ids), LN_EUNSUPPORTED,
                     "'ids' takes whole numbers, which have no gradient");
        assert_string_equal(err.hint, "lrp and deeplift explain ids by the rows that they look up, "
                                      "layer_integrated_gradients the rows themselves");
    }
    assert_ok(try_at("layer_integrated_gradients", "", model, at.ids));
    assert_ok(try_at("layer_gradient_x_activation", "", model, at.ids));
    ln_model_release(model);
    clear(&at);
}

/* Relevance goes back to what is looked up, and no further; of differences a cast hands on its own. */
static void ids_are_looked_up_as_they_are(void **state)
{
    (void)state;
    setting at = set_up();
    ln_model *model = on_ids(at.table, CAST), *plain = on_ids(at.table, SPELT);
    assert_fails(try_at("lrp", "", model, at.ids), LN_EUNSUPPORTED,
                 "lrp explains whole numbers by the rows that they look up, and nothing looks rows "
                 "up by 'ids' as it is");
    ln_explanation got = explained(&at, model, "deeplift", "", true, 0, ROWS);
    ln_explanation of = explained(&at, plain, "deeplift", "", true, 0, ROWS);
    assert_same_bits(got.values, of.values, ROWS * IDS * sizeof(float));
    ln_explanation_free(&got);
    ln_explanation_free(&of);
    ln_model_release(model);
    ln_model_release(plain);
    clear(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_what_its_numbers_have),
        cmocka_unit_test(there_is_nothing_between_ids),
        cmocka_unit_test(ids_are_looked_up_as_they_are),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
