/* What tests/bench/gradient.py times: an explainer that is called on rows in memory and leaves its
 * results there. One process holds model and rows, so that neither start nor reading counts; a call makes
 * the job (its functions and their plans), runs it over all rows and frees it.
 *
 *     explain MODEL.onnx ROWS.npy THREADS
 *
 * then one order a line on standard input, each answered by a line:
 *
 *     WORD [NAME=VALUE ...]     the explainer of the orders behind it; target 0. Values are those of its
 *                               parameters, `layer` a layer's number or name, `background` an .npy file
 *     call COUNT                so many calls: wall and processor seconds of the fastest
 *     anew COUNT                the same with other rows and another background each time, none like the next:
 *                               nothing is known of them (model/known.h)
 *     run COUNT                 the same of the run alone, of a job that is there
 *     prepare                   a job made and freed; of what it leaves plans and packed weights stay, not
 *                               the memory of its passes: what other engines do when they load
 *     one                       a call with the first row alone
 *     save FILE.npy             what the last call found
 *     memory                    peak resident KiB since the last such order, and present ones */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "bench.h"
#include "explainers/explainer.h"
#include "model/kept.h"
#include "onnx/onnx.h"
#include "tensor/npy.h"

enum { MOST_PARAMS = 32, MOST_BYTES = 512, MOST_BESIDE = 8 };

typedef union own_params {
    char bytes[MOST_BYTES];
    max_align_t aligned;
} own_params;

typedef struct bench {
    ln_model *model;
    ln_pool *pool;
    ln_tensor *x, *background;
    ln_item *items;
    int64_t *row_ids;
    const ln_explainer *explainer;
    own_params params, of_params;
    ln_request request;
    ln_job *job; /* of `run` */
    ln_explanation found;
    int64_t strangers; /* rows made unlike all before */
} bench;

static void prepare(bench *b, const char *model, const char *rows, int threads)
{
    ln_error err = {0};
    ln_graph *graph;
    stop_on(ln_onnx_read(model, NULL, &graph, NULL, &err), &err);
    stop_on(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &b->model, &err), &err);
    b->model->keep_bytes = ln_model_keep_bytes(); /* as the language does */
    stop_on(ln_npy_read(rows, &b->x, NULL, &err), &err);
    stop_on(ln_pool_new(threads, &b->pool, &err), &err);
    ln_graph_release(graph);
    const int64_t count = b->x->shape.dims[0];
    const ln_shape whole = b->x->shape;
    b->x->shape = (ln_shape){2, {count, b->model->width}};
    b->items = ln_calloc((size_t)count, sizeof *b->items);
    b->row_ids = ln_calloc((size_t)count, sizeof *b->row_ids);
    for (int64_t r = 0; r < count; r++)
        b->items[r].row = b->row_ids[r] = r;
    b->request = (ln_request){.model = b->model,
                              .x = b->x,
                              .row_ids = b->row_ids,
                              .items = b->items,
                              .item_count = count,
                              .group_count = b->model->width,
                              .input_shape = ln_shape_of(whole.rank - 1, whole.dims + 1),
                              .params = &b->params,
                              .seed = 1};
}

/* ---------------------------------------------------------------- parameters */

static const char *given(char *const *pairs, int count, const char *name)
{
    const size_t length = strlen(name);
    for (int i = 0; i < count; i++)
        if (strncmp(pairs[i], name, length) == 0 && pairs[i][length] == '=')
            return pairs[i] + length + 1;
    return NULL;
}

static void fill_one(const ln_param *param, const char *text, char *params)
{
    void *at = params + param->offset;
    char bare[64];
    snprintf(bare, sizeof bare, "%s", text + (text[0] == '"'));
    bare[strcspn(bare, "\"")] = '\0';
    if (param->offset == LN_NO_OFFSET || strcmp(text, "nil") == 0)
        return;
    if (param->type == LN_PARAM_INT)
        *(int64_t *)at = strtoll(bare, NULL, 10);
    else if (param->type == LN_PARAM_REAL)
        *(double *)at = strtod(bare, NULL);
    else if (param->type == LN_PARAM_BOOL)
        *(bool *)at = strcmp(bare, "true") == 0;
    else if (param->type == LN_PARAM_CHOICE)
        *(int *)at = ln_choice_index(param->choices, bare, strlen(bare));
    else if (param->type == LN_PARAM_COMPOSITE)
        ((ln_entries *)at)->choice = ln_choice_index(param->choices, bare, strlen(bare));
    else if (param->type != LN_PARAM_WORD)
        stop_on(LN_EUNSUPPORTED, &(ln_error){.message = "a parameter of a type that is not known"});
}

static void fill(const ln_word *word, char *const *pairs, int count, own_params *out)
{
    *out = (own_params){{0}};
    for (const ln_param *param = word->params; param && param->name; param++) {
        const char *own = given(pairs, count, param->name);
        fill_one(param, own ? own : param->fallback, out->bytes);
    }
}

static void choose(bench *b, const char *word, char *rest)
{
    ln_error err = {0};
    char *pairs[MOST_PARAMS], *save;
    int count = 0;
    for (char *pair = strtok_r(rest, " \n", &save); pair && count < MOST_PARAMS;
         pair = strtok_r(NULL, " \n", &save))
        pairs[count++] = pair;
    ln_job_free(b->job);
    b->job = NULL;
    b->explainer = ln_explainer_find(word);
    if (!b->explainer || b->explainer->word.params_size > MOST_BYTES) {
        fprintf(stderr, "explain: no explainer '%s'\n", word);
        exit(1);
    }
    fill(&b->explainer->word, pairs, count, &b->params);
    if (b->explainer->flags & LN_WRAPS) {
        char *signed_only[] = {(char[]){"absolute=false"}};
        b->request.of = ln_explainer_find("saliency");
        b->request.of_params = &b->of_params;
        fill(&b->request.of->word, signed_only, 1, &b->of_params);
    }
    const char *background = given(pairs, count, "background");
    const char *layer = given(pairs, count, "layer");
    ln_tensor_release(b->background);
    b->background = NULL;
    if (background)
        stop_on(ln_npy_read(background, &b->background, NULL, &err), &err);
    if (background)
        b->background->shape = (ln_shape){2, {b->background->shape.dims[0], b->model->width}};
    b->request.background = b->background;
    if (layer)
        stop_on(ln_model_layer(b->model, layer, &b->request.layer, &err), &err);
    printf("%s\n", word);
}

/* ---------------------------------------------------------------- orders */

static void make_job(bench *b)
{
    ln_error err = {0};
    stop_on(ln_job_new(b->explainer, &b->request, b->pool, &b->job, &err), &err);
}

static void run(void *context)
{
    bench *b = context;
    ln_error err = {0};
    ln_explanation_free(&b->found);
    stop_on(ln_job_run(b->job, 0, b->request.item_count, &b->found, &err), &err);
}

static void call(void *context)
{
    bench *b = context;
    make_job(b);
    run(b);
    ln_job_free(b->job);
    b->job = NULL;
}

/* Each row gets a first number that none had. */
static void make_strange(bench *b, const ln_tensor *rows)
{
    for (int64_t r = 0; rows && r < rows->shape.dims[0]; r++)
        ln_f32(rows)[r * b->model->width] = (float)++b->strangers * 0x1p-20F;
}

static void call_anew(void *context)
{
    bench *b = context;
    make_strange(b, b->x);
    make_strange(b, b->background);
    call(b);
}

static void one(bench *b)
{
    const int64_t count = b->request.item_count;
    b->request.item_count = 1;
    call(b);
    b->request.item_count = count;
    printf("one\n");
}

static void let_runners_go(const ln_function *function)
{
    ln_runner *idle;
    while ((idle = ln_kept_take_runner(function)))
        ln_runner_destroy(idle);
}

static void get_ready(bench *b)
{
    const ln_function *beside[MOST_BESIDE];
    make_job(b);
    const ln_function *function = b->job->function;
    const int count = b->job->beside_count < MOST_BESIDE ? b->job->beside_count : MOST_BESIDE;
    for (int k = 0; k < count; k++)
        beside[k] = b->job->beside[k];
    ln_job_free(b->job);
    b->job = NULL;
    let_runners_go(function); /* the model keeps the functions */
    for (int k = 0; k < count; k++)
        let_runners_go(beside[k]);
    printf("prepare\n");
}

static void save(const bench *b, const char *path)
{
    ln_error err = {0};
    ln_tensor *values;
    const ln_shape shape = {2, {b->found.count, b->found.width}};
    stop_on(ln_tensor_new(LN_F32, &shape, &values, &err), &err);
    memcpy(values->data, b->found.values, values->bytes);
    stop_on(ln_npy_write(path, values, &err), &err);
    ln_tensor_release(values);
    printf("saved\n");
}

int main(int count, char **arguments)
{
    bench b = {0};
    char line[8192];
    if (count != 4) {
        fprintf(stderr, "usage: explain MODEL.onnx ROWS.npy THREADS\n");
        return 2;
    }
    prepare(&b, arguments[1], arguments[2], atoi(arguments[3]));
    while (fgets(line, sizeof line, stdin)) {
        const size_t length = strcspn(line, " \n");
        char *rest = line + length + (line[length] == ' ');
        line[length] = '\0';
        rest[strcspn(rest, "\n")] = '\0';
        if (strcmp(line, "memory") == 0) {
            say_memory();
        } else if (strcmp(line, "one") == 0) {
            one(&b);
        } else if (strcmp(line, "prepare") == 0) {
            get_ready(&b);
        } else if (strcmp(line, "save") == 0) {
            save(&b, rest);
        } else if (strcmp(line, "call") == 0 || strcmp(line, "run") == 0 ||
                   strcmp(line, "anew") == 0) {
            if (strcmp(line, "run") == 0 && !b.job)
                make_job(&b);
            const fastest best = fastest_of(atol(rest),
                                            b.job                       ? run
                                            : strcmp(line, "anew") == 0 ? call_anew
                                                                        : call,
                                            &b);
            printf("%.9f %.9f\n", best.wall, best.processor);
            ln_job_free(b.job);
            b.job = NULL;
        } else {
            choose(&b, line, rest);
        }
        fflush(stdout);
    }
    ln_explanation_free(&b.found);
    return 0;
}
