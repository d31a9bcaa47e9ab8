/* layers: batch normalisation outside of training and in it, and a batch in parts. */
#include "layers_cases_batch_norm.h"

/* The statistics of all rows. */
REFERENCE(batch_reference)
{
    const int64_t channels = layer->shapes[0].dims[0];
    const int64_t inner = ln_shape_count(&layer->shapes[0]) / channels;
    for (int64_t c = 0; c < channels; c++) {
        double mean = 0, variance = 0;
        const double count = (double)(rows * inner);
        for (int pass = 0; pass < 3; pass++)
            for (int64_t i = 0; i < elements(layer, rows); i++) {
                if (i / inner % channels != c)
                    continue;
                mean += pass == 0 ? in[0][i] / count : 0;
                variance += pass == 1 ? pow(in[0][i] - mean, 2) / count : 0;
                out[i] = pass == 2 ? (in[0][i] - mean) / sqrt(variance + 1e-2) * in[1][c] + in[2][c]
                                   : out[i];
            }
    }
}

static void batch_norm_outside_of_training_uses_running_statistics(void **state)
{
    (void)state;
    for (int i = 0; i < BATCH_NORMS; i++)
        check_case_in(&batch_norms[i], LAYER_ROWS, false, batch_norms[i].live);
}

static void batch_norm_in_training_uses_the_batch(void **state)
{
    (void)state;
    for (int i = 0; i < BATCH_NORMS - 1; i++) {
        layer_case layer = batch_norms[i];
        layer.reference = batch_reference;
        check_case_in(&layer, LAYER_ROWS, true, 3);
    }
}

/* Executions of one plan that hold parts of a batch of 7 rows. */
typedef struct parts {
    layer_bed bed;
    ln_plan *plan;
    ln_exec *execs[3];
    int64_t first[4];
    int count;
} parts;

static parts parts_make(int count)
{
    parts made = {.bed = layer_bed_make(&batch_norms[2]), .count = count};
    const ln_plan_options options = {
        .rows = 7, .gradients = made.bed.values, .gradient_count = 1, .training = true};
    ln_error err;
    assert_ok(ln_plan_new(made.bed.graph, &options, &made.plan, &err));
    assert_true(ln_plan_couples_rows(made.plan));
    for (int i = 0; i < count; i++) {
        made.first[i] = 7 * i / count;
        made.first[i + 1] = 7 * (i + 1) / count;
        assert_ok(ln_exec_new(made.plan, &made.execs[i], &err));
        for (int64_t j = 0; j < (made.first[i + 1] - made.first[i]) * 12; j++)
            ((float *)ln_exec_input(made.execs[i], 0))[j] =
                (float)layer_number(0, made.first[i] * 12 + j);
    }
    return made;
}

static void parts_free(parts *made)
{
    for (int i = 0; i < made->count; i++)
        ln_exec_free(made->execs[i]);
    ln_plan_free(made->plan);
    ln_graph_release(made->bed.graph);
}

/* Replaces the parts' statistics by their sum; returns it. */
static double *parts_share(parts *made, int node, bool backward)
{
    int64_t count;
    double *total = ln_exec_statistics(made->execs[0], node, backward, &count);
    for (int i = 1; i < made->count; i++)
        for (int64_t j = 0; j < count; j++)
            total[j] += ln_exec_statistics(made->execs[i], node, backward, &count)[j];
    for (int i = 1; i < made->count; i++)
        memcpy(ln_exec_statistics(made->execs[i], node, backward, &count), total,
               (size_t)count * sizeof *total);
    return total;
}

/* Forward and backward; y and dx of all 7 rows to `out` and `gradient`. */
static void parts_run(parts *made, float *out, float *gradient)
{
    ln_error err;
    int stop = -2;
    for (int i = 0; i < made->count; i++) {
        ln_exec_begin(made->execs[i], made->first[i + 1] - made->first[i]);
        assert_ok(ln_exec_forward_part(made->execs[i], -1, &stop, &err));
        assert_int_equal(stop, 0);
    }
    parts_share(made, 0, false);
    for (int i = 0; i < made->count; i++) {
        const int64_t count = (made->first[i + 1] - made->first[i]) * 12;
        assert_ok(ln_exec_forward_part(made->execs[i], 0, &stop, &err));
        assert_int_equal(stop, 1);
        memcpy(out + made->first[i] * 12, ln_exec_value(made->execs[i], made->bed.output),
               (size_t)count * sizeof *out);
        for (int64_t j = 0; j < count; j++)
            ln_exec_seed(made->execs[i], made->bed.output)[j] =
                (float)layer_number(50, made->first[i] * 12 + j);
        assert_ok(ln_exec_backward_part(made->execs[i], 1, &stop, &err));
        assert_int_equal(stop, 0);
    }
    parts_share(made, 0, true);
    for (int i = 0; i < made->count; i++) {
        assert_ok(ln_exec_backward_part(made->execs[i], 0, &stop, &err));
        assert_int_equal(stop, -1);
        memcpy(gradient + made->first[i] * 12,
               ln_exec_gradient(made->execs[i], made->bed.values[0]),
               (size_t)(made->first[i + 1] - made->first[i]) * 12 * sizeof *gradient);
    }
}

static void a_batch_in_parts_is_one_batch(void **state)
{
    (void)state;
    float whole[7 * 12], whole_gradient[7 * 12], out[7 * 12], gradient[7 * 12];
    parts one = parts_make(1), three = parts_make(3);
    parts_run(&one, whole, whole_gradient);
    parts_run(&three, out, gradient);
    assert_near_f32(out, whole, 7 * 12, 1e-7, 1e-6);
    assert_near_f32(gradient, whole_gradient, 7 * 12, 1e-7, 1e-6);
    parts_free(&one);
    parts_free(&three);
}

/* running = 0.7 running + 0.3 of the batch's, whose variance is divided by M - 1. */
static void running_statistics_move_to_the_batch(void **state)
{
    const double statistics[] = {4, 8, -4, 40, 5}; /* M, sums, sums of squares of 2 channels */
    layer_bed bed = layer_bed_make(&batch_norms[2]);
    float *mean = ln_f32(bed.graph->values[bed.values[3]].constant);
    float *variance = ln_f32(bed.graph->values[bed.values[4]].constant);
    const float before[] = {mean[0], mean[1], variance[0], variance[1]};
    (void)state;
    bed.graph->nodes[0].layer->settle(bed.graph, &bed.graph->nodes[0], statistics);
    const float wanted[] = {0.7f * before[0] + 0.3f * 2, 0.7f * before[1] - 0.3f,
                            0.7f * before[2] + 0.3f * 8, 0.7f * before[3] + 0.3f / 3};
    assert_near_f32(mean, wanted, 2, 1e-6, 1e-6);
    assert_near_f32(variance, wanted + 2, 2, 1e-6, 1e-6);
    ln_graph_release(bed.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_outside_of_training_uses_running_statistics),
        cmocka_unit_test(batch_norm_in_training_uses_the_batch),
        cmocka_unit_test(a_batch_in_parts_is_one_batch),
        cmocka_unit_test(running_statistics_move_to_the_batch),
    };
    return cmocka_run_group_tests_name("layers_batch_norm", tests, NULL, NULL);
}
