/* DFT and STFT in other operators.
 *
 *   DFT    X[k] = sum over n of x[n] e^(-2 pi i n k / N), as products with cosines and sines; one side of it; inverse
 *   STFT   of the frames of a signal, each times a window
 * Source: onnx.ai, DFT-20, STFT-17. */
#include <stdio.h>

#include "onnx/composites.h"

/* re and im of `signal`, whose last axis has one number or two. */
static void say_parts(ln_onnx_body *body)
{
    ln_onnx_say(body,
                "both = Pad(signal, Concat{axis=0}([0], Sub([2], Shape{start=-1}(signal))), 0.0, "
                "[-1])");
    ln_onnx_say(body, "re = Squeeze(Slice(both, [0], [1], [-1]), [-1])");
    ln_onnx_say(body, "im = Squeeze(Slice(both, [1], [2], [-1]), [-1])");
}

/* `signal` = `whole` with `count` numbers along the axis: cut, or zeros behind it. */
static void say_length(ln_onnx_body *body, const char *count)
{
    ln_onnx_say(body, "cut = Slice(whole, [0], %s, [-2])", count);
    ln_onnx_say(body, "rest = Sub(%s, Shape{start=-2, end=-1}(cut))", count);
    ln_onnx_say(body, "signal = Pad(cut, Concat{axis=0}([0], rest), 0.0, [-2])");
}

/* Real numbers from the one side of their spectrum: the other side counts by doubling. */
static void say_real_inverse(ln_onnx_body *body, const char *swap)
{
    if (ln_onnx_body_has(body, 1)) {
        ln_onnx_say(body, "size = Reshape(Cast{to=7}(i1), [1])");
        ln_onnx_say(body, "count = Add(Div(size, [2]), [1])");
        say_length(body, "count");
    } else {
        ln_onnx_say(body, "count = Shape{start=-2, end=-1}(whole)");
        ln_onnx_say(body, "size = Mul(Sub(count, [1]), [2])");
        ln_onnx_say(body, "signal = Identity(whole)");
    }
    say_parts(body);
    ln_onnx_say(body, "k = Range(0, Squeeze(count), 1)");
    ln_onnx_say(body, "alone = Or(Equal(k, 0), Equal(Mul(k, 2), size))");
    ln_onnx_say(body, "times = Div(Where(alone, 1.0, 2.0), Cast{to=1}(size))");
    ln_onnx_say(body, "c = Transpose{perm=[1, 0]}(lunette.Turns{sine=0}(size, count))");
    ln_onnx_say(body, "s = Transpose{perm=[1, 0]}(lunette.Turns{sine=1}(size, count))");
    ln_onnx_say(body, "x = Sub(MatMul(Mul(re, times), c), MatMul(Mul(im, times), s))");
    ln_onnx_say(body, "o0 = lunette.SwapAxis(Unsqueeze(x, [-1]), %s)", swap);
}

void ln_onnx_body_dft(ln_onnx_body *body)
{
    const bool inverse = ln_onnx_body_int(body, "inverse", 0) != 0;
    const bool onesided = ln_onnx_body_int(body, "onesided", 0) != 0;
    const bool old = body->opset < 20; /* then the axis is an attribute */
    char swap[64];
    if (old)
        snprintf(swap, sizeof swap, "[%lld]", (long long)ln_onnx_body_int(body, "axis", 1));
    else
        snprintf(swap, sizeof swap, ln_onnx_body_has(body, 2) ? "i2" : "[-2]");
    ln_onnx_say(body, "whole = lunette.SwapAxis(i0, %s)", swap);
    if (inverse && onesided) {
        say_real_inverse(body, swap);
        return;
    }
    if (ln_onnx_body_has(body, 1)) {
        ln_onnx_say(body, "size = Reshape(Cast{to=7}(i1), [1])");
        say_length(body, "size");
    } else {
        ln_onnx_say(body, "size = Shape{start=-2, end=-1}(whole)");
        ln_onnx_say(body, "signal = Identity(whole)");
    }
    ln_onnx_say(body, "count = %s", onesided ? "Add(Div(size, [2]), [1])" : "Identity(size)");
    ln_onnx_say(body, "c = lunette.Turns{sine=0}(size, count)");
    ln_onnx_say(body, "s = lunette.Turns{sine=%d}(size, count)", inverse ? -1 : 1);
    say_parts(body);
    ln_onnx_say(body, "x = Add(MatMul(re, c), MatMul(im, s))");
    ln_onnx_say(body, "y = Sub(MatMul(im, c), MatMul(re, s))");
    ln_onnx_say(body, "pair = Concat{axis=-1}(Unsqueeze(x, [-1]), Unsqueeze(y, [-1]))");
    ln_onnx_say(body, "scaled = %s", inverse ? "Div(pair, Cast{to=1}(size))" : "Identity(pair)");
    ln_onnx_say(body, "o0 = lunette.SwapAxis(scaled, %s)", swap);
}

void ln_onnx_body_stft(ln_onnx_body *body)
{
    const long long onesided = ln_onnx_body_int(body, "onesided", 1);
    const bool window = ln_onnx_body_has(body, 2);
    body->refused = !window && !ln_onnx_body_has(body, 3);
    if (ln_onnx_body_has(body, 3))
        ln_onnx_say(body, "size = Reshape(Cast{to=7}(i3), [1])");
    else
        ln_onnx_say(body, "size = Shape(i2)");
    ln_onnx_say(body, "step = Reshape(Cast{to=7}(i1), [1])");
    ln_onnx_say(body, "count = Add(Div(Sub(Shape{start=1, end=2}(i0), size), step), [1])");
    ln_onnx_say(body, "first = Mul(Range(0, Squeeze(count), 1), step)");
    ln_onnx_say(body, "place = Add(Unsqueeze(first, [1]), Range(0, Squeeze(size), 1))");
    ln_onnx_say(body, "frame = Gather{axis=1}(i0, place)");
    if (window)
        ln_onnx_say(body, "seen = Mul(frame, Unsqueeze(i2, [1]))");
    else
        ln_onnx_say(body, "seen = Identity(frame)");
    if (body->opset < 20)
        ln_onnx_say(body, "o0 = DFT{axis=2, onesided=%lld}(seen)", onesided);
    else
        ln_onnx_say(body, "o0 = DFT{onesided=%lld}(seen, _, [2])", onesided);
}
