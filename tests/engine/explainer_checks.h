/* Promises that many explainers make, each checked in one way: what is refused, when a row ends early, that an
 * item's bits depend on the item alone. */
#ifndef LN_TESTS_EXPLAINER_CHECKS_H
#define LN_TESTS_EXPLAINER_CHECKS_H

#include "networks.h"

/* ---------------------------------------------------------------- jobs that may fail */

/* A job from start to end, of which nothing stays. */
static inline ln_status try_job(const char *word, const parameters *params, ln_request request,
                                ln_error *err)
{
    const ln_explainer *explainer = ln_explainer_find(word);
    ln_job *job = NULL;
    ln_explanation out = {0};
    request = completed(explainer, request);
    request.params = params->bytes;
    ln_status status = ln_job_new(explainer, &request, NULL, &job, err);
    if (!status)
        status = ln_job_run(job, 0, request.item_count, &out, err);
    ln_explanation_free(&out);
    ln_job_free(job);
    return status;
}

/* Of one row of random numbers; `background` may be NULL. */
static inline ln_status try_row(const char *word, const parameters *params, ln_model *model,
                                const ln_tensor *background, ln_error *err)
{
    const ln_item item = {0};
    ln_tensor *x = tensor_random(TEST_SHAPE(1, model->width), 1);
    const ln_request request = {
        .model = model, .x = x, .items = &item, .item_count = 1, .background = background};
    const ln_status status = try_job(word, params, request, err);
    ln_tensor_release(x);
    return status;
}

/* No job is made, for that reason. */
static inline void check_refused_as(ln_status wanted, const char *word, const char *given,
                                    ln_request request, const char *message, const char *field)
{
    ln_error err = {0};
    const ln_explainer *explainer = ln_explainer_find(word);
    const parameters params = parameters_of(&explainer->word, given);
    ln_job *job = NULL;
    request = completed(explainer, request);
    request.params = params.bytes;
    assert_fails(ln_job_new(explainer, &request, NULL, &job, &err), wanted, message);
    assert_string_equal(err.field, field);
    assert_null(job);
}

static inline void check_refused(const char *word, const char *given, ln_request request,
                                 const char *message, const char *field)
{
    check_refused_as(LN_EINVALID, word, given, request, message, field);
}

/* ---------------------------------------------------------------- bits */

static inline bool same_numbers(const double *a, const double *b, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

/* The items of `got` are those of `all` from `first` on. */
static inline void assert_same_items(const ln_explanation *got, const ln_explanation *all,
                                     int64_t first)
{
    const size_t bytes = (size_t)(got->count * got->width) * sizeof(float);
    assert_int_equal(got->width, all->width);
    assert_same_bits(got->values, all->values + first * all->width, bytes);
    if (all->errors)
        assert_same_bits(got->errors, all->errors + first * all->width, bytes);
    const double *const ours[] = {got->output, got->baseline_output, got->absorbed, got->fit};
    const double *const whole[] = {all->output, all->baseline_output, all->absorbed, all->fit};
    for (int k = 0; k < 4; k++)
        assert_true(!whole[k] || same_numbers(ours[k], whole[k] + first, got->count));
    for (int64_t i = 0; i < got->count && all->rules; i++) {
        assert_string_equal(got->rules[i].text, all->rules[first + i].text);
        assert_int_equal(got->rules[i].draws, all->rules[first + i].draws);
        assert_true(same_numbers(&got->rules[i].coverage, &all->rules[first + i].coverage, 1));
    }
}

/* Over 1, 2 and 5 threads. */
static inline void check_threads(const char *word, const char *given, ln_request request,
                                 const ln_explanation *alone)
{
    for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
        ln_error err = {0};
        ln_pool *pool = NULL;
        assert_ok(ln_pool_new(threads, &pool, &err));
        ln_explanation got = explain(word, given, request, pool);
        assert_same_items(&got, alone, 0);
        assert_int_equal(got.evaluations, alone->evaluations);
        ln_explanation_free(&got);
        ln_pool_free(pool);
    }
}

/* And each item in a request of its own. */
static inline void check_request_bits(const char *word, const char *given, ln_request request)
{
    ln_explanation all = explain(word, given, request, NULL);
    for (int64_t i = 0; i < request.item_count; i++) {
        ln_request part = request;
        part.items = request.items + i;
        part.item_count = 1;
        ln_explanation got = explain(word, given, part, NULL);
        assert_same_items(&got, &all, i);
        ln_explanation_free(&got);
    }
    check_threads(word, given, request, &all);
    ln_explanation_free(&all);
}

/* ---------------------------------------------------------------- early ends */

static inline double greatest_error(const ln_explanation *of)
{
    double most = 0;
    for (int64_t i = 0; i < of->count * of->width; i++)
        most = fmax(most, (double)of->errors[i]); /* NaN is none */
    return most;
}

/* `got`, of one item, ended after so many draws: with the bits of as many asked for (`given` with their number),
 * whose errors are at most `stop`; those of `look` fewer are not. */
static inline void check_end(const char *word, const char *given, ln_request request,
                             const ln_explanation *got, int64_t draws, int64_t look, double stop)
{
    for (int shorter = 0; shorter < 2; shorter++) {
        char text[64];
        snprintf(text, sizeof text, "%s%d", given, (int)(draws - look * shorter));
        ln_explanation plain = explain(word, text, request, NULL);
        assert_true((greatest_error(&plain) <= stop) == !shorter);
        if (!shorter)
            assert_same_items(got, &plain, 0);
        ln_explanation_free(&plain);
    }
}

/* Never more draws than were asked for, nor less where nothing ends early: `given` with a stop that no row meets.
 * How many more rows were evaluated for that. */
static inline int64_t check_no_end(const char *word, const char *given, ln_request request)
{
    char text[96];
    snprintf(text, sizeof text, "%s stop=1e-9", given);
    ln_explanation all = explain(word, given, request, NULL);
    ln_explanation got = explain(word, text, request, NULL);
    assert_same_items(&got, &all, 0);
    const int64_t more = got.evaluations - all.evaluations;
    ln_explanation_free(&all);
    ln_explanation_free(&got);
    return more;
}

/* The same where looks come with half as many draws again, from `first` on: `got` ended at the first whose
 * errors are at most `stop`, and evaluated little more than it has (a few coalitions a look and player). */
static inline void check_end_at_look(const char *word, const char *given, ln_request request,
                                     const ln_explanation *got, int64_t first, double stop,
                                     int64_t players)
{
    int64_t samples = first, looks = 1;
    for (bool enough = false; !enough; looks++, samples = 2 * (samples / 2 + samples / 4)) {
        char text[96];
        snprintf(text, sizeof text, "%ssamples=%d", given, (int)samples);
        ln_explanation plain = explain(word, text, request, NULL);
        enough = greatest_error(&plain) <= stop;
        if (enough) {
            assert_same_items(got, &plain, 0);
            assert_in_range(got->evaluations, plain.evaluations,
                            plain.evaluations + looks * players * 2);
        }
        assert_true(samples < 6000);
        ln_explanation_free(&plain);
    }
    assert_true(looks > 2); /* some were not enough */
}

#endif
