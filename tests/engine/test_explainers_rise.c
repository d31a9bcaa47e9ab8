/* rise: masks and their mean once more from the definition, its errors, and what does not fit. */
#include "explainer_checks.h"

#define CHANNELS 2
#define HEIGHT 5
#define WIDE 4
#define PIXELS (HEIGHT * WIDE)
#define WIDTH (CHANNELS * PIXELS)

/* A picture, a network of all its numbers, and a baseline. */
typedef struct picture {
    ln_model *model;
    ln_tensor *x, *baseline;
    ln_item items[3];
    ln_request request;
} picture;

static picture new_picture(void)
{
    ln_tensor *weights = tensor_random(TEST_SHAPE(WIDTH * 3 + 3 + 3 + 1), 5);
    picture made = {.x = tensor_random(TEST_SHAPE(3, WIDTH), 6),
                    .baseline = tensor_random(TEST_SHAPE(1, WIDTH), 7)};
    made.model = network_of("dense tanh dense", (int64_t[]){WIDTH, 3, 1}, ln_f32(weights),
                            LN_TASK_REGRESSION);
    for (int i = 0; i < 3; i++)
        made.items[i] = (ln_item){.row = i};
    ln_tensor_release(weights);
    return made;
}

static ln_request request_of(picture *it)
{
    return (ln_request){.model = it->model,
                        .x = it->x,
                        .baseline = it->baseline,
                        .items = it->items,
                        .item_count = 3,
                        .input_shape = TEST_SHAPE(CHANNELS, HEIGHT, WIDE)};
}

static void free_picture(picture *it)
{
    ln_model_release(it->model);
    ln_tensor_release(it->x);
    ln_tensor_release(it->baseline);
}

/* How much cell `c` of `cells` counts at place p of an axis, in the distance from its centre. */
static double hat(int64_t p, int64_t offset, int64_t size, int64_t cells, int64_t c)
{
    double place =
        ((double)(p + offset) + 0.5) / (double)((cells + 1) * size) * (double)cells - 0.5;
    place = place < 0 ? 0 : place > (double)(cells - 1) ? (double)(cells - 1) : place;
    double near = 1 - fabs(place - (double)c);
    return near > 0 ? near : 0;
}

/* Mean and standard error of f m / keep over the masks of row `row`, from whole rows in one pass. */
static void by_definition(const picture *it, int64_t row, int64_t masks, int64_t cells, double keep,
                          double *mean, double *error)
{
    ln_error err = {0};
    ln_rng rng = ln_rng_make(9, "rise", 4, (uint64_t)row);
    ln_tensor *rows = tensor_zero(LN_F32, TEST_SHAPE(masks, WIDTH)), *out = NULL;
    double *mask = ln_calloc((size_t)(masks * PIXELS), sizeof *mask);
    for (int64_t m = 0; m < masks; m++) {
        double grid[49];
        for (int64_t c = 0; c < cells * cells; c++)
            grid[c] = ln_rng_uniform(&rng) < keep;
        int64_t high = (HEIGHT + cells - 1) / cells, wide = (WIDE + cells - 1) / cells;
        int64_t down = (int64_t)ln_rng_below(&rng, (uint64_t)high);
        int64_t right = (int64_t)ln_rng_below(&rng, (uint64_t)wide);
        for (int64_t p = 0; p < PIXELS; p++) {
            double *value = &mask[m * PIXELS + p];
            for (int64_t c = 0; c < cells * cells; c++)
                *value += grid[c] * hat(p / WIDE, down, high, cells, c / cells) *
                          hat(p % WIDE, right, wide, cells, c % cells);
        }
        for (int64_t i = 0; i < WIDTH; i++) {
            double m_i = mask[m * PIXELS + i % PIXELS];
            ln_f32(rows)[m * WIDTH + i] = (float)(m_i * (double)ln_f32(it->x)[row * WIDTH + i] +
                                                  (1 - m_i) * (double)ln_f32(it->baseline)[i]);
        }
    }
    assert_ok(ln_model_forward(it->model, LN_LINK_RAW, rows, NULL, &out, &err));
    for (int64_t p = 0; p < PIXELS; p++) {
        double sum = 0, squares = 0, n = (double)masks;
        for (int64_t m = 0; m < masks; m++)
            sum += (double)ln_f32(out)[m] * mask[m * PIXELS + p] / keep;
        for (int64_t m = 0; m < masks; m++) {
            double off = (double)ln_f32(out)[m] * mask[m * PIXELS + p] / keep - sum / n;
            squares += off * off;
        }
        mean[p] = sum / n;
        error[p] = sqrt(squares / (n - 1) / n);
    }
    ln_free(mask);
    ln_tensor_release(rows);
    ln_tensor_release(out);
}

static void masks_are_those_of_the_definition(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        int64_t masks, cells;
        double keep;
    } cases[] = {{"masks=200 cell=2", 200, 2, 0.5},
                 {"masks=300 cell=4 keep=0.3", 300, 4, 0.3},
                 {"masks=100 cell=3 keep=0.8", 100, 3, 0.8},
                 {"masks=50 cell=1", 50, 1, 0.5}};
    picture it = new_picture();
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        ln_request request = request_of(&it);
        request.seed = 9;
        request.stream = 4;
        ln_explanation got = explain("rise", cases[c].given, request, NULL);
        for (int64_t row = 0; row < 3; row++) {
            double mean[PIXELS], error[PIXELS];
            by_definition(&it, row, cases[c].masks, cases[c].cells, cases[c].keep, mean, error);
            for (int64_t i = 0; i < WIDTH; i++) { /* channels share the value */
                double value = (double)got.values[row * WIDTH + i];
                double spread = (double)got.errors[row * WIDTH + i];
                assert_near_f64(&value, &mean[i % PIXELS], 1, 2e-6, 1e-5);
                assert_near_f64(&spread, &error[i % PIXELS], 1, 2e-6, 1e-4);
            }
        }
        assert_int_equal(got.evaluations, 3 * (cases[c].masks + 1));
        ln_explanation_free(&got);
    }
    free_picture(&it);
}

/* Where every cell is kept nothing is hidden: each pixel has all of the number, without an error. */
static void what_hides_nothing_gives_the_output(void **state)
{
    (void)state;
    picture it = new_picture();
    ln_explanation got = explain("rise", "masks=64 cell=2 keep=1", request_of(&it), NULL);
    for (int64_t i = 0; i < 3 * WIDTH; i++) {
        double value = (double)got.values[i];
        assert_near_f64(&value, &got.output[i / WIDTH], 1, 1e-6, 1e-6);
        assert_true((double)got.errors[i] < 1e-6);
    }
    ln_explanation_free(&got);
    free_picture(&it);
}

/* A model that reads one pixel: that pixel has the most. */
static void the_pixel_that_is_read_has_the_most(void **state)
{
    (void)state;
    float weights[PIXELS + 1] = {0};
    weights[13] = 1;
    ln_model *model = network_of("dense", (int64_t[]){PIXELS, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_zero(LN_F32, TEST_SHAPE(1, PIXELS));
    for (int i = 0; i < PIXELS; i++)
        ln_f32(x)[i] = 1;
    ln_item item = {0};
    ln_request request = {.model = model,
                          .x = x,
                          .items = &item,
                          .item_count = 1,
                          .input_shape = TEST_SHAPE(1, HEIGHT, WIDE)};
    ln_explanation got = explain("rise", "masks=3000 cell=4", request, NULL);
    for (int i = 0; i < PIXELS; i++)
        assert_true(i == 13 || got.values[i] + 3 * got.errors[i] < got.values[13]);
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* A row ends at the first look whose errors are small enough, with the bits that so many masks give. */
static void rows_stop_where_errors_are_small(void **state)
{
    (void)state;
    picture it = new_picture();
    for (int row = 0; row < 3; row++) {
        ln_request request = request_of(&it);
        request.items = it.items + row;
        request.item_count = 1;
        ln_explanation got = explain("rise", "cell=2 masks=20000 stop=0.06", request, NULL);
        const int64_t masks = got.evaluations - 1;
        if (!(masks % 200 == 0 && masks > 200 && masks < 20000))
            fail_msg("row %d: %d masks", row, (int)masks);
        check_end("rise", "cell=2 masks=", request, &got, masks, 200, 0.06);
        ln_explanation_free(&got);
    }
    assert_int_equal(check_no_end("rise", "cell=2 masks=450", request_of(&it)), 0);
    check_request_bits("rise", "cell=2 masks=20000 stop=0.06", request_of(&it));
    free_picture(&it);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    picture it = new_picture();
    ln_request request = request_of(&it);
    check_refused("rise", "cell=5", request, "5 cells do not fit along an axis of 4 inputs",
                  "cell");
    const ln_explainer *explainer = ln_explainer_find("rise");
    const parameters params = parameters_of(&explainer->word, "");
    ln_error err = {0};
    ln_job *job = NULL;
    request = completed(explainer, request);
    request.params = params.bytes;
    request.input_shape = TEST_SCALAR;
    assert_fails(ln_job_new(explainer, &request, NULL, &job, &err), LN_EUNSUPPORTED,
                 "the columns of a table have no order");
    assert_string_equal(err.field, "");
    free_picture(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_those_of_the_definition),
        cmocka_unit_test(what_hides_nothing_gives_the_output),
        cmocka_unit_test(the_pixel_that_is_read_has_the_most),
        cmocka_unit_test(rows_stop_where_errors_are_small),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
