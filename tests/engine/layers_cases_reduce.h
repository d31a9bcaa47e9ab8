/* The cases of what goes along axes: reductions, running sums, order. */
#ifndef LN_TESTS_LAYERS_CASES_REDUCE_H
#define LN_TESTS_LAYERS_CASES_REDUCE_H

#include "layers_support.h"

/* Reduces rows of shape (a, b, c) as a bit mask of axes says. */
static void reduce_by_hand(const layer_case *layer, int64_t rows, const double *x, double *y,
                           double first, double (*step)(double, double),
                           double (*last)(double, double))
{
    const ln_reduce_attributes *own = layer->attributes;
    const ln_shape *shape = &layer->shapes[0];
    bool gone[LN_MAX_RANK] = {false};
    int64_t results = 1, each = 1;
    for (int i = 0; i < shape->rank; i++) {
        gone[i] = own->axes.count == 0;
        for (int j = 0; j < own->axes.count; j++)
            gone[i] = gone[i] || own->axes.at[j] == i + 1 || own->axes.at[j] == i - shape->rank;
        if (gone[i])
            each *= shape->dims[i];
        else
            results *= shape->dims[i];
    }
    for (int64_t i = 0; i < rows * results; i++)
        y[i] = first;
    for (int64_t i = 0; i < elements(layer, rows); i++) {
        int64_t rest = i % ln_shape_count(shape), index[LN_MAX_RANK], to = 0;
        for (int axis = shape->rank - 1; axis >= 0; axis--) {
            index[axis] = rest % shape->dims[axis];
            rest /= shape->dims[axis];
        }
        for (int axis = 0; axis < shape->rank; axis++)
            to = gone[axis] ? to : to * shape->dims[axis] + index[axis];
        to += i / ln_shape_count(shape) * results;
        y[to] = step(y[to], x[i]);
    }
    for (int64_t i = 0; i < rows * results; i++)
        y[i] = last(y[i], (double)each);
}

/* operation, where it starts, a step, the end */
#define REDUCTIONS(X)                                                                              \
    X(sum, 0, y + x, y)                                                                            \
    X(mean, 0, y + x, y / count)                                                                   \
    X(max, -INFINITY, fmax(y, x), y)                                                               \
    X(min, INFINITY, fmin(y, x), y)                                                                \
    X(prod, 1, y *x, y)                                                                            \
    X(l1, 0, y + fabs(x), y)                                                                       \
    X(l2, 0, y + x * x, sqrt(y))                                                                   \
    X(log_sum, 0, y + x, log(y))                                                                   \
    X(log_sum_exp, 0, y + exp(x), log(y))                                                          \
    X(sum_square, 0, y + x * x, y)

#define X(name, first, step, last)                                                                 \
    static double name##_step(double y, double x)                                                  \
    {                                                                                              \
        return step;                                                                               \
    }                                                                                              \
    static double name##_last(double y, double count)                                              \
    {                                                                                              \
        (void)count;                                                                               \
        return last;                                                                               \
    }                                                                                              \
    REFERENCE(reduce_##name)                                                                       \
    {                                                                                              \
        reduce_by_hand(layer, rows, in[0], out, first, name##_step, name##_last);                  \
    }
REDUCTIONS(X)
#undef X

/* The rank of element (i, k, j) of (a, b, c) along b: how many come before it. */
static int64_t rank_of(const double *x, int64_t count, int64_t step, int64_t k, bool least)
{
    int64_t rank = 0;
    for (int64_t o = 0; o < count; o++) {
        const double a = x[o * step], b = x[k * step];
        rank += (least ? a < b : a > b) || (a == b && o < k);
    }
    return rank;
}

REFERENCE(topk_reference)
{
    const ln_topk_attributes *own = layer->attributes;
    const int64_t count = layer->shapes[0].dims[1], step = layer->shapes[0].dims[2];
    for (int64_t i = 0; i < elements(layer, rows); i++) {
        const int64_t line = i / (count * step), k = i / step % count, j = i % step;
        const int64_t rank = rank_of(in[0] + line * count * step + j, count, step, k, own->least);
        if (rank < own->k)
            out[(line * own->k + rank) * step + j] = in[0][i];
    }
}

REFERENCE(hardmax_reference)
{
    const int64_t count = layer->shapes[0].dims[1], step = layer->shapes[0].dims[2];
    for (int64_t i = 0; i < elements(layer, rows); i++) {
        const int64_t line = i / (count * step), k = i / step % count, j = i % step;
        out[i] = rank_of(in[0] + line * count * step + j, count, step, k, false) == 0;
    }
}

REFERENCE(cumsum_reference)
{
    const ln_cumsum_attributes *own = layer->attributes;
    const int64_t count = layer->shapes[0].dims[1], step = layer->shapes[0].dims[2];
    for (int64_t i = 0; i < elements(layer, rows); i++) {
        const int64_t k = i / step % count;
        out[i] = 0;
        for (int64_t o = 0; o < count; o++)
            if ((own->reverse ? o > k : o < k) || (o == k && !own->exclusive))
                out[i] += in[0][i + (o - k) * step];
    }
}

REFERENCE(log_softmax_reference)
{
    const int64_t count = layer->shapes[0].dims[1], step = layer->shapes[0].dims[2];
    for (int64_t i = 0; i < elements(layer, rows); i++) {
        const int64_t k = i / step % count;
        double sum = 0;
        for (int64_t o = 0; o < count; o++)
            sum += exp(in[0][i + (o - k) * step]);
        out[i] = in[0][i] - log(sum);
    }
}

REFERENCE(trilu_reference)
{
    const ln_trilu_attributes *own = layer->attributes;
    const int64_t a = layer->shapes[0].dims[1], b = layer->shapes[0].dims[2];
    for (int64_t i = 0; i < elements(layer, rows); i++) {
        const int64_t above = i % b - i / b % a;
        out[i] = (own->upper ? above >= own->k : above <= own->k) ? in[0][i] : 0;
    }
}

static const layer_case reduce_cases[] = {
#define X(name, first, step, last)                                                                 \
    {"reduce " #name,                                                                              \
     "reduce",                                                                                     \
     &(ln_reduce_attributes){LN_REDUCE_##name, {1, {2}}, false},                                   \
     1,                                                                                            \
     1,                                                                                            \
     {ROW(2, 3, 4)},                                                                               \
     reduce_##name},                                                                               \
        {"reduce " #name " of two axes",                                                           \
         "reduce",                                                                                 \
         &(ln_reduce_attributes){LN_REDUCE_##name, {2, {-1, 1}}, true},                            \
         1,                                                                                        \
         1,                                                                                        \
         {ROW(2, 3, 4)},                                                                           \
         reduce_##name},                                                                           \
        {"reduce " #name " of all",                                                                \
         "reduce",                                                                                 \
         &(ln_reduce_attributes){LN_REDUCE_##name, {0, {0}}, false},                               \
         1,                                                                                        \
         1,                                                                                        \
         {ROW(2, 3)},                                                                              \
         reduce_##name},
    REDUCTIONS(X)
#undef X
        {"topk", "topk", &(ln_topk_attributes){2, 2, false}, 1, 1, {ROW(2, 4, 3)}, topk_reference},
    {"topk of the least",
     "topk",
     &(ln_topk_attributes){3, -2, true},
     1,
     1,
     {ROW(2, 4, 3)},
     topk_reference},
    {"hardmax", "hardmax", &(ln_axis_attributes){2}, 1, 1, {ROW(2, 4, 3)}, hardmax_reference},
    {"cumsum",
     "cumsum",
     &(ln_cumsum_attributes){2, false, false},
     1,
     1,
     {ROW(2, 4, 3)},
     cumsum_reference},
    {"cumsum from the end",
     "cumsum",
     &(ln_cumsum_attributes){2, false, true},
     1,
     1,
     {ROW(2, 4, 3)},
     cumsum_reference},
    {"cumsum without itself",
     "cumsum",
     &(ln_cumsum_attributes){-2, true, false},
     1,
     1,
     {ROW(2, 4, 3)},
     cumsum_reference},
    {"cumsum without itself from the end",
     "cumsum",
     &(ln_cumsum_attributes){2, true, true},
     1,
     1,
     {ROW(2, 4, 3)},
     cumsum_reference},
    {"log_softmax",
     "log_softmax",
     &(ln_axis_attributes){2},
     1,
     1,
     {ROW(2, 4, 3)},
     log_softmax_reference},
    {"trilu", "trilu", &(ln_trilu_attributes){true, 1}, 1, 1, {ROW(2, 4, 3)}, trilu_reference},
    {"trilu below",
     "trilu",
     &(ln_trilu_attributes){false, -1},
     1,
     1,
     {ROW(2, 3, 4)},
     trilu_reference},
};

#endif
