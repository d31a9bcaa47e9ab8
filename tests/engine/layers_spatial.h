/* Naive float64 references of convolutions, poolings and normalisations, index by index, from the
 * attributes and shapes of a case alone. Shapes of a case are those of a row. */
#ifndef LN_TESTS_LAYERS_SPATIAL_H
#define LN_TESTS_LAYERS_SPATIAL_H

#include "layers_support.h"

typedef struct naive_window {
    int axes;
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], before[3], after[3];
} naive_window;

static inline int axes_of(const layer_case *layer)
{
    return layer->word[strlen(layer->word) - 2] - '0';
}

static inline int64_t number_of(const ln_ints *list, int axis, int64_t fallback)
{
    return list->count <= 0 ? fallback : list->at[list->count == 1 ? 0 : axis];
}

static inline int64_t product3(const int64_t *sizes)
{
    return sizes[0] * sizes[1] * sizes[2];
}

/* The sizes of the last axes of the input, after axes of 1. */
static inline naive_window window_of(const layer_case *layer)
{
    naive_window w = {.axes = axes_of(layer)};
    const ln_shape *in = &layer->shapes[0];
    for (int i = 0; i < 3; i++) {
        w.in[i] = w.out[i] = w.kernel[i] = w.stride[i] = w.dilation[i] = 1;
        if (i >= 3 - w.axes)
            w.in[i] = in->dims[in->rank - 3 + i];
    }
    return w;
}

/* ---------------------------------------------------------------- convolutions */

static inline naive_window convolution_window(const layer_case *layer, bool transposed)
{
    const ln_convolution_attributes *own = layer->attributes;
    const ln_shape *weight = &layer->shapes[1];
    naive_window w = window_of(layer);
    for (int axis = 0; axis < w.axes; axis++) {
        const int i = 3 - w.axes + axis;
        w.kernel[i] = weight->dims[weight->rank - w.axes + axis];
        w.stride[i] = number_of(&own->stride, axis, 1);
        w.dilation[i] = number_of(&own->dilation, axis, 1);
        w.before[i] = number_of(&own->padding, axis, 0);
        w.after[i] = number_of(&own->padding_after, axis, w.before[i]);
        const int64_t extent = w.dilation[i] * (w.kernel[i] - 1) + 1;
        if (own->padding.count < 0) {
            w.before[i] = (extent - 1) / 2;
            w.after[i] = extent - 1 - w.before[i];
        }
        w.out[i] = transposed ? (w.in[i] - 1) * w.stride[i] - w.before[i] - w.after[i] + extent +
                                    number_of(&own->output_padding, axis, 0)
                              : (w.in[i] + w.before[i] + w.after[i] - extent) / w.stride[i] + 1;
    }
    return w;
}

/* Where tap `k` of a window at `place` reads, counted through; -1: outside of `size`. */
static inline int64_t reached(const naive_window *w, const int64_t *size, int64_t place,
                              const int64_t *places, int64_t k)
{
    int64_t at = 0;
    const int64_t p[3] = {place / (places[1] * places[2]), place / places[2] % places[1],
                          place % places[2]};
    const int64_t t[3] = {k / (w->kernel[1] * w->kernel[2]), k / w->kernel[2] % w->kernel[1],
                          k % w->kernel[2]};
    for (int i = 0; i < 3; i++) {
        const int64_t x = p[i] * w->stride[i] + t[i] * w->dilation[i] - w->before[i];
        if (x < 0 || x >= size[i])
            return -1;
        at = at * size[i] + x;
    }
    return at;
}

static inline void convolution_image(const layer_case *layer, bool transposed, const double *x,
                                     const double *weight, const double *bias, double *y)
{
    const ln_convolution_attributes *own = layer->attributes;
    const naive_window w = convolution_window(layer, transposed);
    const ln_shape *shape = &layer->shapes[1];
    const int64_t groups = own->groups ? own->groups : 1;
    const int64_t first = shape->dims[shape->rank - w.axes - 2];
    const int64_t second = shape->dims[shape->rank - w.axes - 1];
    const int64_t channels = transposed ? first : second * groups;
    const int64_t outputs = transposed ? second * groups : first;
    const int64_t in = product3(w.in), out = product3(w.out), taps = product3(w.kernel);
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t p = 0; p < out; p++)
            y[o * out + p] = bias ? bias[o] : 0;
    const int64_t share = channels / groups;
    for (int64_t k = 0; k < taps; k++)
        for (int64_t place = 0; place < (transposed ? in : out); place++) {
            const int64_t other = transposed ? reached(&w, w.out, place, w.in, k)
                                             : reached(&w, w.in, place, w.out, k);
            if (other < 0)
                continue;
            const int64_t from = transposed ? place : other;
            const int64_t to = transposed ? other : place;
            for (int64_t o = 0; o < outputs; o++) {
                const int64_t group = o / (outputs / groups);
                for (int64_t c = group * share; c < (group + 1) * share; c++) {
                    const int64_t at =
                        transposed ? c * second + o % second : o * second + c % second;
                    y[o * out + to] += weight[at * taps + k] * x[c * in + from];
                }
            }
        }
}

/* Of a case whose weights are live, each row has its own. */
REFERENCE(convolution_reference)
{
    const bool transposed = strstr(layer->word, "transpose") != NULL;
    const naive_window w = convolution_window(layer, transposed);
    const ln_convolution_attributes *own = layer->attributes;
    const ln_shape *x = &layer->shapes[0], *weight = &layer->shapes[1];
    const int64_t outputs =
        transposed ? weight->dims[weight->rank - w.axes - 1] * (own->groups ? own->groups : 1)
                   : weight->dims[weight->rank - w.axes - 2];
    const int64_t channels = x->dims[x->rank - w.axes - 1];
    const int64_t images = ln_shape_count(x) / channels / product3(w.in);
    for (int64_t i = 0; i < rows * images; i++) {
        const int64_t row = i / images;
        convolution_image(layer, transposed, in[0] + i * channels * product3(w.in),
                          in[1] + (layer->live > 1 ? row * ln_shape_count(weight) : 0),
                          layer->count < 3 ? NULL : in[2] + (layer->live > 2 ? row * outputs : 0),
                          out + i * outputs * product3(w.out));
    }
}

/* ---------------------------------------------------------------- poolings */

static inline double pool_place(const layer_case *layer, const naive_window *w, const double *x,
                                int64_t place)
{
    const ln_pool_attributes *own = layer->attributes;
    double most = -HUGE_VAL, sum = 0, power = 0, count = 0, padded = 1;
    for (int64_t k = 0; k < product3(w->kernel); k++) {
        const int64_t at = reached(w, w->in, place, w->out, k);
        if (at < 0)
            continue;
        most = x[at] > most ? x[at] : most;
        sum += x[at];
        power += pow(own->absolute ? fabs(x[at]) : x[at], own->norm_type);
        count++;
    }
    /* Elements of the window within the padded input. */
    const int64_t p[3] = {place / (w->out[1] * w->out[2]), place / w->out[2] % w->out[1],
                          place % w->out[2]};
    for (int i = 0; i < 3; i++) {
        int64_t within = 0;
        for (int64_t k = 0; k < w->kernel[i]; k++)
            within +=
                p[i] * w->stride[i] + k * w->dilation[i] < w->in[i] + w->before[i] + w->after[i];
        padded *= (double)within;
    }
    if (strncmp(layer->word, "max", 3) == 0)
        return most;
    if (strncmp(layer->word, "lp", 2) == 0)
        return pow(power, 1 / own->norm_type);
    if (own->divisor_override)
        return sum / (double)own->divisor_override;
    return sum / (own->count_include_pad ? padded : count);
}

REFERENCE(pool_reference)
{
    const ln_pool_attributes *own = layer->attributes;
    naive_window w = window_of(layer);
    for (int axis = 0; axis < w.axes; axis++) {
        const int i = 3 - w.axes + axis;
        w.kernel[i] = number_of(&own->kernel_size, axis, 1);
        w.stride[i] = number_of(&own->stride, axis, w.kernel[i]);
        w.dilation[i] = number_of(&own->dilation, axis, 1);
        w.before[i] = number_of(&own->padding, axis, 0);
        w.after[i] = number_of(&own->padding_after, axis, w.before[i]);
        /* As many windows as start before the end, and of them those that the mode allows. */
        const int64_t extent = w.dilation[i] * (w.kernel[i] - 1) + 1;
        const int64_t padded = w.in[i] + w.before[i] + w.after[i];
        for (w.out[i] = 0;
             w.out[i] * w.stride[i] + (own->ceil_mode ? extent - w.stride[i] + 1 : extent) <=
             padded;
             w.out[i]++)
            if (own->ceil_mode && w.out[i] * w.stride[i] >= w.in[i] + w.before[i])
                break;
    }
    const int64_t planes = elements(layer, rows) / product3(w.in);
    for (int64_t i = 0; i < planes; i++)
        for (int64_t p = 0; p < product3(w.out); p++)
            out[i * product3(w.out) + p] = pool_place(layer, &w, in[0] + i * product3(w.in), p);
}

REFERENCE(adaptive_reference)
{
    const ln_adaptive_attributes *own = layer->attributes;
    const bool max = strstr(layer->word, "max") != NULL;
    naive_window w = window_of(layer);
    for (int axis = 0; axis < w.axes; axis++)
        w.out[3 - w.axes + axis] = number_of(&own->output_size, axis, 1);
    for (int64_t i = 0; i < elements(layer, rows) / product3(w.in); i++)
        for (int64_t o = 0; o < product3(w.out); o++) {
            const int64_t p[3] = {o / (w.out[1] * w.out[2]), o / w.out[2] % w.out[1], o % w.out[2]};
            double most = -HUGE_VAL, sum = 0, count = 0;
            for (int64_t e = 0; e < product3(w.in); e++) {
                const int64_t at[3] = {e / (w.in[1] * w.in[2]), e / w.in[2] % w.in[1], e % w.in[2]};
                bool inside = true;
                for (int a = 0; a < 3; a++)
                    inside =
                        inside &&
                        (double)at[a] >= floor((double)(p[a] * w.in[a]) / (double)w.out[a]) &&
                        (double)at[a] < ceil((double)((p[a] + 1) * w.in[a]) / (double)w.out[a]);
                const double x = in[0][i * product3(w.in) + e];
                most = inside && x > most ? x : most;
                sum += inside ? x : 0;
                count += inside;
            }
            out[i * product3(w.out) + o] = max ? most : sum / count;
        }
}

/* ---------------------------------------------------------------- normalisations */

/* Groups of `count` elements side by side; `index` says which weight an element of a row has. */
static inline void normalise(const layer_case *layer, int64_t rows, const double *const *in,
                             double *out, int64_t count, double eps, bool centred,
                             int64_t (*index)(const layer_case *layer, int64_t element))
{
    const int64_t width = ln_shape_count(&layer->shapes[0]);
    for (int64_t first = 0; first < rows * width; first += count) {
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < count && centred; i++)
            mean += in[0][first + i] / (double)count;
        for (int64_t i = 0; i < count; i++)
            variance += pow(in[0][first + i] - mean, 2) / (double)count;
        for (int64_t i = 0; i < count; i++) {
            const int64_t at = index(layer, (first + i) % width), row = (first + i) / width;
            double y = (in[0][first + i] - mean) / sqrt(variance + eps);
            for (int k = 1; k < layer->count; k++) {
                const int64_t size = ln_shape_count(&layer->shapes[k]);
                const double w = in[k][at + (layer->live > k ? row * size : 0)];
                y = k == 1 ? y * w : y + w;
            }
            out[first + i] = y;
        }
    }
}

static inline int64_t last_axes(const layer_case *layer)
{
    const ln_layer_norm_attributes *own = layer->attributes;
    const int axes = own->normalized_shape.count ? own->normalized_shape.count
                     : own->axes                 ? (int)own->axes
                                                 : 1;
    int64_t count = 1;
    for (int i = 0; i < axes; i++)
        count *= layer->shapes[0].dims[layer->shapes[0].rank - 1 - i];
    return count;
}

static inline int64_t last_index(const layer_case *layer, int64_t element)
{
    return element % last_axes(layer);
}

REFERENCE(layer_norm_reference)
{
    const ln_layer_norm_attributes *own = layer->attributes;
    const bool rms = strcmp(layer->word, "rms_norm") == 0;
    normalise(layer, rows, in, out, last_axes(layer), own->eps > 0 ? own->eps : 0x1p-23, !rms,
              last_index);
}

static inline int64_t channel_of(const layer_case *layer, int64_t outer, int64_t element)
{
    int64_t inner = 1;
    for (int i = (int)outer + 1; i < layer->shapes[0].rank; i++)
        inner *= layer->shapes[0].dims[i];
    return element / inner % layer->shapes[0].dims[outer];
}

static inline int64_t group_index(const layer_case *layer, int64_t element)
{
    const ln_group_norm_attributes *own = layer->attributes;
    const int64_t channel = channel_of(layer, own->outer, element);
    return own->by_group ? channel / (layer->shapes[0].dims[own->outer] / own->num_groups)
                         : channel;
}

REFERENCE(group_norm_reference)
{
    const ln_group_norm_attributes *own = layer->attributes;
    int64_t count = ln_shape_count(&layer->shapes[0]) / own->num_groups;
    for (int i = 0; i < own->outer; i++)
        count /= layer->shapes[0].dims[i];
    normalise(layer, rows, in, out, count, own->eps, true, group_index);
}

static inline int64_t channel_index(const layer_case *layer, int64_t element)
{
    const ln_channel_norm_attributes *own = layer->attributes;
    return channel_of(layer, own->outer, element);
}

REFERENCE(instance_norm_reference)
{
    const ln_channel_norm_attributes *own = layer->attributes;
    int64_t count = ln_shape_count(&layer->shapes[0]);
    for (int i = 0; i <= own->outer; i++)
        count /= layer->shapes[0].dims[i];
    normalise(layer, rows, in, out, count, own->eps, true, channel_index);
}

/* Of (channels, length). */
REFERENCE(response_norm_reference)
{
    const ln_response_norm_attributes *own = layer->attributes;
    const int64_t channels = layer->shapes[0].dims[0], inner = layer->shapes[0].dims[1];
    const int64_t before = own->later ? (own->size - 1) / 2 : own->size / 2;
    for (int64_t i = 0; i < rows * channels * inner; i++) {
        const int64_t c = i / inner % channels;
        double sum = 0;
        for (int64_t j = c - before; j < c - before + own->size; j++)
            if (j >= 0 && j < channels)
                sum += pow(in[0][i + (j - c) * inner], 2);
        out[i] = in[0][i] / pow(own->k + own->alpha * sum / (double)own->size, own->beta);
    }
}

#endif
