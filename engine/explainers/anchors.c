/* Anchors: the rule about the row that, whatever else changes, the model's decision mostly keeps to.
 *
 *   prec(A) = P(f decides z as x),  z drawn under A     cov(A) = share of the training rows that fulfil A
 *   A* = the rule of the greatest coverage that a beam search meets among those with prec(A) >= precision
 *
 * A decision is whether the class, the greatest output (of equals the first), is the target. Conditions and the
 * rows drawn under them are common/conditions.h, the search and what it promises common/anchor_search.h, what each
 * condition adds, and its standard error, common/anchor_gains.h. x (N, width) -> a (N, groups), 0 for features outside
 * of the rule, whose errors are NaN: a sums up to prec(A*) - prec(no condition).
 *
 * Cost: forward passes until the search can tell, samples a row at most; no gradient. Not complete. Draws are
 * keyed by the row's number in the data set. Source: Ribeiro, Singh and Guestrin 2018; the defaults, and what is
 * left open there, as their package has it. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "explainers/common/anchor_gains.h"
#include "explainers/common/anchor_search.h"
#include "explainers/common/cover.h"
#include "explainers/common/manifold.h"
#include "explainers/common/passes.h"
#include "explainers/common/rule_text.h"

/* In the order of ln_discretize, of which "none" leaves nothing to make conditions of. */
#define DISCRETIZE "quartile|decile|entropy"

/* Some ten times what most rows take. */
#define TABLE_SAMPLES 1000000
#define MASK_SAMPLES 100000

typedef struct anchors_params {
    double precision;   /* that a rule must reach */
    double slack;       /* by which its lower bound may stay below */
    double delta;       /* the chance that the promise is broken */
    double epsilon;     /* of the choice of the rules that are kept */
    int64_t beam;       /* how many are kept a round */
    int64_t batch;      /* draws at a time */
    int64_t samples;    /* draws a row, at most; 0: by the kind of input */
    int64_t conditions; /* of a rule, at most; 0: all there are */
    int discretize;     /* ln_discretize */
} anchors_params;

typedef struct anchors {
    bool masks;            /* groups are covered; else rows are drawn from the training rows */
    ln_neighbourhood near; /* unless masks */
    ln_groups groups;      /* masks */
    ln_cover cover;        /* masks without a baseline */
    int64_t most;          /* conditions that a row can have */
    int64_t longest;       /* of a rule */
    int64_t classes;       /* of the model */
    ln_target *of_class;   /* (classes) what says how much it is one */
} anchors;

/* A worker's scratch. */
typedef struct buffers {
    float *x;   /* (rows_per_pass, width) */
    float *out; /* (rows_per_pass, outputs) */
    ln_conditions conditions;
    ln_anchor_search search;
    ln_cover_buffers average;
    float *cover; /* (width) what stands for the inputs of a covered group */
    ln_anchor_gains gains;
} buffers;

/* One row while it is explained. */
typedef struct explaining {
    const ln_job *job;
    ln_job_chunk *chunk;
    buffers *at;
    int64_t entry;
    const float *x;
    bool decision; /* the row's */
    ln_rng rng;
} explaining;

static ln_anchor_options options_of(const anchors_params *params, const anchors *shared)
{
    return (ln_anchor_options){.precision = params->precision,
                               .slack = params->slack,
                               .delta = params->delta,
                               .tolerance = params->epsilon,
                               .beam = params->beam,
                               .batch = params->batch,
                               .longest = shared->longest,
                               .samples = params->samples ? params->samples
                                          : shared->masks ? MASK_SAMPLES
                                                          : TABLE_SAMPLES};
}

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const anchors *shared = job->shared;
    const ln_request *request = job->request;
    const int64_t width = request->model->width, outputs = ln_request_outputs(request);
    const ln_anchor_options options = options_of(request->params, shared);
    buffers made = {0};
    made.x = ln_carve(&carver, job->rows_per_pass * width, sizeof *made.x);
    made.out = ln_carve(&carver, job->rows_per_pass * outputs, sizeof *made.out);
    made.conditions = ln_conditions_carve(shared->masks ? NULL : &shared->near,
                                          shared->masks ? &shared->groups : NULL, width, job->width,
                                          shared->longest, &carver);
    made.search = ln_anchor_search_carve(&options, shared->most, &carver);
    made.average = ln_cover_carve(&shared->cover, &carver);
    made.cover = ln_carve(&carver, width, sizeof *made.cover);
    made.gains = ln_anchor_gains_carve(shared->longest, &carver);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    anchors *shared = job->shared;
    ln_neighbourhood_free(&shared->near);
    ln_groups_free(&shared->groups);
    ln_free(shared->of_class);
    ln_free(shared);
}

/* ---------------------------------------------------------------- decisions */

static ln_status find_classes(const ln_request *request, anchors *shared, ln_error *err)
{
    const int64_t classes = request->model->class_count;
    if (request->neuron)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "anchors explain which class a row has, and a hidden unit says none: "
                       "expected no neuron; lime and kernel_shap explain its number");
    if (classes == 0) {
        ln_fail(err, LN_EUNSUPPORTED,
                "anchors explain which class a row has, and this model predicts a number: expected "
                "a classifier; lime and kernel_shap explain numbers");
        return LN_EUNSUPPORTED;
    }
    shared->classes = classes;
    shared->of_class = ln_calloc((size_t)classes, sizeof *shared->of_class);
    if (!shared->of_class)
        return ln_fail_memory(err, (size_t)classes * sizeof *shared->of_class);
    ln_status status = LN_OK;
    for (int64_t c = 0; c < classes && !status; c++)
        status = ln_model_target(request->model, request->link, c, &shared->of_class[c], err);
    return status;
}

/* The class that the outputs of a row say, or -1 where one of them is no number. A class is what is greatest,
 * of losses what is least. */
static int64_t class_of(const ln_job *job, const float *out)
{
    const anchors *shared = job->shared;
    const double sign = job->request->link == LN_LINK_LOSS ? -1 : 1;
    int64_t best = -1;
    double most = -INFINITY;
    for (int64_t c = 0; c < shared->classes; c++) {
        const double value = sign * ln_target_value(&shared->of_class[c], out);
        if (isnan(value))
            return -1;
        if (best < 0 || value > most) {
            best = c;
            most = value;
        }
    }
    return best;
}

/* The row itself: what the model decides; the number explained is its output. */
static ln_status look_at_row(explaining *it, bool *defined, ln_error *err)
{
    const ln_request *request = it->job->request;
    const ln_target *target = &it->job->targets[it->chunk->first + it->entry];
    ln_status status = ln_runner_forward(it->chunk->runner, it->x, 1, it->at->out, err);
    if (status)
        return status;
    it->chunk->evaluations++;
    const int64_t class = class_of(it->job, it->at->out);
    *defined = class >= 0;
    it->decision = class == request->items[it->chunk->first + it->entry].target;
    it->chunk->out->output[it->entry] = ln_target_value(target, it->at->out);
    return LN_OK;
}

static ln_status toss(void *context, const int32_t *rule, int64_t size, int64_t count,
                      int64_t *heads, ln_error *err)
{
    explaining *it = context;
    const ln_job *job = it->job;
    const ln_model *model = job->request->model;
    const int64_t outputs = ln_function_outputs(job->function);
    const int64_t target = job->request->items[it->chunk->first + it->entry].target;
    buffers *at = it->at;
    ln_conditions_set(&at->conditions, rule, size);
    for (int64_t done = 0; done < count;) {
        const int64_t left = count - done;
        const int64_t rows = left < job->rows_per_pass ? left : job->rows_per_pass;
        for (int64_t i = 0; i < rows; i++) {
            float *row = at->x + i * model->width;
            ln_conditions_draw(&at->conditions, it->x, at->cover, &it->rng, row);
            ln_model_hold(model, it->x, row);
            ln_manifold_row(it->chunk, it->entry, row);
        }
        ln_status status = ln_check_interrupt(err);
        if (!status)
            status = ln_runner_forward(it->chunk->runner, at->x, rows, at->out, err);
        if (status)
            return status;
        for (int64_t i = 0; i < rows; i++) {
            const int64_t class = class_of(job, at->out + i * outputs);
            *heads += class >= 0 && (class == target) == it->decision;
        }
        it->chunk->evaluations += rows;
        done += rows;
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- values */

static void settle(const explaining *it)
{
    const int64_t width = it->job->width;
    float *values = it->chunk->out->values + it->entry * width;
    float *errors = it->chunk->out->errors + it->entry * width;
    for (int64_t g = 0; g < width; g++) {
        double error;
        values[g] = (float)ln_anchor_gains_of(&it->at->gains, &it->at->conditions, g, &error);
        errors[g] = (float)error;
    }
}

static const char *note_of(const ln_anchor_search *search)
{
    if (search->reached)
        return NULL;
    return search->ended ? "samples ran out before a rule reached the precision: this is the one "
                           "that came nearest"
                         : "no rule reached the precision: this is the one that came nearest";
}

/* A row whose output is no number has no decision. */
static void leave_undefined(const explaining *it)
{
    ln_explanation *out = it->chunk->out;
    for (int64_t g = 0; g < it->job->width; g++)
        out->values[it->entry * it->job->width + g] = out->errors[it->entry * it->job->width + g] =
            NAN;
    out->fit[it->entry] = NAN;
    out->rules[it->entry] = (ln_found_rule){.lower = NAN, .upper = NAN, .coverage = NAN};
}

static void make_cover(const explaining *it)
{
    const anchors *shared = it->job->shared;
    const ln_request *request = it->job->request;
    const int64_t row = request->items[it->chunk->first + it->entry].row;
    if (shared->masks && request->baseline)
        memcpy(it->at->cover, ln_job_baseline(it->job, row),
               (size_t)request->model->width * sizeof *it->at->cover);
    else if (shared->masks)
        ln_cover_average(&shared->cover, &shared->groups, it->x, &it->at->average, it->at->cover);
}

static ln_status search_and_settle(explaining *it, ln_error *err)
{
    const ln_request *request = it->job->request;
    ln_anchor_options options = options_of(request->params, it->job->shared);
    options.toss = toss;
    options.context = it;
    bool defined;
    ln_status status = look_at_row(it, &defined, err);
    if (status)
        return status;
    if (!defined) {
        leave_undefined(it);
        return LN_OK;
    }
    make_cover(it);
    ln_conditions_of(&it->at->conditions, it->x);
    status = ln_anchor_search_run(&it->at->search, &options, &it->at->conditions, err);
    if (status)
        return status;
    const ln_anchor_gains *gains = &it->at->gains;
    ln_anchor_gains_measure(&it->at->gains, &it->at->search);
    const ln_anchor_search *search = &it->at->search;
    const ln_judged_rule *found = &search->judged[search->best];
    settle(it);
    it->chunk->out->fit[it->entry] = gains->share[gains->size];
    it->chunk->out->rules[it->entry] = (ln_found_rule){
        .text = ln_rule_text(&it->at->conditions, request->model->encoding, gains->rule,
                             gains->size, it->x),
        .lower = found->lower,
        .upper = found->upper,
        .coverage = found->coverage,
        .draws = found->tosses,
        .note = note_of(search),
    };
    return it->chunk->out->rules[it->entry].text ? LN_OK : ln_fail_memory(err, 1);
}

static ln_status explain(const ln_job *job, ln_job_chunk *chunk, int64_t entry, ln_error *err)
{
    const ln_request *request = job->request;
    const int64_t row = request->items[chunk->first + entry].row;
    buffers at = carve(job, chunk->scratch, NULL);
    explaining it = {.job = job,
                     .chunk = chunk,
                     .at = &at,
                     .entry = entry,
                     .x = ln_f32(request->x) + row * request->model->width,
                     .rng = ln_rng_make(request->seed, "anchors", request->stream,
                                        (uint64_t)request->row_ids[row])};
    return search_and_settle(&it, err);
}

/* ---------------------------------------------------------------- before */

static ln_status check(const anchors_params *params, ln_error *err)
{
    if (params->slack >= params->precision)
        ln_fail(err, LN_EINVALID,
                "a rule whose lower bound may stay %g below a precision of %g need not be right at "
                "all: expected less than the precision",
                params->slack, params->precision);
    else if (params->precision >= 1 && params->slack <= 0)
        ln_fail(err, LN_EINVALID,
                "no number of draws shows a precision of 1: expected a slack above 0, or a lower "
                "precision");
    else
        return LN_OK;
    ln_error_field(err, "slack");
    return LN_EINVALID;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_request *request = job->request;
    const anchors_params *params = request->params;
    anchors *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared;
    shared->cover = ln_cover_of(request);
    ln_status status = check(params, err);
    if (!status)
        status = find_classes(request, shared, err);
    if (!status)
        status = ln_cover_choose(job, &shared->cover, "anchors", &shared->masks, err);
    if (!status && shared->masks)
        status = ln_groups_make(request->groups, request->model->width, job->width, &shared->groups,
                                err);
    else if (!status)
        status = ln_neighbourhood_make(job, (ln_discretize)params->discretize, false, &shared->near,
                                       err);
    if (status)
        return status;
    shared->most = ln_conditions_most(shared->masks ? NULL : &shared->near, job->width);
    shared->longest = params->conditions > 0 && params->conditions < shared->most
                          ? params->conditions
                          : shared->most;
    job->rows_per_pass = ln_passes_rows_of(job, params->batch);
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "precision",
     .type = LN_PARAM_REAL,
     .offset = offsetof(anchors_params, precision),
     .fallback = "0.95",
     .min = 0,
     .above_min = true,
     .max = 1,
     .help = "share of rows under the rule for which the model must decide as for the row"},
    {.name = "slack",
     .type = LN_PARAM_REAL,
     .offset = offsetof(anchors_params, slack),
     .fallback = "0.05",
     .min = 0,
     .max = 1,
     .help = "how far below the precision a rule's lower bound may stay"},
    {.name = "delta",
     .type = LN_PARAM_REAL,
     .offset = offsetof(anchors_params, delta),
     .fallback = "0.1",
     .min = 0,
     .above_min = true,
     .max = 0.5,
     .help = "the chance that the bounds are wrong, a row"},
    {.name = "epsilon",
     .type = LN_PARAM_REAL,
     .offset = offsetof(anchors_params, epsilon),
     .fallback = "0.15",
     .min = 0,
     .above_min = true,
     .max = 1,
     .help = "how much worse than the best the rules that a round keeps may be"},
    {.name = "beam",
     .type = LN_PARAM_INT,
     .offset = offsetof(anchors_params, beam),
     .fallback = "4",
     .min = 1,
     .max = 1000,
     .help = "rules that a round keeps, to be made longer in the next"},
    {.name = "batch",
     .type = LN_PARAM_INT,
     .offset = offsetof(anchors_params, batch),
     .fallback = "100",
     .min = 1,
     .max = 1e6,
     .help = "rows drawn for a rule at a time"},
    {.name = "samples",
     .type = LN_PARAM_INT,
     .offset = offsetof(anchors_params, samples),
     .fallback = "nil",
     .min = 1,
     .max = 1e9,
     .help = "rows drawn for one row's rules in all, at most; default: 1000000, where groups are "
             "covered 100000"},
    {.name = "conditions",
     .type = LN_PARAM_INT,
     .offset = offsetof(anchors_params, conditions),
     .fallback = "nil",
     .min = 1,
     .max = 1e6,
     .help = "conditions of a rule, at most; default: all there are"},
    {.name = "discretize",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(anchors_params, discretize),
     .fallback = "\"quartile\"",
     .choices = DISCRETIZE,
     .help = "the bounds that conditions of a column of numbers may name"},
    LN_COVER_GROUPS,
    {.name = "background",
     .type = LN_PARAM_BACKGROUND,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "rows that others are drawn from; default: the training rows"},
    {.name = "baseline",
     .type = LN_PARAM_BASELINE,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "what covers features, in place of training rows; default on images: the mean of each "
             "group a channel"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_anchors = {
    .word =
        {
            .name = "anchors",
            .summary = "the rule that the model's decision for the row keeps to",
            .formula = "a_i = what the conditions about i add to P(f decides z as x | z under the "
                       "rule); the widest rule with P >= precision that a beam search meets",
            .source = "Ribeiro, Singh and Guestrin 2018, Anchors: High-Precision Model-Agnostic "
                      "Explanations, AAAI; the anchor package",
            .params = params,
            .params_size = sizeof(anchors_params),
        },
    .flags = LN_TAKES_BASELINE | LN_TAKES_BACKGROUND | LN_TAKES_GROUPS | LN_RANDOM | LN_HAS_ERRORS |
             LN_HAS_FIT | LN_HAS_RULE | LN_OF_TRAINING | LN_OF_PROBABILITY | LN_OF_PIECES |
             LN_WATCHED,
    .version = 1,
    .cost = "forward passes until the search can tell, samples a row at most",
    .prepare = prepare,
    .release = release,
    .explain = explain,
};
