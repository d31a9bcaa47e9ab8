/* Descriptors as Lua tables: what words.lua makes the language's words from, help.lua its pages and
 * schema.lua its checks.
 *
 *   words(category) -> list of { name, summary, formula, source, cost, version, flags = {...},
 *       params = { { name, type, default, required, min, max, above_min, choices, position, help } } }
 *       where `default` is a Lua literal as text. Categories: explainer, metric, judge, layer, loss,
 *       optimizer, schedule.
 *   commands() -> list of { name, operands, summary, details, options = { {name, ...} } }
 *   nearest(word, list) -> the likely spelling, or nil */
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/param.h"
#include "command.h"
#include "core.h"
#include "explainers/explainer.h"
#include "judges/judge.h"
#include "layers/layer.h"
#include "metrics/metric.h"
#include "options.h"
#include "raise.h"
#include "train/train.h"

static void set_text(lua_State *L, const char *key, const char *text)
{
    if (text && *text) {
        lua_pushstring(L, text);
        lua_setfield(L, -2, key);
    }
}

static void set_true(lua_State *L, const char *key, bool value)
{
    if (value) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, key);
    }
}

static const char *type_name(ln_param_type type)
{
    static const char *const names[] = {
        [LN_PARAM_INT] = "int",           [LN_PARAM_REAL] = "real",
        [LN_PARAM_BOOL] = "bool",         [LN_PARAM_CHOICE] = "choice",
        [LN_PARAM_STRING] = "string",     [LN_PARAM_INTS] = "ints",
        [LN_PARAM_BASELINE] = "baseline", [LN_PARAM_BACKGROUND] = "background",
        [LN_PARAM_GROUPS] = "groups",     [LN_PARAM_MASK] = "mask",
        [LN_PARAM_TREE] = "tree",         [LN_PARAM_LAYER] = "layer",
        [LN_PARAM_WORD] = "word",         [LN_PARAM_STOP] = "stop",
        [LN_PARAM_TABLE] = "table",       [LN_PARAM_COMPOSITE] = "composite",
    };
    return names[type];
}

/* Both ends 0 means that no range was given; an upper end that is not above the lower one means
 * that only the lower was (args.c reads them the same way). */
static void push_range(lua_State *L, const ln_param *param)
{
    if (param->min == 0 && param->max == 0 && !param->above_min)
        return;
    if (param->min > -HUGE_VAL) {
        lua_pushnumber(L, param->min);
        lua_setfield(L, -2, "min");
    }
    if (param->max < HUGE_VAL && param->max > param->min) {
        lua_pushnumber(L, param->max);
        lua_setfield(L, -2, "max");
    }
    set_true(L, "above_min", param->above_min);
}

static void push_param(lua_State *L, const ln_param *param)
{
    lua_createtable(L, 0, 8);
    set_text(L, "name", param->name);
    set_text(L, "type", type_name(param->type));
    bool required = param->fallback && strcmp(param->fallback, LN_REQUIRED) == 0;
    set_true(L, "required", required);
    if (!required)
        set_text(L, "default", param->fallback);
    if (param->type == LN_PARAM_INT || param->type == LN_PARAM_REAL || param->type == LN_PARAM_INTS)
        push_range(L, param);
    set_text(L, "choices", param->choices);
    if (param->position > 0) {
        lua_pushinteger(L, param->position);
        lua_setfield(L, -2, "position");
    }
    set_text(L, "help", param->help);
}

/* Leaves the word's table on the stack. */
static void push_word(lua_State *L, const ln_word *word)
{
    lua_createtable(L, 0, 8);
    set_text(L, "name", word->name);
    set_text(L, "summary", word->summary);
    set_text(L, "formula", word->formula);
    set_text(L, "source", word->source);
    lua_newtable(L);
    int count = 0;
    for (const ln_param *param = word->params; param && param->name; param++) {
        push_param(L, param);
        lua_rawseti(L, -2, ++count);
    }
    lua_setfield(L, -2, "params");
    lua_newtable(L);
    lua_setfield(L, -2, "flags");
}

typedef struct flag_name {
    unsigned flag;
    const char *name;
} flag_name;

/* Fills the `flags` of the word on top of the stack. */
static void push_flags(lua_State *L, unsigned flags, const flag_name *names)
{
    lua_getfield(L, -1, "flags");
    for (; names->name; names++)
        set_true(L, names->name, flags & names->flag);
    lua_pop(L, 1);
}

static void set_whole(lua_State *L, const char *key, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

static void set_flag(lua_State *L, const char *key, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, key);
}

static void push_explainers(lua_State *L)
{
    static const flag_name names[] = {
        {LN_NEEDS_GRADIENT, "needs_gradient"},
        {LN_TAKES_BASELINE, "takes_baseline"},
        {LN_TAKES_GROUPS, "takes_groups"},
        {LN_TAKES_TREE, "takes_tree"},
        {LN_TAKES_BACKGROUND, "takes_background"},
        {LN_COMPLETE, "complete"},
        {LN_CONSERVES, "conserves"},
        {LN_RANDOM, "random"},
        {LN_TAKES_LAYER, "takes_layer"},
        {LN_AT_LAYER, "at_layer"},
        {LN_NO_TARGET, "no_target"},
        {LN_WRAPS, "wraps"},
        {LN_ATTACKS, "attacks"},
        {LN_HAS_FIT, "has_fit"},
        {LN_HAS_RULE, "has_rule"},
        {LN_OF_PAIRS, "of_pairs"},
        {LN_OF_TRAINING, "of_training"},
        {LN_OF_PROBABILITY, "of_probability"},
        {LN_OF_PIECES, "of_pieces"},
        {LN_WATCHED, "watched"},
        {0, NULL},
    };
    for (int i = 0; ln_explainers[i]; i++) {
        const ln_explainer *explainer = ln_explainers[i];
        push_word(L, &explainer->word);
        push_flags(L, explainer->flags, names);
        set_text(L, "cost", explainer->cost);
        set_whole(L, "version", explainer->version);
        lua_pushnumber(L, explainer->tolerance);
        lua_setfield(L, -2, "tolerance");
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_metrics(lua_State *L)
{
    static const flag_name names[] = {
        {LN_METRIC_SCORES, "scores"},         {LN_METRIC_BINARY, "binary"},
        {LN_METRIC_MULTICLASS, "multiclass"}, {LN_METRIC_REGRESSION, "regression"},
        {LN_METRIC_MATRIX, "matrix"},         {LN_METRIC_CURVE, "curve"},
        {LN_METRIC_RANKING, "ranking"},       {0, NULL},
    };
    for (int i = 0; ln_metrics[i]; i++) {
        const ln_metric *metric = ln_metrics[i];
        push_word(L, &metric->word);
        push_flags(L, metric->flags, names);
        if (!(metric->flags & (LN_METRIC_NO_VALUE | LN_METRIC_NEUTRAL)))
            set_flag(L, "higher_is_better", metric->higher_is_better);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_judges(lua_State *L)
{
    static const flag_name names[] = {
        {LN_JUDGE_NEEDS_MODEL, "needs_model"}, {LN_JUDGE_TAKES_BASELINE, "takes_baseline"},
        {LN_JUDGE_TAKES_MASK, "takes_mask"},   {LN_JUDGE_EXPLAINS_AGAIN, "explains_again"},
        {LN_JUDGE_WATCHES, "watches"},         {0, NULL},
    };
    for (int i = 0; ln_judges[i]; i++) {
        const ln_judge *judge = ln_judges[i];
        push_word(L, &judge->word);
        push_flags(L, judge->flags, names);
        set_flag(L, "higher_is_better", judge->higher_is_better);
        set_whole(L, "version", judge->version);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_layers(lua_State *L)
{
    static const flag_name names[] = {
        {LN_LAYER_LINEAR, "linear"},
        {LN_LAYER_ACTIVATION, "activation"},
        {LN_LAYER_SHAPE, "shape"},
        {0, NULL},
    };
    int count = 0;
    for (int i = 0; ln_layers[i]; i++) {
        const ln_layer *layer = ln_layers[i];
        if (layer->flags & LN_LAYER_INTERNAL)
            continue;
        push_word(L, &layer->word);
        push_flags(L, layer->flags, names);
        lua_rawseti(L, -2, ++count);
    }
}

static void push_training(lua_State *L, const char *category)
{
    if (strcmp(category, "loss") == 0) {
        for (int i = 0; ln_losses[i]; i++) {
            push_word(L, &ln_losses[i]->word);
            set_text(L, "task",
                     ln_losses[i]->task == LN_TASK_REGRESSION ? "regression" : "classification");
            lua_rawseti(L, -2, i + 1);
        }
    } else if (strcmp(category, "optimizer") == 0) {
        for (int i = 0; ln_optimizers[i]; i++) {
            push_word(L, &ln_optimizers[i]->word);
            lua_rawseti(L, -2, i + 1);
        }
    } else {
        for (int i = 0; ln_schedules[i]; i++) {
            push_word(L, &ln_schedules[i]->word);
            lua_rawseti(L, -2, i + 1);
        }
    }
}

static int core_words(lua_State *L)
{
    static const char *const categories[] = {"explainer", "metric",    "judge",    "layer",
                                             "loss",      "optimizer", "schedule", NULL};
    int which = luaL_checkoption(L, 1, NULL, categories);
    lua_newtable(L);
    switch (which) {
    case 0:
        push_explainers(L);
        break;
    case 1:
        push_metrics(L);
        break;
    case 2:
        push_judges(L);
        break;
    case 3:
        push_layers(L);
        break;
    default:
        push_training(L, categories[which]);
    }
    return 1;
}

static const ln_option_note *note_of(const ln_command *command, const ln_option *option)
{
    for (const ln_option_note *note = command->notes; note && note->name; note++)
        if (strcmp(note->name, option->name) == 0)
            return note;
    return NULL;
}

static void push_command_options(lua_State *L, const ln_command *command)
{
    int count = 0;
    lua_newtable(L);
    for (const ln_option *option = ln_option_rows; option->name; option++) {
        if (!ln_option_allowed(command, option))
            continue;
        lua_createtable(L, 0, 4);
        set_text(L, "name", option->name);
        if (option->letter) {
            lua_pushlstring(L, &option->letter, 1);
            lua_setfield(L, -2, "letter");
        }
        const ln_option_note *note = note_of(command, option);
        set_text(L, "value", note ? note->value : option->value);
        set_text(L, "help", note ? note->help : option->help);
        lua_rawseti(L, -2, ++count);
    }
}

static int core_commands(lua_State *L)
{
    int count = 0;
    lua_newtable(L);
    for (int i = 0; ln_commands[i]; i++) {
        const ln_command *command = ln_commands[i];
        if (!command->summary[0])
            continue;
        lua_createtable(L, 0, 5);
        set_text(L, "name", command->name);
        set_text(L, "operands", command->operands);
        set_text(L, "summary", command->summary);
        set_text(L, "details", command->details);
        push_command_options(L, command);
        lua_setfield(L, -2, "options");
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static int core_nearest(lua_State *L)
{
    const char *word = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = (size_t)lua_rawlen(L, 2);
    const char **list = lua_newuserdatauv(L, (count + 1) * sizeof *list, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        list[i] = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
        lua_pop(L, 1); /* the list keeps it */
    }
    list[count] = NULL;
    lua_pushstring(L, ln_nearest_word(word, list));
    return 1;
}

void ln_bind_words(lua_State *L)
{
    static const luaL_Reg functions[] = {{"words", core_words},
                                         {"commands", core_commands},
                                         {"nearest", core_nearest},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
