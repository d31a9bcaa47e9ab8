/* Layer conductance: how much of the output's change from a baseline flows through each unit of a layer.
 *
 *   a = integral over the path of (d f_t / d h) dh,   in steps:  a = sum over i < n of
 *       d f_t / d h (s_i) * (h (s_(i+1)) - h (s_i))
 *
 * x (N, width), baseline b (1 or N, width) -> a (N, *shape of the layer); h (s) are the layer's numbers
 * at b + s (x - b), s_0 to s_n the n + 1 nodes of a quadrature, as Captum takes them. A left sum: the
 * error falls like 1/n, ends of the path that Gauss-Legendre leaves out included. riemann_trapezoid's
 * nodes reach from end to end.
 *
 * Complete in the limit where the layer is all that the output sees of the inputs: sum a = f_t(x) -
 * f_t(b). Where other ways lead round it only a part flows through, so that there is no residual.
 * Cost: n + 2 forward passes a row, and backward as far as the layer; the baseline's output as in
 * integrated_gradients. Source: Dhamdhere et al. 2019; Shrikumar et al. 2018 for the sum in steps. */
#include <math.h>

#include "explainers/common/layer.h"
#include "explainers/common/path.h"

typedef struct layer_conductance_params {
    int64_t steps;    /* differences along the path */
    int method;       /* ln_quadrature: where its nodes are */
    double tolerance; /* of the residual, read by the driver */
} layer_conductance_params;

/* State: the sum, then the layer's numbers and the gradient at the node before. */
static void add(const ln_job *job, const ln_path_node *node, double *sum)
{
    const int64_t width = job->width;
    double *layer = sum + width, *gradient = layer + width;
    for (int64_t i = 0; i < width; i++) {
        if (node->number > 0)
            sum[i] += gradient[i] * ((double)node->layer[i] - layer[i]);
        layer[i] = (double)node->layer[i];
        gradient[i] = (double)node->gradient[i];
    }
}

static void finish(const ln_job *job, int64_t item, const double *sum, float *values)
{
    (void)item;
    for (int64_t i = 0; i < job->width; i++)
        values[i] = (float)sum[i];
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const layer_conductance_params *params = job->request->params;
    const ln_path_options options = {.rule = (ln_quadrature)params->method,
                                     .nodes = params->steps + 1,
                                     .baseline_output = true,
                                     .state_width = 3 * job->width};
    return ln_path_prepare(job, &options, scratch_bytes, err);
}

static ln_status start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err)
{
    bool cuts;
    ln_status status = ln_function_layer_cuts(job->function, &cuts, err);
    if (!status && !cuts)
        ln_path_leave_baseline(job);
    return status ? status : ln_path_start(job, runner, evaluations, err);
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    static const ln_path_method method = {.add = add, .finish = finish};
    return ln_path_run(job, chunk, &method, err);
}

static const ln_param params[] = {
    LN_LAYER_PARAM,
    {.name = "steps",
     .type = LN_PARAM_INT,
     .offset = offsetof(layer_conductance_params, steps),
     .fallback = "50",
     .min = 1,
     .max = LN_QUADRATURE_STEPS_MAX - 1,
     .help = "differences of the layer's numbers that are summed along the path"},
    {.name = "method",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(layer_conductance_params, method),
     .fallback = "\"gausslegendre\"",
     .choices = LN_QUADRATURE_CHOICES,
     .help = "where the steps + 1 points of the path are"},
    {.name = "baseline",
     .type = LN_PARAM_BASELINE,
     .offset = LN_NO_OFFSET,
     .fallback = "0",
     .help = "where the path starts, in encoded space: one for all rows or one a row"},
    {.name = "tolerance",
     .type = LN_PARAM_REAL,
     .offset = offsetof(layer_conductance_params, tolerance),
     .fallback = "0.05",
     .min = 0,
     .max = HUGE_VAL,
     .help = "relative residual that verify lets pass"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_layer_conductance = {
    .word =
        {
            .name = "layer_conductance",
            .summary = "how much of the output's change from a baseline flows through each unit",
            .formula = "a = sum over i of d f_t / d h (s_i) * (h(s_(i+1)) - h(s_i)), h(s) the "
                       "layer's numbers at b + s (x - b)",
            .source = "Dhamdhere, Sundararajan and Yan 2019, How Important Is a Neuron?, "
                      "arXiv:1805.12233; in steps as Shrikumar, Su and Kundaje 2018, "
                      "arXiv:1807.09946; points as in Captum",
            .params = params,
            .params_size = sizeof(layer_conductance_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_BASELINE | LN_TAKES_LAYER | LN_AT_LAYER | LN_COMPLETE,
    .version = 1,
    .tolerance = 0.05,
    .cost = "steps + 2 forward passes a row, and backward as far as the layer (one more where "
            "baselines differ by row)",
    .prepare = prepare,
    .start = start,
    .release = ln_path_release,
    .run = run,
};
