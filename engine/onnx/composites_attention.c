/* Attention, RotaryEmbedding and SwiGLU (operator sets 23 to 28) in other operators. Queries, keys and
 * values are (N, heads, positions, size), or (N, positions, heads size) with the number of heads as an
 * attribute.
 *
 *   Attention   softmax(cap tanh(s q k^T / cap) + bias) v, the bias from the mask, causality, windows and lengths;
 *               0 where a query sees no key
 *   Rotary      pairs of numbers turned by the angle of their position
 * Source: onnx.ai, operators Attention-25, RotaryEmbedding-23, SwiGLU-28. */
#include <stdio.h>

#include "onnx/composites.h"

/* `name` = input `input` as (N, heads, positions, size). */
static void say_heads(ln_onnx_body *body, const char *name, int input, int64_t heads)
{
    if (heads > 0)
        ln_onnx_say(body, "%s = Transpose{perm=[0, 2, 1, 3]}(Reshape(i%d, [0, 0, %lld, -1]))", name,
                    input, (long long)heads);
    else
        ln_onnx_say(body, "%s = Identity(i%d)", name, input);
}

/* Heads of keys and values stand for several of queries. */
static void say_repeated(ln_onnx_body *body, const char *name, const char *of)
{
    ln_onnx_say(body,
                "%s = Reshape(Expand(Unsqueeze(%s, [2]), times), "
                "Concat{axis=0}([0], [-1], Shape{start=2, end=4}(%s)))",
                name, of, of);
}

/* One part more of the bias: bias0, bias1 ... are the sums so far. */
static void say_bias(ln_onnx_body *body, int *parts, const char *part)
{
    if (*parts > 0)
        ln_onnx_say(body, "bias%d = Add(bias%d, %s)", *parts, *parts - 1, part);
    else
        ln_onnx_say(body, "bias0 = Identity(%s)", part);
    ++*parts;
}

/* The mask: whether, or how much is added. A shorter one hides the positions behind it. */
static void say_mask(ln_onnx_body *body, int *parts)
{
    ln_onnx_say(body, "mask = lunette.MaskBias(i3)");
    if (body->opset < 24) {
        say_bias(body, parts, "mask");
        return;
    }
    ln_onnx_say(body, "behind = Sub(keys, Shape{start=-1}(mask))");
    ln_onnx_say(body, "long_mask = Pad(mask, Concat{axis=0}([0], behind), -inf, [-1])");
    say_bias(body, parts, "long_mask");
}

/* What a query may not see by where it is: behind it (causal), outside of its window, after the end. */
static void say_places(ln_onnx_body *body, int *parts)
{
    const bool causal = ln_onnx_body_int(body, "is_causal", 0) != 0;
    const long long left = ln_onnx_body_int(body, "left_window_size", -1);
    const long long right = ln_onnx_body_int(body, "right_window_size", -1);
    const bool lengths = ln_onnx_body_has(body, 6);
    if (!causal && left < 0 && right < 0 && !lengths)
        return;
    ln_onnx_say(body, "key_at = Unsqueeze(Range(0, Squeeze(keys, [0]), 1), [0])");
    ln_onnx_say(body, "query_at = Unsqueeze(Range(0, Squeeze(queries, [0]), 1), [1])");
    if (lengths)
        ln_onnx_say(body, "length = Unsqueeze(Cast{to=7}(i6), [1, 2, 3])");
    if (ln_onnx_body_has(body, 4))
        ln_onnx_say(body, "place = Add(query_at, Shape{start=2, end=3}(i4))");
    else if (lengths)
        ln_onnx_say(body, "place = Add(query_at, Sub(length, queries))");
    else
        ln_onnx_say(body, "place = Identity(query_at)");
    ln_onnx_say(body, "back = Sub(place, key_at)");
    if (causal)
        say_bias(body, parts, "lunette.MaskBias(GreaterOrEqual(back, 0))");
    if (left >= 0) {
        ln_onnx_say(body, "near_left = lunette.MaskBias(LessOrEqual(back, %lld))", left);
        say_bias(body, parts, "near_left");
    }
    if (right >= 0) {
        ln_onnx_say(body, "near_right = lunette.MaskBias(GreaterOrEqual(back, %lld))", -right);
        say_bias(body, parts, "near_right");
    }
    if (lengths)
        say_bias(body, parts, "lunette.MaskBias(Less(key_at, length))");
}

/* Of the result the optional fourth output: `scores` at stage `mode`. */
static void say_scores(ln_onnx_body *body, int64_t mode, const char *scores)
{
    if (ln_onnx_body_makes(body, 3) && ln_onnx_body_int(body, "qk_matmul_output_mode", 0) == mode)
        ln_onnx_say(body, "o3 = Identity(%s)", scores);
}

static void say_scaled(ln_onnx_body *body)
{
    double scale;
    if (!ln_onnx_body_float(body, "scale", &scale))
        ln_onnx_say(body, "root = Sqrt(Sqrt(Reciprocal(Cast{to=1}(Shape{start=3, end=4}(q)))))");
    else if (scale >= 0)
        ln_onnx_say(body, "root = Sqrt(%#.9g)", scale);
    else
        body->refused = true;
    ln_onnx_say(body, "raw = MatMul(Mul(q, root), Mul(Transpose{perm=[0, 1, 3, 2]}(k), root))");
    say_scores(body, 0, "raw");
    if (!ln_onnx_body_float(body, "softcap", &scale) || scale == 0)
        ln_onnx_say(body, "capped = Identity(raw)");
    else
        ln_onnx_say(body, "capped = Mul(Tanh(Div(raw, %#.9g)), %#.9g)", scale, scale);
}

/* Keys and values with those of the past before them, for as many heads as queries have. */
static void say_keys(ln_onnx_body *body, int64_t heads, int64_t of_keys)
{
    static const char *const names[] = {"k", "v"};
    for (int i = 0; i < 2; i++) {
        char given[16], all[16];
        snprintf(given, sizeof given, "%s_given", names[i]);
        snprintf(all, sizeof all, "%s_all", names[i]);
        say_heads(body, given, 1 + i, of_keys);
        if (ln_onnx_body_has(body, 4))
            ln_onnx_say(body, "%s = Concat{axis=2}(i%d, %s)", all, 4 + i, given);
        else
            ln_onnx_say(body, "%s = Identity(%s)", all, given);
        if (ln_onnx_body_makes(body, (size_t)(1 + i)))
            ln_onnx_say(body, "o%d = Identity(%s)", 1 + i, all);
    }
    ln_onnx_say(body, "keys = Shape{start=2, end=3}(k_all)");
    ln_onnx_say(body, "queries = Shape{start=2, end=3}(q)");
    if (heads > 0 && heads == of_keys) {
        ln_onnx_say(body, "k = Identity(k_all)");
        ln_onnx_say(body, "v = Identity(v_all)");
        return;
    }
    ln_onnx_say(body, "each = Div(Shape{start=1, end=2}(q), Shape{start=1, end=2}(k_all))");
    ln_onnx_say(body, "times = Concat{axis=0}([1, 1], each, [1, 1])");
    say_repeated(body, "k", "k_all");
    say_repeated(body, "v", "v_all");
}

void ln_onnx_body_attention(ln_onnx_body *body)
{
    const int64_t heads = ln_onnx_body_int(body, "q_num_heads", 0);
    const int64_t of_keys = ln_onnx_body_int(body, "kv_num_heads", 0);
    /* Scores in between are before or after the softcap and the mask, as versions of ONNX have it. */
    const int64_t mode = ln_onnx_body_int(body, "qk_matmul_output_mode", 0);
    const bool unclear = ln_onnx_body_makes(body, 3) && mode != 0 && mode != 3;
    int parts = 0;
    if (unclear || (heads > 0) != (of_keys > 0) ||
        ln_onnx_body_has(body, 4) != ln_onnx_body_has(body, 5)) {
        body->refused = true;
        return;
    }
    say_heads(body, "q", 0, heads);
    say_keys(body, heads, of_keys);
    say_scaled(body);
    if (ln_onnx_body_has(body, 3))
        say_mask(body, &parts);
    say_places(body, &parts);
    if (parts > 0) { /* a query that sees nothing attends to nothing */
        ln_onnx_say(body, "biased = Add(capped, bias%d)", parts - 1);
        ln_onnx_say(body, "blind = Equal(ReduceMax{keepdims=1}(bias%d, [-1]), -inf)", parts - 1);
        ln_onnx_say(body, "share = Softmax{axis=-1}(Where(blind, 0.0, biased))");
        ln_onnx_say(body, "weight = Where(blind, 0.0, share)");
    } else {
        ln_onnx_say(body, "biased = Identity(capped)");
        ln_onnx_say(body, "weight = Softmax{axis=-1}(capped)");
    }
    say_scores(body, 3, "weight");
    ln_onnx_say(body, "result = MatMul(weight, v)");
    if (heads > 0)
        ln_onnx_say(body, "o0 = Reshape(Transpose{perm=[0, 2, 1, 3]}(result), [0, 0, -1])");
    else
        ln_onnx_say(body, "o0 = Identity(result)");
}

/* The cosines or sines of each position, (N, positions, 1, half). */
static void say_angles(ln_onnx_body *body, const char *name, int input, int64_t size)
{
    char of[64];
    snprintf(of, sizeof of, ln_onnx_body_has(body, 3) ? "Gather{axis=0}(i%d, i3)" : "Identity(i%d)",
             input);
    if (size > 0)
        ln_onnx_say(body, "%s = Unsqueeze(Slice(%s, [0], [%lld], [2]), [2])", name, of,
                    (long long)size / 2);
    else
        ln_onnx_say(body, "%s = Unsqueeze(%s, [2])", name, of);
}

#define REST "[2147483647]"

void ln_onnx_body_rotary(ln_onnx_body *body)
{
    const int64_t heads = ln_onnx_body_int(body, "num_heads", 0);
    const long long size = ln_onnx_body_int(body, "rotary_embedding_dim", 0);
    const bool interleaved = ln_onnx_body_int(body, "interleaved", 0) != 0;
    if (heads > 0)
        ln_onnx_say(body, "x = Reshape(i0, [0, 0, %lld, -1])", (long long)heads);
    else
        ln_onnx_say(body, "x = Transpose{perm=[0, 2, 1, 3]}(i0)");
    say_angles(body, "c", 1, size);
    say_angles(body, "s", 2, size);
    if (size > 0)
        ln_onnx_say(body, "turning = Slice(x, [0], [%lld], [3])", size);
    else
        ln_onnx_say(body, "turning = Identity(x)");
    if (interleaved) {
        ln_onnx_say(body, "a = Slice(turning, [0], " REST ", [3], [2])");
        ln_onnx_say(body, "b = Slice(turning, [1], " REST ", [3], [2])");
    } else {
        ln_onnx_say(body, "a, b = Split{axis=3, num_outputs=2}(turning)");
    }
    ln_onnx_say(body, "first = Sub(Mul(c, a), Mul(s, b))");
    ln_onnx_say(body, "second = Add(Mul(s, a), Mul(c, b))");
    if (interleaved)
        ln_onnx_say(body, "turned = Reshape(Concat{axis=4}(Unsqueeze(first, [4]), "
                          "Unsqueeze(second, [4])), [0, 0, 0, -1])");
    else
        ln_onnx_say(body, "turned = Concat{axis=3}(first, second)");
    if (size > 0)
        ln_onnx_say(body, "y = Concat{axis=3}(turned, Slice(x, [%lld], " REST ", [3]))", size);
    else
        ln_onnx_say(body, "y = Identity(turned)");
    if (heads > 0)
        ln_onnx_say(body, "o0 = Reshape(y, [0, 0, -1])");
    else
        ln_onnx_say(body, "o0 = Transpose{perm=[0, 2, 1, 3]}(y)");
}

void ln_onnx_body_swiglu(ln_onnx_body *body)
{
    double alpha = 1;
    ln_onnx_body_float(body, "alpha", &alpha);
    ln_onnx_say(body, "o0 = Mul(Swish{alpha=%#.9g}(i0), i1)", alpha);
}
