/* Canvas, colour maps, heat maps and the thinning of lines. Pixels are compared where no text is: a
 * font's outlines are its own business. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "draw/canvas.h"
#include "draw/colour.h"
#include "draw/decimate.h"
#include "draw/histogram.h"
#include "tensor/tensor.h"

/* ------------------------------------------------------------------------------------ canvas */

static ln_canvas *canvas_of(double width, double height, int scale, bool svg)
{
    ln_canvas *canvas = NULL;
    ln_error err = {0};
    assert_int_equal(ln_canvas_new(width, height, scale, svg, &canvas, &err), LN_OK);
    return canvas;
}

static const ln_pen red = {.fill = {1, 0, 0, 1}};
static const ln_pen blue = {.fill = {0, 0, 1, 1}};

static void a_canvas_is_white_and_shapes_cover_whole_pixels(void **state)
{
    (void)state;
    ln_canvas *canvas = canvas_of(8, 6, 2, false);
    ln_canvas_rectangle(canvas, 1, 2, 3, 1, &red);
    for (int y = 0; y < 12; y++)
        for (int x = 0; x < 16; x++) {
            const bool inside = x >= 2 && x < 8 && y >= 4 && y < 6;
            assert_int_equal(ln_canvas_pixel(canvas, x, y), inside ? 0xFF0000 : 0xFFFFFF);
        }
    ln_canvas_free(canvas);
}

static void lines_of_one_unit_are_sharp_between_units(void **state)
{
    (void)state;
    ln_canvas *canvas = canvas_of(6, 6, 2, false);
    const double points[] = {1, 3, 5, 3};
    const ln_pen pen = {.stroke = {0, 0, 0, 1}, .width = 1};
    ln_canvas_path(canvas, points, 2, false, &pen);
    for (int y = 0; y < 12; y++)
        assert_int_equal(ln_canvas_pixel(canvas, 6, y), y == 5 || y == 6 ? 0 : 0xFFFFFF);
    assert_int_equal(ln_canvas_pixel(canvas, 1, 5), 0xFFFFFF);
    assert_int_equal(ln_canvas_pixel(canvas, 10, 5), 0xFFFFFF);
    ln_canvas_free(canvas);
}

static void a_point_that_is_no_number_interrupts_a_line(void **state)
{
    (void)state;
    ln_canvas *canvas = canvas_of(9, 3, 1, false);
    const double points[] = {0, 1.5, 3, 1.5, 4, NAN, 6, 1.5, 9, 1.5};
    const ln_pen pen = {.stroke = {0, 0, 0, 1}, .width = 1};
    ln_canvas_path(canvas, points, 5, false, &pen);
    for (int x = 0; x < 9; x++)
        assert_int_equal(ln_canvas_pixel(canvas, x, 1), x < 3 || x >= 6 ? 0 : 0xFFFFFF);
    ln_canvas_free(canvas);
}

static void nothing_is_drawn_outside_the_clip(void **state)
{
    (void)state;
    ln_canvas *canvas = canvas_of(6, 6, 1, false);
    const double triangle[] = {-10, -10, 20, -10, -10, 20};
    ln_canvas_clip(canvas, 1, 1, 2, 2);
    ln_canvas_path(canvas, triangle, 3, true, &red);
    ln_canvas_unclip(canvas);
    assert_int_equal(ln_canvas_pixel(canvas, 1, 1), 0xFF0000);
    assert_int_equal(ln_canvas_pixel(canvas, 0, 0), 0xFFFFFF);
    assert_int_equal(ln_canvas_pixel(canvas, 3, 1), 0xFFFFFF);
    ln_canvas_rectangle(canvas, 4, 4, 1, 1, &blue);
    assert_int_equal(ln_canvas_pixel(canvas, 4, 4), 0x0000FF);
    ln_canvas_free(canvas);
}

static void circles_stand_at_their_points(void **state)
{
    (void)state;
    ln_canvas *canvas = canvas_of(12, 6, 1, false);
    const double points[] = {3, 3, NAN, 3, 9, 3};
    ln_canvas_circles(canvas, points, 3, 2, &blue);
    assert_int_equal(ln_canvas_pixel(canvas, 3, 3), 0x0000FF);
    assert_int_equal(ln_canvas_pixel(canvas, 9, 3), 0x0000FF);
    assert_int_equal(ln_canvas_pixel(canvas, 6, 3), 0xFFFFFF);
    ln_canvas_free(canvas);
}

/* Few cells are rectangles, many an image; both put each cell where it belongs. */
static void cells_fill_their_box(void **state)
{
    (void)state;
    ln_error err = {0};
    const uint8_t four[] = {255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 9, 9, 9, 255};
    ln_canvas *canvas = canvas_of(8, 6, 1, false);
    assert_int_equal(ln_canvas_cells(canvas, four, 2, 2, 1, 1, 6, 4, &err), LN_OK);
    assert_int_equal(ln_canvas_pixel(canvas, 1, 1), 0xFF0000);
    assert_int_equal(ln_canvas_pixel(canvas, 3, 2), 0xFF0000);
    assert_int_equal(ln_canvas_pixel(canvas, 4, 2), 0x00FF00);
    assert_int_equal(ln_canvas_pixel(canvas, 3, 3), 0x0000FF);
    assert_int_equal(ln_canvas_pixel(canvas, 6, 4), 0x090909);
    assert_int_equal(ln_canvas_pixel(canvas, 0, 0), 0xFFFFFF);
    assert_int_equal(ln_canvas_pixel(canvas, 7, 5), 0xFFFFFF);
    ln_canvas_free(canvas);

    enum { SIDE = 80 };
    uint8_t *many = calloc(SIDE * SIDE, 4);
    for (int i = 0; i < SIDE * SIDE; i++) {
        many[4 * i] = (uint8_t)(i % SIDE);
        many[4 * i + 1] = (uint8_t)(i / SIDE);
    }
    canvas = canvas_of(SIDE, SIDE, 2, true);
    assert_int_equal(ln_canvas_cells(canvas, many, SIDE, SIDE, 0, 0, SIDE, SIDE, &err), LN_OK);
    free(many);
    for (int y = 0; y < 2 * SIDE; y++)
        for (int x = 0; x < 2 * SIDE; x++)
            assert_int_equal(ln_canvas_pixel(canvas, x, y), (x / 2) << 16 | (y / 2) << 8);
    ln_text svg = {0};
    assert_int_equal(ln_canvas_svg(canvas, &svg, &err), LN_OK);
    assert_non_null(strstr(svg.data, "<image"));
    ln_text_free(&svg);
    ln_canvas_free(canvas);
}

static void draw_everything(ln_canvas *canvas)
{
    const double points[] = {1, 1, 20, 30, 40, 2};
    const ln_pen pen = {.stroke = {0, 0, 0, 1}, .width = 2, .dash = {3, 2}};
    const ln_type type = {.size = 12, .colour = {0, 0, 0, 1}, .turn = 30, .most = 40};
    ln_canvas_rectangle(canvas, 1, 2, 3, 4, &red);
    ln_canvas_path(canvas, points, 3, false, &pen);
    ln_canvas_circles(canvas, points, 3, 2, &blue);
    ln_canvas_text(canvas, 10, 10, "integrated_gradients \xCF\x80", &type);
}

/* The same calls give the same files, both kinds: nothing in them holds a time. */
static void files_are_whole_and_repeatable(void **state)
{
    (void)state;
    ln_text files[2][2] = {{{0}}};
    static const uint8_t many[70 * 70 * 4];
    ln_error err = {0};
    for (int i = 0; i < 2; i++) {
        ln_canvas *canvas = canvas_of(60, 40, 2, true);
        draw_everything(canvas);
        assert_int_equal(ln_canvas_cells(canvas, many, 70, 70, 0, 0, 30, 30, &err), LN_OK);
        assert_int_equal(ln_canvas_png(canvas, &files[i][0], &err), LN_OK);
        assert_int_equal(ln_canvas_svg(canvas, &files[i][1], &err), LN_OK);
        ln_canvas_free(canvas);
    }
    static const unsigned char head[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n', 0, 0, 0, 13,
                                         'I',  'H', 'D', 'R', 0,    0,    0,    120,  0, 0, 0, 80};
    assert_true(files[0][0].length > sizeof head);
    assert_memory_equal(files[0][0].data, head, sizeof head);
    assert_memory_equal(files[0][0].data + files[0][0].length - 8, "IEND\xAE\x42\x60\x82", 8);
    assert_non_null(strstr(files[0][1].data, "width=\"60px\" height=\"40px\""));
    assert_string_equal(files[0][1].data + files[0][1].length - 7, "</svg>\n");
    for (int kind = 0; kind < 2; kind++) {
        assert_int_equal(files[0][kind].length, files[1][kind].length);
        assert_memory_equal(files[0][kind].data, files[1][kind].data, files[0][kind].length);
        ln_text_free(&files[0][kind]);
        ln_text_free(&files[1][kind]);
    }
}

static void text_is_measured_cut_and_drawn_dark(void **state)
{
    (void)state;
    ln_canvas *canvas = canvas_of(200, 30, 1, false);
    double wide, high, cut, twice;
    ln_type type = {.size = 12, .colour = {0, 0, 0, 1}};
    ln_canvas_measure(canvas, "integrated_gradients", &type, &wide, &high);
    assert_true(wide > 80 && wide < 200 && high > 10 && high < 20);
    type.most = 60;
    ln_canvas_measure(canvas, "integrated_gradients", &type, &cut, &high);
    assert_true(cut <= 60 && cut > 30);
    type.most = 0;
    type.size = 24;
    ln_canvas_measure(canvas, "integrated_gradients", &type, &twice, &high);
    assert_true(fabs(twice - 2 * wide) < 0.02 * wide);
    type.size = 12;
    ln_canvas_text(canvas, 0, 0, "integrated_gradients", &type);
    int dark = 0;
    for (int x = 0; x < 200; x++)
        for (int y = 0; y < 30; y++) {
            dark += ln_canvas_pixel(canvas, x, y) < 0x808080;
            if (x > wide + 1)
                assert_int_equal(ln_canvas_pixel(canvas, x, y), 0xFFFFFF);
        }
    assert_true(dark > 100);
    ln_canvas_free(canvas);
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    const double sides[][2] = {{0, 10}, {10, NAN}, {LN_CANVAS_MOST, 10}, {-3, 3}};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        ln_canvas *canvas = NULL;
        ln_error err = {0};
        assert_int_equal(ln_canvas_new(sides[i][0], sides[i][1], 2, true, &canvas, &err),
                         LN_EINVALID);
        assert_null(canvas);
    }
    ln_canvas *canvas = canvas_of(4, 4, 1, false);
    ln_text svg = {0};
    ln_error err = {0};
    assert_int_equal(ln_canvas_svg(canvas, &svg, &err), LN_EINVALID);
    ln_canvas_free(canvas);
}

static ln_status use_a_canvas(void *unused, ln_error *err)
{
    (void)unused;
    ln_canvas *canvas = NULL;
    ln_text png = {0}, svg = {0};
    static const uint8_t many[70 * 70 * 4];
    ln_status status = ln_canvas_new(60, 40, 1, true, &canvas, err);
    if (status == LN_OK) {
        draw_everything(canvas);
        status = ln_canvas_cells(canvas, many, 70, 70, 0, 0, 30, 30, err);
    }
    if (status == LN_OK)
        status = ln_canvas_png(canvas, &png, err);
    if (status == LN_OK)
        status = ln_canvas_svg(canvas, &svg, err);
    ln_text_free(&png);
    ln_text_free(&svg);
    ln_canvas_free(canvas);
    return status;
}

static void a_canvas_survives_failing_allocations(void **state)
{
    (void)state;
    sweep_allocation_failures(use_a_canvas, NULL);
}

/* ------------------------------------------------------------------------------- colour maps */

/* L* of an sRGB colour, by the definitions and not by the code under test. */
static double lightness(const uint8_t rgb[3])
{
    static const double weight[3] = {0.2126729, 0.7151522, 0.0721750};
    double y = 0;
    for (int k = 0; k < 3; k++) {
        const double v = rgb[k] / 255.0;
        y += weight[k] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return y > 216.0 / 24389.0 ? 116.0 * cbrt(y) - 16.0 : y * 24389.0 / 27.0;
}

static void zero_is_white_and_size_is_darkness(void **state)
{
    (void)state;
    const ln_colour_map maps[] = {LN_COLOUR_SIGNED, LN_COLOUR_SIGNED, LN_COLOUR_ABSOLUTE};
    const double signs[] = {1, -1, 1}, darkest[] = {32, 32, 16};
    for (int m = 0; m < 3; m++) {
        uint8_t rgb[3];
        ln_colour_of(maps[m], 0.0, rgb);
        assert_true(rgb[0] == 255 && rgb[1] == 255 && rgb[2] == 255);
        double before = 100;
        for (int i = 1; i <= 100; i++) {
            ln_colour_of(maps[m], signs[m] * i / 100.0, rgb);
            const double now = lightness(rgb);
            assert_true(now < before);
            /* Where the path leaves sRGB a channel is cut, which costs little of the lightness. */
            assert_true(fabs(now - (100 - (100 - darkest[m]) * i / 100.0)) < 2.5);
            before = now;
        }
    }
}

static void signs_are_equally_dark_and_never_alike(void **state)
{
    (void)state;
    for (int i = 5; i <= 100; i++) {
        uint8_t plus[3], minus[3];
        ln_colour_of(LN_COLOUR_SIGNED, i / 100.0, plus);
        ln_colour_of(LN_COLOUR_SIGNED, -i / 100.0, minus);
        assert_true(fabs(lightness(plus) - lightness(minus)) < 2.5);
        /* Red against blue, which all kinds of colour vision tell apart. */
        assert_true(plus[0] > plus[2] && minus[2] > minus[0]);
        assert_true(plus[0] - plus[2] + minus[2] - minus[0] > i);
    }
}

static void what_lies_outside_the_range_is_cut_and_nan_is_grey(void **state)
{
    (void)state;
    uint8_t far[3], end[3];
    ln_colour_of(LN_COLOUR_SIGNED, -7, far);
    ln_colour_of(LN_COLOUR_SIGNED, -1, end);
    assert_memory_equal(far, end, 3);
    ln_colour_of(LN_COLOUR_ABSOLUTE, INFINITY, far);
    ln_colour_of(LN_COLOUR_ABSOLUTE, 1, end);
    assert_memory_equal(far, end, 3);
    ln_colour_of(LN_COLOUR_ABSOLUTE, -3, far); /* a size, whatever the sign */
    assert_memory_equal(far, end, 3);
    ln_colour_of(LN_COLOUR_ABSOLUTE, -0.5, far);
    ln_colour_of(LN_COLOUR_ABSOLUTE, 0.5, end);
    assert_memory_equal(far, end, 3);
    ln_colour_of(LN_COLOUR_SIGNED, NAN, far);
    assert_true(far[0] == LN_COLOUR_NAN && far[1] == LN_COLOUR_NAN && far[2] == LN_COLOUR_NAN);
}

/* --------------------------------------------------------------------------------- heat maps */

static ln_tensor *tensor_of(int rank, const int64_t *dims, const float *data)
{
    const ln_shape shape = ln_shape_of(rank, dims);
    ln_tensor *tensor = NULL;
    assert_int_equal(ln_tensor_copy_of(LN_F32, &shape, data, &tensor, NULL), LN_OK);
    return tensor;
}

static void assert_colour(const uint8_t *pixel, ln_colour_map map, double t)
{
    uint8_t rgb[3];
    ln_colour_of(map, t, rgb);
    assert_memory_equal(pixel, rgb, 3);
    assert_int_equal(pixel[3], 255);
}

static void numbers_are_counted_where_they_lie(void **state)
{
    (void)state;
    const float data[] = {-2, -1.01F, -1, 0, 0.99F, 1, 2, NAN, 2.5F, -INFINITY};
    ln_tensor *values = tensor_of(1, (int64_t[]){10}, data);
    int64_t counts[5];
    ln_histogram_of(values, 2, 4, counts);
    assert_memory_equal(counts, ((int64_t[]){2, 1, 2, 2}), 4 * sizeof *counts);
    ln_histogram_of(values, 0, 5, counts);
    assert_memory_equal(counts, ((int64_t[]){0, 0, 1, 0, 0}), 5 * sizeof *counts);
    ln_tensor_release(values);
}

static void channels_are_summed(void **state)
{
    (void)state;
    const float data[] = {1, -2, 0, NAN, 1, -2, 0, 3};
    ln_tensor *values = tensor_of(3, (int64_t[]){2, 2, 2}, data);
    uint8_t rgba[16];
    const ln_heat heat = {.values = values, .limit = 4, .map = LN_COLOUR_SIGNED};
    assert_int_equal(ln_heat_pixels(&heat, rgba, NULL), LN_OK);
    assert_colour(rgba, LN_COLOUR_SIGNED, 0.5);
    assert_colour(rgba + 4, LN_COLOUR_SIGNED, -1);
    assert_colour(rgba + 8, LN_COLOUR_SIGNED, 0);
    assert_colour(rgba + 12, LN_COLOUR_SIGNED, NAN);
    ln_heat_range range;
    assert_int_equal(ln_heat_range_of(values, true, &range, NULL), LN_OK);
    assert_true(range.low == -4 && range.high == 2 && range.most == 4 && range.nan_count == 1);
    assert_int_equal(ln_heat_range_of(values, false, &range, NULL), LN_OK);
    assert_true(range.low == -2 && range.high == 3 && range.most == 3 && range.nan_count == 1);
    ln_tensor_release(values);
}

static void a_map_of_zeros_is_white(void **state)
{
    (void)state;
    const float data[6] = {0};
    ln_tensor *values = tensor_of(2, (int64_t[]){2, 3}, data);
    uint8_t rgba[24];
    const ln_heat heat = {.values = values, .limit = 0, .map = LN_COLOUR_ABSOLUTE};
    assert_int_equal(ln_heat_pixels(&heat, rgba, NULL), LN_OK);
    for (int i = 0; i < 24; i++)
        assert_int_equal(rgba[i], 255);
    ln_tensor_release(values);
}

static void an_overlay_shows_the_image_where_nothing_counts(void **state)
{
    (void)state;
    const float image[] = {0, 1, 0, 1}, data[] = {0, 0, 1, NAN};
    ln_tensor *beneath = tensor_of(3, (int64_t[]){1, 2, 2}, image);
    ln_tensor *values = tensor_of(2, (int64_t[]){2, 2}, data);
    uint8_t rgba[16], strong[3];
    ln_heat heat = {.values = values, .limit = 1, .overlay = beneath, .low = 0, .high = 1};
    assert_int_equal(ln_heat_pixels(&heat, rgba, NULL), LN_OK);
    assert_true(rgba[0] == 150 && rgba[1] == 150 && rgba[2] == 150);
    assert_true(rgba[4] == 247 && rgba[5] == 247 && rgba[6] == 247);
    ln_colour_of(LN_COLOUR_SIGNED, 1, strong);
    for (int k = 0; k < 3; k++)
        assert_int_equal(rgba[8 + k], lround(0.9 * strong[k] + 0.1 * 150));
    assert_colour(rgba + 12, LN_COLOUR_SIGNED, NAN);
    ln_tensor *small = tensor_of(2, (int64_t[]){1, 4}, image);
    heat.overlay = small;
    assert_int_equal(ln_heat_pixels(&heat, rgba, NULL), LN_EINVALID);
    ln_tensor_release(small);
    ln_tensor_release(values);
    ln_tensor_release(beneath);
}

static void images_are_grey_or_have_their_colours(void **state)
{
    (void)state;
    const float data[] = {-1, 1, 0, 0, 1, 1};
    uint8_t rgba[8];
    ln_tensor *colours = tensor_of(3, (int64_t[]){3, 1, 2}, data);
    assert_int_equal(ln_image_pixels(colours, -1, 1, rgba, NULL), LN_OK);
    assert_true(rgba[0] == 0 && rgba[1] == 128 && rgba[2] == 255);
    assert_true(rgba[4] == 255 && rgba[5] == 128 && rgba[6] == 255);
    ln_tensor *two = tensor_of(3, (int64_t[]){2, 1, 2}, data);
    assert_int_equal(ln_image_pixels(two, -1, 1, rgba, NULL), LN_OK);
    assert_true(rgba[0] == 64 && rgba[1] == 64 && rgba[2] == 64);
    assert_true(rgba[4] == 191 && rgba[5] == 191 && rgba[6] == 191);
    ln_tensor *line = tensor_of(1, (int64_t[]){6}, data);
    assert_int_equal(ln_image_pixels(line, -1, 1, rgba, NULL), LN_EINVALID);
    ln_tensor_release(line);
    ln_tensor_release(two);
    ln_tensor_release(colours);
}

/* ----------------------------------------------------------------------------------- thinning */

static void few_points_are_all_kept(void **state)
{
    (void)state;
    double points[] = {0, 1, 1, 0, 2, 1, 2.1, NAN, 3, 0};
    double copy[sizeof points / sizeof *points];
    memcpy(copy, points, sizeof points);
    assert_int_equal(ln_decimate(points, 5, 0.25), 5);
    assert_same_bits(points, copy, sizeof points);
    assert_int_equal(ln_decimate(points, 0, 0.25), 0);
}

/* 100,000 points on 400 pixels: far fewer are left, and the picture has the same pixels. */
static void many_points_look_the_same_when_thinned(void **state)
{
    (void)state;
    enum { POINTS = 100000, WIDE = 200, HIGH = 50 };
    double *points = malloc(2 * POINTS * sizeof *points);
    const ln_pen pen = {.stroke = {0, 0, 0, 1}, .width = 1};
    ln_canvas *whole = canvas_of(WIDE, HIGH, 2, false), *thin = canvas_of(WIDE, HIGH, 2, false);
    for (int i = 0; i < POINTS; i++) {
        points[2 * i] = (double)WIDE * i / POINTS;
        points[2 * i + 1] = HIGH / 2.0 + 20 * sin(i / 3000.0) + (i % 7 == 0 ? 2 : 0);
    }
    ln_canvas_path(whole, points, POINTS, false, &pen);
    const int64_t kept = ln_decimate(points, POINTS, 0.1);
    assert_true(kept <= 4 * 10 * WIDE && kept >= 2 * WIDE);
    ln_canvas_path(thin, points, kept, false, &pen);
    int different = 0;
    for (int y = 0; y < 2 * HIGH; y++)
        for (int x = 2; x < 2 * WIDE - 2; x++) { /* but for the two ends */
            const int a = ln_canvas_pixel(whole, x, y) & 255, b = ln_canvas_pixel(thin, x, y) & 255;
            different += abs(a - b) > 16;
        }
    assert_int_equal(different, 0);
    ln_canvas_free(whole);
    ln_canvas_free(thin);
    free(points);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_canvas_is_white_and_shapes_cover_whole_pixels),
        cmocka_unit_test(lines_of_one_unit_are_sharp_between_units),
        cmocka_unit_test(a_point_that_is_no_number_interrupts_a_line),
        cmocka_unit_test(nothing_is_drawn_outside_the_clip),
        cmocka_unit_test(circles_stand_at_their_points),
        cmocka_unit_test(cells_fill_their_box),
        cmocka_unit_test(files_are_whole_and_repeatable),
        cmocka_unit_test(text_is_measured_cut_and_drawn_dark),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(a_canvas_survives_failing_allocations),
        cmocka_unit_test(zero_is_white_and_size_is_darkness),
        cmocka_unit_test(signs_are_equally_dark_and_never_alike),
        cmocka_unit_test(what_lies_outside_the_range_is_cut_and_nan_is_grey),
        cmocka_unit_test(numbers_are_counted_where_they_lie),
        cmocka_unit_test(channels_are_summed),
        cmocka_unit_test(a_map_of_zeros_is_white),
        cmocka_unit_test(an_overlay_shows_the_image_where_nothing_counts),
        cmocka_unit_test(images_are_grey_or_have_their_colours),
        cmocka_unit_test(few_points_are_all_kept),
        cmocka_unit_test(many_points_look_the_same_when_thinned),
    };
    return cmocka_run_group_tests_name("draw", tests, NULL, NULL);
}
