/* Running an explainer. A job checks the request once, plans one function of the model, and gives
 * each worker, with its first chunk, a runner and a scratch block, so that nothing is allocated for an item.
 * Chunks of items go through the pool; since an item's result depends on the item
 * alone, results have the same bits for any number of threads and any piece of the request that
 * ln_job_run is asked for. Cost: that of the explainer, and nothing a row. */
#include "explainers/explainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/by_row.h"
#include "explainers/common/manifold.h"
#include "explainers/common/request.h"

typedef struct job_worker {
    ln_runner *runner;   /* its execution of the function */
    ln_runner **beside;  /* and of those beside it */
    void *scratch;       /* the explainer's scratch bytes */
    ln_watcher *watcher; /* with a watch */
    int64_t evaluations; /* counted by this worker in the present ln_job_run */
    /* With a profile, which gets them when the worker is freed. */
    ln_job_mixtures mixtures;
    int64_t items, nanoseconds; /* explained, and what it took beside passes and mixtures */
} job_worker;

typedef struct job_state {
    ln_job job;           /* first: what the explainer and the caller see */
    ln_pool *pool;        /* borrowed, may be NULL */
    job_worker *workers;  /* one a thread of the pool */
    size_t scratch_bytes; /* of a worker */
    ln_target *targets;   /* job.targets */
    ln_tensor *baseline;  /* job.baseline */
    int64_t started;      /* evaluations of `start` that no ln_job_run has reported yet */
} job_state;

/* What one ln_job_run tells its chunks. */
typedef struct job_piece {
    job_state *state;
    int64_t first;       /* item of the request that is entry 0 of `out` */
    int64_t chunk;       /* items of one */
    ln_explanation *out; /* arrays of all its items */
} job_piece;

/* On which link the job's functions are. */
static ln_link link_of(const ln_job *job)
{
    return job->explainer->flags & LN_ATTACKS ? LN_LINK_LOSS : job->request->link;
}

ln_status ln_job_retarget(ln_job *job, ln_error *err)
{
    job_state *state = (job_state *)job;
    const ln_request *request = job->request;
    if (request->neuron) {
        for (int64_t i = 0; i < request->item_count; i++)
            state->targets[i] = (ln_target){.index = request->neuron->unit, .scale = 1};
        return LN_OK;
    }
    for (int64_t i = 0; i < request->item_count; i++) {
        ln_status status = ln_model_target(request->model, link_of(job), request->items[i].target,
                                           &state->targets[i], err);
        if (status)
            return ln_request_fail(err, "target", status);
    }
    return LN_OK;
}

static ln_status resolve_targets(job_state *state, ln_error *err)
{
    const size_t count = (size_t)state->job.request->item_count;
    state->targets = ln_calloc(count, sizeof *state->targets);
    if (!state->targets)
        return ln_fail_memory(err, count * sizeof *state->targets);
    state->job.targets = state->targets;
    return ln_job_retarget(&state->job, err);
}

static ln_status resolve_baseline(job_state *state, ln_error *err)
{
    const ln_request *request = state->job.request;
    ln_job *job = &state->job;
    ln_status status = LN_OK;
    if (request->baseline_holds)
        state->baseline = ln_tensor_retain((ln_tensor *)request->baseline);
    else
        status = ln_model_references(request->model, request->x, (ln_tensor *)request->baseline,
                                     &state->baseline, err);
    if (status)
        return status;
    job->baseline = ln_f32(state->baseline);
    const bool own = request->own_baselines || state->baseline->shape.dims[0] > 1;
    job->baseline_stride = own ? request->model->width : 0;
    return LN_OK;
}

/* With a profile: the time of the thread that is the worker's now, without its passes and mixtures. */
static int64_t time_beside(const ln_job *job, const job_worker *worker)
{
    const ln_profile *profile = job->request->model->profile;
    if (!profile || job->explainer->flags & LN_INSIDE) /* its run counts: chunk->nanoseconds */
        return 0;
    int64_t counted = worker->mixtures.nanoseconds + ln_runner_nanoseconds(worker->runner);
    for (int k = 0; k < job->beside_count; k++)
        counted += ln_runner_nanoseconds(worker->beside[k]);
    return ln_profile_clock(profile) - counted;
}

static void report(const ln_job *job, const job_worker *worker)
{
    ln_profile *profile = job->request->model->profile;
    if (!profile)
        return;
    const ln_job_mixtures *mixtures = &worker->mixtures;
    const char *doer = job->explainer->word.name;
    ln_profile_add_work(profile, &(ln_profile_work){.doer = doer,
                                                    .kind = "mixtures",
                                                    .kernel = "cascade",
                                                    .rows = mixtures->rows,
                                                    .nanoseconds = mixtures->nanoseconds,
                                                    .operations = mixtures->operations});
    ln_profile_add_work(profile, &(ln_profile_work){.doer = doer,
                                                    .kind = "beside",
                                                    .rows = worker->items,
                                                    .nanoseconds = worker->nanoseconds});
}

static void free_worker(const ln_job *job, job_worker *worker)
{
    report(job, worker);
    ln_runner_free(worker->runner);
    for (int k = 0; worker->beside && k < job->beside_count; k++)
        ln_runner_free(worker->beside[k]);
    ln_free(worker->beside);
    ln_free_aligned(worker->scratch);
    ln_watcher_free(worker->watcher);
    *worker = (job_worker){0};
}

static ln_status fill_worker(const job_state *state, job_worker *worker, ln_error *err)
{
    const int count = state->job.beside_count;
    ln_status status = ln_runner_new(state->job.function, &worker->runner, err);
    worker->beside = ln_calloc((size_t)count + 1, sizeof *worker->beside);
    if (!status && !worker->beside)
        return ln_fail_memory(err, (size_t)count * sizeof *worker->beside);
    for (int k = 0; k < count && !status; k++)
        status = ln_runner_new(state->job.beside[k], &worker->beside[k], err);
    if (!status)
        status = ln_watcher_new(state->job.request, &worker->watcher, err);
    if (status)
        return status;
    worker->scratch = ln_alloc_aligned(state->scratch_bytes > 0 ? state->scratch_bytes : 64);
    return worker->scratch ? LN_OK : ln_fail_memory(err, state->scratch_bytes);
}

static ln_status make_worker(const job_state *state, job_worker *worker, ln_error *err)
{
    ln_status status = fill_worker(state, worker, err);
    if (status)
        free_worker(&state->job, worker);
    return status;
}

/* The caller's worker; the others are made when they take their first chunk. */
static ln_status make_workers(job_state *state, ln_error *err)
{
    const size_t count = (size_t)state->job.threads;
    state->workers = ln_calloc(count, sizeof *state->workers);
    if (!state->workers)
        return ln_fail_memory(err, count * sizeof *state->workers);
    return make_worker(state, &state->workers[0], err);
}

ln_status ln_job_beside(ln_job *job, int count, ln_function_options **out, ln_error *err)
{
    const size_t entries = (size_t)count + 1;
    job->beside_options = ln_calloc(entries, sizeof *job->beside_options);
    job->beside = ln_calloc(entries, sizeof *job->beside);
    if (!job->beside_options || !job->beside)
        return ln_fail_memory(err, entries * sizeof *job->beside_options);
    job->beside_count = count;
    *out = job->beside_options;
    return LN_OK;
}

/* The functions that the explainer asks for, by the job's rules job->function alone. */
static ln_status make_functions(ln_job *job, ln_error *err)
{
    const ln_explainer *explainer = job->explainer;
    const ln_request *request = job->request;
    job->shares =
        job->pool && job->threads > 1 && request->item_count < job->threads && !job->behind &&
        !job->joined &&
        ln_model_chunk(request->model, job->rows_per_pass, 1, job->threads) < job->rows_per_pass;
    const int64_t sharers = job->shares ? job->threads : 1;
    const ln_function_options options = {
        .link = link_of(job),
        .rows = (job->rows_per_pass + sharers - 1) / sharers,
        .gradient = (explainer->flags & LN_NEEDS_GRADIENT) != 0,
        .layer = job->looks ? &request->layer : NULL,
        .explained = request->neuron ? &request->neuron->value : NULL,
        .composite = job->composite,
        .behind = job->behind,
    };
    ln_status status = ln_function_new(request->model, &options, &job->function, err);
    for (int k = 0; k < job->beside_count && !status; k++) {
        ln_function_options own = job->beside_options[k];
        own.link = link_of(job);
        if (own.rows == 0)
            own.rows = job->rows_per_pass;
        status = ln_function_new(request->model, &own, &job->beside[k], err);
    }
    return status;
}

/* All that ln_job_new does once the state is there to be freed as a whole. */
static ln_status set_up(job_state *state, ln_error *err)
{
    ln_job *job = &state->job;
    const ln_explainer *explainer = job->explainer;
    const ln_request *request = job->request;
    ln_status status = ln_request_check_rows(request, err);
    if (!status && request->row_groups)
        status = ln_by_row_check(job, err);
    if (request->row_groups)
        return status ? status : resolve_targets(state, err);
    if (!status)
        status = ln_request_check(request, explainer, err);
    if (!status)
        status = resolve_targets(state, err);
    if (!status && (explainer->flags & LN_TAKES_BASELINE))
        status = resolve_baseline(state, err);
    if (!status && explainer->prepare)
        status = explainer->prepare(job, &state->scratch_bytes, err);
    if (status)
        return status;

    if (explainer->composite)
        status = explainer->composite(job, &job->composite, err);
    if (!status)
        status = make_functions(job, err);
    if (!status)
        status = make_workers(state, err);
    if (status || !explainer->start)
        return status;
    job_worker *first = &state->workers[0];
    const int64_t start = time_beside(job, first);
    status = explainer->start(job, first->runner, &state->started, err);
    first->nanoseconds += time_beside(job, first) - start;
    return status;
}

/* The layer's shape without the rows. */
static ln_shape layer_shape(const ln_request *request)
{
    const ln_shape *whole = &request->model->graph->values[request->layer].shape;
    return ln_shape_of(whole->rank - 1, whole->dims + 1);
}

ln_status ln_job_new(const ln_explainer *explainer, const ln_request *request, ln_pool *pool,
                     ln_job **out, ln_error *err)
{
    *out = NULL;
    job_state *state = ln_calloc(1, sizeof *state);
    if (!state)
        return ln_fail_memory(err, sizeof *state);
    bool grouped = (explainer->flags & LN_TAKES_GROUPS) && request->groups;
    pool = ln_model_pool(request->model, pool);
    state->pool = explainer->flags & LN_INSIDE ? NULL : pool;
    state->job = (ln_job){
        .explainer = explainer,
        .request = request,
        .width = grouped ? request->group_count : request->model->width,
        .items_per_chunk = 1,
        .rows_per_pass = 1,
        .pool = pool,
        .threads = explainer->flags & LN_INSIDE ? 1 : ln_pool_threads(pool),
        .looks = (explainer->flags & LN_TAKES_LAYER) != 0,
    };
    if (explainer->flags & LN_AT_LAYER) {
        state->job.shape = layer_shape(request);
        state->job.width = ln_shape_count(&state->job.shape);
    }
    ln_status status = set_up(state, err);
    if (status) {
        ln_job_free(&state->job);
        return status;
    }
    *out = &state->job;
    return LN_OK;
}

void ln_job_free(ln_job *job)
{
    if (!job)
        return;
    job_state *state = (job_state *)job;
    for (int i = 0; state->workers && i < job->threads; i++)
        free_worker(job, &state->workers[i]);
    ln_free(state->workers);
    ln_function_free(job->function);
    for (int k = 0; job->beside && k < job->beside_count; k++)
        ln_function_free(job->beside[k]);
    ln_free(job->beside);
    ln_free(job->beside_options);
    ln_free(job->composite);
    if (job->shared && job->explainer->release)
        job->explainer->release(job);
    ln_free(state->targets);
    ln_tensor_release(state->baseline);
    ln_free(state);
}

static ln_status run_items(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const ln_explainer *explainer = job->explainer;
    if (explainer->run)
        return explainer->run(job, chunk, err);
    ln_status status = LN_OK;
    for (int64_t entry = 0; entry < chunk->count && !status; entry++)
        status = explainer->explain(job, chunk, entry, err);
    return status;
}

static ln_status run_chunk(void *context, int64_t chunk, int worker_index, ln_error *err)
{
    job_piece *piece = context;
    const ln_job *job = &piece->state->job;
    job_worker *worker = &piece->state->workers[worker_index];
    ln_explanation *all = piece->out;
    ln_status status = worker->scratch ? LN_OK : make_worker(piece->state, worker, err);
    if (status)
        return status;
    int64_t at = chunk * piece->chunk;
    int64_t count = all->count - at;
    if (count > piece->chunk)
        count = piece->chunk;

    ln_explanation part = *all;
    part.count = count;
    part.values += at * all->width;
    part.output += at;
    part.baseline_output += at;
    if (part.absorbed)
        part.absorbed += at;
    if (part.errors)
        part.errors += at * all->width;
    if (part.fit)
        part.fit += at;
    if (part.rules)
        part.rules += at;
    if (part.outside)
        part.outside += at;
    ln_job_chunk call = {
        .first = piece->first + at,
        .count = count,
        .runner = worker->runner,
        .beside = worker->beside,
        .scratch = worker->scratch,
        .watcher = worker->watcher,
        .out = &part,
        .mixtures = job->request->model->profile ? &worker->mixtures : NULL,
    };
    const int64_t start = time_beside(job, worker);
    ln_watcher_start(worker->watcher, job->request, call.first, &part);
    status = run_items(job, &call, err);
    ln_watcher_finish(worker->watcher);
    ln_job_note_errors(&piece->state->job, &part);
    worker->evaluations += call.evaluations;
    worker->nanoseconds += call.nanoseconds + time_beside(job, worker) - start;
    worker->items += count;
    return status;
}

static ln_status make_explanation(const ln_job *job, int64_t count, ln_explanation *out,
                                  ln_error *err)
{
    size_t items = (size_t)count, numbers = items * (size_t)job->width;
    bool errors = (job->explainer->flags & LN_HAS_ERRORS) != 0;
    bool absorbed = (job->explainer->flags & LN_CONSERVES) != 0;
    bool fit = (job->explainer->flags & LN_HAS_FIT) != 0;
    bool rules = (job->explainer->flags & LN_HAS_RULE) != 0;
    *out = (ln_explanation){.count = count, .width = job->width};
    out->values = ln_calloc(numbers, sizeof *out->values);
    out->errors = errors ? ln_calloc(numbers, sizeof *out->errors) : NULL;
    out->output = ln_calloc(items, sizeof *out->output);
    out->baseline_output = ln_calloc(items, sizeof *out->baseline_output);
    out->absorbed = absorbed ? ln_calloc(items, sizeof *out->absorbed) : NULL;
    out->fit = fit ? ln_calloc(items, sizeof *out->fit) : NULL;
    out->rules = rules ? ln_calloc(items, sizeof *out->rules) : NULL;
    out->outside = job->request->watch ? ln_calloc(items, sizeof *out->outside) : NULL;
    if (!out->values || (errors && !out->errors) || (fit && !out->fit) || !out->output ||
        (rules && !out->rules) || (job->request->watch && !out->outside) || !out->baseline_output ||
        (absorbed && !out->absorbed)) {
        ln_explanation_free(out);
        return ln_fail_memory(err, numbers * sizeof *out->values);
    }
    for (int64_t i = 0; i < count; i++)
        out->output[i] = out->baseline_output[i] = NAN;
    return LN_OK;
}

/* Items of a chunk where `count` are to be run: a piece of the request may have few for all threads. */
static int64_t chunk_of(const ln_job *job, int64_t count)
{
    const int64_t most = job->items_per_chunk;
    if (job->rows_per_item == 0 || most == 1)
        return most;
    const int64_t even =
        ln_model_chunk(job->request->model, count, job->rows_per_item, job->threads);
    return even < most ? even : most;
}

/* Chunks, in order over the pool; or, where its threads would have too few of them, one after another, each pass of
 * which they share. */
static ln_status run_chunks(job_state *state, int64_t chunks, job_piece *piece, ln_error *err)
{
    const ln_job *job = &state->job;
    ln_runner *runner = state->workers[0].runner;
    if (!job->shares || chunks >= job->threads || chunks >= job->rows_per_pass)
        return ln_parallel(state->pool, chunks, run_chunk, piece, job->tell, job->tell_context,
                           err);
    ln_status status = ln_runner_share(runner, state->pool, err);
    if (status)
        return status;
    status = ln_parallel(NULL, chunks, run_chunk, piece, job->tell, job->tell_context, err);
    ln_runner_share(runner, NULL, NULL);
    return status;
}

ln_status ln_job_run(ln_job *job, int64_t first, int64_t count, ln_explanation *out, ln_error *err)
{
    job_state *state = (job_state *)job;
    *out = (ln_explanation){0};
    if (first < 0 || count < 0 || count > job->request->item_count - first)
        return ln_fail(err, LN_EINVALID,
                       "items %" PRId64 " to %" PRId64 " are asked for: there are %" PRId64, first,
                       first + count - 1, job->request->item_count);
    if (job->request->row_groups)
        return ln_by_row_run(job, first, count, out, err);
    ln_status status = make_explanation(job, count, out, err);
    if (status)
        return status;
    for (int i = 0; i < job->threads; i++)
        state->workers[i].evaluations = 0;
    job_piece piece = {.state = state, .first = first, .chunk = chunk_of(job, count), .out = out};
    int64_t chunks = (count + piece.chunk - 1) / piece.chunk;
    if (chunks > 0)
        status = run_chunks(state, chunks, &piece, err);
    if (status) {
        ln_explanation_free(out);
        return status;
    }
    /* Whole numbers: their sum does not depend on the order. */
    out->evaluations = state->started;
    state->started = 0;
    for (int i = 0; i < job->threads; i++)
        out->evaluations += state->workers[i].evaluations;
    return LN_OK;
}
