/* A request and its references have the shapes that the model and each other's rows ask for. */
#include "explainers/common/request.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"

ln_status ln_request_fail(ln_error *err, const char *field, ln_status status)
{
    if (err)
        snprintf(err->field, sizeof err->field, "%s", field);
    return status;
}

int64_t ln_request_row(const ln_request *request, int64_t row)
{
    return request->row_ids ? request->row_ids[row] % LN_COPIES_APART : row;
}

static bool is_rows(const ln_tensor *tensor, int64_t width)
{
    return tensor->dtype == LN_F32 && tensor->shape.rank == 2 && tensor->shape.dims[1] == width;
}

ln_status ln_request_check_rows(const ln_request *request, ln_error *err)
{
    int64_t width = request->model->width;
    char text[128];
    if (!is_rows(request->x, width))
        return ln_request_fail(
            err, "inputs",
            ln_fail(err, LN_EINVALID,
                    "the inputs have shape %s and type %s: the model reads rows of "
                    "%" PRId64 " numbers of type f32",
                    ln_shape_text(&request->x->shape, text, sizeof text),
                    ln_dtype_name(request->x->dtype), width));
    for (int64_t i = 0; i < request->item_count; i++)
        if (request->items[i].row < 0 || request->items[i].row >= request->x->shape.dims[0])
            return ln_request_fail(err, "inputs",
                                   ln_fail(err, LN_EINVALID,
                                           "row %" PRId64
                                           " is asked for: there are rows 0 to %" PRId64,
                                           request->items[i].row, request->x->shape.dims[0] - 1));
    return LN_OK;
}

static ln_status check_baseline(const ln_request *request, ln_error *err)
{
    const ln_tensor *baseline = request->baseline;
    int64_t rows = request->x->shape.dims[0];
    char text[128];
    if (!baseline || (is_rows(baseline, request->model->width) &&
                      (baseline->shape.dims[0] == 1 || baseline->shape.dims[0] == rows)))
        return LN_OK;
    return ln_request_fail(err, "baseline",
                           ln_fail(err, LN_EINVALID,
                                   "the baseline has shape %s and type %s: expected (1, %" PRId64
                                   ") for all rows or (%" PRId64 ", %" PRId64 ") row by row, f32",
                                   ln_shape_text(&baseline->shape, text, sizeof text),
                                   ln_dtype_name(baseline->dtype), request->model->width, rows,
                                   request->model->width));
}

/* A word that takes a baseline too takes one of them. */
static ln_status check_background(const ln_request *request, bool or_baseline, ln_error *err)
{
    const ln_tensor *background = request->background;
    char text[128];
    if (or_baseline && !background)
        return LN_OK;
    if (or_baseline && request->baseline)
        return ln_request_fail(err, "background",
                               ln_fail(err, LN_EINVALID,
                                       "there are a baseline and a background: what is left out is "
                                       "replaced by one of them, give one"));
    if (!background)
        return ln_request_fail(
            err, "background",
            ln_fail(err, LN_EINVALID, "it compares with a background, and has none"));
    if (is_rows(background, request->model->width) && background->shape.dims[0] > 0)
        return LN_OK;
    return ln_request_fail(err, "background",
                           ln_fail(err, LN_EINVALID,
                                   "the background has shape %s and type %s: expected (K, %" PRId64
                                   ") with a row or more, f32",
                                   ln_shape_text(&background->shape, text, sizeof text),
                                   ln_dtype_name(background->dtype), request->model->width));
}

int64_t ln_request_outputs(const ln_request *request)
{
    const ln_model *model = request->model;
    if (request->neuron)
        return ln_shape_row(&model->graph->values[request->neuron->value].shape);
    /* The link "loss" has an output a class, also where the model has one output for two classes. */
    return model->class_count > model->output_count ? model->class_count : model->output_count;
}

static ln_status check_neuron(const ln_request *request, ln_error *err)
{
    const ln_neuron *neuron = request->neuron;
    const int64_t units = ln_request_outputs(request);
    if (neuron->unit >= 0 && neuron->unit < units)
        return LN_OK;
    return ln_request_fail(
        err, "neuron.unit",
        ln_fail(err, LN_EINVALID, "'%s' has %" PRId64 " units, numbered from 0: found %" PRId64,
                request->model->graph->values[neuron->value].name, units, neuron->unit));
}

ln_status ln_request_check(const ln_request *request, const ln_explainer *explainer, ln_error *err)
{
    const unsigned flags = explainer->flags;
    if ((flags & LN_NEEDS_GRADIENT) && request->model->callback.run)
        return ln_fail(err, LN_EUNSUPPORTED, "%s needs gradients, and a blackbox has none",
                       explainer->word.name);
    if ((flags & LN_TAKES_LAYER) && request->model->callback.run)
        return ln_fail(err, LN_EUNSUPPORTED, "%s looks at a layer, and a blackbox has none",
                       explainer->word.name);
    ln_status status = flags & LN_TAKES_BASELINE ? check_baseline(request, err) : LN_OK;
    if (!status && (flags & LN_TAKES_BACKGROUND))
        status = check_background(request, flags & LN_TAKES_BASELINE, err);
    if (!status && request->neuron)
        status = check_neuron(request, err);
    return status;
}
