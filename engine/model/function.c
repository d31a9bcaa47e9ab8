/* A model on a link (link.c), planned; its runners are runner.c's.
 *
 * There are two plans, one for passes of several rows and one for a single row, which would otherwise
 * cost as much as all that the first was planned for (where those are many); by the layers' promise a
 * row has the same bits in both. */
#include <assert.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/behind.h"
#include "graph/fuse.h"
#include "graph/merge.h"
#include "graph/simplify.h"
#include "model/head.h"
#include "model/kept.h"

enum { FEW_ROWS = 8 };

/* A layer behind the explained output, or beside it, has nothing to say of it. */
static ln_status check_layer(const ln_function *function, ln_error *err)
{
    bool depends;
    ln_status status =
        ln_graph_depends(function->graph, function->output, function->layer, -1, &depends, err);
    if (status || depends)
        return status;
    ln_fail(err, LN_EINVALID,
            "the explained output does not depend on '%s': name a layer before it",
            function->graph->values[function->layer].name);
    if (err)
        snprintf(err->field, sizeof err->field, "layer");
    return LN_EINVALID;
}

/* The layer, or the inputs that have gradients: whole numbers (token ids ...) have none, but rules may know what looks
 * rows up by them. */
static ln_status list_gradients(ln_function *function, const ln_composite *composite, ln_error *err)
{
    const ln_graph *graph = function->graph;
    const bool ids = composite && composite->ids;
    function->gradients = ln_calloc((size_t)graph->input_count + 1, sizeof *function->gradients);
    if (!function->gradients)
        return ln_fail_memory(err, ((size_t)graph->input_count + 1) * sizeof *function->gradients);
    if (function->layer >= 0) {
        if (function->key.gradient)
            function->gradients[function->gradient_count++] = function->layer;
        return function->key.gradient ? check_layer(function, err) : LN_OK;
    }
    for (int i = 0; i < graph->input_count && function->key.gradient; i++)
        if (graph->values[graph->inputs[i]].dtype == LN_F32)
            function->gradients[function->gradient_count++] = graph->inputs[i];
    const bool none = function->key.gradient && function->gradient_count == 0;
    for (int i = 0; i < graph->input_count && none && ids; i++)
        function->gradients[function->gradient_count++] = graph->inputs[i];
    if (!none || ids)
        return LN_OK;
    ln_fail(err, LN_EUNSUPPORTED,
            "the model's input '%s' takes whole numbers, which have no gradient: use an "
            "explainer that needs none",
            graph->values[graph->inputs[0]].name);
    ln_error_hint(err, "lrp and deeplift explain ids by the rows that they look up, "
                       "layer_integrated_gradients the rows themselves");
    return LN_EUNSUPPORTED;
}

/* The function's graph gives way to one made of it, in which output and layer have other ids. */
static void take_graph(ln_function *function, ln_graph *made)
{
    const ln_value *values = function->graph->values;
    function->output = ln_graph_find_value(made, values[function->output].name);
    assert(function->output >= 0);
    if (function->layer >= 0) {
        function->layer = ln_graph_find_value(made, values[function->layer].name);
        assert(function->layer >= 0);
    }
    ln_graph_release(function->graph);
    function->graph = made;
}

/* A composite may want the graph simpler; without one it is simplified as far as that goes, and what files
 * spell out becomes one node. Then it is made of what runs fastest. */
static ln_status simplify(ln_function *function, const ln_composite *composite, ln_error *err)
{
    const unsigned passes = composite ? composite->simplify
                                      : LN_SIMPLIFY_ALL | LN_SIMPLIFY_POOL | LN_SIMPLIFY_UNCHECKED;
    const ln_fuse fuse = composite && !composite->chains ? LN_FUSE_LAYERS : LN_FUSE_CHAINS;
    const int count = function->layer >= 0 ? 2 : 1;
    ln_graph *made;
    if (function->model->callback.run)
        return LN_OK;
    ln_status status = LN_OK;
    if (passes) {
        status =
            ln_graph_simplify(function->graph, passes,
                              (const int[]){function->output, function->layer}, count, &made, err);
        if (!status)
            take_graph(function, made);
    }
    if ((!composite || composite->merges) && !status) {
        status = ln_graph_merge(function->graph, (const int[]){function->output, function->layer},
                                count, &made, err);
        if (!status)
            take_graph(function, made);
    }
    if (!composite && !function->key.gradient && !status) {
        status =
            ln_graph_simplify(function->graph, LN_SIMPLIFY_CUTS,
                              (const int[]){function->output, function->layer}, count, &made, err);
        if (!status)
            take_graph(function, made);
    }
    if (!status)
        status = ln_graph_fuse(function->graph, fuse,
                               (const int[]){function->output, function->layer}, count, &made, err);
    if (!status)
        take_graph(function, made);
    return status;
}

/* The part of the graph behind a value, where rows are that value's numbers. */
static ln_status take_behind(ln_function *function, int value, ln_error *err)
{
    ln_graph *behind;
    ln_status status =
        ln_graph_behind(function->graph, value, function->output, &behind, &function->output, err);
    if (status)
        return status;
    assert(behind); /* the value is of ln_model_first_dense */
    ln_graph_release(function->graph);
    function->graph = behind;
    function->width = ln_shape_row(&behind->values[behind->inputs[0]].shape);
    return LN_OK;
}

/* Whether weights of the model may sleep: where functions are kept, else each would pack and unpack them, and
 * nobody else has the graph. */
static bool sleeps(const ln_model *model)
{
    return model->keep_bytes > 0 &&
           __atomic_load_n(&model->graph->references, __ATOMIC_ACQUIRE) == 1;
}

static ln_status make_plan(const ln_function *function, int64_t rows, const ln_composite *composite,
                           const ln_plan *like, ln_plan **out, ln_error *err)
{
    const int both[] = {function->layer, function->output};
    const bool no_output = function->layer >= 0 && !function->key.gradient;
    const ln_plan_options options = {.rows = rows,
                                     .values = function->layer >= 0 ? both : &function->output,
                                     .value_count = function->layer >= 0 && !no_output ? 2 : 1,
                                     .gradients = function->gradients,
                                     .gradient_count = function->gradient_count,
                                     .composite = composite,
                                     .last = !like,
                                     .sleeps = sleeps(function->model),
                                     .like = like,
                                     .fast = function->model->fast,
                                     .profile = function->model->profile};
    return ln_plan_new(function->graph, &options, out, err);
}

static ln_function_key key_of(const ln_model *model, const ln_function_options *options)
{
    return (ln_function_key){.rows = options->rows,
                             .link = options->link,
                             .layer = options->layer ? *options->layer : -1,
                             .behind = options->behind ? *options->behind : -1,
                             .explained = options->explained ? *options->explained : -1,
                             .gradient = options->gradient,
                             .fast = model->fast};
}

static ln_status make_graph(ln_function *function, const ln_composite *composite, ln_error *err)
{
    ln_model *model = function->model;
    const ln_function_key *key = &function->key;
    ln_status status = LN_OK;
    function->width = model->width;
    function->layer = key->layer;
    if (key->explained >= 0) {
        function->graph = ln_graph_retain(model->graph);
        function->output = key->explained;
    } else
        status = ln_link_apply(model, key->link, &function->graph, &function->output, err);
    if (!status && key->behind >= 0)
        status = take_behind(function, key->behind, err);
    if (!status)
        status = simplify(function, composite, err);
    return status;
}

/* Whether rows are looked up before they are passed: rules may look at what a pass leaves behind, a black box may
 * answer anew each time, and rows that are values behind a layer are of one pass only. */
static ln_status start_to_recall(ln_function *function, const ln_composite *composite, bool keeps,
                                 ln_error *err)
{
    const ln_model *model = function->model;
    const ln_function_key *key = &function->key;
    const bool outputs = key->layer < 0 || key->gradient;
    function->recalls =
        outputs && !composite && !model->callback.run && key->behind < 0 && ln_known_pays(model);
    if (function->base)
        function->known = function->base->known;
    else if (function->recalls && keeps)
        return ln_known_new(function->outputs, &function->known, err);
    return LN_OK;
}

static void share_graph(ln_function *function)
{
    const ln_function *base = function->base;
    function->graph = ln_graph_retain(base->graph);
    function->output = base->output;
    function->layer = base->layer;
    function->width = base->width;
}

static ln_status make(ln_function *function, const ln_composite *composite, ln_error *err)
{
    const ln_function *base = function->base;
    const int64_t rows = function->key.rows;
    ln_status status = LN_OK;
    if (base)
        share_graph(function);
    else
        status = make_graph(function, composite, err);
    if (!status) {
        function->outputs = ln_shape_row(&function->graph->values[function->output].shape);
        status = list_gradients(function, composite, err);
    }
    if (!status)
        status =
            make_plan(function, rows, composite, base ? base->plan : NULL, &function->plan, err);
    if (!status && rows > FEW_ROWS)
        status = make_plan(function, 1, composite, base ? base->plan : function->plan,
                           &function->single, err);
    return status;
}

/* The one that the model keeps, or a new one. */
static ln_status find_or_make(ln_model *model, const ln_function_key *key,
                              const ln_composite *composite, ln_function **out, ln_error *err)
{
    const bool keeps = model->keep_bytes > 0 && !model->profile; /* executions report when freed */
    ln_function *function = keeps ? ln_kept_find(model, key, composite, false) : NULL;
    if (function) {
        ln_model_retain(model);
        *out = function;
        return LN_OK;
    }
    function = ln_calloc(1, sizeof *function);
    if (!function)
        return ln_fail_memory(err, sizeof *function);
    const size_t before = ln_memory_used();
    function->key = *key;
    function->model = ln_model_retain(model);
    function->relevance = composite && composite->relevance;
    function->base = keeps ? ln_kept_find(model, key, composite, true) : NULL;
    function->users = 1;
    ln_status status = make(function, composite, err);
    if (!status)
        status = start_to_recall(function, composite, keeps, err);
    if (status) {
        ln_function_free(function);
        return status;
    }
    const size_t after = ln_memory_used();
    function->bytes = after > before ? after - before : 0;
    if (keeps)
        ln_kept_add(model, function);
    *out = function;
    return LN_OK;
}

ln_status ln_function_new(ln_model *model, const ln_function_options *options, ln_function **out,
                          ln_error *err)
{
    const ln_function_key key = key_of(model, options);
    if (options->gradient && model->callback.run)
        return ln_fail(err, LN_EUNSUPPORTED, "a blackbox has no gradients");
    ln_kept_make(model->kept);
    ln_status status = find_or_make(model, &key, options->composite, out, err);
    ln_kept_made(model->kept);
    return status;
}

void ln_function_destroy(ln_function *function)
{
    if (!function)
        return;
    ln_plan_free(function->plan);
    ln_plan_free(function->single);
    ln_free(function->gradients);
    ln_graph_release(function->graph);
    if (function->base)
        ln_kept_return(function->base);
    else
        ln_known_free(function->known);
    ln_free(function);
}

void ln_function_free(ln_function *function)
{
    if (!function)
        return;
    ln_model *model = function->model;
    ln_kept_return(function);
    ln_model_release(model);
}

int64_t ln_function_outputs(const ln_function *function)
{
    return function->outputs;
}

ln_status ln_function_layer_cuts(const ln_function *function, bool *out, ln_error *err)
{
    const ln_graph *graph = function->graph;
    bool around = false;
    ln_status status = LN_OK;
    for (int i = 0; i < graph->input_count && !status && !around; i++)
        status = ln_graph_depends(graph, function->output, graph->inputs[i], function->layer,
                                  &around, err);
    *out = !around;
    return status;
}
