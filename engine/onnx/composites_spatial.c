/* AffineGrid, GridSample (of images) and Col2Im in other operators.
 *
 *   AffineGrid   where each place of the output comes from: theta (x, y[, z], 1), coordinates from -1 to 1
 *   GridSample   the image there, of the pixels around: 1 (nearest), 2 x 2 (linear) or 4 x 4 (cubic, Keys with a = -0.75)
 *   Col2Im       blocks put back where they were cut out, overlaps summed: a transposed convolution by ones
 * Source: onnx.ai, AffineGrid-20, GridSample-22, Col2Im-18. */
#include <stdio.h>
#include <string.h>

#include "onnx/composites.h"

void ln_onnx_body_affine_grid(ln_onnx_body *body)
{
    ln_onnx_say(body, "places = lunette.AffineBase{align_corners=%lld}(i1)",
                (long long)ln_onnx_body_int(body, "align_corners", 0));
    ln_onnx_say(body, "flat = MatMul(places, Transpose{perm=[0, 2, 1]}(i0))");
    ln_onnx_say(body, "o0 = Reshape(flat, Concat{axis=0}([0], Slice(i1, [2], [9], [0]), [-1]))");
}

/* ---------------------------------------------------------------- GridSample */

/* The size of an axis as a number, and the coordinate of the grid on it, in pixels. */
static void say_axis(ln_onnx_body *body, char axis, int at, int column, bool corners)
{
    ln_onnx_say(body, "count_%c = Squeeze(Shape{start=%d, end=%d}(i0))", axis, at, at + 1);
    ln_onnx_say(body, "size_%c = Cast{to=1}(count_%c)", axis, axis);
    ln_onnx_say(body, "g_%c = Reshape(Slice(i1, [%d], [%d], [3]), [0, 1, -1])", axis, column,
                column + 1);
    if (corners)
        ln_onnx_say(body, "p_%c = Mul(Add(g_%c, 1.0), Mul(Sub(size_%c, 1.0), 0.5))", axis, axis,
                    axis);
    else
        ln_onnx_say(body, "p_%c = Mul(Sub(Mul(Add(g_%c, 1.0), size_%c), 1.0), 0.5)", axis, axis,
                    axis);
}

/* `to` = the coordinate (or pixel) `from` thrown back at the edges: low, and high = span above it. */
static void say_reflected(ln_onnx_body *body, char axis, const char *from, const char *to,
                          bool corners)
{
    ln_onnx_say(body, "low_%s = Identity(%s)", to, corners ? "0.0" : "-0.5");
    ln_onnx_say(body, "span_%s = %s(size_%c%s", to, corners ? "Sub" : "Identity", axis,
                corners ? ", 1.0)" : ")");
    ln_onnx_say(body, "off_%s = Mod{fmod=1}(Abs(Sub(%s, low_%s)), Mul(span_%s, 2.0))", to, from, to,
                to);
    ln_onnx_say(body, "back_%s = Sub(Mul(span_%s, 2.0), off_%s)", to, to, to);
    ln_onnx_say(body, "%s = Add(Min(off_%s, back_%s), low_%s)", to, to, to, to);
}

typedef enum padding { PAD_ZEROS, PAD_BORDER, PAD_REFLECTION } padding;

/* index_K_axis and seen_K_axis of pixel K (-1 ... 2) beside the coordinate: start_axis + K. */
static void say_pixel(ln_onnx_body *body, char axis, int k, padding how, bool cubic, bool corners)
{
    char name[24];
    snprintf(name, sizeof name, "at_%d_%c", k + 1, axis);
    ln_onnx_say(body, "%s = Add(start_%c, %d.0)", name, axis, k);
    if (how == PAD_REFLECTION && cubic) {
        char back[32];
        snprintf(back, sizeof back, "turned_%d_%c", k + 1, axis);
        say_reflected(body, axis, name, back, corners);
        memcpy(name, back, sizeof name);
    }
    ln_onnx_say(body, "near_%d_%c = Min(Max(%s, 0.0), Sub(size_%c, 1.0))", k + 1, axis, name, axis);
    ln_onnx_say(body, "index_%d_%c = Cast{to=7}(Round(near_%d_%c))", k + 1, axis, k + 1, axis);
    if (how == PAD_ZEROS)
        ln_onnx_say(body, "seen_%d_%c = Cast{to=1}(Equal(near_%d_%c, %s))", k + 1, axis, k + 1,
                    axis, name);
}

/* weight_K_axis: how much of pixel K there is. t is the coordinate's way from pixel 0 to pixel 1. */
static void say_weights(ln_onnx_body *body, char axis, int first, int last)
{
    const char c = axis;
    ln_onnx_say(body, "t_%c = Sub(q_%c, start_%c)", c, c, c);
    if (first == 0 && last == 1) {
        ln_onnx_say(body, "weight_1_%c = Sub(1.0, t_%c)", c, c);
        ln_onnx_say(body, "weight_2_%c = Identity(t_%c)", c, c);
        return;
    }
    ln_onnx_say(body, "u_%c = Sub(1.0, t_%c)", c, c); /* cubic: a = -0.75 */
    for (int side = 0; side < 2; side++) {
        const char of = side ? 'u' : 't'; /* of the two pixels on this side */
        const int inner = side ? 2 : 1, outer = side ? 3 : 0;
        ln_onnx_say(body,
                    "weight_%d_%c = Add(Mul(Mul(Sub(Mul(%c_%c, 1.25), 2.25), %c_%c), %c_%c), 1.0)",
                    inner, c, of, c, of, c, of, c);
        ln_onnx_say(body, "far_%d_%c = Add(%c_%c, 1.0)", outer, c, of, c);
        ln_onnx_say(
            body,
            "weight_%d_%c = Add(Mul(Sub(Mul(Add(Mul(far_%d_%c, -0.75), 3.75), far_%d_%c), 6.0), "
            "far_%d_%c), 3.0)",
            outer, c, outer, c, outer, c, outer, c);
    }
}

void ln_onnx_body_grid_sample(ln_onnx_body *body)
{
    const bool corners = ln_onnx_body_int(body, "align_corners", 0) != 0;
    const bool nearest = ln_onnx_body_text(body, "mode", "nearest", "linear");
    const bool cubic = ln_onnx_body_text(body, "mode", "cubic", "linear") ||
                       ln_onnx_body_text(body, "mode", "bicubic", "linear");
    const bool linear = ln_onnx_body_text(body, "mode", "linear", "linear") ||
                        ln_onnx_body_text(body, "mode", "bilinear", "linear");
    const padding how = ln_onnx_body_text(body, "padding_mode", "zeros", "zeros") ? PAD_ZEROS
                        : ln_onnx_body_text(body, "padding_mode", "border", "zeros")
                            ? PAD_BORDER
                            : PAD_REFLECTION;
    const int first = cubic ? -1 : 0, last = cubic ? 2 : linear ? 1 : 0;
    body->refused = !nearest && !cubic && !linear;
    ln_onnx_say(body, "pixels = Reshape(lunette.GridSampleInput(i0), [0, 0, -1])");
    for (int i = 0; i < 2; i++) {
        const char axis = i ? 'x' : 'y';
        char p[8], q[8];
        snprintf(p, sizeof p, "p_%c", axis);
        snprintf(q, sizeof q, "q_%c", axis);
        say_axis(body, axis, 2 + i, 1 - i, corners);
        if (how == PAD_REFLECTION && !cubic)
            say_reflected(body, axis, p, q, corners);
        else if (how == PAD_BORDER && !cubic)
            ln_onnx_say(body, "%s = Min(Max(%s, 0.0), Sub(size_%c, 1.0))", q, p, axis);
        else
            ln_onnx_say(body, "%s = Identity(%s)", q, p);
        ln_onnx_say(body, "start_%c = %s(%s)", axis, nearest ? "Round" : "Floor", q);
        for (int k = first; k <= last; k++)
            say_pixel(body, axis, k, how, cubic, corners);
        if (!nearest)
            say_weights(body, axis, first, last);
    }
    ln_onnx_say(body, "channels = Concat{axis=0}([1], Shape{start=1, end=2}(i0), [1])");
    int terms = 0;
    for (int y = first + 1; y <= last + 1; y++)
        for (int x = first + 1; x <= last + 1; x++, terms++) {
            ln_onnx_say(body, "place_%d = Add(Mul(index_%d_y, count_x), index_%d_x)", terms, y, x);
            ln_onnx_say(body,
                        "found_%d = GatherElements{axis=2}(pixels, Expand(place_%d, channels))",
                        terms, terms);
            ln_onnx_say(body, "part_%d_0 = Identity(found_%d)", terms, terms);
            int factors = 0;
            if (!nearest) {
                ln_onnx_say(body, "part_%d_1 = Mul(part_%d_0, Mul(weight_%d_y, weight_%d_x))",
                            terms, terms, y, x);
                factors = 1;
            }
            if (how == PAD_ZEROS) {
                ln_onnx_say(body, "part_%d_%d = Mul(part_%d_%d, Mul(seen_%d_y, seen_%d_x))", terms,
                            factors + 1, terms, factors, y, x);
                factors++;
            }
            if (terms == 0)
                ln_onnx_say(body, "sum_0 = Identity(part_0_%d)", factors);
            else
                ln_onnx_say(body, "sum_%d = Add(sum_%d, part_%d_%d)", terms, terms - 1, terms,
                            factors);
        }
    ln_onnx_say(body, "o0 = Reshape(sum_%d, Concat{axis=0}([0, 0], Shape{start=1, end=3}(i1)))",
                terms - 1);
}

/* ---------------------------------------------------------------- Col2Im */

/* A list as text, or what stands for it where the attribute is absent. */
static const char *list_text(const int64_t *values, int count, const char *absent, char text[96])
{
    int length = snprintf(text, 96, "[");
    for (int i = 0; i < count; i++)
        length += snprintf(text + length, 96 - (size_t)length, "%s%lld", i ? ", " : "",
                           (long long)values[i]);
    snprintf(text + length, 96 - (size_t)length, "]");
    return count ? text : absent;
}

void ln_onnx_body_col2im(ln_onnx_body *body)
{
    int64_t strides[8], dilations[8], pads[8], both[8];
    char stride[96], dilation[96], pad[96], sums[96];
    const int stride_count = ln_onnx_body_ints(body, "strides", strides);
    const int dilation_count = ln_onnx_body_ints(body, "dilations", dilations);
    const int pad_count = ln_onnx_body_ints(body, "pads", pads);
    for (int i = 0; i < pad_count / 2; i++)
        both[i] = pads[i] + pads[i + pad_count / 2];
    for (int i = 0; i < 8; i++) /* such numbers do not make a text too long */
        body->refused = body->refused || (i < stride_count && strides[i] >> 20) ||
                        (i < dilation_count && dilations[i] >> 20) ||
                        (i < pad_count && pads[i] >> 20);
    if (body->refused)
        return;
    const char *every = list_text(strides, stride_count, "1", stride);
    const char *apart = list_text(dilations, dilation_count, "1", dilation);
    ln_onnx_say(body, "around = Add(i1, %s)", list_text(both, pad_count / 2, "0", sums));
    ln_onnx_say(body, "reach = Mul(Sub(i2, 1), %s)", apart);
    ln_onnx_say(body, "blocks = Add(Div(Sub(Sub(around, reach), 1), %s), 1)", every);
    ln_onnx_say(body, "grid = Reshape(i0, Concat{axis=0}([0, 0], blocks))");
    char attributes[320] = "";
    int length = 0;
    if (stride_count)
        length += snprintf(attributes + length, sizeof attributes - (size_t)length, "%sstrides=%s",
                           length ? ", " : "", every);
    if (dilation_count)
        length += snprintf(attributes + length, sizeof attributes - (size_t)length,
                           "%sdilations=%s", length ? ", " : "", apart);
    ln_onnx_say(body,
                length ? "all = ConvTranspose{%s}(grid, lunette.Col2ImKernel(i0, i2))"
                       : "all = ConvTranspose%s(grid, lunette.Col2ImKernel(i0, i2))",
                attributes);
    /* What the blocks reach of the image: without the padding before it, and no further than its end. */
    if (pad_count)
        ln_onnx_say(body, "before = Identity(%s)", list_text(pads, pad_count / 2, "0", pad));
    else
        ln_onnx_say(body, "before = Mul(i1, 0)");
    ln_onnx_say(body, "axes = Range(2, Add(Size(i1), 2), 1)");
    ln_onnx_say(body, "seen = Slice(all, before, Add(before, i1), axes)");
    ln_onnx_say(body, "rest = Sub(i1, Shape{start=2}(seen))");
    ln_onnx_say(body, "o0 = Pad(seen, Concat{axis=0}([0, 0], Mul(rest, 0), [0, 0], rest))");
}
