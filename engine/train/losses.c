/* Losses: their value over some rows, and its gradient with respect to the outputs.
 *
 *     cross_entropy          -sum_c q_c log p_c,  p = softmax(outputs)              outputs >= 2
 *                            q_c = (1 - e) w_y [c = y] + e / C w_c   (e: label_smoothing)
 *     binary_cross_entropy   log(1 + exp(z)) - y z                                  one output z
 *     mse                    (z - y)^2                                              one output z
 *
 * w_c are the class weights. All are means weighted by w_y, as PyTorch's CrossEntropyLoss has it;
 * binary_cross_entropy does the same (PyTorch's `weight` there divides by the rows instead), so that
 * one output or two make no difference. Values and gradients are computed in float64 from float32
 * outputs, stable for any size of them. Cost: rows x outputs. */
#include "base/error.h"
#include "train/train.h"

#include <math.h>
#include <string.h>

static double row_weight(const ln_loss_rows *rows, int64_t row)
{
    double weight = rows->weights ? rows->weights[row] : 1;
    if (rows->class_weights && rows->labels)
        weight *= rows->class_weights[rows->labels[row]];
    return weight;
}

/* ---------------------------------------------------------------- cross_entropy */

typedef struct cross_entropy_params {
    double label_smoothing; /* share of the target spread evenly over all classes */
} cross_entropy_params;

static const cross_entropy_params cross_entropy_defaults = {0};

static const ln_param cross_entropy_list[] = {
    {.name = "label_smoothing",
     .type = LN_PARAM_REAL,
     .offset = offsetof(cross_entropy_params, label_smoothing),
     .fallback = "0",
     .min = 0,
     .max = 1,
     .help = "share of the target spread evenly over all classes"},
    LN_PARAM_END,
};

static ln_status check_cross_entropy(const void *params, int64_t outputs, ln_error *err)
{
    const cross_entropy_params *own = params;
    if (!(own->label_smoothing >= 0 && own->label_smoothing <= 1))
        return ln_fail(err, LN_EINVALID, "label_smoothing = %g; it lies between 0 and 1",
                       own->label_smoothing);
    if (outputs < 2)
        return ln_fail(err, LN_EINVALID,
                       "cross_entropy needs two outputs or more, and the network has %lld: end it "
                       "in dense { 2 }, or take loss = binary_cross_entropy",
                       (long long)outputs);
    return LN_OK;
}

/* q_c of the formula. */
static double share_of(const ln_loss_rows *rows, double smooth, int32_t label, int64_t c)
{
    const double weight = rows->class_weights ? rows->class_weights[c] : 1;
    return weight * ((c == label ? 1 - smooth : 0) + smooth / (double)rows->count);
}

static double cross_entropy(const void *params, const ln_loss_rows *rows)
{
    const double smooth = ((const cross_entropy_params *)params)->label_smoothing;
    const int64_t count = rows->count;
    double total = 0;
    for (int64_t r = 0; r < rows->rows; r++) {
        const float *z = rows->outputs + r * count;
        const int32_t label = rows->labels[r];
        const double weight = rows->weights ? rows->weights[r] : 1;
        double most = (double)z[0], loss = 0, all = 0;
        for (int64_t c = 1; c < count; c++)
            most = (double)z[c] > most ? (double)z[c] : most;
        double sum = exp((double)z[0] - most);
        for (int64_t c = 1; c < count; c++)
            sum += exp((double)z[c] - most);
        const double log_sum = most + log(sum);
        for (int64_t c = 0; c < count; c++) {
            const double q = share_of(rows, smooth, label, c);
            loss += q == 0 ? 0 : q * (log_sum - (double)z[c]);
            all += q;
        }
        total += weight * loss;
        for (int64_t c = 0; c < count && rows->gradient; c++) {
            const double slope =
                all * exp((double)z[c] - log_sum) - share_of(rows, smooth, label, c);
            rows->gradient[r * count + c] = (float)(weight * slope / rows->denominator);
        }
    }
    return total;
}

/* ---------------------------------------------------------------- binary_cross_entropy */

static ln_status check_one_output(const char *word, const char *other, int64_t outputs,
                                  ln_error *err)
{
    if (outputs == 1)
        return LN_OK;
    return ln_fail(err, LN_EINVALID,
                   "%s needs one output, and the network has %lld: end it in "
                   "dense { 1 }%s",
                   word, (long long)outputs, other);
}

static ln_status check_binary(const void *params, int64_t outputs, ln_error *err)
{
    (void)params;
    return check_one_output("binary_cross_entropy", ", or take loss = cross_entropy", outputs, err);
}

static double binary_cross_entropy(const void *params, const ln_loss_rows *rows)
{
    (void)params;
    double total = 0;
    for (int64_t r = 0; r < rows->rows; r++) {
        const double z = (double)rows->outputs[r], y = rows->labels[r] == 1;
        const double weight = row_weight(rows, r), small = exp(-fabs(z));
        total += weight * ((z > 0 ? z : 0) - y * z + log1p(small));
        if (rows->gradient) {
            double p = z >= 0 ? 1 / (1 + small) : small / (1 + small);
            rows->gradient[r] = (float)(weight * (p - y) / rows->denominator);
        }
    }
    return total;
}

/* ---------------------------------------------------------------- mse */

static ln_status check_mse(const void *params, int64_t outputs, ln_error *err)
{
    (void)params;
    return check_one_output("mse", "", outputs, err);
}

static double mse(const void *params, const ln_loss_rows *rows)
{
    (void)params;
    double total = 0;
    for (int64_t r = 0; r < rows->rows; r++) {
        const double off = (double)rows->outputs[r] - rows->numbers[r];
        const double weight = row_weight(rows, r);
        total += weight * off * off;
        if (rows->gradient)
            rows->gradient[r] = (float)(2 * weight * off / rows->denominator);
    }
    return total;
}

/* ---------------------------------------------------------------- the table */

static const ln_param no_params[] = {LN_PARAM_END};

static const ln_loss cross_entropy_loss = {
    .word = {.name = "cross_entropy",
             .summary = "cross entropy of the softmax of the outputs, for two classes or more",
             .formula = "sum w_y (log sum_c exp z_c - z_y) / sum w_y",
             .source = "PyTorch CrossEntropyLoss",
             .params = cross_entropy_list,
             .params_size = sizeof(cross_entropy_params)},
    .task = LN_TASK_CLASSIFICATION,
    .defaults = &cross_entropy_defaults,
    .final_layer = "softmax",
    .check = check_cross_entropy,
    .compute = cross_entropy,
};

static const ln_loss binary_cross_entropy_loss = {
    .word = {.name = "binary_cross_entropy",
             .summary = "cross entropy of the sigmoid of the one output, for two classes",
             .formula = "sum w_y (log(1 + exp z) - y z) / sum w_y",
             .source = "PyTorch BCEWithLogitsLoss",
             .params = no_params},
    .task = LN_TASK_CLASSIFICATION,
    .final_layer = "sigmoid",
    .check = check_binary,
    .compute = binary_cross_entropy,
};

static const ln_loss mse_loss = {
    .word = {.name = "mse",
             .summary = "mean squared error of the one output, for numbers",
             .formula = "sum w (z - y)^2 / sum w",
             .source = "PyTorch MSELoss",
             .params = no_params},
    .task = LN_TASK_REGRESSION,
    .check = check_mse,
    .compute = mse,
};

const ln_loss *const ln_losses[] = {&cross_entropy_loss, &binary_cross_entropy_loss, &mse_loss,
                                    NULL};

const ln_loss *ln_loss_find(const char *word)
{
    for (int i = 0; ln_losses[i]; i++) {
        if (strcmp(ln_losses[i]->word.name, word) == 0)
            return ln_losses[i];
    }
    return NULL;
}

ln_status ln_class_weights_balanced(const int32_t *labels, int64_t rows, int64_t classes,
                                    double *weights, ln_error *err)
{
    for (int64_t c = 0; c < classes; c++)
        weights[c] = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (labels[i] < 0 || labels[i] >= classes)
            return ln_fail(err, LN_EINVALID, "row %lld has class %d; there are classes 0 to %lld",
                           (long long)i, labels[i], (long long)classes - 1);
        weights[labels[i]]++;
    }
    for (int64_t c = 0; c < classes; c++) {
        if (weights[c] == 0)
            return ln_fail(err, LN_EINVALID,
                           "class %lld has no training row, so that balanced class weights are not "
                           "defined",
                           (long long)c);
        weights[c] = (double)rows / ((double)classes * weights[c]);
    }
    return LN_OK;
}
