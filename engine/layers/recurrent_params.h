/* Inside layers/: the descriptor of a recurrent layer, from its cell. The three differ in their words
 * and in what stands in the last argument: parameters of their own. */
#ifndef LN_LAYERS_RECURRENT_PARAMS_H
#define LN_LAYERS_RECURRENT_PARAMS_H

#include <math.h>
#include <stddef.h>

#define LN_RECURRENT_BOOL(field, literal, text)                                                    \
    {                                                                                              \
        .name = #field, .type = LN_PARAM_BOOL, .offset = offsetof(ln_recurrent_attributes, field), \
        .fallback = literal, .help = text                                                          \
    }

/* What only files set. */
static const ln_param recurrent_stored[] = {
    {.name = "layout",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_recurrent_attributes, layout),
     .fallback = "\"rows\"",
     .choices = "rows|steps_first|batch_first",
     .help = "a row is one sequence, or holds a batch of them"},
    LN_RECURRENT_BOOL(backwards, "false", "from the last step to the first"),
    LN_RECURRENT_BOOL(apart, "false", "the directions are an axis of their own"),
    LN_RECURRENT_BOOL(reset_first, "false", "gru: the state is reset before it is multiplied"),
    {.name = "clip",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_recurrent_attributes, clip),
     .fallback = "0",
     .min = 0,
     .max = HUGE_VAL,
     .help = "bound of what goes into the gates; 0: none"},
    LN_PARAM_END,
};

#define LN_RECURRENT_LAYER(name_, summary_, formula_, source_, ...)                                \
    static const ln_param name_##_params[] = {                                                     \
        {.name = "hidden_size",                                                                    \
         .type = LN_PARAM_INT,                                                                     \
         .offset = offsetof(ln_recurrent_attributes, hidden_size),                                 \
         .fallback = LN_REQUIRED,                                                                  \
         .min = 1,                                                                                 \
         .max = 1 << 24,                                                                           \
         .position = 1,                                                                            \
         .help = "numbers in the state"},                                                          \
        LN_RECURRENT_BOOL(bias, "true", "whether biases are added"),                               \
        LN_RECURRENT_BOOL(bidirectional, "false",                                                  \
                          "a second one from the last step to the first, beside it"),              \
        LN_RECURRENT_BOOL(last, "false", "only the state after all steps, not one a step"),        \
        __VA_ARGS__ LN_PARAM_END,                                                                  \
    };                                                                                             \
    static ln_status name_##_parameters(const void *attributes, const ln_shape *in,                \
                                        ln_layer_parameter *out, int *count, ln_error *err)        \
    {                                                                                              \
        return ln_recurrent_parameters(attributes, &ln_cell_##name_, in, out, count, err);         \
    }                                                                                              \
    static ln_status name_##_infer(const struct ln_graph *graph, const struct ln_node *node,       \
                                   const ln_shape *in, ln_shape *out, ln_error *err)               \
    {                                                                                              \
        return ln_recurrent_infer(graph, node, &ln_cell_##name_, in, out, err);                    \
    }                                                                                              \
    static ln_status name_##_prepare(ln_step *step, const void *const *constant, ln_error *err)    \
    {                                                                                              \
        return ln_recurrent_prepare(step, &ln_cell_##name_, constant, err);                        \
    }                                                                                              \
    static ln_status name_##_forward(const ln_pass *pass, ln_error *err)                           \
    {                                                                                              \
        return ln_recurrent_forward(pass, &ln_cell_##name_, err);                                  \
    }                                                                                              \
    static ln_status name_##_backward(const ln_pass *pass, ln_error *err)                          \
    {                                                                                              \
        return ln_recurrent_back(pass, &ln_cell_##name_, NULL, err);                               \
    }                                                                                              \
    const ln_layer ln_layer_##name_ = {                                                            \
        .word = {.name = #name_,                                                                   \
                 .summary = summary_,                                                              \
                 .formula = formula_,                                                              \
                 .source = source_,                                                                \
                 .params = name_##_params,                                                         \
                 .params_size = sizeof(ln_recurrent_attributes)},                                  \
        .min_inputs = 3,                                                                           \
        .max_inputs = 14,                                                                          \
        .stored = recurrent_stored,                                                                \
        .parameters = name_##_parameters,                                                          \
        .types = ln_recurrent_types,                                                               \
        .infer = name_##_infer,                                                                    \
        .prepare = name_##_prepare,                                                                \
        .release = ln_recurrent_release,                                                           \
        .forward = name_##_forward,                                                                \
        .backward = name_##_backward,                                                              \
        .backward_parameters = name_##_backward,                                                   \
    };

#endif
