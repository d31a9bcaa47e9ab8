/* JSON for stdlib: canonical (keys sorted by bytes, the shortest numbers that read back the same, no
 * blanks), so that equal values have equal text and hash.
 *
 * A table whose keys are 1 .. n is an array, one whose keys are all texts an object; an empty table
 * is [], `core.object` is {}. nan and inf are null, and so is `core.null`, which json_parse gives
 * for null. The growing text is freed by the one who
 * started, whatever is raised in between. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "core.h"
#include "raise.h"

#define DEPTH 200

static const char object_key = 'o'; /* its address is core.object */

static void write_value(lua_State *L, ln_text *text, int depth);

typedef struct key {
    const char *text; /* borrowed from the table */
    size_t length;
} key;

static int by_bytes(const void *a, const void *b)
{
    const key *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    if (order)
        return order;
    return (x->length > y->length) - (x->length < y->length);
}

static int no_json(lua_State *L, const char *what)
{
    ln_error err;
    ln_fail(&err, LN_EINVALID, "JSON has no %s", what);
    return ln_raise(L, &err);
}

static void write_array(lua_State *L, ln_text *text, lua_Integer count, int depth)
{
    ln_text_add(text, "[");
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1)
            ln_text_add(text, ",");
        lua_rawgeti(L, -1, i);
        write_value(L, text, depth + 1);
        lua_pop(L, 1);
    }
    ln_text_add(text, "]");
}

/* The keys are sorted in a block that Lua collects. */
static void write_object(lua_State *L, ln_text *text, size_t count, int depth)
{
    key *keys = lua_newuserdatauv(L, count * sizeof *keys, 0);
    size_t filled = 0;
    for (lua_pushnil(L); filled < count && lua_next(L, -3); lua_pop(L, 1), filled++)
        keys[filled].text = lua_tolstring(L, -2, &keys[filled].length);
    if (filled == count)
        lua_pop(L, 1); /* the last key: the walk was not finished */
    qsort(keys, count, sizeof *keys, by_bytes);
    ln_text_add(text, "{");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            ln_text_add(text, ",");
        ln_text_json_string(text, keys[i].text, keys[i].length);
        ln_text_add(text, ":");
        lua_pushlstring(L, keys[i].text, keys[i].length);
        lua_rawget(L, -3);
        write_value(L, text, depth + 1);
        lua_pop(L, 1);
    }
    ln_text_add(text, "}");
    lua_pop(L, 1);
}

static void write_table(lua_State *L, ln_text *text, int depth)
{
    size_t texts = 0, numbers = 0;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING)
            texts++;
        else
            numbers++;
    }
    if (texts > 0 && numbers == 0)
        write_object(L, text, texts, depth);
    else if (texts == 0 && lua_rawlen(L, -1) == numbers)
        write_array(L, text, (lua_Integer)numbers, depth);
    else
        no_json(L, "table with both names and places, or with places left out");
}

/* The value is on top of the stack and stays there. */
static void write_value(lua_State *L, ln_text *text, int depth)
{
    size_t length;
    const char *part;
    if (depth > DEPTH || !lua_checkstack(L, 8))
        no_json(L, "tables nested as deep as this");
    switch (lua_type(L, -1)) {
    case LUA_TNIL:
        ln_text_add(text, "null");
        break;
    case LUA_TBOOLEAN:
        ln_text_add(text, lua_toboolean(L, -1) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, -1))
            ln_text_format(text, "%lld", (long long)lua_tointeger(L, -1));
        else
            ln_text_json_number(text, lua_tonumber(L, -1));
        break;
    case LUA_TSTRING:
        part = lua_tolstring(L, -1, &length);
        ln_text_json_string(text, part, length);
        break;
    case LUA_TTABLE:
        write_table(L, text, depth);
        break;
    case LUA_TLIGHTUSERDATA:
        ln_text_add(text, lua_touserdata(L, -1) == &object_key ? "{}" : "null");
        break;
    default:
        no_json(L, luaL_typename(L, -1));
    }
}

/* (text, value) -> the JSON; may raise at any point, its caller frees the text. */
static int write_all(lua_State *L)
{
    ln_text *text = lua_touserdata(L, 1);
    write_value(L, text, 0);
    if (text->failed) {
        ln_error err;
        ln_fail_memory(&err, text->length);
        return ln_raise(L, &err);
    }
    lua_pushlstring(L, text->data ? text->data : "", text->length);
    return 1;
}

static int core_json(lua_State *L)
{
    ln_text text = {.data = NULL};
    lua_settop(L, 1);
    lua_pushcfunction(L, write_all);
    lua_pushlightuserdata(L, &text);
    lua_pushvalue(L, 1);
    int status = lua_pcall(L, 2, 1, 0);
    ln_text_free(&text);
    return status == LUA_OK ? 1 : lua_error(L);
}

/* ------------------------------------------------------------------------------------- parsing */

typedef struct reader {
    lua_State *L;
    const char *at, *end;
    const char *start;
} reader;

static void skip_blanks(reader *r)
{
    while (r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at)
        r->at++;
}

static bool read_value(reader *r, int depth);

static bool read_literal(reader *r, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0)
        return false;
    r->at += length;
    return true;
}

static bool read_number(reader *r)
{
    char buffer[64];
    size_t length = 0;
    bool whole = true;
    if (r->end - r->at > 1 && r->at[0] == '-' && r->at[1] == '0')
        whole = false; /* -0 has a sign that no integer has */
    while (r->at + length < r->end && length < sizeof buffer - 1 &&
           strchr("+-0123456789.eE", r->at[length]) && r->at[length]) {
        buffer[length] = r->at[length];
        whole = whole && !strchr(".eE", buffer[length]);
        length++;
    }
    buffer[length] = '\0';
    if (length == 0 || buffer[0] == '+' || buffer[0] == '.')
        return false;
    char *end;
    double number = strtod(buffer, &end);
    if (*end)
        return false;
    if (!whole || lua_stringtonumber(r->L, buffer) == 0)
        lua_pushnumber(r->L, number);
    r->at += length;
    return true;
}

static bool read_code(reader *r, unsigned *code)
{
    if (r->end - r->at < 4)
        return false;
    *code = 0;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef";
        const char *place = *r->at ? strchr(digits, *r->at | 0x20) : NULL;
        if (!place)
            return false;
        *code = *code * 16 + (unsigned)(place - digits);
        r->at++;
    }
    return true;
}

static bool add_escape(reader *r, luaL_Buffer *buffer)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char letter = *r->at++;
    const char *place = letter ? strchr(names, letter) : NULL;
    if (place) {
        luaL_addchar(buffer, values[place - names]);
        return true;
    }
    unsigned code, low;
    if (letter != 'u' || !read_code(r, &code))
        return false;
    if (code >= 0xD800 && code < 0xDC00) {
        if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u')
            return false;
        r->at += 2;
        if (!read_code(r, &low) || low < 0xDC00 || low > 0xDFFF)
            return false;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    lua_pushfstring(r->L, "%U", (long)code);
    luaL_addvalue(buffer);
    return true;
}

static bool read_string(reader *r)
{
    luaL_Buffer buffer;
    if (r->at >= r->end || *r->at != '"')
        return false;
    r->at++;
    luaL_buffinit(r->L, &buffer);
    bool fine = true;
    while (fine && r->at < r->end && *r->at != '"') {
        if (*r->at == '\\' && r->at + 1 < r->end) {
            r->at++;
            fine = add_escape(r, &buffer);
        } else {
            fine = (unsigned char)*r->at >= 0x20;
            luaL_addchar(&buffer, *r->at++);
        }
    }
    luaL_pushresult(&buffer);
    if (!fine || r->at >= r->end)
        return false;
    r->at++;
    return true;
}

/* The rest of an array or object after its bracket; the table is on top of the stack. */
static bool read_members(reader *r, bool object, int depth)
{
    char close = object ? '}' : ']';
    for (lua_Integer i = 1;; i++) {
        skip_blanks(r);
        if (i == 1 && r->at < r->end && *r->at == close) {
            r->at++;
            return true;
        }
        if (object) {
            if (!read_string(r))
                return false;
            skip_blanks(r);
            if (r->at >= r->end || *r->at++ != ':')
                return false;
        }
        if (!read_value(r, depth + 1))
            return false;
        if (object)
            lua_rawset(r->L, -3);
        else
            lua_rawseti(r->L, -2, i);
        skip_blanks(r);
        if (r->at >= r->end || (*r->at != ',' && *r->at != close))
            return false;
        if (*r->at++ == close)
            return true;
    }
}

static bool read_value(reader *r, int depth)
{
    if (depth > DEPTH || !lua_checkstack(r->L, 6))
        return false;
    skip_blanks(r);
    if (r->at >= r->end)
        return false;
    switch (*r->at) {
    case '{':
    case '[': {
        bool object = *r->at++ == '{';
        lua_newtable(r->L);
        return read_members(r, object, depth);
    }
    case '"':
        return read_string(r);
    case 't':
        lua_pushboolean(r->L, 1);
        return read_literal(r, "true");
    case 'f':
        lua_pushboolean(r->L, 0);
        return read_literal(r, "false");
    case 'n':
        lua_pushlightuserdata(r->L, NULL);
        return read_literal(r, "null");
    default:
        return read_number(r);
    }
}

/* json_parse(text) -> value, or nil and where it stopped making sense. */
static int core_json_parse(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    reader r = {.L = L, .at = text, .end = text + length, .start = text};
    bool fine = read_value(&r, 0);
    if (fine) {
        skip_blanks(&r);
        fine = r.at == r.end;
    }
    if (fine)
        return 1;
    lua_pushnil(L);
    lua_pushfstring(L, "no JSON at byte %d", (int)(r.at - r.start) + 1);
    return 2;
}

void ln_bind_json(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"json", core_json}, {"json_parse", core_json_parse}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&object_key);
    lua_setfield(L, -2, "object");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}
