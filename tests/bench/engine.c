/* What tests/bench/engine.py times: a model's forward pass, and forward with the gradient of its inputs,
 * over a batch of rows that is cut into chunks and spread over threads as explainers do it. One process
 * holds the model, so that neither start nor planning counts.
 *
 *     engine MODEL.onnx ROWS.npy THREADS strict|fast
 *
 * then one order a line on standard input, each answered by a line:
 *
 *     forward COUNT | gradient COUNT    passes over the batch: wall and processor seconds of the fastest
 *     save KIND FILE.npy                what the last such pass found
 *     memory                            peak resident KiB since the last such order, and present ones
 *     profile KIND COUNT                passes that are timed node by node, printed and an empty line */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "bench.h"
#include "model/model.h"
#include "onnx/onnx.h"
#include "tensor/npy.h"

enum { FORWARD, GRADIENT, KINDS };

/* One batch through one kind of pass. */
typedef struct bench {
    ln_model *model;
    ln_pool *pool;
    int threads;
    ln_tensor *x, *out[KINDS];
    ln_target *targets;
    ln_function *functions[KINDS];
    ln_runner **runners[KINDS]; /* one a thread */
    int kind;                   /* of the present passes */
    int64_t rows, chunk, outputs;
} bench;

static ln_status run_chunk(void *context, int64_t chunk, int worker, ln_error *err)
{
    bench *b = context;
    const int64_t first = chunk * b->chunk, left = b->rows - first;
    const int64_t count = left < b->chunk ? left : b->chunk, width = b->model->width;
    ln_runner *runner = b->runners[b->kind][worker];
    const float *x = ln_f32(b->x) + first * width;
    if (b->kind == FORWARD)
        return ln_runner_forward(runner, x, count, ln_f32(b->out[FORWARD]) + first * b->outputs,
                                 err);
    return ln_runner_gradient(runner, x, b->targets, count, NULL,
                              ln_f32(b->out[GRADIENT]) + first * width, err);
}

static void prepare(bench *b, const char *model, const char *rows, int threads)
{
    ln_error err = {0};
    ln_graph *graph;
    stop_on(ln_onnx_read(model, NULL, &graph, NULL, &err), &err);
    stop_on(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &b->model, &err), &err);
    stop_on(ln_npy_read(rows, &b->x, NULL, &err), &err);
    stop_on(ln_pool_new(threads, &b->pool, &err), &err);
    b->threads = threads;
    b->rows = b->x->shape.dims[0];
    b->outputs = b->model->output_count;
    b->targets = ln_calloc((size_t)b->rows, sizeof *b->targets);
    for (int64_t r = 0; r < b->rows; r++)
        b->targets[r].scale = 1;
    b->chunk = ln_model_chunk(b->model, b->rows, 1, threads);
    ln_graph_release(graph);
}

/* The function of a kind of pass, its runners and its results, when it is first asked for. */
static void begin(bench *b, int kind)
{
    ln_error err = {0};
    b->kind = kind;
    if (b->functions[kind])
        return;
    const ln_function_options options = {.rows = b->chunk, .gradient = kind == GRADIENT};
    const ln_shape shape = {2, {b->rows, kind == FORWARD ? b->outputs : b->model->width}};
    stop_on(ln_function_new(b->model, &options, &b->functions[kind], &err), &err);
    stop_on(ln_tensor_new(LN_F32, &shape, &b->out[kind], &err), &err);
    b->runners[kind] = ln_calloc((size_t)b->threads, sizeof *b->runners[kind]);
    for (int i = 0; i < b->threads; i++)
        stop_on(ln_runner_new(b->functions[kind], &b->runners[kind][i], &err), &err);
}

static void pass(void *context)
{
    bench *b = context;
    ln_error err = {0};
    stop_on(
        ln_parallel(b->pool, (b->rows + b->chunk - 1) / b->chunk, run_chunk, b, NULL, NULL, &err),
        &err);
}

static void time_passes(bench *b, int kind, long count)
{
    begin(b, kind);
    const fastest best = fastest_of(count, pass, b);
    printf("%.9f %.9f\n", best.wall, best.processor);
}

static void profile(bench *b, int kind, long count)
{
    ln_error err = {0};
    ln_profile *lines;
    double whole = 0;
    bench own = *b; /* with functions of its own */
    memset(own.functions, 0, sizeof own.functions);
    stop_on(ln_profile_new(&lines, &err), &err);
    b->model->profile = lines;
    for (long i = -1; i < count; i++) {
        if (i <= 0)
            begin(&own, kind);
        stop_on(ln_parallel(b->pool, (b->rows + b->chunk - 1) / b->chunk, run_chunk, &own, NULL,
                            NULL, &err),
                &err);
    }
    for (int i = 0; i < b->threads; i++)
        ln_runner_free(own.runners[kind][i]);
    b->model->profile = NULL;
    ln_profile_sort(lines);
    for (int i = 0; i < lines->count; i++)
        whole += (double)(lines->lines[i].nanoseconds[0] + lines->lines[i].nanoseconds[1]);
    for (int i = 0; i < lines->count; i++) {
        const ln_profile_line *line = &lines->lines[i];
        printf("%5.1f%%", (double)(line->nanoseconds[0] + line->nanoseconds[1]) / whole * 100);
        for (int way = 0; way < 2; way++)
            printf(" %9.1f us %6.1f %-24s",
                   (double)line->nanoseconds[way] * 1e-3 / (double)(count + 1),
                   line->operations[way] / ((double)line->nanoseconds[way] + 1e-9),
                   line->kernels[way] ? line->kernels[way] : "");
        printf(" %s %s\n", line->operator_name, line->node);
    }
    printf("\n");
    ln_profile_free(lines);
    ln_function_free(own.functions[kind]);
}

int main(int count, char **arguments)
{
    bench b = {0};
    char order[64], name[4096], kind[64];
    ln_error err = {0};
    long passes;
    if (count != 5 || (strcmp(arguments[4], "strict") != 0 && strcmp(arguments[4], "fast") != 0)) {
        fprintf(stderr, "usage: engine MODEL.onnx ROWS.npy THREADS strict|fast\n");
        return 2;
    }
    prepare(&b, arguments[1], arguments[2], atoi(arguments[3]));
    b.model->fast = strcmp(arguments[4], "fast") == 0;
    while (scanf("%63s", order) == 1) {
        if (strcmp(order, "memory") == 0)
            say_memory();
        else if (strcmp(order, "profile") == 0 && scanf("%63s %ld", kind, &passes) == 2)
            profile(&b, strcmp(kind, "gradient") == 0 ? GRADIENT : FORWARD, passes);
        else if (strcmp(order, "save") == 0 && scanf("%63s %4095s", kind, name) == 2) {
            stop_on(ln_npy_write(name, b.out[strcmp(kind, "gradient") == 0], &err), &err);
            printf("saved\n");
        } else if (scanf("%ld", &passes) == 1)
            time_passes(&b, strcmp(order, "gradient") == 0 ? GRADIENT : FORWARD, passes);
        fflush(stdout);
    }
    return 0;
}
