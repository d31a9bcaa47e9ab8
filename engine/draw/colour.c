#include "draw/colour.h"

#include <math.h>

#include "base/error.h"

/* ----------------------------------------------------------------------------------- colour maps */

static double cube_back(double t)
{
    return t > 6.0 / 29.0 ? t * t * t : 3.0 * (6.0 / 29.0) * (6.0 / 29.0) * (t - 4.0 / 29.0);
}

static uint8_t byte_of(double linear)
{
    const double v = linear <= 0.0         ? 0.0
                     : linear <= 0.0031308 ? 12.92 * linear
                                           : 1.055 * pow(linear, 1 / 2.4) - 0.055;
    return (uint8_t)lround(255.0 * fmin(v, 1.0));
}

/* L*, chroma and hue in degrees, white point D65, to sRGB. */
static void from_lch(double lightness, double chroma, double hue, uint8_t rgb[3])
{
    const double turn = hue * acos(-1.0) / 180.0;
    const double fy = (lightness + 16.0) / 116.0;
    const double x = 0.95047 * cube_back(fy + chroma * cos(turn) / 500.0);
    const double y = cube_back(fy);
    const double z = 1.08883 * cube_back(fy - chroma * sin(turn) / 200.0);
    rgb[0] = byte_of(3.2404542 * x - 1.5371385 * y - 0.4985314 * z);
    rgb[1] = byte_of(-0.9692660 * x + 1.8760108 * y + 0.0415560 * z);
    rgb[2] = byte_of(0.0556434 * x - 0.2040259 * y + 1.0572252 * z);
}

void ln_colour_of(ln_colour_map map, double t, uint8_t rgb[3])
{
    if (t != t) {
        rgb[0] = rgb[1] = rgb[2] = LN_COLOUR_NAN;
        return;
    }
    const double size = fmin(fabs(t), 1.0);
    if (map == LN_COLOUR_ABSOLUTE) {
        from_lch(100.0 - 84.0 * size, 56.0 * sin(acos(-1.0) * 0.82 * pow(size, 0.8)),
                 85.0 - 135.0 * size, rgb);
    } else {
        const double rise = 1.0 - (1.0 - size) * (1.0 - size);
        from_lch(100.0 - 68.0 * size, (t > 0 ? 58.0 : 46.0) * rise,
                 t > 0 ? 33.0 : 260.0 + 28.0 * size, rgb);
    }
}

/* -------------------------------------------------------------------------------------- heat maps */

ln_status ln_heat_size(const ln_tensor *values, int64_t *channels, int64_t *rows, int64_t *columns,
                       ln_error *err)
{
    const ln_shape *shape = &values->shape;
    char text[128];
    if (values->dtype != LN_F32 || shape->rank < 2 || shape->rank > 3 || ln_shape_count(shape) < 1)
        return ln_fail(err, LN_EINVALID,
                       "a picture needs float32 numbers of shape (H, W) or (C, H, W), found %s",
                       ln_shape_text(shape, text, sizeof text));
    *channels = shape->rank == 3 ? shape->dims[0] : 1;
    *rows = shape->dims[shape->rank - 2];
    *columns = shape->dims[shape->rank - 1];
    return LN_OK;
}

static double sum_at(const ln_tensor *values, int64_t channels, int64_t area, int64_t at)
{
    double sum = 0;
    for (int64_t c = 0; c < channels; c++)
        sum += (double)ln_f32(values)[c * area + at];
    return sum;
}

ln_status ln_heat_range_of(const ln_tensor *values, bool summed, ln_heat_range *out, ln_error *err)
{
    int64_t channels = 0, rows = 0, columns = 0;
    ln_status status = ln_heat_size(values, &channels, &rows, &columns, err);
    if (status != LN_OK)
        return status;
    const int64_t area = summed ? rows * columns : channels * rows * columns;
    bool any = false;
    *out = (ln_heat_range){0};
    for (int64_t i = 0; i < area; i++) {
        const double value = sum_at(values, summed ? channels : 1, area, i);
        out->nan_count += value != value;
        if (!isfinite(value))
            continue;
        out->low = any ? fmin(out->low, value) : value;
        out->high = any ? fmax(out->high, value) : value;
        any = true;
    }
    out->most = fmax(fabs(out->low), fabs(out->high));
    return LN_OK;
}

static uint8_t grey_of(double value, double low, double high)
{
    const double t = high > low ? (value - low) / (high - low) : 0.0;
    return (uint8_t)lround(255.0 * fmin(fmax(t, 0.0), 1.0));
}

ln_status ln_image_pixels(const ln_tensor *image, double low, double high, uint8_t *rgba,
                          ln_error *err)
{
    int64_t channels = 0, rows = 0, columns = 0;
    ln_status status = ln_heat_size(image, &channels, &rows, &columns, err);
    if (status != LN_OK)
        return status;
    const int64_t area = rows * columns;
    for (int64_t i = 0; i < area; i++) {
        const double mean = sum_at(image, channels, area, i) / (double)channels;
        for (int k = 0; k < 3; k++)
            rgba[4 * i + k] = mean != mean ? LN_COLOUR_NAN
                              : channels == 3
                                  ? grey_of((double)ln_f32(image)[k * area + i], low, high)
                                  : grey_of(mean, low, high);
        rgba[4 * i + 3] = 255;
    }
    return LN_OK;
}

/* What lies beneath a map: luma (ITU-R BT.601) between a middle grey and near white. */
static double pale(const uint8_t *rgb)
{
    return 150.0 + 0.38 * (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]);
}

ln_status ln_heat_pixels(const ln_heat *heat, uint8_t *rgba, ln_error *err)
{
    int64_t channels = 0, rows = 0, columns = 0;
    ln_status status = ln_heat_size(heat->values, &channels, &rows, &columns, err);
    if (status == LN_OK && heat->overlay) {
        int64_t depth = 0, high = 0, wide = 0;
        status = ln_heat_size(heat->overlay, &depth, &high, &wide, err);
        if (status == LN_OK && (high != rows || wide != columns))
            status = ln_fail(err, LN_EINVALID,
                             "a map of %lld x %lld does not lie on an image of "
                             "%lld x %lld",
                             (long long)rows, (long long)columns, (long long)high, (long long)wide);
        if (status == LN_OK)
            status = ln_image_pixels(heat->overlay, heat->low, heat->high, rgba, err);
    }
    const int64_t area = rows * columns;
    for (int64_t i = 0; status == LN_OK && i < area; i++) {
        const double value = sum_at(heat->values, channels, area, i);
        const double t = heat->limit > 0 || value != value ? value / heat->limit : 0.0;
        const double share = heat->overlay && t == t ? 0.9 * sqrt(fmin(fabs(t), 1.0)) : 1.0;
        const double below = heat->overlay ? pale(rgba + 4 * i) : 0.0;
        uint8_t rgb[3];
        ln_colour_of(heat->map, t, rgb);
        for (int k = 0; k < 3; k++)
            rgba[4 * i + k] = (uint8_t)lround(share * rgb[k] + (1.0 - share) * below);
        rgba[4 * i + 3] = 255;
    }
    return status;
}
