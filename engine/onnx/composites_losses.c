/* Losses and windows in other operators.
 *
 *   NegativeLogLikelihoodLoss   -w[t] log p[t], a class t a place; none, summed, or over the sum of the w
 *   SoftmaxCrossEntropyLoss     the same of the logarithm of the softmax over axis 1
 *   Hann, Hamming, Blackman     a0 - a1 cos(2 pi n / size) + a2 cos(4 pi n / size), n = 0 ... size - 1
 *
 * A class that is to be ignored weighs nothing. Source: onnx.ai, NegativeLogLikelihoodLoss-22,
 * SoftmaxCrossEntropyLoss-13, HannWindow-17. */
#include <stdio.h>

#include "onnx/composites.h"

/* Attribute ignore_index as `, ignore_index=N`, or "". */
static bool is_ignoring(const ln_onnx_body *body, long long *class)
{
    *class = ln_onnx_body_int(body, "ignore_index", INT64_MIN);
    return *class != INT64_MIN;
}

static const char *reduction_of(ln_onnx_body *body)
{
    static const char *const reductions[] = {"mean", "sum", "none"};
    for (int i = 0; i < 3; i++)
        if (ln_onnx_body_text(body, "reduction", reductions[i], "mean"))
            return reductions[i];
    body->refused = true;
    return "mean";
}

void ln_onnx_body_log_likelihood(ln_onnx_body *body)
{
    const char *reduction = reduction_of(body);
    const bool weighted = ln_onnx_body_has(body, 2);
    long long ignored;
    const bool ignoring = is_ignoring(body, &ignored);
    ln_onnx_say(body, "given = Cast{to=7}(i1)");
    if (ignoring) {
        ln_onnx_say(body, "ignored = Equal(given, %lld)", ignored);
        ln_onnx_say(body, "class = Where(ignored, 0, given)");
    } else {
        ln_onnx_say(body, "class = Identity(given)");
    }
    ln_onnx_say(body, "plain = Neg(Squeeze{axes=[1]}(GatherElements{axis=1}(i0, "
                      "Unsqueeze{axes=[1]}(class))))");
    if (weighted)
        ln_onnx_say(body, "of_class = Gather{axis=0}(i2, class)");
    if (ignoring)
        ln_onnx_say(body, "weight = Where(ignored, 0.0, %s)", weighted ? "of_class" : "1.0");
    else if (weighted)
        ln_onnx_say(body, "weight = Identity(of_class)");
    const bool has_weight = ignoring || weighted;
    if (ignoring)
        ln_onnx_say(body, "loss = Where(ignored, 0.0, Mul(plain, weight))");
    else
        ln_onnx_say(body, weighted ? "loss = Mul(plain, weight)" : "loss = Identity(plain)");
    if (*reduction == 'n')
        ln_onnx_say(body, "o0 = Identity(loss)");
    else if (*reduction == 's')
        ln_onnx_say(body, "o0 = ReduceSum{keepdims=0}(loss)");
    else if (has_weight)
        ln_onnx_say(body, "o0 = Div(ReduceSum{keepdims=0}(loss), ReduceSum{keepdims=0}(weight))");
    else
        ln_onnx_say(body, "o0 = ReduceMean{keepdims=0}(loss)");
}

void ln_onnx_body_cross_entropy(ln_onnx_body *body)
{
    char attributes[80];
    long long ignored;
    const char *reduction = reduction_of(body);
    const bool ignoring = is_ignoring(body, &ignored);
    snprintf(attributes, sizeof attributes,
             ignoring ? "reduction=\"%s\", ignore_index=%lld" : "reduction=\"%s\"", reduction,
             ignored);
    ln_onnx_say(body, "log = Sub(i0, ReduceLogSumExp{axes=[1], keepdims=1}(i0))");
    if (ln_onnx_body_makes(body, 1))
        ln_onnx_say(body, "o1 = Identity(log)");
    if (ln_onnx_body_makes(body, 0))
        ln_onnx_say(body, "o0 = NegativeLogLikelihoodLoss{%s}(log, i1%s)", attributes,
                    ln_onnx_body_has(body, 2) ? ", i2" : "");
}

void ln_onnx_body_window(ln_onnx_body *body)
{
    const bool hann = ln_bytes_equal(body->node->op_type, "HannWindow");
    const bool hamming = ln_bytes_equal(body->node->op_type, "HammingWindow");
    const double a0 = hann ? 0.5 : hamming ? 25.0 / 46 : 0.42;
    const double a1 = hann ? 0.5 : hamming ? 21.0 / 46 : 0.5;
    const bool periodic = ln_onnx_body_int(body, "periodic", 1) != 0;
    ln_onnx_say(body, "count = Squeeze(Cast{to=1}(i0))");
    ln_onnx_say(body, "size = %s", periodic ? "Identity(count)" : "Sub(count, 1.0)");
    ln_onnx_say(body, "angle = Mul(Range(0.0, count, 1.0), Div(6.283185307179586, size))");
    ln_onnx_say(body, "one = Sub(%#.9g, Mul(%#.9g, Cos(angle)))", a0, a1);
    ln_onnx_say(body, "both = %s",
                hann || hamming ? "Identity(one)" : "Add(one, Mul(0.08, Cos(Mul(angle, 2.0))))");
    ln_onnx_say(body, "o0 = Cast{to=%lld}(both)",
                (long long)ln_onnx_body_int(body, "output_datatype", 1));
}
