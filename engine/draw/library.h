/* Cairo and Pango, opened when the first canvas is made and not before: together they bring some
 * thirty shared libraries, which would cost every start of the program milliseconds for the few
 * runs that draw. A canvas holds the functions it calls in a table of its own; the libraries are
 * never closed (fontconfig keeps its caches until the process ends). */
#ifndef LN_DRAW_LIBRARY_H
#define LN_DRAW_LIBRARY_H

#include <cairo-svg.h>
#include <cairo.h>
#include <pango/pangocairo.h>

#include "lunette.h"

/* Every function that the room calls, by the library that has it. */
#define LN_DRAW_CAIRO(X)                                                                           \
    X(cairo_clip)                                                                                  \
    X(cairo_close_path)                                                                            \
    X(cairo_create)                                                                                \
    X(cairo_arc)                                                                                   \
    X(cairo_destroy)                                                                               \
    X(cairo_fill)                                                                                  \
    X(cairo_fill_preserve)                                                                         \
    X(cairo_font_options_create)                                                                   \
    X(cairo_font_options_destroy)                                                                  \
    X(cairo_font_options_set_antialias)                                                            \
    X(cairo_font_options_set_hint_metrics)                                                         \
    X(cairo_font_options_set_hint_style)                                                           \
    X(cairo_get_source)                                                                            \
    X(cairo_image_surface_create_for_data)                                                         \
    X(cairo_line_to)                                                                               \
    X(cairo_move_to)                                                                               \
    X(cairo_new_path)                                                                              \
    X(cairo_new_sub_path)                                                                          \
    X(cairo_paint)                                                                                 \
    X(cairo_pattern_set_filter)                                                                    \
    X(cairo_rectangle)                                                                             \
    X(cairo_reset_clip)                                                                            \
    X(cairo_restore)                                                                               \
    X(cairo_rotate)                                                                                \
    X(cairo_save)                                                                                  \
    X(cairo_scale)                                                                                 \
    X(cairo_set_antialias)                                                                         \
    X(cairo_set_dash)                                                                              \
    X(cairo_set_line_cap)                                                                          \
    X(cairo_set_line_join)                                                                         \
    X(cairo_set_line_width)                                                                        \
    X(cairo_set_source_rgba)                                                                       \
    X(cairo_set_source_surface)                                                                    \
    X(cairo_status)                                                                                \
    X(cairo_status_to_string)                                                                      \
    X(cairo_stroke)                                                                                \
    X(cairo_surface_destroy)                                                                       \
    X(cairo_surface_finish)                                                                        \
    X(cairo_surface_flush)                                                                         \
    X(cairo_surface_status)                                                                        \
    X(cairo_surface_write_to_png_stream)                                                           \
    X(cairo_svg_surface_create_for_stream)                                                         \
    X(cairo_svg_surface_set_document_unit)                                                         \
    X(cairo_translate)

#define LN_DRAW_PANGOCAIRO(X)                                                                      \
    X(pango_cairo_context_set_font_options)                                                        \
    X(pango_cairo_font_map_new)                                                                    \
    X(pango_cairo_show_layout)                                                                     \
    X(pango_cairo_update_context)

#define LN_DRAW_PANGO(X)                                                                           \
    X(pango_font_description_free)                                                                 \
    X(pango_font_description_new)                                                                  \
    X(pango_font_description_set_absolute_size)                                                    \
    X(pango_font_description_set_family)                                                           \
    X(pango_font_description_set_weight)                                                           \
    X(pango_font_map_create_context)                                                               \
    X(pango_layout_get_context)                                                                    \
    X(pango_layout_get_extents)                                                                    \
    X(pango_layout_new)                                                                            \
    X(pango_layout_set_alignment)                                                                  \
    X(pango_layout_set_ellipsize)                                                                  \
    X(pango_layout_set_font_description)                                                           \
    X(pango_layout_set_height)                                                                     \
    X(pango_layout_set_text)                                                                       \
    X(pango_layout_set_width)

#define LN_DRAW_GOBJECT(X) X(g_object_unref)

#define LN_DRAW_FIELD(name) __typeof__(&name) name;
typedef struct ln_draw_library {
    LN_DRAW_CAIRO(LN_DRAW_FIELD)
    LN_DRAW_PANGOCAIRO(LN_DRAW_FIELD)
    LN_DRAW_PANGO(LN_DRAW_FIELD)
    LN_DRAW_GOBJECT(LN_DRAW_FIELD)
} ln_draw_library;
#undef LN_DRAW_FIELD

/* Fills the table. LN_EFAILED with the library's name where one is not installed. */
ln_status ln_draw_library_open(ln_draw_library *out, ln_error *err);

#endif
