/* What rules ask of recurrent layers: which cell a node has, and slopes of its functions between two values. */
#include "layers/recurrent.h"

#include <math.h>
#include <string.h>

#define NOISE 1e-6 /* of a change, relative to the values that it lies between */

const ln_cell *ln_recurrent_cell(const struct ln_node *node)
{
    const char *word = node->layer->word.name;
    return strcmp(word, "lstm") == 0  ? &ln_cell_lstm
           : strcmp(word, "gru") == 0 ? &ln_cell_gru
                                      : &ln_cell_rnn;
}

static double bounded(double x, double clip)
{
    return clip > 0 ? fmin(fmax(x, -clip), clip) : x;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* Of y = f(bounded x); `slope` is f' at x. */
static double secant(double x, double b, double y, double y_b, double slope, double clip)
{
    if (fabs(x - b) > NOISE * fmax(fabs(x), fabs(b)))
        return (y - y_b) / (x - b);
    return clip > 0 && fabs(x) >= clip ? 0 : slope;
}

double ln_step_secant_sigmoid(double x, double b, double clip)
{
    const double y = sigmoid(bounded(x, clip));
    return secant(x, b, y, sigmoid(bounded(b, clip)), y * (1 - y), clip);
}

double ln_step_secant_tanh(double x, double b, double clip)
{
    const double y = tanh(bounded(x, clip));
    return secant(x, b, y, tanh(bounded(b, clip)), 1 - y * y, clip);
}

double ln_step_secant_relu(double x, double b, double clip)
{
    return secant(x, b, fmax(bounded(x, clip), 0), fmax(bounded(b, clip), 0), x > 0, clip);
}
