/* The canvas over Cairo: each call is made on the surfaces there are, an image and an SVG stream,
 * through one function that gets the context. Errors stay in Cairo's contexts and are told when a
 * file is asked for. */
#include "draw/canvas.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "draw/library.h"
#include "draw/svg.h"

enum { SURFACES = 2, IMAGE = 0, SVG = 1 };

struct ln_canvas {
    ln_draw_library api;                /* Cairo's and Pango's functions */
    uint32_t *pixels;                   /* of the image, 0x00RRGGBB; owned */
    int columns, rows;                  /* of the image, device pixels */
    cairo_surface_t *surface[SURFACES]; /* [SVG] is NULL where none was asked for */
    cairo_t *context[SURFACES];
    PangoFontMap *fonts; /* this canvas's own, so that nothing of it outlives the canvas */
    PangoLayout *layout[SURFACES];
    ln_text svg;   /* what the SVG surface has written so far */
    bool finished; /* the SVG is complete */
};

/* ------------------------------------------------------------------------------------ surfaces */

static cairo_status_t write_text(void *closure, const unsigned char *data, unsigned int length)
{
    ln_text *text = closure;
    ln_text_addn(text, (const char *)data, length);
    return text->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

static ln_status check(ln_canvas *c, cairo_status_t status, ln_error *err)
{
    if (status == CAIRO_STATUS_SUCCESS)
        return LN_OK;
    if (status == CAIRO_STATUS_NO_MEMORY)
        return ln_fail_memory(err, (size_t)c->columns * (size_t)c->rows * sizeof *c->pixels);
    return ln_fail(err, LN_EFAILED, "the picture cannot be drawn: %s",
                   c->api.cairo_status_to_string(status));
}

/* Text without hinting is set alike at every scale. */
static void make_layout(ln_canvas *c, int s)
{
    cairo_font_options_t *options = c->api.cairo_font_options_create();
    PangoContext *context = c->api.pango_font_map_create_context(c->fonts);
    c->api.pango_cairo_update_context(c->context[s], context);
    c->layout[s] = c->api.pango_layout_new(context);
    c->api.g_object_unref(context);
    c->api.cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    c->api.cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    c->api.cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    c->api.pango_cairo_context_set_font_options(c->api.pango_layout_get_context(c->layout[s]),
                                                options);
    c->api.cairo_font_options_destroy(options);
}

static ln_status make_surface(ln_canvas *c, int s, int scale, ln_error *err)
{
    c->context[s] = c->api.cairo_create(c->surface[s]);
    ln_status status = check(c, c->api.cairo_status(c->context[s]), err);
    if (status != LN_OK)
        return status;
    make_layout(c, s);
    c->api.cairo_scale(c->context[s], scale, scale);
    c->api.cairo_set_source_rgba(c->context[s], 1, 1, 1, 1);
    c->api.cairo_paint(c->context[s]);
    c->api.cairo_set_line_join(c->context[s], CAIRO_LINE_JOIN_ROUND);
    return LN_OK;
}

static ln_status make_surfaces(ln_canvas *c, double width, double height, int scale, bool svg,
                               ln_error *err)
{
    c->columns = (int)ceil(width * scale);
    c->rows = (int)ceil(height * scale);
    c->pixels = ln_calloc((size_t)c->columns * (size_t)c->rows, sizeof *c->pixels);
    if (!c->pixels)
        return ln_fail_memory(err, (size_t)c->columns * (size_t)c->rows * sizeof *c->pixels);
    c->surface[IMAGE] = c->api.cairo_image_surface_create_for_data(
        (unsigned char *)c->pixels, CAIRO_FORMAT_RGB24, c->columns, c->rows,
        c->columns * (int)sizeof *c->pixels);
    c->fonts = c->api.pango_cairo_font_map_new();
    ln_status status = make_surface(c, IMAGE, scale, err);
    if (status != LN_OK || !svg)
        return status;
    c->surface[SVG] =
        c->api.cairo_svg_surface_create_for_stream(write_text, &c->svg, width, height);
    c->api.cairo_svg_surface_set_document_unit(c->surface[SVG], CAIRO_SVG_UNIT_PX);
    return make_surface(c, SVG, 1, err);
}

ln_status ln_canvas_new(double width, double height, int scale, bool svg, ln_canvas **out,
                        ln_error *err)
{
    if (!(width >= 1) || !(height >= 1) || width * scale > LN_CANVAS_MOST ||
        height * scale > LN_CANVAS_MOST)
        return ln_fail(err, LN_EINVALID,
                       "a picture of %.0f x %.0f is not possible: a side has 1 to %d pixels", width,
                       height, LN_CANVAS_MOST / scale);
    ln_canvas *c = ln_calloc(1, sizeof *c);
    if (!c)
        return ln_fail_memory(err, sizeof *c);
    ln_status status = ln_draw_library_open(&c->api, err);
    if (status == LN_OK)
        status = make_surfaces(c, width, height, scale, svg, err);
    if (status != LN_OK) {
        ln_canvas_free(c);
        return status;
    }
    *out = c;
    return LN_OK;
}

void ln_canvas_free(ln_canvas *c)
{
    if (!c)
        return;
    for (int s = 0; s < SURFACES; s++) {
        if (c->layout[s])
            c->api.g_object_unref(c->layout[s]);
        if (c->context[s])
            c->api.cairo_destroy(c->context[s]);
        if (c->surface[s])
            c->api.cairo_surface_destroy(c->surface[s]);
    }
    if (c->fonts)
        c->api.g_object_unref(c->fonts);
    ln_text_free(&c->svg);
    ln_free(c->pixels);
    ln_free(c);
}

/* ------------------------------------------------------------------------------------- drawing */

static void set_colour(const ln_draw_library *api, cairo_t *cr, const ln_colour *colour)
{
    api->cairo_set_source_rgba(cr, colour->r, colour->g, colour->b, colour->a);
}

/* Fills and strokes the current path. */
static void apply(const ln_draw_library *api, cairo_t *cr, const ln_pen *pen)
{
    api->cairo_set_antialias(cr, pen->sharp ? CAIRO_ANTIALIAS_NONE : CAIRO_ANTIALIAS_DEFAULT);
    if (pen->fill.a > 0) {
        set_colour(api, cr, &pen->fill);
        api->cairo_fill_preserve(cr);
    }
    if (pen->stroke.a > 0 && pen->width > 0) {
        const bool dashed = pen->dash[0] > 0 && pen->dash[1] > 0;
        set_colour(api, cr, &pen->stroke);
        api->cairo_set_line_width(cr, pen->width);
        api->cairo_set_line_cap(cr, CAIRO_LINE_CAP_BUTT);
        api->cairo_set_dash(cr, pen->dash, dashed ? 2 : 0, 0);
        api->cairo_stroke(cr);
    }
    api->cairo_new_path(cr);
}

void ln_canvas_clip(ln_canvas *c, double x, double y, double width, double height)
{
    for (int s = 0; s < SURFACES && c->context[s]; s++) {
        c->api.cairo_rectangle(c->context[s], x, y, width, height);
        c->api.cairo_clip(c->context[s]);
    }
}

void ln_canvas_unclip(ln_canvas *c)
{
    for (int s = 0; s < SURFACES && c->context[s]; s++)
        c->api.cairo_reset_clip(c->context[s]);
}

void ln_canvas_rectangle(ln_canvas *c, double x, double y, double width, double height,
                         const ln_pen *pen)
{
    for (int s = 0; s < SURFACES && c->context[s]; s++) {
        c->api.cairo_rectangle(c->context[s], x, y, width, height);
        apply(&c->api, c->context[s], pen);
    }
}

void ln_canvas_path(ln_canvas *c, const double *points, int64_t count, bool closed,
                    const ln_pen *pen)
{
    for (int s = 0; s < SURFACES && c->context[s]; s++) {
        bool down = false;
        for (int64_t i = 0; i < count; i++) {
            const double x = points[2 * i], y = points[2 * i + 1];
            if (!isfinite(x) || !isfinite(y)) {
                down = false;
            } else if (down) {
                c->api.cairo_line_to(c->context[s], x, y);
            } else {
                c->api.cairo_move_to(c->context[s], x, y);
                down = true;
            }
        }
        if (closed)
            c->api.cairo_close_path(c->context[s]);
        apply(&c->api, c->context[s], pen);
    }
}

void ln_canvas_circles(ln_canvas *c, const double *points, int64_t count, double radius,
                       const ln_pen *pen)
{
    for (int s = 0; s < SURFACES && c->context[s]; s++)
        for (int64_t i = 0; i < count; i++) {
            if (!isfinite(points[2 * i]) || !isfinite(points[2 * i + 1]))
                continue;
            c->api.cairo_new_sub_path(c->context[s]);
            c->api.cairo_arc(c->context[s], points[2 * i], points[2 * i + 1], radius, 0,
                             2 * acos(-1.0));
            apply(&c->api, c->context[s], pen);
        }
}

static void draw_cells(ln_canvas *c, const uint8_t *rgba, int64_t rows, int64_t columns,
                       const double box[4])
{
    for (int64_t row = 0; row < rows; row++) {
        const uint8_t *line = rgba + row * columns * 4;
        const double top = box[1] + box[3] * (double)row / (double)rows;
        const double bottom = box[1] + box[3] * (double)(row + 1) / (double)rows;
        for (int64_t first = 0, next; first < columns; first = next) {
            const uint8_t *cell = line + 4 * first;
            for (next = first + 1; next < columns && !memcmp(cell, line + 4 * next, 3);)
                next++;
            const double left = box[0] + box[2] * (double)first / (double)columns;
            const double right = box[0] + box[2] * (double)next / (double)columns;
            const ln_pen pen = {.fill = {cell[0] / 255.0, cell[1] / 255.0, cell[2] / 255.0, 1},
                                .sharp = true};
            ln_canvas_rectangle(c, left, top, right - left, bottom - top, &pen);
        }
    }
}

static ln_status draw_image(ln_canvas *c, const uint8_t *rgba, int64_t rows, int64_t columns,
                            const double box[4], ln_error *err)
{
    uint32_t *pixels = ln_alloc((size_t)(rows * columns) * sizeof *pixels);
    if (!pixels)
        return ln_fail_memory(err, (size_t)(rows * columns) * sizeof *pixels);
    for (int64_t i = 0; i < rows * columns; i++)
        pixels[i] = (uint32_t)rgba[4 * i] << 16 | (uint32_t)rgba[4 * i + 1] << 8 | rgba[4 * i + 2];
    cairo_surface_t *image = c->api.cairo_image_surface_create_for_data(
        (unsigned char *)pixels, CAIRO_FORMAT_RGB24, (int)columns, (int)rows, (int)columns * 4);
    for (int s = 0; s < SURFACES && c->context[s]; s++) {
        c->api.cairo_save(c->context[s]);
        c->api.cairo_translate(c->context[s], box[0], box[1]);
        c->api.cairo_scale(c->context[s], box[2] / (double)columns, box[3] / (double)rows);
        c->api.cairo_set_source_surface(c->context[s], image, 0, 0);
        c->api.cairo_pattern_set_filter(c->api.cairo_get_source(c->context[s]),
                                        CAIRO_FILTER_NEAREST);
        c->api.cairo_rectangle(c->context[s], 0, 0, (double)columns, (double)rows);
        c->api.cairo_fill(c->context[s]);
        c->api.cairo_restore(c->context[s]);
    }
    c->api.cairo_surface_finish(image); /* what still needs the pixels takes a copy */
    ln_status status = check(c, c->api.cairo_surface_status(image), err);
    c->api.cairo_surface_destroy(image);
    ln_free(pixels);
    return status;
}

ln_status ln_canvas_cells(ln_canvas *c, const uint8_t *rgba, int64_t rows, int64_t columns,
                          double x, double y, double width, double height, ln_error *err)
{
    const double box[4] = {x, y, width, height};
    if (rows > 32767 || columns > 32767)
        return ln_fail(err, LN_EINVALID,
                       "an image of %lld x %lld is too large for a picture: 32767 a side at most",
                       (long long)columns, (long long)rows);
    if (rows * columns > LN_CANVAS_CELLS)
        return draw_image(c, rgba, rows, columns, box, err);
    draw_cells(c, rgba, rows, columns, box);
    return LN_OK;
}

/* ---------------------------------------------------------------------------------------- text */

static void set_text(ln_canvas *c, int s, const char *text, const ln_type *type)
{
    PangoFontDescription *font = c->api.pango_font_description_new();
    c->api.pango_font_description_set_family(font, "DejaVu Sans");
    c->api.pango_font_description_set_weight(font,
                                             type->bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    c->api.pango_font_description_set_absolute_size(font, type->size * PANGO_SCALE);
    c->api.pango_layout_set_font_description(c->layout[s], font);
    c->api.pango_font_description_free(font);
    c->api.pango_layout_set_width(c->layout[s],
                                  type->most > 0 ? (int)(type->most * PANGO_SCALE) : -1);
    c->api.pango_layout_set_ellipsize(c->layout[s], type->most <= 0 ? PANGO_ELLIPSIZE_NONE
                                                    : type->middle  ? PANGO_ELLIPSIZE_MIDDLE
                                                                    : PANGO_ELLIPSIZE_END);
    c->api.pango_layout_set_alignment(c->layout[s], type->x < 0.25   ? PANGO_ALIGN_LEFT
                                                    : type->x > 0.75 ? PANGO_ALIGN_RIGHT
                                                                     : PANGO_ALIGN_CENTER);
    c->api.pango_layout_set_text(c->layout[s], text, -1);
}

void ln_canvas_text(ln_canvas *c, double x, double y, const char *text, const ln_type *type)
{
    for (int s = 0; s < SURFACES && c->context[s]; s++) {
        cairo_t *cr = c->context[s];
        PangoRectangle box;
        set_text(c, s, text, type);
        c->api.pango_layout_get_extents(c->layout[s], NULL, &box);
        c->api.cairo_save(cr);
        set_colour(&c->api, cr, &type->colour);
        c->api.cairo_translate(cr, x, y);
        c->api.cairo_rotate(cr, type->turn * acos(-1.0) / 180);
        c->api.cairo_move_to(cr, -(box.x + type->x * box.width) / (double)PANGO_SCALE,
                             -(box.y + type->y * box.height) / (double)PANGO_SCALE);
        c->api.pango_cairo_show_layout(cr, c->layout[s]);
        c->api.cairo_new_path(cr);
        c->api.cairo_restore(cr);
    }
}

void ln_canvas_measure(ln_canvas *c, const char *text, const ln_type *type, double *width,
                       double *height)
{
    PangoRectangle box;
    set_text(c, IMAGE, text, type);
    c->api.pango_layout_get_extents(c->layout[IMAGE], NULL, &box);
    *width = box.width / (double)PANGO_SCALE;
    *height = box.height / (double)PANGO_SCALE;
}

/* --------------------------------------------------------------------------------------- files */

ln_status ln_canvas_png(ln_canvas *c, ln_text *out, ln_error *err)
{
    ln_status status = check(c, c->api.cairo_status(c->context[IMAGE]), err);
    if (status != LN_OK)
        return status;
    return check(c, c->api.cairo_surface_write_to_png_stream(c->surface[IMAGE], write_text, out),
                 err);
}

ln_status ln_canvas_svg(ln_canvas *c, ln_text *out, ln_error *err)
{
    if (!c->context[SVG])
        return ln_fail(err, LN_EINVALID, "this picture was made without an SVG");
    ln_status status = check(c, c->api.cairo_status(c->context[SVG]), err);
    if (status == LN_OK && !c->finished) {
        c->api.cairo_surface_finish(c->surface[SVG]);
        c->finished = true;
        status = check(c, c->api.cairo_surface_status(c->surface[SVG]), err);
    }
    return status == LN_OK ? ln_svg_renumber(&c->svg, out, err) : status;
}

uint32_t ln_canvas_pixel(ln_canvas *c, int x, int y)
{
    c->api.cairo_surface_flush(c->surface[IMAGE]);
    return c->pixels[(size_t)y * (size_t)c->columns + (size_t)x] & 0xFFFFFF;
}
