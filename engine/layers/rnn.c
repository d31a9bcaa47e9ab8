/* rnn: the plain recurrent layer, h' = tanh(W x + b + U h + d), or relu. Shapes as lstm's.
 *
 * Source: torch.nn.RNN (batch_first); Elman 1990; ONNX: RNN. */
#include <math.h>
#include <string.h>

#include "layers/recurrent.h"
#include "layers/recurrent_params.h"

static const ln_recurrent_attributes *own_of(const ln_steps *w)
{
    return w->pass->step->node->attributes;
}

static float rectified(float x)
{
    return x <= 0 ? 0 : x;
}

static void forward(ln_steps *w, int64_t t)
{
    const int64_t h = w->hidden_size;
    const float clip = (float)own_of(w)->clip;
    ln_steps_multiply(w, 0, w->hidden, w->part);
    for (int64_t s = 0; s < w->sequences; s++) {
        float *gate = w->gate + ln_step_at(w, s, t) * h;
        ln_steps_keep(w, ln_step_at(w, s, t), 0, h, gate, w->part + s * h);
        for (int64_t k = 0; k < h && ln_step_active(w, s, t); k++) {
            const float x = ln_step_clipped(gate[k] + w->part[s * h + k], clip);
            gate[k] = own_of(w)->nonlinearity ? rectified(x) : tanhf(x);
            w->hidden[s * h + k] = gate[k];
        }
    }
}

static void backward(ln_steps *w, int64_t t)
{
    const int64_t h = w->hidden_size;
    const float clip = (float)own_of(w)->clip;
    const bool relu = own_of(w)->nonlinearity != 0;
    for (int64_t s = 0; s < w->sequences; s++) {
        const int64_t m = ln_step_at(w, s, t);
        const bool active = ln_step_active(w, s, t);
        for (int64_t k = 0; k < h; k++) {
            const float y = w->gate[m * h + k], dh = w->d_hidden[s * h + k];
            const float slope = relu ? (float)(y > 0) : 1 - y * y;
            const float d =
                active ? dh * slope * ln_step_open(y, clip, relu ? rectified : tanhf) : 0;
            w->part[s * h + k] = d;
            if (active)
                w->d_gate[m * h + k] = w->d_back[m * h + k] = d;
        }
    }
    ln_steps_multiply_back(w, 0, w->part, w->product);
    for (int64_t s = 0; s < w->sequences; s++)
        if (ln_step_active(w, s, t))
            memcpy(w->d_hidden + s * h, w->product + s * h, (size_t)h * sizeof(float));
}

/* A step back of a rule: multipliers by the function's slope between the two rows, or relevance over the sums. */
static void by_rule(ln_steps *w, int64_t t)
{
    const int64_t h = w->hidden_size;
    const double clip = own_of(w)->clip;
    double (*secant)(double, double, double) =
        own_of(w)->nonlinearity ? ln_step_secant_relu : ln_step_secant_tanh;
    for (int64_t s = 0; s < w->sequences; s++) {
        const int64_t m = ln_step_at(w, s, t);
        const float *x = w->kept + m * h, *b = x + w->partner * h;
        for (int64_t k = 0; k < h; k++) {
            const double dh = w->d_hidden[s * h + k];
            const double d = !ln_step_active(w, s, t) ? 0
                             : w->rule->pairs
                                 ? dh * secant((double)x[k], (double)b[k], clip)
                                 : dh / ln_step_stabilised((double)x[k], w->rule->epsilon);
            w->part[s * h + k] = w->d_gate[m * h + k] = (float)d;
        }
    }
    ln_steps_multiply_back(w, 0, w->part, w->product);
    for (int64_t s = 0; s < w->sequences; s++)
        for (int64_t k = 0; k < h && ln_step_active(w, s, t); k++)
            w->d_hidden[s * h + k] = w->product[s * h + k] *
                                     (w->rule->pairs ? 1 : w->before[ln_step_at(w, s, t) * h + k]);
}

const ln_cell ln_cell_rnn = {.gates = 1,
                             .parts = 1,
                             .part = {{0, 1}},
                             .forward = forward,
                             .backward = backward,
                             .contrast = by_rule,
                             .relevance = by_rule};

LN_RECURRENT_LAYER(rnn, "recurrent layer: its state goes through tanh or relu at every step",
                   "h' = tanh(W x + b + U h + d)", "PyTorch: torch.nn.RNN; Elman 1990",
                   {.name = "nonlinearity",
                    .type = LN_PARAM_CHOICE,
                    .offset = offsetof(ln_recurrent_attributes, nonlinearity),
                    .fallback = "\"tanh\"",
                    .choices = "tanh|relu",
                    .help = "what the state goes through"}, )
