#include "explainers/common/recurrent_rules.h"

#include "layers/attributes.h"
#include "layers/recurrent.h"

static size_t kept_bytes(const ln_rule *rule, const ln_step *step)
{
    (void)rule;
    return (size_t)ln_steps_kept(step) * sizeof(float);
}

static ln_status contrast_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_steps_rule steps = {.pairs = true, .kept = pass->rule_scratch};
    (void)rule;
    return ln_recurrent_back(pass, ln_recurrent_cell(pass->step->node), &steps, err);
}

const ln_rule ln_contrast_recurrent = {
    .name = "steps", .scratch = kept_bytes, .backward = contrast_backward};

/* Adds the numbers of each row, times `sign`, to what its row has absorbed. */
static void account(const ln_pass *pass, const ln_shape *shape, const float *values, int sign)
{
    const int64_t row = ln_shape_row(shape);
    for (int64_t i = 0; values && i < pass->rows * row; i++)
        pass->absorbed[i / row] += sign * (double)values[i];
}

static ln_status relevance_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_node *node = pass->step->node;
    const ln_steps_rule steps = {.epsilon = rule->parameters[0],
                                 .stabiliser = rule->parameters[1],
                                 .kept = pass->rule_scratch};
    ln_status status = ln_recurrent_back(pass, ln_recurrent_cell(node), &steps, err);
    for (int i = 0; i < node->output_count && pass->absorbed && !status; i++)
        account(pass, &pass->step->out_shape[i], pass->out_grad[i], 1);
    for (int i = 0; i < node->input_count && pass->absorbed && !status; i++)
        account(pass, &pass->step->in_shape[i], pass->in_grad[i], -1);
    return status;
}

ln_rule ln_relevance_recurrent(double epsilon, double stabiliser)
{
    return (ln_rule){.name = "signal takes all",
                     .parameters = {epsilon, stabiliser},
                     .scratch = kept_bytes,
                     .backward = relevance_backward};
}
