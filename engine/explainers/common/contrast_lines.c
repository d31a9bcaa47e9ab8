/* Rows r and r + n of the pass belong together, n being half its rows. All in float64. */
#include "explainers/common/contrast_lines.h"

#include <math.h>

#include "explainers/common/contrast.h"
#include "layers/attributes.h"
#include "layers/normalisation.h"

/* The slope of a function between a and b, or `slope` where they are too near. */
static double secant(double x, double b, double fx, double fb, double slope)
{
    return ln_contrast_is_noise(x, b) ? slope : (fx - fb) / (x - b);
}

/* ---------------------------------------------------------------- softmax */

/* `count` elements `step` apart, at the input and `half` further on at the baseline, with e = exp(x - most),
 * S = sum e. */
typedef struct line {
    const float *x;
    int64_t count, step, half;
    double most, sum, sum_base; /* of both; S at the input and at the baseline */
} line;

static line line_at(const float *x, int64_t count, int64_t step, int64_t half)
{
    line found = {.x = x, .count = count, .step = step, .half = half, .most = -HUGE_VAL};
    for (int64_t i = 0; i < count; i++)
        found.most = fmax(found.most, fmax((double)x[i * step], (double)x[i * step + half]));
    for (int64_t i = 0; i < count; i++) {
        found.sum += exp((double)x[i * step] - found.most);
        found.sum_base += exp((double)x[i * step + half] - found.most);
    }
    return found;
}

/* De / Dx of element i. */
static double slope_at(const line *of, int64_t i)
{
    const double at = (double)of->x[i * of->step] - of->most;
    const double base = (double)of->x[i * of->step + of->half] - of->most;
    return secant(at, base, exp(at), exp(base), exp(at));
}

/* y_i = e_i r, r = 1 / S:  m_e = m_y r' - sum(m_y e') / (S S_b), with r', e' the means of both. */
static void softmax_line(const line *of, const float *above, float *m)
{
    double mixed = 0;
    for (int64_t i = 0; i < of->count; i++) {
        const int64_t k = i * of->step;
        mixed += (double)above[k] *
                 (exp((double)of->x[k] - of->most) + exp((double)of->x[k + of->half] - of->most)) /
                 2;
    }
    const double reciprocal = (1 / of->sum + 1 / of->sum_base) / 2;
    const double back = mixed / (of->sum * of->sum_base);
    for (int64_t i = 0; i < of->count; i++) {
        const int64_t k = i * of->step;
        m[k] = (float)(((double)above[k] * reciprocal - back) * slope_at(of, i));
    }
}

/* y_i = x_i - most - log S:  m_x = m_y - sum(m_y) (D log S / DS) De / Dx. */
static void log_softmax_line(const line *of, const float *above, float *m)
{
    double all = 0;
    for (int64_t i = 0; i < of->count; i++)
        all += (double)above[i * of->step];
    const double slope =
        secant(of->sum, of->sum_base, log(of->sum), log(of->sum_base), 1 / of->sum);
    for (int64_t i = 0; i < of->count; i++) {
        const int64_t k = i * of->step;
        m[k] = (float)((double)above[k] - all * slope * slope_at(of, i));
    }
}

static void each_line(const ln_pass *pass, void (*back)(const line *, const float *, float *))
{
    const ln_axis_attributes *own = pass->step->node->attributes;
    const ln_shape *shape = &pass->step->out_shape[0];
    const int axis = (int)(own->axis < 0 ? own->axis + shape->rank : own->axis);
    const int64_t half = pass->rows / 2 * ln_shape_row(shape), count = shape->dims[axis];
    const float *x = pass->in[0];
    int64_t step = 1;
    for (int i = axis + 1; i < shape->rank; i++)
        step *= shape->dims[i];
    for (int64_t first = 0; first < half && pass->in_grad[0]; first += count * step)
        for (int64_t j = first; j < first + step; j++) {
            const line of = line_at(x + j, count, step, half);
            back(&of, pass->out_grad[0] + j, pass->in_grad[0] + j);
        }
}

static ln_status softmax_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    (void)rule;
    (void)err;
    each_line(pass, softmax_line);
    return LN_OK;
}

static ln_status log_softmax_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    (void)rule;
    (void)err;
    each_line(pass, log_softmax_line);
    return LN_OK;
}

/* D log(1 + exp(x)) / Dx. */
static double softplus_slope(double x, double b)
{
    const double at = fmax(x, 0) + log1p(exp(-fabs(x))), base = fmax(b, 0) + log1p(exp(-fabs(b)));
    return secant(x, b, at, base, 1 / (1 + exp(-x)));
}

/* The loss of class c is log S + most - x_c, what log_softmax takes away from 0. */
static ln_status class_loss_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const int64_t count = pass->step->in_shape[0].dims[1], rows = pass->rows / 2;
    const float *x = pass->in[0], *above = pass->out_grad[0];
    float *m = pass->in_grad[0];
    (void)rule;
    (void)err;
    for (int64_t r = 0; r < rows && m && count == 1; r++) {
        const double at = (double)x[r], base = (double)x[r + rows];
        m[r] = (float)((double)above[2 * r] * softplus_slope(at, base) -
                       (double)above[2 * r + 1] * softplus_slope(-at, -base));
    }
    for (int64_t i = 0; i < rows * count && m && count > 1; i += count) {
        const line of = line_at(x + i, count, 1, rows * count);
        log_softmax_line(&of, above + i, m + i);
        for (int64_t c = i; c < i + count; c++)
            m[c] = -m[c];
    }
    return LN_OK;
}

const ln_rule ln_contrast_softmax = {.name = "softmax", .backward = softmax_backward};
const ln_rule ln_contrast_log_softmax = {.name = "log_softmax", .backward = log_softmax_backward};
const ln_rule ln_contrast_class_loss = {.name = "class_loss", .backward = class_loss_backward};

/* ---------------------------------------------------------------- normalisation */

typedef struct moments {
    double mean, scale; /* scale: 1 / sqrt(v + eps) */
} moments;

static moments moments_of(const ln_norm_layout *layout, const float *x)
{
    moments found = {0, 0};
    double squares = 0;
    for (int64_t i = 0; i < layout->count && layout->centred; i++)
        found.mean += (double)x[i] / (double)layout->count;
    for (int64_t i = 0; i < layout->count; i++)
        squares += ((double)x[i] - found.mean) * ((double)x[i] - found.mean);
    found.scale = 1 / sqrt(squares / (double)layout->count + layout->eps);
    return found;
}

/* One group. y_i = w_i c_i s, c = x - mean, s = (v + eps)^-1/2, v = mean c^2. With c', s' the means of both ends:
 *
 *   m_c = m_y w s' + m_v 2 c' / count,  m_v = -sum(m_y w c') (s s_b)^2 / (s + s_b),  m_x = m_c - mean m_c
 *
 * Ds / Dv is written in s: v + eps = s^-2. */
static void norm_group(const ln_norm_layout *layout, int64_t group, const float *x, const float *b,
                       const float *weight, const float *above, float *m)
{
    const moments at = moments_of(layout, x), base = moments_of(layout, b);
    const double count = (double)layout->count, scale = (at.scale + base.scale) / 2;
    const double middle = (at.mean + base.mean) / 2;
    double sum = 0, level = 0;
    for (int pass = 0; pass < 2; pass++) { /* first the sums, then the multipliers */
        const double product = at.scale * base.scale;
        const double back = -sum * product * product / (at.scale + base.scale) * 2 / count;
        for (int64_t i = 0; i < layout->count; i++) {
            const int64_t k = ln_norm_weight_at(layout, group, i);
            const double handed = (double)above[i] * (weight ? (double)weight[k] : 1);
            const double mean = ((double)x[i] + (double)b[i]) / 2 - middle;
            if (pass == 0) {
                sum += handed * mean;
                level += handed * scale / count;
            } else {
                m[i] = (float)(handed * scale + back * mean - (layout->centred ? level : 0));
            }
        }
    }
}

static ln_status norm_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_norm_layout *layout = pass->step->prepared;
    const int64_t half = pass->rows / 2 * ln_shape_row(&pass->step->in_shape[0]);
    const bool weighted = pass->step->node->input_count > 1 && pass->step->node->inputs[1] >= 0;
    const float *x = pass->in[0], *weight = weighted ? pass->in[1] : NULL;
    (void)rule;
    (void)err;
    for (int64_t i = 0; pass->in_grad[0] && i < pass->rows / 2 * layout->groups; i++) {
        const int64_t first = i * layout->count;
        norm_group(layout, i % layout->groups, x + first, x + half + first, weight,
                   pass->out_grad[0] + first, pass->in_grad[0] + first);
    }
    return LN_OK;
}

const ln_rule ln_contrast_norm = {.name = "normalisation", .backward = norm_backward};
