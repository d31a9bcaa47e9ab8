/* Canvases for the stdlib's charts and heat maps. Colours are texts "#rrggbb" or "#rrggbbaa"; a pen
 * is { fill, stroke, width, dash = { on, off }, sharp }, a text's style { size, bold, colour, x, y,
 * turn, most, middle }. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "draw/canvas.h"
#include "draw/colour.h"
#include "draw/decimate.h"
#include "draw/histogram.h"
#include "interp.h"

static void close_canvas(void *object)
{
    ln_canvas_free(object);
}

static void close_block(void *object)
{
    ln_free(object);
}

/* A block of memory that a box on the stack owns; raises when there is none. */
static void *new_block(lua_State *L, size_t bytes)
{
    void **slot = ln_box_new(L, "block", close_block);
    *slot = ln_alloc(bytes);
    if (*slot == NULL) {
        ln_error err = {0};
        ln_fail_memory(&err, bytes);
        ln_raise(L, &err);
    }
    return *slot;
}

/* canvas(width, height, { scale = 2, svg = true }) */
static int canvas_new(lua_State *L)
{
    const double width = luaL_checknumber(L, 1), height = luaL_checknumber(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    const int scale = (int)ln_integer_field(L, 3, "scale", 2);
    lua_getfield(L, 3, "svg");
    const bool svg = lua_isnil(L, -1) || lua_toboolean(L, -1);
    ln_error err = {0};
    void **slot = ln_box_new(L, "canvas", close_canvas);
    if (ln_canvas_new(width, height, scale, svg, (ln_canvas **)slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

static ln_canvas *check_canvas(lua_State *L)
{
    return ln_box_check(L, 1, "canvas");
}

static bool read_hex(const char *text, int digits, unsigned *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++) {
        static const char *const figures = "0123456789abcdef";
        const char *at = text[i] ? strchr(figures, text[i]) : NULL;
        if (at == NULL) {
            return false;
        }
        *out = *out * 16 + (unsigned)(at - figures);
    }
    return true;
}

/* A colour in a field; opacity 0 where the field is absent. */
static ln_colour colour_field(lua_State *L, int table, const char *field)
{
    const char *text = ln_text_field(L, table, field);
    if (text == NULL) {
        return (ln_colour){0};
    }
    const size_t length = strlen(text);
    unsigned rgb = 0, alpha = 255;
    if (text[0] != '#' || (length != 7 && length != 9) || !read_hex(text + 1, 6, &rgb) ||
        (length == 9 && !read_hex(text + 7, 2, &alpha))) {
        luaL_error(L, "'%s' is no colour", text);
    }
    return (ln_colour){(rgb >> 16) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0,
                       alpha / 255.0};
}

static bool flag_field(lua_State *L, int table, const char *field)
{
    lua_getfield(L, table, field);
    const bool set = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return set;
}

static ln_pen check_pen(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    ln_pen pen = {
        .fill = colour_field(L, index, "fill"),
        .stroke = colour_field(L, index, "stroke"),
        .width = ln_number_field(L, index, "width", 1.0),
        .sharp = flag_field(L, index, "sharp"),
    };
    if (lua_getfield(L, index, "dash") == LUA_TTABLE) {
        for (int i = 0; i < 2; i++) {
            lua_rawgeti(L, -1, i + 1);
            pen.dash[i] = luaL_checknumber(L, -1);
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
    return pen;
}

static ln_type check_type(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    ln_type type = {
        .size = ln_number_field(L, index, "size", 12.0),
        .bold = flag_field(L, index, "bold"),
        .colour = colour_field(L, index, "colour"),
        .x = ln_number_field(L, index, "x", 0.0),
        .y = ln_number_field(L, index, "y", 0.0),
        .turn = ln_number_field(L, index, "turn", 0.0),
        .most = ln_number_field(L, index, "most", 0.0),
        .middle = flag_field(L, index, "middle"),
    };
    if (type.colour.a == 0) {
        type.colour = (ln_colour){0.15, 0.15, 0.15, 1};
    }
    return type;
}

/* draw_clip(canvas, x, y, width, height) */
static int draw_clip(lua_State *L)
{
    ln_canvas_clip(check_canvas(L), luaL_checknumber(L, 2), luaL_checknumber(L, 3),
                   luaL_checknumber(L, 4), luaL_checknumber(L, 5));
    return 0;
}

static int draw_unclip(lua_State *L)
{
    ln_canvas_unclip(check_canvas(L));
    return 0;
}

/* draw_rectangle(canvas, x, y, width, height, pen) */
static int draw_rectangle(lua_State *L)
{
    ln_canvas *canvas = check_canvas(L);
    const ln_pen pen = check_pen(L, 6);
    ln_canvas_rectangle(canvas, luaL_checknumber(L, 2), luaL_checknumber(L, 3),
                        luaL_checknumber(L, 4), luaL_checknumber(L, 5), &pen);
    return 0;
}

/* The numbers of a list x, y, x, y ... in a block that stands on the stack. */
static double *check_points(lua_State *L, int index, int64_t *count)
{
    luaL_checktype(L, index, LUA_TTABLE);
    const lua_Integer numbers = (lua_Integer)lua_rawlen(L, index) / 2 * 2;
    double *points = new_block(L, (size_t)(numbers + 1) * sizeof *points);
    for (lua_Integer i = 0; i < numbers; i++) {
        lua_rawgeti(L, index, i + 1);
        points[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    *count = numbers / 2;
    return points;
}

/* A fifth of a pixel at the usual scale of 2. */
static const double LINE_STEP = 0.1;

/* draw_line(canvas, { x, y, x, y ... }, pen): many points are thinned, without a visible change */
static int draw_line(lua_State *L)
{
    ln_canvas *canvas = check_canvas(L);
    const ln_pen pen = check_pen(L, 3);
    int64_t count;
    double *points = check_points(L, 2, &count);
    ln_canvas_path(canvas, points, ln_decimate(points, count, LINE_STEP), false, &pen);
    return 0;
}

/* draw_polygon(canvas, { x, y, x, y ... }, pen) */
static int draw_polygon(lua_State *L)
{
    ln_canvas *canvas = check_canvas(L);
    const ln_pen pen = check_pen(L, 3);
    int64_t count;
    const double *points = check_points(L, 2, &count);
    ln_canvas_path(canvas, points, count, true, &pen);
    return 0;
}

/* draw_circles(canvas, { x, y, x, y ... }, radius, pen) */
static int draw_circles(lua_State *L)
{
    ln_canvas *canvas = check_canvas(L);
    const double radius = luaL_checknumber(L, 3);
    const ln_pen pen = check_pen(L, 4);
    int64_t count;
    const double *points = check_points(L, 2, &count);
    ln_canvas_circles(canvas, points, count, radius, &pen);
    return 0;
}

/* draw_text(canvas, x, y, text, style) */
static int draw_text(lua_State *L)
{
    ln_canvas *canvas = check_canvas(L);
    const ln_type type = check_type(L, 5);
    ln_canvas_text(canvas, luaL_checknumber(L, 2), luaL_checknumber(L, 3), luaL_checkstring(L, 4),
                   &type);
    return 0;
}

/* draw_measure(canvas, text, style) -> width, height */
static int draw_measure(lua_State *L)
{
    ln_canvas *canvas = check_canvas(L);
    const ln_type type = check_type(L, 3);
    double width, height;
    ln_canvas_measure(canvas, luaL_checkstring(L, 2), &type, &width, &height);
    lua_pushnumber(L, width);
    lua_pushnumber(L, height);
    return 2;
}

/* ----------------------------------------------------------------------------------- heat maps */

/* heat_range(values (H, W) or (C, H, W), summed over channels) -> low, high, greatest |value|,
 * how many are not a number */
static int heat_range(lua_State *L)
{
    const ln_tensor *values = ln_check_tensor(L, 1);
    ln_heat_range range;
    ln_error err = {0};
    if (ln_heat_range_of(values, lua_toboolean(L, 2), &range, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushnumber(L, range.low);
    lua_pushnumber(L, range.high);
    lua_pushnumber(L, range.most);
    lua_pushinteger(L, range.nan_count);
    return 4;
}

/* draw_histogram(tensor f32, most, bins) -> list of counts over [-most, most]; at most 256 bins */
static int draw_histogram(lua_State *L)
{
    const ln_tensor *values = ln_check_tensor(L, 1);
    const lua_Integer bins = luaL_checkinteger(L, 3);
    int64_t counts[256];
    luaL_argcheck(L, values->dtype == LN_F32, 1, "not f32");
    luaL_argcheck(L, bins >= 1 && bins <= 256, 3, "1 to 256");
    ln_histogram_of(values, luaL_checknumber(L, 2), bins, counts);
    lua_createtable(L, (int)bins, 0);
    for (lua_Integer i = 0; i < bins; i++) {
        lua_pushinteger(L, counts[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static void draw_pixels(lua_State *L, ln_canvas *canvas, int place, const uint8_t *rgba,
                        int64_t rows, int64_t columns)
{
    ln_error err = {0};
    if (ln_canvas_cells(canvas, rgba, rows, columns, ln_number_field(L, place, "x", 0),
                        ln_number_field(L, place, "y", 0), ln_number_field(L, place, "width", 0),
                        ln_number_field(L, place, "height", 0), &err)) {
        ln_raise(L, &err);
    }
}

/* draw_heat(canvas, values, { x, y, width, height, limit, map, overlay, low, high }) */
static int draw_heat(lua_State *L)
{
    ln_canvas *canvas = check_canvas(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    const ln_heat heat = {
        .values = ln_check_tensor(L, 2),
        .limit = ln_number_field(L, 3, "limit", 0),
        .map = (ln_colour_map)ln_choice_field(L, 3, "map", LN_COLOUR_MAP_CHOICES),
        .overlay = ln_tensor_field(L, 3, "overlay"),
        .low = ln_number_field(L, 3, "low", 0),
        .high = ln_number_field(L, 3, "high", 1),
    };
    ln_error err = {0};
    int64_t channels, rows, columns;
    if (ln_heat_size(heat.values, &channels, &rows, &columns, &err)) {
        return ln_raise(L, &err);
    }
    uint8_t *rgba = new_block(L, (size_t)(rows * columns) * 4);
    if (ln_heat_pixels(&heat, rgba, &err)) {
        return ln_raise(L, &err);
    }
    draw_pixels(L, canvas, 3, rgba, rows, columns);
    return 0;
}

/* draw_image(canvas, image, { x, y, width, height, low, high }) */
static int draw_image(lua_State *L)
{
    ln_canvas *canvas = check_canvas(L);
    const ln_tensor *image = ln_check_tensor(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    ln_error err = {0};
    int64_t channels, rows, columns;
    if (ln_heat_size(image, &channels, &rows, &columns, &err)) {
        return ln_raise(L, &err);
    }
    uint8_t *rgba = new_block(L, (size_t)(rows * columns) * 4);
    if (ln_image_pixels(image, ln_number_field(L, 3, "low", 0), ln_number_field(L, 3, "high", 1),
                        rgba, &err)) {
        return ln_raise(L, &err);
    }
    draw_pixels(L, canvas, 3, rgba, rows, columns);
    return 0;
}

enum { BAR_STEPS = 255 }; /* odd: the middle one is 0 */

/* draw_colours(canvas, { x, y, width, height, map }): the colours from the greatest value, at the
 * top, down to the least */
static int draw_colours(lua_State *L)
{
    ln_canvas *canvas = check_canvas(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    const ln_colour_map map = (ln_colour_map)ln_choice_field(L, 2, "map", LN_COLOUR_MAP_CHOICES);
    uint8_t rgba[BAR_STEPS * 4];
    for (int i = 0; i < BAR_STEPS; i++) {
        const double share = 1.0 - i / (double)(BAR_STEPS - 1);
        ln_colour_of(map, map == LN_COLOUR_SIGNED ? 2.0 * share - 1.0 : share, rgba + 4 * i);
        rgba[4 * i + 3] = 255;
    }
    draw_pixels(L, canvas, 2, rgba, BAR_STEPS, 1);
    return 0;
}

/* colour_of(map, t) -> "#rrggbb" */
static int colour_of(lua_State *L)
{
    uint8_t rgb[3];
    const char *map = luaL_checkstring(L, 1);
    const int choice = ln_choice_index(LN_COLOUR_MAP_CHOICES, map, strlen(map));
    ln_colour_of(choice == LN_COLOUR_ABSOLUTE ? LN_COLOUR_ABSOLUTE : LN_COLOUR_SIGNED,
                 luaL_checknumber(L, 2), rgb);
    char text[8];
    snprintf(text, sizeof text, "#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
    lua_pushstring(L, text);
    return 1;
}

/* --------------------------------------------------------------------------------------- files */

/* draw_save(canvas, path, "png" or "svg") -> bytes, sha256 */
static int draw_save(lua_State *L)
{
    ln_canvas *canvas = check_canvas(L);
    const char *path = luaL_checkstring(L, 2);
    const bool svg = strcmp(luaL_checkstring(L, 3), "svg") == 0;
    ln_error err = {0};
    ln_text file = {0};
    uint8_t digest[LN_SHA256_BYTES];
    char hex[LN_SHA256_HEX];
    ln_status status =
        svg ? ln_canvas_svg(canvas, &file, &err) : ln_canvas_png(canvas, &file, &err);
    if (status == LN_OK) {
        status = ln_file_write(path, file.data, file.length, &err);
    }
    const size_t bytes = file.length;
    if (status == LN_OK) {
        ln_sha256(file.data, file.length, digest);
    }
    ln_text_free(&file);
    if (status) {
        return ln_raise(L, &err);
    }
    ln_sha256_hex(digest, hex);
    lua_pushinteger(L, (lua_Integer)bytes);
    lua_pushstring(L, hex);
    return 2;
}

static int folder_make(lua_State *L)
{
    ln_error err = {0};
    if (ln_folder_make(luaL_checkstring(L, 1), &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

void ln_bind_draw(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"canvas", canvas_new},
        {"draw_clip", draw_clip},
        {"draw_unclip", draw_unclip},
        {"draw_rectangle", draw_rectangle},
        {"draw_line", draw_line},
        {"draw_polygon", draw_polygon},
        {"draw_circles", draw_circles},
        {"draw_text", draw_text},
        {"draw_measure", draw_measure},
        {"heat_range", heat_range},
        {"draw_histogram", draw_histogram},
        {"draw_heat", draw_heat},
        {"draw_image", draw_image},
        {"draw_colours", draw_colours},
        {"colour_of", colour_of},
        {"draw_save", draw_save},
        {"folder_make", folder_make},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
