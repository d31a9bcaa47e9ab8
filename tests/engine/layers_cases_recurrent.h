/* The cases of recurrent layers: the equations of PyTorch's documentation, unit by unit. */
#ifndef LN_TESTS_LAYERS_CASES_RECURRENT_H
#define LN_TESTS_LAYERS_CASES_RECURRENT_H

#include "layers_support.h"

enum { STEPS = 3, INPUTS = 2, UNITS = 2 };

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

/* W v + b of one gate's unit: row gate * UNITS + k of a weight with `size` columns. */
static double affine(const double *weight, const double *bias, int row, const double *v, int size)
{
    double sum = bias ? bias[row] : 0;
    for (int i = 0; i < size; i++)
        sum += weight[row * size + i] * v[i];
    return sum;
}

/* One step of one sequence; w: weight_ih, weight_hh, bias_ih, bias_hh (or NULL). */
static void step_by_hand(const layer_case *layer, const double *const *w, const double *x,
                         double *h, double *c)
{
    const ln_recurrent_attributes *own = layer->attributes;
    double before[UNITS], gate[4][UNITS];
    memcpy(before, h, sizeof before);
#define X(g, k) affine(w[0], w[2], (g)*UNITS + (k), x, INPUTS)
#define H(g, k) affine(w[1], w[3], (g)*UNITS + (k), before, UNITS)
    for (int k = 0; k < UNITS; k++) {
        if (strcmp(layer->word, "rnn") == 0) {
            const double y = X(0, k) + H(0, k);
            h[k] = own->nonlinearity ? fmax(y, 0) : tanh(y);
        } else if (strcmp(layer->word, "lstm") == 0) {
            c[k] = logistic(X(1, k) + H(1, k)) * c[k] +
                   logistic(X(0, k) + H(0, k)) * tanh(X(2, k) + H(2, k));
            h[k] = logistic(X(3, k) + H(3, k)) * tanh(c[k]);
        } else {
            gate[0][k] = logistic(X(0, k) + H(0, k));
            gate[1][k] = logistic(X(1, k) + H(1, k));
        }
    }
    if (strcmp(layer->word, "gru") != 0)
        return;
    double reset[UNITS];
    for (int k = 0; k < UNITS; k++)
        reset[k] = gate[0][k] * before[k];
    for (int k = 0; k < UNITS; k++) {
        const double n = own->reset_first
                             ? tanh(X(2, k) + affine(w[1], w[3], 2 * UNITS + k, reset, UNITS))
                             : tanh(X(2, k) + gate[0][k] * H(2, k));
        h[k] = (1 - gate[1][k]) * n + gate[1][k] * before[k];
    }
#undef X
#undef H
}

REFERENCE(recurrent_reference)
{
    const ln_recurrent_attributes *own = layer->attributes;
    const int both = own->bidirectional ? 2 : 1, each = own->bias ? 4 : 2, states = 1 + both * each;
    for (int64_t r = 0; r < rows; r++)
        for (int d = 0; d < both; d++) {
            const double *w[4] = {in[1 + d * each], in[2 + d * each],
                                  own->bias ? in[3 + d * each] : NULL,
                                  own->bias ? in[4 + d * each] : NULL};
            double h[UNITS] = {0}, c[UNITS] = {0};
            if (layer->count > states)
                memcpy(h, in[states] + d * UNITS, sizeof h);
            if (layer->count > states + 1)
                memcpy(c, in[states + 1] + d * UNITS, sizeof c);
            for (int i = 0; i < STEPS; i++) {
                const int t = d == 1 || own->backwards ? STEPS - 1 - i : i;
                step_by_hand(layer, w, in[0] + (r * STEPS + t) * INPUTS, h, c);
                if (!own->last)
                    memcpy(out + ((r * STEPS + t) * both + d) * UNITS, h, sizeof h);
            }
            if (own->last)
                memcpy(out + (r * both + d) * UNITS, h, sizeof h);
        }
}

#define WEIGHTS(gates)                                                                             \
    ROW((gates)*UNITS, INPUTS), ROW((gates)*UNITS, UNITS), ROW((gates)*UNITS), ROW((gates)*UNITS)
#define RECURRENT(...)                                                                             \
    &(ln_recurrent_attributes)                                                                     \
    {                                                                                              \
        .hidden_size = UNITS, __VA_ARGS__                                                          \
    }
#define SEQUENCE ROW(STEPS, INPUTS)

static const layer_case recurrent_cases[] = {
#define X(word, gates)                                                                             \
    {                                                                                              \
        #word,                                                                                     \
        #word,                                                                                     \
        RECURRENT(.bias = true),                                                                   \
        1,                                                                                         \
        5,                                                                                         \
        {SEQUENCE, WEIGHTS(gates)},                                                                \
        recurrent_reference},                                                                      \
        {#word " without bias",                                                                    \
         #word,                                                                                    \
         RECURRENT(.last = true),                                                                  \
         1,                                                                                        \
         3,                                                                                        \
         {SEQUENCE, ROW((gates)*UNITS, INPUTS), ROW((gates)*UNITS, UNITS)},                        \
         recurrent_reference},                                                                     \
        {#word " in both directions",                                                              \
         #word,                                                                                    \
         RECURRENT(.bias = true, .bidirectional = true),                                           \
         1,                                                                                        \
         9,                                                                                        \
         {SEQUENCE, WEIGHTS(gates), WEIGHTS(gates)},                                               \
         recurrent_reference},                                                                     \
        {#word ", the last state of both directions",                                              \
         #word,                                                                                    \
         RECURRENT(.bias = true, .bidirectional = true, .last = true),                             \
         1,                                                                                        \
         9,                                                                                        \
         {SEQUENCE, WEIGHTS(gates), WEIGHTS(gates)},                                               \
         recurrent_reference},                                                                     \
        {#word " backwards from a first state",                                                    \
         #word,                                                                                    \
         RECURRENT(.bias = true, .backwards = true),                                               \
         1,                                                                                        \
         6,                                                                                        \
         {SEQUENCE, WEIGHTS(gates), ROW(1, UNITS)},                                                \
         recurrent_reference},
    X(lstm, 4) X(gru, 3) X(rnn, 1)
#undef X
        {"lstm from a first memory",
         "lstm",
         RECURRENT(.bias = true, .last = true),
         1,
         7,
         {SEQUENCE, WEIGHTS(4), ROW(1, UNITS), ROW(1, UNITS)},
         recurrent_reference},
    {"gru, the state reset first",
     "gru",
     RECURRENT(.bias = true, .reset_first = true),
     1,
     5,
     {SEQUENCE, WEIGHTS(3)},
     recurrent_reference},
    {"rnn of relu",
     "rnn",
     RECURRENT(.bias = true, .nonlinearity = 1),
     1,
     5,
     {SEQUENCE, WEIGHTS(1)},
     recurrent_reference},
};

#endif
