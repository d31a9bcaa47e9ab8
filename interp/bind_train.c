/* Training for the stdlib. Epochs are reported to a Lua function on the calling thread; when it
 * fails, training stops and its error is raised afterwards. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/parallel.h"
#include "interp.h"
#include "train/train.h"

/* The Lua function that hears of epochs, and the error it left (a registry reference). */
typedef struct hearing {
    lua_State *L;
    int callback;       /* stack index */
    int error;          /* LUA_NOREF: none */
    int64_t checkpoint; /* every so many epochs they bring the state; 0: never */
} hearing;

/* What one call of the function is about. */
typedef struct heard {
    const ln_epoch *epoch;
    bool state; /* whether it is to bring the state */
} heard;

/* Pushes { epoch, step, best_loss, best_epoch, numbers }. */
static void push_state(lua_State *L, const ln_epoch *epoch)
{
    ln_train_state state;
    ln_error err = {0};
    lua_createtable(L, 0, 5);
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_train_snapshot(epoch, &state, &err)) {
        ln_raise(L, &err);
    }
    *slot = state.numbers;
    lua_setfield(L, -2, "numbers");
    lua_pushinteger(L, state.epoch);
    lua_setfield(L, -2, "epoch");
    lua_pushinteger(L, state.step);
    lua_setfield(L, -2, "step");
    if (state.best_epoch > 0) {
        lua_pushinteger(L, state.best_epoch);
        lua_setfield(L, -2, "best_epoch");
        lua_pushnumber(L, state.best_loss);
        lua_setfield(L, -2, "best_loss");
    }
}

static void set_number(lua_State *L, const char *field, double value)
{
    if (isfinite(value)) {
        lua_pushnumber(L, value);
        lua_setfield(L, -2, field);
    }
}

static void set_integer(lua_State *L, const char *field, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, field);
}

/* Pushes a list of { layer, gradient, weight, change, bins } and { layer, units, dead }. bins: how many
 * parameters have a gradient of 0 (`zero`) and from 2^n to 2^(n + 1) (["n"]). */
static void push_layers(lua_State *L, const ln_epoch *epoch)
{
    lua_createtable(L, epoch->layer_count, 0);
    for (int i = 0; i < epoch->layer_count; i++) {
        const ln_layer_report *report = &epoch->layers[i];
        lua_createtable(L, 0, 5);
        lua_pushstring(L, report->name);
        lua_setfield(L, -2, "layer");
        if (report->bins) {
            set_number(L, "gradient", report->gradient);
            set_number(L, "weight", report->weight);
            set_number(L, "change", report->change);
            lua_createtable(L, 0, 16);
            for (int bin = 0; bin < LN_GRADIENT_BINS; bin++) {
                char name[16] = "zero";
                if (report->bins[bin] == 0) {
                    continue;
                }
                if (bin > 0) {
                    snprintf(name, sizeof name, "%d", LN_GRADIENT_LEAST + bin - 1);
                }
                set_integer(L, name, report->bins[bin]);
            }
            lua_setfield(L, -2, "bins");
        } else {
            set_integer(L, "units", report->units);
            set_integer(L, "dead", report->dead);
        }
        lua_rawseti(L, -2, i + 1);
    }
}

static int push_epoch(lua_State *L)
{
    const heard *self = lua_touserdata(L, 2);
    const ln_epoch *epoch = self->epoch;
    lua_settop(L, 1);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, epoch->epoch);
    lua_setfield(L, -2, "epoch");
    lua_pushnumber(L, epoch->loss);
    lua_setfield(L, -2, "loss");
    if (!isnan(epoch->validation_loss)) {
        lua_pushnumber(L, epoch->validation_loss);
        lua_setfield(L, -2, "validation_loss");
    }
    lua_pushnumber(L, epoch->lr);
    lua_setfield(L, -2, "lr");
    push_layers(L, epoch);
    lua_setfield(L, -2, "layers");
    if (self->state) {
        push_state(L, epoch);
    } else {
        lua_pushnil(L);
    }
    lua_call(L, 2, 0);
    return 0;
}

static void hear_epoch(void *context, const ln_epoch *epoch)
{
    hearing *self = context;
    if (self->error != LUA_NOREF) {
        return;
    }
    lua_pushcfunction(self->L, push_epoch);
    lua_pushvalue(self->L, self->callback);
    heard one = {epoch, self->checkpoint > 0 && epoch->epoch % self->checkpoint == 0};
    lua_pushlightuserdata(self->L, &one);
    if (lua_pcall(self->L, 2, 0, 0) != LUA_OK) {
        self->error = luaL_ref(self->L, LUA_REGISTRYINDEX);
        ln_interrupt(SIGINT); /* stops the loop; the error itself is raised after it */
    }
}

/* Reads node.options of the node on the stack's top into a new parameter struct; leaves both. */
static void *node_params(lua_State *L, const ln_word *word)
{
    ln_error err = {0};
    const int node = lua_gettop(L);
    void *params = lua_newuserdatauv(L, word->params_size + 1, 0);
    memset(params, 0, word->params_size + 1);
    lua_getfield(L, node, "options");
    if (ln_args_read(L, lua_gettop(L), word, params, &err)) {
        ln_raise(L, &err);
    }
    return params;
}

static const char *node_word(lua_State *L, int options, const char *field)
{
    if (lua_getfield(L, options, field) != LUA_TTABLE) {
        return NULL;
    }
    lua_getfield(L, -1, "word");
    const char *word = lua_tostring(L, -1);
    lua_pop(L, 1);
    return word;
}

/* Loss, optimizer and schedule with their parameters, which stay on the stack. */
static void read_words(lua_State *L, int options, const ln_model *model, ln_train_options *out)
{
    const char *loss = node_word(L, options, "loss");
    if (loss != NULL) {
        out->loss = ln_loss_find(loss);
        out->loss_params = node_params(L, &out->loss->word);
    } else { /* what the model's end says */
        out->loss = ln_loss_find(model->task == LN_TASK_REGRESSION ? "mse"
                                 : model->output_count == 1        ? "binary_cross_entropy"
                                                                   : "cross_entropy");
    }
    const char *optimizer = node_word(L, options, "optimizer");
    out->optimizer = ln_optimizer_find(optimizer ? optimizer : "adam");
    if (optimizer != NULL) {
        out->optimizer_params = node_params(L, &out->optimizer->word);
    }
    const char *schedule = node_word(L, options, "schedule");
    if (schedule != NULL) {
        out->schedule = ln_schedule_find(schedule);
        out->schedule_params = node_params(L, &out->schedule->word);
    }
}

/* { x, labels, weights } in field `field`: false when it is absent. */
static bool read_set(lua_State *L, int table, const char *field, ln_train_set *out)
{
    if (lua_getfield(L, table, field) != LUA_TTABLE) {
        lua_pop(L, 1);
        return false;
    }
    const ln_tensor *labels = ln_tensor_field(L, lua_gettop(L), "labels");
    const ln_tensor *weights = ln_tensor_field(L, lua_gettop(L), "weights");
    *out = (ln_train_set){.x = ln_tensor_field(L, lua_gettop(L), "x"),
                          .weights = weights ? ln_f64(weights) : NULL};
    luaL_argcheck(L, out->x && labels, table, "x and labels are needed");
    if (labels->dtype == LN_F64) {
        out->numbers = ln_f64(labels);
    } else {
        out->labels = labels->data;
    }
    lua_pop(L, 1);
    return true;
}

/* class_weights = "balanced" or a list of numbers, as an array on Lua's side; NULL: absent. */
static const double *read_class_weights(lua_State *L, int options, const ln_model *model,
                                        const ln_train_set *train)
{
    const int type = lua_getfield(L, options, "class_weights");
    if (type == LUA_TNIL) {
        return NULL;
    }
    const int64_t classes = model->class_count;
    double *weights = lua_newuserdatauv(L, (size_t)classes * sizeof *weights + 1, 0);
    ln_error err = {0};
    if (train->labels == NULL) {
        ln_fail(&err, LN_EINVALID, "class weights need classes, and this is a regression");
    } else if (type == LUA_TSTRING) {
        ln_class_weights_balanced(train->labels, train->x->shape.dims[0], classes, weights, &err);
    } else if ((int64_t)lua_rawlen(L, -2) != classes) {
        ln_fail(&err, LN_EINVALID, "expected one weight a class, %d, found %d", (int)classes,
                (int)lua_rawlen(L, -2));
    } else {
        for (int64_t c = 0; c < classes; c++) {
            lua_rawgeti(L, -2, c + 1);
            weights[c] = lua_tonumber(L, -1);
            lua_pop(L, 1);
        }
    }
    if (err.status) {
        snprintf(err.field, sizeof err.field, "class_weights");
        ln_raise(L, &err);
    }
    return weights;
}

/* Field `start`, a state as push_state gives it; false when it is absent. */
static bool read_start(lua_State *L, int table, ln_train_state *out)
{
    if (lua_getfield(L, table, "start") != LUA_TTABLE) {
        lua_pop(L, 1);
        return false;
    }
    const int at = lua_gettop(L);
    *out = (ln_train_state){.epoch = ln_integer_field(L, at, "epoch", 0),
                            .step = ln_integer_field(L, at, "step", 0),
                            .best_loss = ln_number_field(L, at, "best_loss", INFINITY),
                            .best_epoch = ln_integer_field(L, at, "best_epoch", 0)};
    lua_getfield(L, at, "numbers");
    out->numbers = ln_check_tensor(L, -1);
    lua_pop(L, 2);
    return true;
}

/* train(model, { options, seed, pool, train = { x, labels }, validation, start, each = function });
 * each(epoch, state) hears of every epoch, with the state where options.checkpoint asks for it;
 * training goes on from the state `start`. Without `each` nothing is trained: what would be refused is
 * raised. */
static int train(lua_State *L)
{
    ln_model *model = ln_check_model(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    luaL_checkstack(L, 40, NULL);
    lua_getfield(L, 2, "each");
    hearing self = {.L = L, .callback = lua_gettop(L), .error = LUA_NOREF};
    lua_getfield(L, 2, "pool");
    ln_pool *pool = ln_opt_pool(L, -1);
    ln_train_set set = {0}, validation = {0};
    if (!read_set(L, 2, "train", &set)) {
        return luaL_error(L, "no training set");
    }
    const bool validated = read_set(L, 2, "validation", &validation);
    lua_getfield(L, 2, "options");
    const int at = lua_gettop(L);
    luaL_checktype(L, at, LUA_TTABLE);
    ln_train_options options = {
        .epochs = ln_integer_field(L, at, "epochs", 1),
        .batch = ln_integer_field(L, at, "batch", 32),
        .patience = ln_integer_field(L, at, "patience", 0),
        .min_delta = ln_number_field(L, at, "min_delta", 0.0),
        .seed = (uint64_t)ln_integer_field(L, 2, "seed", 0),
    };
    lua_getfield(L, at, "shuffle");
    options.shuffle = lua_isnil(L, -1) || lua_toboolean(L, -1);
    self.checkpoint = ln_integer_field(L, at, "checkpoint", 0);
    ln_train_state start;
    options.start = read_start(L, 2, &start) ? &start : NULL;
    if (lua_getfield(L, at, "augment") == LUA_TTABLE) {
        options.augment = (ln_augment){ln_integer_field(L, lua_gettop(L), "shift", 0),
                                       ln_number_field(L, lua_gettop(L), "flip", 0.0)};
    }
    lua_pop(L, 1);
    read_words(L, at, model, &options);
    options.class_weights = read_class_weights(L, at, model, &set);
    ln_error err = {0};
    const ln_train_set *watched = validated ? &validation : NULL;
    const bool check = lua_isnil(L, self.callback); /* nobody listens: only the checks */
    const ln_status status =
        check ? ln_train_check(model, &options, &set, watched, &err)
              : ln_train(model, &options, &set, watched, pool, hear_epoch, &self, &err);
    if (self.error != LUA_NOREF) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, self.error);
        luaL_unref(L, LUA_REGISTRYINDEX, self.error);
        return lua_error(L);
    }
    return status ? ln_raise(L, &err) : 0;
}

void ln_bind_train(lua_State *L)
{
    static const luaL_Reg functions[] = {{"train", train}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
