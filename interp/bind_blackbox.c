/* Black boxes for the stdlib: a model whose outputs a Lua function gives. The function (a wrapper of
 * stdlib/own.lua around the script's) gets a list of rows and returns a list of rows; both lists are
 * checked there. What it raises is kept, and raised again by the binding that had asked the model. */
#include "base/alloc.h"
#include "base/error.h"
#include "interp.h"
#include "model/blackbox.h"

/* What the model keeps for its calls. */
typedef struct context {
    lua_State *L;            /* on which the function is called */
    int reference;           /* of the function, in the registry */
    int64_t inputs, outputs; /* numbers a row */
} context;

/* One call, as its protected function sees it. */
typedef struct call {
    const context *self;
    const float *x; /* (rows, inputs) */
    float *out;     /* (rows, outputs) */
    int64_t rows;
} call;

static int protected_call(lua_State *L)
{
    const call *what = lua_touserdata(L, 1);
    const int64_t inputs = what->self->inputs, outputs = what->self->outputs;
    lua_rawgeti(L, LUA_REGISTRYINDEX, what->self->reference);
    lua_createtable(L, (int)what->rows, 0);
    for (int64_t r = 0; r < what->rows; r++) {
        lua_createtable(L, (int)inputs, 0);
        for (int64_t j = 0; j < inputs; j++) {
            lua_pushnumber(L, (lua_Number)what->x[r * inputs + j]);
            lua_rawseti(L, -2, j + 1);
        }
        lua_rawseti(L, -2, r + 1);
    }
    lua_call(L, 1, 1);
    for (int64_t r = 0; r < what->rows; r++) {
        lua_rawgeti(L, -1, r + 1);
        for (int64_t c = 0; c < outputs; c++) {
            lua_rawgeti(L, -1, c + 1);
            what->out[r * outputs + c] = (float)lua_tonumber(L, -1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    return 0;
}

static int keep_error(lua_State *L)
{
    ln_keep_callback_error(L);
    return 0;
}

static ln_status run(void *data, const float *x, int64_t rows, float *out, ln_error *err)
{
    const context *self = data;
    call what = {.self = self, .x = x, .out = out, .rows = rows};
    lua_State *L = self->L;
    if (!lua_checkstack(L, 8)) {
        return ln_fail_memory(err, 0);
    }
    lua_pushcfunction(L, protected_call);
    lua_pushlightuserdata(L, &what);
    int status = lua_pcall(L, 1, 0, 0);
    if (status == LUA_OK) {
        return LN_OK;
    }
    if (status != LUA_ERRMEM) {
        lua_pushcfunction(L, keep_error);
        lua_insert(L, -2);
        status = lua_pcall(L, 1, 0, 0);
    }
    if (status != LUA_OK) {
        lua_pop(L, 1);
        return ln_fail_memory(err, 0);
    }
    return ln_fail(err, LN_ECALLBACK, "the blackbox failed");
}

static void release(void *data)
{
    context *self = data;
    luaL_unref(self->L, LUA_REGISTRYINDEX, self->reference);
    ln_free(self);
}

lua_State *ln_blackbox_enter(const ln_model *model, lua_State *L)
{
    if (model->callback.run != run || L == NULL) {
        return NULL;
    }
    context *self = model->callback.context;
    lua_State *before = self->L;
    self->L = L;
    return before;
}

/* model_blackbox { inputs (nil: the encoding's width), outputs, probabilities, task, call, identity,
 * data, rows, encode } -> model */
static int model_blackbox(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    ln_error err = {0};
    ln_model **slot = ln_new_model(L);
    ln_encoding **encoding = ln_new_encoding(L);
    ln_fit_encoding(L, 1, encoding);
    const int64_t width = *encoding ? (*encoding)->width : 0;
    const char *identity = ln_text_field(L, 1, "identity");
    lua_getfield(L, 1, "probabilities");
    ln_callback callback = {
        .run = run,
        .release = release,
        .inputs = ln_integer_field(L, 1, "inputs", width),
        .outputs = ln_integer_field(L, 1, "outputs", 1),
        .probabilities = lua_toboolean(L, -1),
    };
    const ln_task task = (ln_task)ln_choice_field(L, 1, "task", "classification|regression");
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    lua_State *main_state = lua_tothread(L, -1);
    luaL_argcheck(L, lua_getfield(L, 1, "call") == LUA_TFUNCTION && identity, 1,
                  "call and identity are needed");
    const int reference = luaL_ref(L, LUA_REGISTRYINDEX);
    context *self = ln_calloc(1, sizeof *self);
    if (self == NULL) {
        luaL_unref(L, LUA_REGISTRYINDEX, reference);
        ln_fail_memory(&err, sizeof *self);
        return ln_raise(L, &err);
    }
    *self = (context){.L = main_state,
                      .reference = reference,
                      .inputs = callback.inputs,
                      .outputs = callback.outputs};
    callback.context = self;
    ln_encoding *taken = *encoding;
    *encoding = NULL; /* taken over, also when it fails */
    if (ln_model_blackbox(&callback, identity, taken, task, slot, &err)) {
        return ln_raise(L, &err);
    }
    lua_settop(L, 2);
    return 1;
}

void ln_bind_blackbox(lua_State *L)
{
    static const luaL_Reg functions[] = {{"model_blackbox", model_blackbox}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
