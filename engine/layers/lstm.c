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

static const ln_cell cell = {.gates = 4,
                             .memory = true,
                             .parts = 1,
                             .part = {{0, 4}},
                             .forward = forward,
                             .backward = backward,
                             .peephole = peephole_gradient};

LN_RECURRENT_LAYER(lstm, "long short-term memory: a memory that gates write, keep and read",
                   "c' = f c + i g, h' = o tanh(c'), with gates i, f, g, o of x and h",
                   "PyTorch: torch.nn.LSTM; Hochreiter & Schmidhuber 1997", )
