/* Driven by the descriptor alone: one case a C type, no knowledge of any word. The checks repeat
 * what schema.lua promises, since a wrong number here would be read as a wrong type in C. */
#include "args.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static ln_status wrong(const ln_word *word, const ln_param *param, const char *expected,
                       ln_error *err)
{
    ln_status status = ln_fail(err, LN_EINVALID, "%s: expected %s", word->name, expected);
    if (err)
        snprintf(err->field, sizeof err->field, "%s", param->name);
    return status;
}

static void set_absent(const ln_param *param, void *place)
{
    if (param->type == LN_PARAM_CHOICE)
        *(int *)place = -1;
    else if (param->type == LN_PARAM_REAL || param->type == LN_PARAM_STOP)
        *(double *)place = NAN;
}

static bool within(const ln_param *param, double number)
{
    bool ranged = param->min != 0 || param->max != 0 || param->above_min;
    if (!ranged)
        return true;
    if (number < param->min || (param->above_min && number <= param->min))
        return false;
    return param->max <= param->min || number <= param->max;
}

/* A whole number or a list of up to eight; the value is on top of the stack. */
static ln_status read_ints(lua_State *L, const ln_word *word, const ln_param *param, ln_ints *out,
                           ln_error *err)
{
    int whole;
    const int most = (int)(sizeof out->at / sizeof out->at[0]);
    if (lua_type(L, -1) == LUA_TSTRING && param->choices) {
        size_t length;
        const char *text = lua_tolstring(L, -1, &length);
        const int choice = ln_choice_index(param->choices, text, length);
        out->count = choice < 0 ? 0 : LN_INTS_CHOICE(choice);
        return choice >= 0 ? LN_OK : wrong(word, param, param->choices, err);
    }
    if (lua_type(L, -1) != LUA_TTABLE) {
        out->at[0] = lua_tointegerx(L, -1, &whole);
        out->count = 1;
        return whole ? LN_OK : wrong(word, param, "a whole number or a list of them", err);
    }
    lua_Unsigned count = lua_rawlen(L, -1);
    if (count > (lua_Unsigned)most)
        return wrong(word, param, "at most eight numbers", err);
    for (int i = 0; i < (int)count; i++) {
        lua_rawgeti(L, -1, i + 1);
        out->at[i] = lua_tointegerx(L, -1, &whole);
        lua_pop(L, 1);
        if (!whole)
            return wrong(word, param, "a list of whole numbers", err);
    }
    out->count = (int)count;
    return LN_OK;
}

static ln_status read_choice(lua_State *L, const ln_word *word, const ln_param *param, int *out,
                             ln_error *err)
{
    size_t length;
    const char *text = NULL;
    if (lua_type(L, -1) == LUA_TSTRING)
        text = lua_tolstring(L, -1, &length);
    else if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) { /* "bilinear|false" */
        text = "false";
        length = strlen(text);
    }
    *out = text ? ln_choice_index(param->choices, text, length) : -1;
    return *out >= 0 ? LN_OK : wrong(word, param, param->choices, err);
}

static ln_status read_number(lua_State *L, const ln_word *word, const ln_param *param, void *place,
                             ln_error *err)
{
    int fits;
    if (param->choices && lua_type(L, -1) == LUA_TSTRING) {
        int choice;
        ln_status status = read_choice(L, word, param, &choice, err);
        if (param->type == LN_PARAM_INT)
            *(int64_t *)place = -1 - choice;
        else
            *(double *)place = -1 - choice;
        return status;
    }
    if (param->type == LN_PARAM_INT) {
        lua_Integer whole = lua_tointegerx(L, -1, &fits);
        *(int64_t *)place = whole;
        /* Of what has no default, 0 stands for "not given": so it is stored, and read again. */
        const bool absent = fits && whole == 0 && strcmp(param->fallback, "nil") == 0;
        if (!fits || (!absent && !within(param, (double)whole)))
            return wrong(word, param, "a whole number in its range", err);
        return LN_OK;
    }
    double number = lua_tonumberx(L, -1, &fits);
    *(double *)place = number;
    if (!fits || !within(param, number))
        return wrong(word, param, "a number in its range", err);
    return LN_OK;
}

/* { standard_error = number } */
static ln_status read_stop(lua_State *L, const ln_word *word, const ln_param *param, double *out,
                           ln_error *err)
{
    int fits = 0;
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "standard_error");
        *out = lua_tonumberx(L, -1, &fits);
        lua_pop(L, 1);
    }
    return fits && *out > 0 ? LN_OK
                            : wrong(word, param, "{ standard_error = number above 0 }", err);
}

static ln_status read_fields(lua_State *L, int index, const ln_word *word, const ln_param *fields,
                             void *into, ln_error *err);

/* One of the choices, or a list of tables, whose structs stand at `*behind`; it moves on. */
static ln_status read_entries(lua_State *L, const ln_word *word, const ln_param *param,
                              ln_entries *out, char **behind, ln_error *err)
{
    if (lua_type(L, -1) != LUA_TTABLE)
        return read_choice(L, word, param, &out->choice, err);
    ln_status status = LN_OK;
    const int list = lua_gettop(L);
    *out = (ln_entries){.choice = -1, .count = (int)lua_rawlen(L, list), .at = *behind};
    for (int i = 0; i < out->count && !status; i++) {
        lua_rawgeti(L, list, i + 1);
        status = lua_istable(L, -1)
                     ? read_fields(L, lua_gettop(L), word, param->fields, *behind, err)
                     : wrong(word, param, "a list of tables", err);
        lua_pop(L, 1);
        *behind += param->fields_size;
    }
    return status;
}

/* The value is on top of the stack. */
static ln_status read_one(lua_State *L, const ln_word *word, const ln_param *param, void *place,
                          ln_error *err)
{
    if (lua_isnil(L, -1)) {
        set_absent(param, place);
        return LN_OK;
    }
    switch (param->type) {
    case LN_PARAM_INT:
    case LN_PARAM_REAL:
        return read_number(L, word, param, place, err);
    case LN_PARAM_BOOL:
        *(bool *)place = lua_toboolean(L, -1);
        return lua_isboolean(L, -1) ? LN_OK : wrong(word, param, "true or false", err);
    case LN_PARAM_CHOICE:
        return read_choice(L, word, param, place, err);
    case LN_PARAM_STRING:
        if (lua_type(L, -1) != LUA_TSTRING)
            return wrong(word, param, "a text", err);
        *(const char **)place = lua_tostring(L, -1);
        return LN_OK;
    case LN_PARAM_INTS:
        return read_ints(L, word, param, place, err);
    case LN_PARAM_STOP:
        return read_stop(L, word, param, place, err);
    case LN_PARAM_BASELINE:
    case LN_PARAM_BACKGROUND:
    case LN_PARAM_GROUPS:
    case LN_PARAM_MASK:
    case LN_PARAM_TREE:
    case LN_PARAM_LAYER:
    case LN_PARAM_WORD:
    case LN_PARAM_COMPOSITE:
    case LN_PARAM_TABLE:
        break;
    }
    return ln_fail(err, LN_EINVALID, "%s: '%s' is resolved by the driver, it has no place in C",
                   word->name, param->name);
}

static void get_field(lua_State *L, int index, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, index);
}

static ln_status read_fields(lua_State *L, int index, const ln_word *word, const ln_param *fields,
                             void *into, ln_error *err)
{
    ln_status status = LN_OK;
    for (const ln_param *param = fields; param->name && !status; param++) {
        get_field(L, index, param->name);
        status = read_one(L, word, param, (char *)into + param->offset, err);
        lua_pop(L, 1);
    }
    return status;
}

/* Structs behind one begin where any of them may. */
static size_t behind_struct(const ln_word *word)
{
    const size_t most = _Alignof(max_align_t);
    return (word->params_size + most - 1) / most * most;
}

size_t ln_args_bytes(lua_State *L, int index, const ln_word *word)
{
    size_t bytes = word->params_size;
    index = lua_absindex(L, index);
    for (const ln_param *param = word->params; param && param->name; param++) {
        if (param->type != LN_PARAM_COMPOSITE)
            continue;
        get_field(L, index, param->name);
        if (lua_istable(L, -1))
            bytes = behind_struct(word) + lua_rawlen(L, -1) * param->fields_size;
        lua_pop(L, 1);
    }
    return bytes;
}

ln_status ln_args_read(lua_State *L, int index, const ln_word *word, void *params, ln_error *err)
{
    if (word->params_size)
        memset(params, 0, word->params_size);
    if (!word->params)
        return LN_OK;
    index = lua_absindex(L, index);
    if (lua_type(L, index) != LUA_TTABLE)
        return ln_fail(err, LN_EINVALID, "%s: expected a table of options", word->name);
    if (!lua_checkstack(L, 8))
        return ln_fail_memory(err, 8 * sizeof(void *));
    char *behind = (char *)params + behind_struct(word);
    for (const ln_param *param = word->params; param->name; param++) {
        if (param->offset == LN_NO_OFFSET)
            continue;
        void *place = (char *)params + param->offset;
        get_field(L, index, param->name);
        ln_status status = param->type == LN_PARAM_COMPOSITE
                               ? read_entries(L, word, param, place, &behind, err)
                               : read_one(L, word, param, place, err);
        lua_pop(L, 1);
        if (status)
            return status;
    }
    return LN_OK;
}
