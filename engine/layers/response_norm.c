/* local_response_norm: each element is divided by a power of the squares around it in neighbouring
 * channels.
 *
 *     s_c = k + alpha / size * sum of x_j^2 over `size` channels j around c,   y_c = x_c s_c^-beta
 *     dx_i = dy_i s_i^-beta - 2 alpha beta / size * x_i * sum of dy_c x_c s_c^(-beta - 1) over the
 *            channels c that have i around them
 *
 * x, y (N, C, ...). Of an even size the odd channel comes before (PyTorch) or after (ONNX). Sums are
 * float64; s is computed again in backward, size operations an element.
 *
 * Source: Krizhevsky, Sutskever & Hinton 2012; torch.nn.LocalResponseNorm; ONNX: LRN. */
#include <math.h>
#include <stddef.h>

#include "layers/common.h"

static const ln_param response_norm_params[] = {
    {.name = "size",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_response_norm_attributes, size),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = 1 << 24,
     .position = 1,
     .help = "channels that are summed, around each"},
    {.name = "alpha",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_response_norm_attributes, alpha),
     .fallback = "1e-4",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "weight of the mean of their squares"},
    {.name = "beta",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_response_norm_attributes, beta),
     .fallback = "0.75",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "the power"},
    {.name = "k",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_response_norm_attributes, k),
     .fallback = "1",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "added to the mean"},
    LN_PARAM_END,
};

static const ln_param response_norm_stored[] = {
    {.name = "later",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_response_norm_attributes, later),
     .fallback = "false",
     .help = "of an even size the odd channel comes after"},
    {.name = "outer",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_response_norm_attributes, outer),
     .fallback = "0",
     .help = "axes between the rows and the channels that count images, too"},
    LN_PARAM_END,
};

/* Images of the pass as (channels, inner). */
typedef struct response_view {
    int64_t images, channels, inner;
    int64_t before, after; /* channels around one that count */
} response_view;

static response_view view_of(const ln_pass *pass)
{
    const ln_response_norm_attributes *own = pass->step->node->attributes;
    const ln_shape *in = &pass->step->in_shape[0];
    response_view view = {.images = pass->rows, .channels = in->dims[1 + own->outer], .inner = 1};
    for (int i = 1; i <= own->outer; i++)
        view.images *= in->dims[i];
    for (int i = 2 + (int)own->outer; i < in->rank; i++)
        view.inner *= in->dims[i];
    view.before = own->later ? (own->size - 1) / 2 : own->size / 2;
    view.after = own->size - 1 - view.before;
    return view;
}

static ln_status response_norm_infer(const struct ln_graph *graph, const struct ln_node *node,
                                     const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_response_norm_attributes *own = node->attributes;
    char text[64];
    (void)graph;
    if (in[0].rank < 2 + own->outer)
        return ln_fail(err, LN_EINVALID, "its input has shape %s: it must be (N, channels, ...)",
                       ln_shape_text(&in[0], text, sizeof text));
    out[0] = in[0];
    return LN_OK;
}

/* s of channel c at one place; `x` is the place in channel 0. */
static double response(const ln_response_norm_attributes *own, const response_view *view,
                       const float *x, int64_t c)
{
    const int64_t first = c > view->before ? c - view->before : 0;
    const int64_t last = c + view->after < view->channels ? c + view->after : view->channels - 1;
    double sum = 0;
    for (int64_t j = first; j <= last; j++)
        sum += (double)x[j * view->inner] * (double)x[j * view->inner];
    return own->k + own->alpha * sum / (double)own->size;
}

static ln_status response_norm_forward(const ln_pass *pass, ln_error *err)
{
    const ln_response_norm_attributes *own = pass->step->node->attributes;
    const response_view view = view_of(pass);
    const float *x = pass->in[0];
    float *y = pass->out[0];
    (void)err;
    for (int64_t i = 0; i < view.images; i++)
        for (int64_t c = 0; c < view.channels; c++)
            for (int64_t p = 0; p < view.inner; p++) {
                const int64_t at = i * view.channels * view.inner + p;
                const double s = response(own, &view, x + at, c);
                y[at + c * view.inner] =
                    (float)((double)x[at + c * view.inner] * pow(s, -own->beta));
            }
    return LN_OK;
}

/* dx of one place of one image: what stands in the channels around c comes back to it. */
static void backward_place(const ln_response_norm_attributes *own, const response_view *view,
                           const float *x, const float *dy, float *dx)
{
    const double weight = 2 * own->alpha * own->beta / (double)own->size;
    for (int64_t i = 0; i < view->channels; i++)
        dx[i * view->inner] = 0;
    for (int64_t c = 0; c < view->channels; c++) {
        const double s = response(own, view, x, c), own_dy = (double)dy[c * view->inner];
        const double part = weight * own_dy * (double)x[c * view->inner] * pow(s, -own->beta - 1);
        const int64_t first = c > view->before ? c - view->before : 0;
        const int64_t last =
            c + view->after < view->channels ? c + view->after : view->channels - 1;
        dx[c * view->inner] += (float)(own_dy * pow(s, -own->beta));
        for (int64_t j = first; j <= last; j++)
            dx[j * view->inner] -= (float)(part * (double)x[j * view->inner]);
    }
}

static ln_status response_norm_backward(const ln_pass *pass, ln_error *err)
{
    const ln_response_norm_attributes *own = pass->step->node->attributes;
    const response_view view = view_of(pass);
    (void)err;
    for (int64_t i = 0; i < view.images && pass->in_grad[0]; i++)
        for (int64_t p = 0; p < view.inner; p++) {
            const int64_t at = i * view.channels * view.inner + p;
            backward_place(own, &view, (const float *)pass->in[0] + at, pass->out_grad[0] + at,
                           pass->in_grad[0] + at);
        }
    return LN_OK;
}

const ln_layer ln_layer_local_response_norm = {
    .word = {.name = "local_response_norm",
             .summary = "divides each element by a power of the squares in neighbouring channels",
             .formula = "y_c = x_c (k + alpha mean of x^2 over size channels around c)^-beta",
             .source = "PyTorch: torch.nn.LocalResponseNorm; Krizhevsky et al. 2012",
             .params = response_norm_params,
             .params_size = sizeof(ln_response_norm_attributes)},
    .min_inputs = 1,
    .max_inputs = 1,
    .stored = response_norm_stored,
    .infer = response_norm_infer,
    .forward = response_norm_forward,
    .backward = response_norm_backward,
};
