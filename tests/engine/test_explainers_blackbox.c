/* Black boxes: a function in place of layers answers as the network that computes the same, on every
 * link, on the thread that asks, and has nothing else to ask for. */
#include "networks.h"

#include <pthread.h>

#include "model/blackbox.h"

enum { INPUTS = 3 };

/* What the functions below look at and keep. */
typedef struct asked {
    pthread_t thread;     /* on which every call has to come */
    int64_t calls;        /* so far */
    int64_t fail_at;      /* the call that fails, counted from 1; 0: none */
    int64_t most_rows;    /* of one call */
    int64_t outputs;      /* 1 or 2 */
    bool probabilities;   /* of the last class: answers in them */
    int released;         /* contexts handed back */
    bool on_other_thread; /* a call came on another one */
} asked;

/* weight (out, in), bias (out) of the function with two outputs; with one it is the second's. */
static const float numbers[] = {0.5F, -1, 2, 1.5F, 0.25F, -0.75F, 0.125F, -0.5F};

static ln_status answer(void *context, const float *x, int64_t rows, float *out, ln_error *err)
{
    asked *self = context;
    self->calls++;
    self->most_rows = rows > self->most_rows ? rows : self->most_rows;
    self->on_other_thread |= !pthread_equal(self->thread, pthread_self());
    if (self->calls == self->fail_at)
        return ln_fail(err, LN_ECALLBACK, "the function fails");
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < self->outputs; c++) {
            const int64_t from = self->outputs == 1 ? 1 : c;
            double z = (double)numbers[2 * INPUTS + from];
            for (int64_t j = 0; j < INPUTS; j++)
                z += (double)numbers[from * INPUTS + j] * (double)x[r * INPUTS + j];
            out[r * self->outputs + c] = (float)(self->probabilities ? 1 / (1 + exp(-z)) : z);
        }
    return LN_OK;
}

static void give_back(void *context)
{
    asked *self = context;
    self->released++;
}

static asked new_asked(int64_t outputs, bool probabilities)
{
    return (asked){.thread = pthread_self(), .outputs = outputs, .probabilities = probabilities};
}

static ln_callback callback_of(asked *context)
{
    return (ln_callback){.run = answer,
                         .release = give_back,
                         .context = context,
                         .inputs = INPUTS,
                         .outputs = context->outputs,
                         .probabilities = context->probabilities};
}

static ln_model *box_of(asked *context, ln_task task)
{
    ln_error err = {0};
    ln_model *model = NULL;
    const ln_callback callback = callback_of(context);
    assert_ok(ln_model_blackbox(&callback, "the function", NULL, task, &model, &err));
    return model;
}

static ln_tensor *rows_of(int64_t count)
{
    float *x = malloc((size_t)(count * INPUTS) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < count * INPUTS; i++)
        x[i] = (float)((i * 37) % 101) / 25 - 2;
    ln_tensor *rows = tensor_f32(TEST_SHAPE(count, INPUTS), x);
    free(x);
    return rows;
}

static void answers_as_the_network_on_every_link(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_tensor *x = rows_of(150);
    for (int64_t outputs = 1; outputs <= 2; outputs++) {
        const float one[] = {1.5F, 0.25F, -0.75F, -0.5F};
        ln_model *network = network_of("dense", (int64_t[]){INPUTS, outputs},
                                       outputs == 1 ? one : numbers, LN_TASK_CLASSIFICATION);
        asked context = new_asked(outputs, false);
        ln_model *box = box_of(&context, LN_TASK_CLASSIFICATION);
        assert_int_equal(box->width, INPUTS);
        assert_int_equal(box->output_count, outputs);
        assert_int_equal(box->class_count, 2);
        assert_string_equal(box->format, "blackbox");
        for (int link = LN_LINK_RAW; link <= LN_LINK_LOSS; link++) {
            ln_tensor *wanted = NULL, *got = NULL;
            assert_ok(ln_model_forward(network, (ln_link)link, x, NULL, &wanted, &err));
            assert_ok(ln_model_forward(box, (ln_link)link, x, NULL, &got, &err));
            assert_true(ln_shape_equal(&wanted->shape, &got->shape));
            assert_near_f32(ln_f32(got), ln_f32(wanted), (size_t)ln_shape_count(&got->shape), 1e-6,
                            1e-6);
            ln_tensor_release(wanted);
            ln_tensor_release(got);
        }
        ln_tensor *wanted = NULL, *got = NULL;
        assert_ok(ln_model_scores(network, x, NULL, &wanted, &err));
        assert_ok(ln_model_scores(box, x, NULL, &got, &err));
        assert_near_f64(ln_f64(got), ln_f64(wanted), 300, 1e-7, 1e-7);
        ln_tensor_release(wanted);
        ln_tensor_release(got);
        assert_int_equal(context.most_rows,
                         50); /* 3 chunks of 150 rows: at most LN_CHUNK_ROWS, and even */
        ln_model_release(box);
        assert_int_equal(context.released, 1);
        ln_model_release(network);
    }
    ln_tensor_release(x);
}

/* Probabilities are left as they are; what goes before them nobody knows. */
static void probabilities_stay(void **state)
{
    (void)state;
    ln_error err = {0};
    asked context = new_asked(1, true);
    ln_model *box = box_of(&context, LN_TASK_CLASSIFICATION);
    ln_tensor *x = rows_of(5), *raw = NULL, *probability = NULL, *scores = NULL;
    assert_ok(ln_model_forward(box, LN_LINK_RAW, x, NULL, &raw, &err));
    assert_ok(ln_model_forward(box, LN_LINK_PROBABILITY, x, NULL, &probability, &err));
    assert_ok(ln_model_scores(box, x, NULL, &scores, &err));
    assert_same_tensor(probability, raw);
    for (int r = 0; r < 5; r++) {
        const double p = (double)ln_f32(raw)[r];
        const double wanted[] = {1 - p, p};
        assert_near_f64(ln_f64(scores) + 2 * r, wanted, 2, 0, 0);
    }
    ln_target target;
    assert_ok(ln_model_target(box, LN_LINK_RAW, 0, &target, &err));
    assert_true(target.index == 0 && target.scale == -1 && target.offset == 1);
    ln_tensor *out = NULL;
    assert_fails(ln_model_forward(box, LN_LINK_LOGIT, x, NULL, &out, &err), LN_EUNSUPPORTED,
                 "link = \"logit\" needs logits, and this blackbox returns probabilities");
    assert_fails(ln_model_forward(box, LN_LINK_LOSS, x, NULL, &out, &err), LN_EUNSUPPORTED,
                 "link = \"loss\" needs logits");
    assert_null(out);
    ln_tensor_release(raw);
    ln_tensor_release(probability);
    ln_tensor_release(scores);
    ln_tensor_release(x);
    ln_model_release(box);
}

/* A pool is not used: every call comes on the thread that asks, and the bits are the same. */
static void is_called_on_the_thread_that_asks(void **state)
{
    (void)state;
    ln_error err = {0};
    asked context = new_asked(2, false);
    ln_model *box = box_of(&context, LN_TASK_CLASSIFICATION);
    ln_tensor *x = rows_of(40), *one = NULL, *four = NULL;
    ln_pool *pool = NULL;
    assert_ok(ln_pool_new(4, &pool, &err));
    assert_null(ln_model_pool(box, pool));
    assert_ok(ln_model_forward(box, LN_LINK_RAW, x, NULL, &one, &err));
    assert_ok(ln_model_forward(box, LN_LINK_RAW, x, pool, &four, &err));
    assert_same_tensor(four, one);
    ln_item items[40];
    int64_t row_ids[40];
    for (int i = 0; i < 40; i++) {
        items[i] = (ln_item){.row = i, .target = i % 2};
        row_ids[i] = i;
    }
    const ln_request request = {.model = box,
                                .link = LN_LINK_PROBABILITY,
                                .x = x,
                                .row_ids = row_ids,
                                .items = items,
                                .item_count = 40};
    ln_explanation alone = explain("feature_ablation", "", request, NULL);
    ln_explanation spread = explain("feature_ablation", "", request, pool);
    assert_same_bits(spread.values, alone.values, 40 * INPUTS * sizeof(float));
    assert_int_equal(alone.evaluations, 40 * (INPUTS + 1));
    assert_false(context.on_other_thread);
    ln_explanation_free(&alone);
    ln_explanation_free(&spread);
    ln_tensor_release(one);
    ln_tensor_release(four);
    ln_tensor_release(x);
    ln_pool_free(pool);
    ln_model_release(box);
}

static void has_no_gradients(void **state)
{
    (void)state;
    ln_error err = {0};
    asked context = new_asked(2, false);
    ln_model *box = box_of(&context, LN_TASK_CLASSIFICATION);
    ln_function *function = NULL;
    const ln_function_options options = {.rows = 1, .gradient = true};
    assert_fails(ln_function_new(box, &options, &function, &err), LN_EUNSUPPORTED,
                 "a blackbox has no gradients");
    ln_tensor *x = rows_of(1);
    ln_item item = {0};
    int checked = 0;
    for (const ln_explainer *const *entry = ln_explainers; *entry; entry++) {
        if (!((*entry)->flags & LN_NEEDS_GRADIENT))
            continue;
        char wanted[128];
        snprintf(wanted, sizeof wanted, "%s needs gradients, and a blackbox has none",
                 (*entry)->word.name);
        parameters params = parameters_of(&(*entry)->word, required_by(*entry));
        ln_request request =
            completed(*entry, (ln_request){.model = box, .x = x, .items = &item, .item_count = 1});
        request.params = params.bytes;
        ln_job *job = NULL;
        assert_fails(ln_job_new(*entry, &request, NULL, &job, &err), LN_EUNSUPPORTED, wanted);
        assert_null(job);
        checked++;
    }
    assert_true(checked >= 3);
    assert_int_equal(context.calls, 0);
    ln_tensor_release(x);
    ln_model_release(box);
}

static void its_failure_is_passed_on(void **state)
{
    (void)state;
    ln_error err = {0};
    asked context = new_asked(2, false);
    ln_model *box = box_of(&context, LN_TASK_CLASSIFICATION);
    ln_tensor *x = rows_of(200), *out = NULL;
    context.fail_at = 3;
    assert_fails(ln_model_forward(box, LN_LINK_RAW, x, NULL, &out, &err), LN_ECALLBACK,
                 "the function fails");
    assert_null(out);
    assert_int_equal(context.calls, 3);
    ln_tensor_release(x);
    ln_model_release(box);
}

/* Source, sizes, what the outputs are, and the task. */
static void its_hash_is_of_what_is_declared(void **state)
{
    (void)state;
    ln_error err = {0};
    asked context = new_asked(2, false);
    static const struct {
        const char *identity;
        int64_t inputs, outputs;
        bool probabilities;
        ln_task task;
    } cases[] = {
        {"a", 3, 2, false, LN_TASK_CLASSIFICATION}, {"b", 3, 2, false, LN_TASK_CLASSIFICATION},
        {"a", 4, 2, false, LN_TASK_CLASSIFICATION}, {"a", 3, 3, false, LN_TASK_CLASSIFICATION},
        {"a", 3, 2, true, LN_TASK_CLASSIFICATION},  {"a", 3, 2, false, LN_TASK_REGRESSION},
        {"a", 3, 2, false, LN_TASK_CLASSIFICATION},
    };
    enum { CASES = sizeof cases / sizeof cases[0] };
    uint8_t hashes[CASES][LN_SHA256_BYTES];
    for (int i = 0; i < CASES; i++) {
        ln_callback callback = callback_of(&context);
        callback.inputs = cases[i].inputs;
        callback.outputs = cases[i].outputs;
        callback.probabilities = cases[i].probabilities;
        ln_model *box = NULL;
        assert_ok(ln_model_blackbox(&callback, cases[i].identity, NULL, cases[i].task, &box, &err));
        memcpy(hashes[i], box->sha256, LN_SHA256_BYTES);
        ln_model_release(box);
        for (int j = 0; j < i; j++)
            assert_int_equal(memcmp(hashes[i], hashes[j], LN_SHA256_BYTES) == 0,
                             i == CASES - 1 && j == 0);
    }
    assert_int_equal(context.released, CASES);
}

typedef struct whole {
    asked *context;
    const ln_tensor *x; /* rows to ask for */
    int made;           /* how often a model was asked for */
} whole;

static ln_status make_and_ask(void *data, ln_error *err)
{
    whole *it = data;
    ln_model *box = NULL;
    ln_tensor *out = NULL;
    const ln_callback callback = callback_of(it->context);
    it->made++;
    ln_status status = ln_model_blackbox(&callback, "x", NULL, LN_TASK_CLASSIFICATION, &box, err);
    if (!status)
        status = ln_model_forward(box, LN_LINK_PROBABILITY, it->x, NULL, &out, err);
    ln_tensor_release(out);
    ln_model_release(box);
    return status;
}

/* Nothing is left, and the context is handed back once, whatever fails. */
static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    asked context = new_asked(2, false);
    ln_tensor *x = rows_of(70);
    whole it = {.context = &context, .x = x};
    sweep_allocation_failures(make_and_ask, &it);
    assert_int_equal(context.released, it.made);
    ln_tensor_release(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_as_the_network_on_every_link),
        cmocka_unit_test(probabilities_stay),
        cmocka_unit_test(is_called_on_the_thread_that_asks),
        cmocka_unit_test(has_no_gradients),
        cmocka_unit_test(its_failure_is_passed_on),
        cmocka_unit_test(its_hash_is_of_what_is_declared),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
