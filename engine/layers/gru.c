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
            const float n = tanhf(
                ln_step_clipped(gate[2 * h + k] + (reset_first ? back : gate[k] * back), clip));
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

static const float *operand(const ln_steps *w, int gate)
{
    return gate == 2 && own_of(w)->reset_first ? w->extra : w->before;
}

static const ln_cell cell = {.gates = 3,
                             .parts = 2,
                             .part = {{0, 2}, {2, 1}},
                             .forward = forward,
                             .backward = backward,
                             .operand = operand};

LN_RECURRENT_LAYER(gru, "gated recurrent unit: gates reset and update its state",
                   "h' = (1 - z) n + z h, with gates r, z and a candidate n of x and r, h",
                   "PyTorch: torch.nn.GRU; Cho et al. 2014", )
