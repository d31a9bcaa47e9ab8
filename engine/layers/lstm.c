/* lstm: long short-term memory.
 *
 *     i, f, o = sigmoid(W x + b + U h + d), g = tanh(...),  c' = f c + i g,  h' = o tanh(c')
 *
 * x (N, T, F), with `last` (N, H), else (N, T, H); of both directions side by side. As ONNX stores it the
 * directions are an axis, and the states follow as outputs. Peepholes add p c to i and f, p c' to o.
 *
 * Source: torch.nn.LSTM (batch_first); Hochreiter & Schmidhuber 1997; ONNX: LSTM. */
#include <math.h>
#include <string.h>

#include "kernels/elementary.h"
#include "layers/recurrent.h"
#include "layers/recurrent_params.h"

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static float peephole(const ln_steps *w, int which, int64_t i)
{
    return w->peephole ? w->peephole[which * w->hidden_size + i] : 0;
}

static float clip_of(const ln_steps *w)
{
    const ln_recurrent_attributes *own = w->pass->step->node->attributes;
    return (float)own->clip;
}

/* The usual cell is computed in registers (kernels/elementary.h), others unit by unit. */
static bool is_usual(const ln_steps *w)
{
    return !w->peephole && !(clip_of(w) > 0);
}

static void unit_forward(ln_steps *w, int64_t s, float *gate, int64_t k)
{
    const int64_t h = w->hidden_size;
    const float *part = w->part + s * w->gates, clip = clip_of(w);
    float *memory = &w->memory[s * h + k];
    const float before = *memory;
    const float i = sigmoid(ln_step_clipped(gate[k] + part[k] + peephole(w, 0, k) * before, clip));
    const float f =
        sigmoid(ln_step_clipped(gate[h + k] + part[h + k] + peephole(w, 1, k) * before, clip));
    const float g = tanhf(ln_step_clipped(gate[2 * h + k] + part[2 * h + k], clip));
    *memory = f * before + i * g;
    const float o = sigmoid(
        ln_step_clipped(gate[3 * h + k] + part[3 * h + k] + peephole(w, 2, k) * *memory, clip));
    w->hidden[s * h + k] = o * tanhf(*memory);
    gate[k] = i;
    gate[h + k] = f;
    gate[2 * h + k] = g;
    gate[3 * h + k] = o;
}

static void forward(ln_steps *w, int64_t t)
{
    const int64_t h = w->hidden_size;
    const ln_elementary *kernels = ln_elementary_choose();
    const bool usual = is_usual(w);
    ln_steps_multiply(w, 0, w->hidden, w->part);
    for (int64_t s = 0; s < w->sequences; s++) {
        float *gate = w->gate + ln_step_at(w, s, t) * w->gates;
        if (!ln_step_active(w, s, t))
            continue;
        ln_steps_keep(w, ln_step_at(w, s, t), 0, w->gates, gate, w->part + s * w->gates);
        if (usual)
            kernels->lstm(h, gate, w->part + s * w->gates, w->memory + s * h, w->hidden + s * h);
        for (int64_t k = 0; k < h && !usual; k++)
            unit_forward(w, s, gate, k);
    }
}

/* One unit: its four gates' gradients to `d`, one H after the other. */
static void unit_backward(ln_steps *w, int64_t s, int64_t m, int64_t k, float *d)
{
    const int64_t h = w->hidden_size;
    const float *gate = w->gate + m * w->gates;
    const float i = gate[k], f = gate[h + k], g = gate[2 * h + k], o = gate[3 * h + k];
    const float before = w->cell_before[m * h + k], clip = clip_of(w);
    const float after = tanhf(f * before + i * g), dh = w->d_hidden[s * h + k];
    float dc = w->d_memory[s * h + k] + dh * o * (1 - after * after);
    d[3 * h + k] = dh * after * o * (1 - o) * ln_step_open(o, clip, sigmoid);
    dc += d[3 * h + k] * peephole(w, 2, k);
    d[k] = dc * g * i * (1 - i) * ln_step_open(i, clip, sigmoid);
    d[h + k] = dc * before * f * (1 - f) * ln_step_open(f, clip, sigmoid);
    d[2 * h + k] = dc * i * (1 - g * g) * ln_step_open(g, clip, tanhf);
    w->d_memory[s * h + k] = dc * f + d[k] * peephole(w, 0, k) + d[h + k] * peephole(w, 1, k);
}

static void backward(ln_steps *w, int64_t t)
{
    const int64_t h = w->hidden_size;
    const size_t bytes = (size_t)w->gates * sizeof(float);
    const ln_elementary *kernels = ln_elementary_choose();
    const bool usual = is_usual(w);
    for (int64_t s = 0; s < w->sequences; s++) {
        const int64_t m = ln_step_at(w, s, t);
        float *d = w->part + s * w->gates;
        if (!ln_step_active(w, s, t)) {
            memset(d, 0, bytes);
            continue;
        }
        if (usual)
            kernels->lstm_back(h, w->gate + m * w->gates, w->cell_before + m * h,
                               w->d_hidden + s * h, w->d_memory + s * h, d);
        for (int64_t k = 0; k < h && !usual; k++)
            unit_backward(w, s, m, k, d);
        memcpy(w->d_gate + m * w->gates, d, bytes);
        memcpy(w->d_back + m * w->gates, d, bytes);
    }
    ln_steps_multiply_back(w, 0, w->part, w->product);
    for (int64_t s = 0; s < w->sequences; s++)
        if (ln_step_active(w, s, t))
            memcpy(w->d_hidden + s * h, w->product + s * h, (size_t)h * sizeof(float));
}

/* ---------------------------------------------------------------- rules */

/* What a gate's function is of, beside x and h: the memory, through a peephole. */
static double sum_of(const ln_steps *w, int64_t m, int gate, int which, int64_t k, double memory)
{
    const double own = (double)w->kept[m * w->gates + gate * w->hidden_size + k];
    return own + (which < 0 ? 0 : (double)peephole(w, which, k) * memory);
}

/* A unit of one row: what its step was made of. */
typedef struct unit {
    double i, f, g, o, before, after, bent; /* bent: tanh(after) */
} unit;

static unit unit_at(const ln_steps *w, int64_t m, int64_t k)
{
    const int64_t h = w->hidden_size;
    const float *gate = w->gate + m * w->gates;
    unit at = {.i = gate[k], .f = gate[h + k], .g = gate[2 * h + k], .o = gate[3 * h + k]};
    at.before = w->cell_before[m * h + k];
    at.after = at.f * at.before + at.i * at.g;
    at.bent = tanh(at.after);
    return at;
}

/* Products half and half, functions by the slope between the two rows; as unit_backward goes. */
static void unit_contrast(ln_steps *w, int64_t s, int64_t m, int64_t k, float *d)
{
    const int64_t h = w->hidden_size, p = m + w->partner;
    const double clip = (double)clip_of(w), dh = w->d_hidden[s * h + k];
    const unit x = unit_at(w, m, k), b = unit_at(w, p, k);
    double dc = (double)w->d_memory[s * h + k] +
                dh * (x.o + b.o) / 2 * ln_step_secant_tanh(x.after, b.after, 0);
    const double at_o = ln_step_secant_sigmoid(sum_of(w, m, 3, 2, k, x.after),
                                               sum_of(w, p, 3, 2, k, b.after), clip);
    const double at_i = ln_step_secant_sigmoid(sum_of(w, m, 0, 0, k, x.before),
                                               sum_of(w, p, 0, 0, k, b.before), clip);
    const double at_f = ln_step_secant_sigmoid(sum_of(w, m, 1, 1, k, x.before),
                                               sum_of(w, p, 1, 1, k, b.before), clip);
    const double at_g =
        ln_step_secant_tanh(sum_of(w, m, 2, -1, k, 0), sum_of(w, p, 2, -1, k, 0), clip);
    const double o = dh * (x.bent + b.bent) / 2 * at_o;
    dc += o * (double)peephole(w, 2, k);
    const double i = dc * (x.g + b.g) / 2 * at_i, f = dc * (x.before + b.before) / 2 * at_f;
    d[k] = (float)i;
    d[h + k] = (float)f;
    d[2 * h + k] = (float)(dc * (x.i + b.i) / 2 * at_g);
    d[3 * h + k] = (float)o;
    w->d_memory[s * h + k] = (float)(dc * (x.f + b.f) / 2 + i * (double)peephole(w, 0, k) +
                                     f * (double)peephole(w, 1, k));
}

/* What goes through a gate takes all that its product gets, and gates nothing; f c and i g share by their
 * part in c'. */
static void unit_relevance(ln_steps *w, int64_t s, int64_t m, int64_t k, float *d)
{
    const int64_t h = w->hidden_size;
    const unit x = unit_at(w, m, k);
    const double memory = (double)w->d_memory[s * h + k] + (double)w->d_hidden[s * h + k];
    const double share = memory / ln_step_stabilised(x.after, w->rule->stabiliser);
    d[k] = d[h + k] = d[3 * h + k] = 0;
    d[2 * h + k] = (float)(x.i * x.g * share /
                           ln_step_stabilised(sum_of(w, m, 2, -1, k, 0), w->rule->epsilon));
    w->d_memory[s * h + k] = (float)(x.f * x.before * share);
}

/* A step back by a rule of units; `weighted`: what comes back through U counts by the state. */
static void back_by_rule(ln_steps *w, int64_t t, bool weighted,
                         void (*each)(ln_steps *, int64_t, int64_t, int64_t, float *))
{
    const int64_t h = w->hidden_size;
    const size_t bytes = (size_t)w->gates * sizeof(float);
    for (int64_t s = 0; s < w->sequences; s++) {
        const int64_t m = ln_step_at(w, s, t);
        float *d = w->part + s * w->gates;
        memset(d, 0, bytes);
        for (int64_t k = 0; k < h && ln_step_active(w, s, t); k++)
            each(w, s, m, k, d);
        memcpy(w->d_gate + m * w->gates, d, bytes);
    }
    ln_steps_multiply_back(w, 0, w->part, w->product);
    for (int64_t s = 0; s < w->sequences; s++)
        for (int64_t k = 0; k < h && ln_step_active(w, s, t); k++)
            w->d_hidden[s * h + k] =
                w->product[s * h + k] * (weighted ? w->before[ln_step_at(w, s, t) * h + k] : 1);
}

static void contrast(ln_steps *w, int64_t t)
{
    back_by_rule(w, t, false, unit_contrast);
}

static void relevance(ln_steps *w, int64_t t)
{
    back_by_rule(w, t, true, unit_relevance);
}

static void peephole_gradient(const ln_steps *w, float *to)
{
    const int64_t h = w->hidden_size;
    for (int64_t m = 0; m < w->sequences * w->steps; m++) {
        const float *d = w->d_gate + m * w->gates, *gate = w->gate + m * w->gates;
        for (int64_t k = 0; k < h; k++) {
            const float before = w->cell_before[m * h + k];
            to[k] += d[k] * before;
            to[h + k] += d[h + k] * before;
            to[2 * h + k] += d[3 * h + k] * (gate[h + k] * before + gate[k] * gate[2 * h + k]);
        }
    }
}

const ln_cell ln_cell_lstm = {.gates = 4,
                              .memory = true,
                              .parts = 1,
                              .part = {{0, 4}},
                              .forward = forward,
                              .backward = backward,
                              .contrast = contrast,
                              .relevance = relevance,
                              .peephole = peephole_gradient};

LN_RECURRENT_LAYER(lstm, "long short-term memory: a memory that gates write, keep and read",
                   "c' = f c + i g, h' = o tanh(c'), with gates i, f, g, o of x and h",
                   "PyTorch: torch.nn.LSTM; Hochreiter & Schmidhuber 1997", )
