/* Rows r and r + n of the pass belong together, n being half its rows. Operands are walked as their layers do,
 * sums of what is broadcast are formed in float64. */
#include "explainers/common/contrast_truths.h"

#include <string.h>

#include "base/error.h"
#include "explainers/common/contrast.h"
#include "explainers/common/kinds.h"
#include "explainers/common/passes.h"
#include "layers/walk.h"

enum { RESULT, MOST = LN_WALK_OPERANDS }; /* operands: the result, then the inputs */

/* An element of the result: its operands, at the input and at the baseline, and what its multipliers are. */
typedef struct element {
    double x[MOST], b[MOST];
    double m[MOST]; /* m[RESULT] is given, those of the inputs are to be written: zeros so far */
} element;

typedef void element_rule(const ln_node *node, element *of);

typedef struct scratch {
    double *sum[MOST]; /* of an input's multipliers */
} scratch;

static scratch carve_sums(const ln_step *step, void *base, size_t *bytes)
{
    ln_carver carver = {.base = base};
    scratch made = {{NULL}};
    for (int i = 0; i < step->node->input_count; i++)
        made.sum[i + 1] =
            ln_carve(&carver, ln_shape_count(&step->in_shape[i]), sizeof *made.sum[0]);
    *bytes = carver.used;
    return made;
}

static size_t sums_bytes(const ln_rule *rule, const ln_step *step)
{
    size_t bytes;
    (void)rule;
    carve_sums(step, NULL, &bytes);
    return bytes;
}

static ln_status walk_elements(const ln_pass *pass, element_rule *rule)
{
    const ln_step *step = pass->step;
    const int count = step->node->input_count + 1;
    const int64_t rows = pass->rows / 2;
    ln_operand operands[MOST] = {ln_operand_out(step, 0)};
    const void *data[MOST] = {pass->out[0]};
    int64_t half[MOST] = {rows * operands[0].step};
    size_t bytes;
    const scratch at = carve_sums(step, pass->rule_scratch, &bytes);
    ln_walk walk;
    for (int k = 1; k < count; k++) {
        operands[k] = ln_broadcast_in(step, k - 1);
        data[k] = pass->in[k - 1];
        half[k] = rows * operands[k].step; /* a constant has one row for all */
        for (int64_t i = 0; i < half[k]; i++)
            at.sum[k][i] = 0;
    }
    for (ln_walk_start(&walk, rows, operands, count); walk.more; ln_walk_next(&walk))
        for (int64_t i = 0; i < walk.run; i++) {
            element of = {.m = {(double)pass->out_grad[0][walk.at[0] + i * walk.by[0]]}};
            for (int k = 0; k < count; k++) {
                const int64_t place = walk.at[k] + i * walk.by[k];
                of.x[k] = ln_load_real(data[k], operands[k].dtype, place);
                of.b[k] = ln_load_real(data[k], operands[k].dtype, place + half[k]);
            }
            rule(step->node, &of);
            for (int k = 1; k < count; k++)
                if (half[k])
                    at.sum[k][walk.at[k] + i * walk.by[k]] += of.m[k];
        }
    for (int k = 1; k < count; k++)
        if (pass->in_grad[k - 1])
            ln_write_sums(at.sum[k], half[k], pass->in_grad[k - 1], false);
    return LN_OK;
}

static double mean(const element *of, int operand)
{
    return (of->x[operand] + of->b[operand]) / 2;
}

/* ---------------------------------------------------------------- comparisons, logic */

static void compare(const ln_node *node, element *of)
{
    (void)node;
    const double change = of->x[RESULT] - of->b[RESULT];
    if (change == 0)
        return;
    of->m[1] = of->m[RESULT] * change / (of->x[1] - of->x[2] - (of->b[1] - of->b[2]));
    of->m[2] = -of->m[1];
}

static void both(const ln_node *node, element *of)
{
    (void)node;
    of->m[1] = of->m[RESULT] * mean(of, 2);
    of->m[2] = of->m[RESULT] * mean(of, 1);
}

static void either(const ln_node *node, element *of)
{
    (void)node;
    of->m[1] = of->m[RESULT] * (1 - mean(of, 2));
    of->m[2] = of->m[RESULT] * (1 - mean(of, 1));
}

static void just_one(const ln_node *node, element *of)
{
    (void)node;
    of->m[1] = of->m[RESULT] * (1 - 2 * mean(of, 2));
    of->m[2] = of->m[RESULT] * (1 - 2 * mean(of, 1));
}

static void opposite(const ln_node *node, element *of)
{
    (void)node;
    of->m[1] = -of->m[RESULT];
}

/* ---------------------------------------------------------------- casts, choices */

/* Between real numbers a cast rounds at most. */
static void convert(const ln_node *node, element *of)
{
    const int to = ((const ln_cast_attributes *)node->attributes)->to;
    const bool real = to == LN_CAST_F32 || to == LN_CAST_F16 || to == LN_CAST_BF16;
    const double change = of->x[1] - of->b[1];
    if (real ? ln_contrast_is_noise(of->x[1], of->b[1]) : change == 0)
        of->m[1] = real ? of->m[RESULT] : 0;
    else
        of->m[1] = of->m[RESULT] * (of->x[RESULT] - of->b[RESULT]) / change;
}

enum { CONDITION = 1, YES, NO };

static void choose(const ln_node *node, element *of)
{
    (void)node;
    const double share = mean(of, CONDITION);
    of->m[YES] = share == 0 ? 0 : of->m[RESULT] * share;
    of->m[NO] = share == 1 ? 0 : of->m[RESULT] * (1 - share);
    if (of->x[CONDITION] != of->b[CONDITION]) /* else the branches may be infinite */
        of->m[CONDITION] = of->m[RESULT] * (mean(of, YES) - mean(of, NO));
}

/* ---------------------------------------------------------------- embeddings */

/* A row of numbers as functions of one: m_id = sum_j m_j Dy_j / D id. */
static ln_status look_up_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const int ids = ln_kind_looks_up(pass->step->graph, pass->step->node);
    const int64_t count = ln_shape_row(&pass->step->in_shape[ids]);
    const int64_t inner = count ? ln_shape_row(&pass->step->out_shape[0]) / count : 0;
    const int64_t half = pass->rows / 2 * count;
    const ln_dtype type = ln_operand_in(pass->step, ids).dtype;
    const float *y = pass->out[0], *above = pass->out_grad[0];
    float *m = pass->in_grad[ids];
    (void)rule;
    (void)err;
    for (int64_t i = 0; i < half && m; i++) {
        const double change =
            ln_load_real(pass->in[ids], type, i) - ln_load_real(pass->in[ids], type, i + half);
        double brought = 0;
        for (int64_t j = i * inner; j < (i + 1) * inner; j++)
            brought += (double)above[j] * ((double)y[j] - (double)y[j + half * inner]);
        m[i] = change == 0 ? 0 : (float)(brought / change);
    }
    return LN_OK;
}

static const ln_rule look_up_rule = {.name = "embedding", .backward = look_up_backward};

/* ---------------------------------------------------------------- which rule where */

#define RULE(name_, text_)                                                                         \
    static ln_status name_##_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)     \
    {                                                                                              \
        (void)rule;                                                                                \
        (void)err;                                                                                 \
        return walk_elements(pass, name_);                                                         \
    }                                                                                              \
    static const ln_rule name_##_rule = {                                                          \
        .name = text_, .scratch = sums_bytes, .backward = name_##_backward};
RULE(compare, "comparison")
RULE(both, "and")
RULE(either, "or")
RULE(just_one, "xor")
RULE(opposite, "not")
RULE(convert, "cast")
RULE(choose, "where")
#undef RULE

/* `truth`: of truth values only. */
static const struct {
    const ln_layer *layer;
    const ln_rule *rule;
    bool truth;
} known[] = {
    {&ln_layer_equal, &compare_rule, false},
    {&ln_layer_less, &compare_rule, false},
    {&ln_layer_less_or_equal, &compare_rule, false},
    {&ln_layer_greater, &compare_rule, false},
    {&ln_layer_greater_or_equal, &compare_rule, false},
    {&ln_layer_logical_and, &both_rule, true},
    {&ln_layer_logical_or, &either_rule, true},
    {&ln_layer_logical_xor, &just_one_rule, true},
    {&ln_layer_not, &opposite_rule, true},
    {&ln_layer_cast, &convert_rule, false},
    {&ln_layer_where, &choose_rule, true},
};

const ln_rule *ln_contrast_truth(const ln_graph *graph, const ln_node *node)
{
    if (ln_kind_looks_up(graph, node) >= 0)
        return &look_up_rule;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const ln_value *first = &graph->values[node->inputs[0]];
        if (node->layer != known[i].layer)
            continue;
        return known[i].truth && (first->fixed || first->dtype != LN_BOOL) ? NULL : known[i].rule;
    }
    return NULL;
}

ln_status ln_contrast_check_types(const char *word, const ln_graph *graph, const ln_node *node,
                                  const bool *passed, ln_error *err)
{
    const ln_dtype made = graph->values[node->outputs[0]].dtype;
    const bool routes = ln_kind_of(graph, node) == LN_KIND_ROUTE;
    const bool orders = node->layer == &ln_layer_topk;
    if (ln_contrast_truth(graph, node))
        return LN_OK;
    for (int i = routes ? 1 : 0; i < node->input_count; i++) {
        const ln_value *value = node->inputs[i] < 0 ? NULL : &graph->values[node->inputs[i]];
        if (value && value->dtype != LN_F32 && value->producer >= 0 && passed[value->producer])
            return ln_fail(err, LN_EUNSUPPORTED,
                           "%s has no rule for a layer (%s) of %s that depend on the network's "
                           "inputs",
                           word, node->layer->word.name,
                           routes                    ? "indices"
                           : value->dtype == LN_BOOL ? "truth values"
                                                     : "whole numbers");
    }
    return (made == LN_F32 && !orders) || routes
               ? LN_OK
               : ln_fail(err, LN_EUNSUPPORTED, "%s has no rule for this layer (%s)", word,
                         node->layer->word.name);
}
