/* gru: gated recurrent unit.
 *
 *     r, z = sigmoid(W x + b + U h + d),  n = tanh(W x + b + r (U h + d)),  h' = (1 - z) n + z h
 *
 * With `reset_first` (ONNX's linear_before_reset = 0) n = tanh(W x + b + U (r h) + d). Shapes as lstm's.
 *
 * Source: torch.nn.GRU (batch_first); Cho et al. 2014; ONNX: GRU. */
#include <math.h>
#include <string.h>

#include "layers/recurrent.h"
#include "layers/recurrent_params.h"

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static const ln_recurrent_attributes *own_of(const ln_steps *w)
{
    return w->pass->step->node->attributes;
}

static void forward(ln_steps *w, int64_t t)
{
    const int64_t h = w->hidden_size;
    const bool reset_first = own_of(w)->reset_first;
    const float clip = (float)own_of(w)->clip;
    float *candidate = w->part + w->sequences * 2 * h; /* (S, H) behind (S, 2 H) */
    ln_steps_multiply(w, 0, w->hidden, w->part);
    for (int64_t s = 0; s < w->sequences; s++) {
        float *gate = w->gate + ln_step_at(w, s, t) * w->gates;
        ln_steps_keep(w, ln_step_at(w, s, t), 0, 2 * h, gate, w->part + s * 2 * h);
        for (int64_t k = 0; k < h; k++) {
            const float before = w->hidden[s * h + k];
            gate[k] = sigmoid(ln_step_clipped(gate[k] + w->part[s * 2 * h + k], clip));
            gate[h + k] = sigmoid(ln_step_clipped(gate[h + k] + w->part[s * 2 * h + h + k], clip));
            w->product[s * h + k] = reset_first ? gate[k] * before : before;
        }
    }
    ln_steps_multiply(w, 1, w->product, candidate);
    for (int64_t s = 0; s < w->sequences; s++) {
        const int64_t m = ln_step_at(w, s, t);
        float *gate = w->gate + m * w->gates;
        for (int64_t k = 0; k < h && ln_step_active(w, s, t); k++) {
            const float back = candidate[s * h + k];
            const float sum = gate[2 * h + k] + (reset_first ? back : gate[k] * back);
            const float n = tanhf(ln_step_clipped(sum, clip));
            if (w->kept)
                w->kept[m * w->gates + 2 * h + k] = sum;
            w->extra[m * h + k] = reset_first ? w->product[s * h + k] : back;
            gate[2 * h + k] = n;
            w->hidden[s * h + k] = (1 - gate[h + k]) * n + gate[h + k] * w->hidden[s * h + k];
        }
    }
}

/* The candidate's gradients of all sequences: d_gate of n, and what goes back through U. */
static void candidate_backward(ln_steps *w, int64_t t, float *candidate)
{
    const int64_t h = w->hidden_size;
    const float clip = (float)own_of(w)->clip;
    for (int64_t s = 0; s < w->sequences; s++) {
        const int64_t m = ln_step_at(w, s, t);
        const float *gate = w->gate + m * w->gates;
        const bool active = ln_step_active(w, s, t);
        for (int64_t k = 0; k < h; k++) {
            const float n = gate[2 * h + k];
            const float d = active ? w->d_hidden[s * h + k] * (1 - gate[h + k]) * (1 - n * n) *
                                         ln_step_open(n, clip, tanhf)
                                   : 0;
            candidate[s * h + k] = own_of(w)->reset_first ? d : d * gate[k];
            if (!active)
                continue;
            w->d_gate[m * w->gates + 2 * h + k] = d;
            w->d_back[m * w->gates + 2 * h + k] = candidate[s * h + k];
        }
    }
}

static void backward(ln_steps *w, int64_t t)
{
    const int64_t h = w->hidden_size;
    const bool reset_first = own_of(w)->reset_first;
    const float clip = (float)own_of(w)->clip;
    float *candidate = w->part + w->sequences * 2 * h;
    candidate_backward(w, t, candidate);
    ln_steps_multiply_back(w, 1, candidate, w->product);
    for (int64_t s = 0; s < w->sequences; s++) {
        const int64_t m = ln_step_at(w, s, t);
        const float *gate = w->gate + m * w->gates;
        float *d_gate = w->d_gate + m * w->gates, *part = w->part + s * 2 * h;
        if (!ln_step_active(w, s, t)) {
            memset(part, 0, (size_t)(2 * h) * sizeof *part);
            continue;
        }
        for (int64_t k = 0; k < h; k++) {
            const float r = gate[k], z = gate[h + k], n = gate[2 * h + k];
            const float before = w->before[m * h + k], back = w->product[s * h + k];
            const float dh = w->d_hidden[s * h + k];
            const float dr = reset_first ? back * before : d_gate[2 * h + k] * w->extra[m * h + k];
            part[k] = dr * r * (1 - r) * ln_step_open(r, clip, sigmoid);
            part[h + k] = dh * (before - n) * z * (1 - z) * ln_step_open(z, clip, sigmoid);
            w->d_hidden[s * h + k] = dh * z + (reset_first ? back * r : back);
        }
        memcpy(d_gate, part, (size_t)(2 * h) * sizeof *part);
        memcpy(w->d_back + m * w->gates, part, (size_t)(2 * h) * sizeof *part);
    }
    ln_steps_multiply_back(w, 0, w->part, w->product);
    for (int64_t s = 0; s < w->sequences; s++)
        for (int64_t k = 0; k < h && ln_step_active(w, s, t); k++)
            w->d_hidden[s * h + k] += w->product[s * h + k];
}

/* ---------------------------------------------------------------- rules */

/* A unit of one row: what its step was made of. */
typedef struct unit {
    double r, z, n, before, inner; /* inner: what r multiplies, where it does so after U */
    const float *sums;             /* before the functions: of r, and 2 H further on of n */
} unit;

static unit unit_at(const ln_steps *w, int64_t m, int64_t k)
{
    const int64_t h = w->hidden_size;
    const float *gate = w->gate + m * w->gates;
    return (unit){.r = gate[k],
                  .z = gate[h + k],
                  .n = gate[2 * h + k],
                  .before = w->before[m * h + k],
                  .inner = w->extra[m * h + k],
                  .sums = w->kept + m * w->gates + k};
}

/* The candidate's part of a step back: what W and U hand on of it, and in d_hidden what z h does. */
static void candidate_by_rule(ln_steps *w, int64_t s, int64_t m, int64_t k, float *candidate)
{
    const int64_t h = w->hidden_size;
    const double dh = w->d_hidden[s * h + k], clip = own_of(w)->clip;
    const unit x = unit_at(w, m, k);
    double d, after, reset = x.r;
    if (w->rule->pairs) {
        const unit b = unit_at(w, m + w->partner, k);
        const double z = (x.z + b.z) / 2;
        d = dh * (1 - z) * ln_step_secant_tanh((double)x.sums[2 * h], (double)b.sums[2 * h], clip);
        after = dh * z;
        reset = (x.r + b.r) / 2;
    } else {
        const double state = (1 - x.z) * x.n + x.z * x.before;
        const double share = dh / ln_step_stabilised(state, w->rule->stabiliser);
        d = (1 - x.z) * x.n * share / ln_step_stabilised((double)x.sums[2 * h], w->rule->epsilon);
        after = x.z * x.before * share;
    }
    w->d_gate[m * w->gates + 2 * h + k] = (float)d;
    candidate[k] = (float)(own_of(w)->reset_first ? d : d * reset);
    w->part[s * 2 * h + k] = (float)dh; /* for the gates' part, which comes after */
    w->d_hidden[s * h + k] = (float)after;
}

/* Multipliers of the sums of r and z, and what r hands on to h; `back` came through U of the candidate. */
static void gates_contrast(ln_steps *w, int64_t s, int64_t m, int64_t k, double back)
{
    const int64_t h = w->hidden_size;
    const double clip = own_of(w)->clip;
    const unit x = unit_at(w, m, k), b = unit_at(w, m + w->partner, k);
    float *d = w->d_gate + m * w->gates, *part = w->part + s * 2 * h;
    const double dh = part[k], change = (x.before - x.n + b.before - b.n) / 2;
    const double dr = own_of(w)->reset_first ? back * (x.before + b.before) / 2
                                             : (double)d[2 * h + k] * (x.inner + b.inner) / 2;
    d[k] = (float)(dr * ln_step_secant_sigmoid((double)x.sums[0], (double)b.sums[0], clip));
    d[h + k] =
        (float)(dh * change * ln_step_secant_sigmoid((double)x.sums[h], (double)b.sums[h], clip));
    w->d_hidden[s * h + k] += (float)(own_of(w)->reset_first ? back * (x.r + b.r) / 2 : back);
}

/* What goes through a gate takes all: U's part counts by the state, or by the reset state. */
static void gates_relevance(ln_steps *w, int64_t s, int64_t m, int64_t k, double back)
{
    const int64_t h = w->hidden_size;
    const unit x = unit_at(w, m, k);
    w->d_gate[m * w->gates + k] = w->d_gate[m * w->gates + h + k] = 0;
    w->d_hidden[s * h + k] += (float)(back * (own_of(w)->reset_first ? x.inner : x.before));
}

static void by_rule(ln_steps *w, int64_t t)
{
    const int64_t h = w->hidden_size;
    const bool pairs = w->rule->pairs;
    float *candidate = w->part + w->sequences * 2 * h;
    memset(w->part, 0, (size_t)(w->sequences * w->gates) * sizeof(float));
    for (int64_t s = 0; s < w->sequences; s++)
        for (int64_t k = 0; k < h && ln_step_active(w, s, t); k++)
            candidate_by_rule(w, s, ln_step_at(w, s, t), k, candidate + s * h);
    ln_steps_multiply_back(w, 1, candidate, w->product);
    for (int64_t s = 0; s < w->sequences; s++) {
        const int64_t m = ln_step_at(w, s, t);
        for (int64_t k = 0; k < h && ln_step_active(w, s, t); k++)
            (pairs ? gates_contrast : gates_relevance)(w, s, m, k, (double)w->product[s * h + k]);
        memcpy(w->part + s * 2 * h, w->d_gate + m * w->gates, (size_t)(2 * h) * sizeof(float));
    }
    if (!pairs)
        return;
    ln_steps_multiply_back(w, 0, w->part, w->product);
    for (int64_t s = 0; s < w->sequences; s++)
        for (int64_t k = 0; k < h && ln_step_active(w, s, t); k++)
            w->d_hidden[s * h + k] += w->product[s * h + k];
}

static const float *operand(const ln_steps *w, int gate)
{
    return gate == 2 && own_of(w)->reset_first ? w->extra : w->before;
}

const ln_cell ln_cell_gru = {.gates = 3,
                             .parts = 2,
                             .part = {{0, 2}, {2, 1}},
                             .forward = forward,
                             .backward = backward,
                             .contrast = by_rule,
                             .relevance = by_rule,
                             .operand = operand};

LN_RECURRENT_LAYER(gru, "gated recurrent unit: gates reset and update its state",
                   "h' = (1 - z) n + z h, with gates r, z and a candidate n of x and r, h",
                   "PyTorch: torch.nn.GRU; Cho et al. 2014", )
