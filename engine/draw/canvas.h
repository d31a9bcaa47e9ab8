/* A canvas: one drawing that becomes a PNG and an SVG. Units are pixels at 96 dpi, x to the right
 * and y down; the PNG has `scale` device pixels a unit. Each call draws on both at once, so the two
 * cannot differ. Text is set by Pango in DejaVu Sans without hinting, and is outlines in the SVG, so
 * a reader needs no font. Equal calls give equal bytes: nothing holds a time.
 *
 * Cost: the PNG's pixels (4 bytes each, of ours) and the SVG's text as it grows. What Cairo and Pango
 * keep for themselves is theirs. */
#ifndef LN_DRAW_CANVAS_H
#define LN_DRAW_CANVAS_H

#include "base/text.h"
#include "lunette.h"

#define LN_CANVAS_MOST 32767 /* device pixels a side, which is what Cairo can */
#define LN_CANVAS_CELLS 4096 /* cells drawn one by one */

typedef struct ln_canvas ln_canvas;

/* Red, green, blue, opacity: 0 to 1. */
typedef struct ln_colour {
    double r, g, b, a;
} ln_colour;

typedef struct ln_pen {
    ln_colour fill;   /* a = 0: not filled */
    ln_colour stroke; /* a = 0: no line */
    double width;     /* of the line */
    double dash[2];   /* lengths of dash and gap; both 0: a whole line */
    bool sharp;       /* edges are not smoothed: for cells that must touch without a seam */
} ln_pen;

typedef struct ln_type {
    double size; /* of the font, in units */
    bool bold;
    ln_colour colour;
    double x, y; /* which point of the text stands at the given place: 0 left or top, 0.5 the
                        middle, 1 right or bottom */
    double turn; /* degrees, clockwise around the given place */
    double most; /* the greatest width; longer lines end in an ellipsis. 0: any */
    bool middle; /* the ellipsis stands in the middle: for names that differ at their ends */
} ln_type;

/* White. svg false: no SVG is made. LN_EINVALID for a side below 1 or above LN_CANVAS_MOST. */
ln_status ln_canvas_new(double width, double height, int scale, bool svg, ln_canvas **out,
                        ln_error *err);
void ln_canvas_free(ln_canvas *canvas); /* NULL is fine */

/* What follows is kept inside the rectangle, until ln_canvas_unclip. Clips do not nest. */
void ln_canvas_clip(ln_canvas *canvas, double x, double y, double width, double height);
void ln_canvas_unclip(ln_canvas *canvas);

void ln_canvas_rectangle(ln_canvas *canvas, double x, double y, double width, double height,
                         const ln_pen *pen);
/* `count` points x, y, x, y ... as a line, or as a polygon where `closed`. A point that is not
 * finite interrupts the line. */
void ln_canvas_path(ln_canvas *canvas, const double *points, int64_t count, bool closed,
                    const ln_pen *pen);
void ln_canvas_circles(ln_canvas *canvas, const double *points, int64_t count, double radius,
                       const ln_pen *pen);
/* Text that is no UTF-8 is drawn with replacement marks; "\n" starts a line. */
void ln_canvas_text(ln_canvas *canvas, double x, double y, const char *text, const ln_type *type);
void ln_canvas_measure(ln_canvas *canvas, const char *text, const ln_type *type, double *width,
                       double *height);
/* Cells of 4 bytes (red, green, blue, unused), `rows` by `columns`, filling the rectangle. Up to
 * LN_CANVAS_CELLS of them are rectangles, which stay sharp however large they are shown (neighbours
 * of one colour in a row become one); more are an image, scaled to the nearest pixel. */
ln_status ln_canvas_cells(ln_canvas *canvas, const uint8_t *rgba, int64_t rows, int64_t columns,
                          double x, double y, double width, double height, ln_error *err);

/* Appends the finished file to `out`. The PNG may be asked for at any time; asking for the SVG ends
 * the drawing on it. LN_EFAILED where Cairo met an error, LN_ENOMEM. */
ln_status ln_canvas_png(ln_canvas *canvas, ln_text *out, ln_error *err);
ln_status ln_canvas_svg(ln_canvas *canvas, ln_text *out, ln_error *err);

/* The canvas's pixel at a device position as 0xRRGGBB; for tests. */
uint32_t ln_canvas_pixel(ln_canvas *canvas, int x, int y);

#endif
