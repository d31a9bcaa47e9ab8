/* What every binding uses: Lua's headers, boxes, arguments, errors, and the engine's objects as
 * userdata by type. `ln_new_X` pushes an empty box and returns the place to fill; `ln_check_X`
 * borrows the object of an argument; `ln_opt_X` is NULL for nil. */
#ifndef LN_INTERP_H
#define LN_INTERP_H

#include <lauxlib.h>
#include <lua.h>

#include "args.h"
#include "box.h"
#include "core.h"
#include "data/dataset.h"
#include "explainers/explainer.h"
#include "metrics/metric.h"
#include "model/declare.h"
#include "model/model.h"
#include "raise.h"
#include "store/store.h"
#include "tensor/tensor.h"

/* A job and the request it borrows. */
typedef struct ln_bound_job {
    ln_request request; /* points into the Lua values that the box keeps alive */
    ln_neuron neuron;   /* what the request explains, where it says so */
    ln_row_groups own;  /* groups of its own of each row, where there are */
    ln_manifold *watch; /* owned, or NULL */
    ln_job *job;        /* owned */
} ln_bound_job;

/* A finished piece of an explanation. */
typedef struct ln_piece {
    ln_explanation explained; /* owned */
    ln_tensor *values;        /* (count, ...) f32, owned */
    ln_tensor *errors;        /* the same shape, or NULL */
    ln_summary *summary;      /* one an item, owned */
    const ln_item *items;     /* of the job, which the box keeps alive */
    int64_t inputs;           /* the model's width */
} ln_piece;

ln_tensor **ln_new_tensor(lua_State *L);
ln_tensor *ln_check_tensor(lua_State *L, int index);
ln_tensor *ln_opt_tensor(lua_State *L, int index);
ln_dataset **ln_new_dataset(lua_State *L);
ln_dataset *ln_check_dataset(lua_State *L, int index);
ln_model **ln_new_model(lua_State *L);
ln_model *ln_check_model(lua_State *L, int index);
ln_encoding **ln_new_encoding(lua_State *L);
ln_pool **ln_new_pool(lua_State *L);
ln_pool *ln_opt_pool(lua_State *L, int index);
ln_store **ln_new_store(lua_State *L);
ln_store *ln_check_store(lua_State *L, int index);

/* Structures of ours, zeroed; raises when there is no memory. Closed by what they hold. */
ln_declaration *ln_new_declaration(lua_State *L);
ln_bound_job *ln_new_job(lua_State *L);
ln_bound_job *ln_check_job(lua_State *L, int index);
ln_piece *ln_new_piece(lua_State *L);
ln_piece *ln_check_piece(lua_State *L, int index);
ln_metric_result *ln_new_metric_result(lua_State *L);

/* bind_network.c: fits the encoding that fields data, rows and encode of a table ask for; *out stays
 * empty without data. Raises. */
void ln_fit_encoding(lua_State *L, int spec, ln_encoding **out);

/* bind_data.c: a field that is a list of texts, as a NULL-terminated array in `room` (its texts stay on
 * Lua's side, kept alive by the options table); NULL when the field is absent. */
enum { LIST_MOST = 4096 };
const char *const *ln_text_list(lua_State *L, int options, const char *field, const char **room,
                                int most);
bool ln_flag_field(lua_State *L, int options, const char *field); /* absent: false */

/* bind_blackbox.c: a black box's function runs on this state from now on (a coroutine may be the one
 * that asks); returns the state before. NULL for other models. */
lua_State *ln_blackbox_enter(const ln_model *model, lua_State *L);

/* Frees a text made by ln_alloc when the box it pushes is collected; returns the text. To be called
 * first thing after the text was made: it may raise only for want of memory, and then frees it. */
char *ln_guard(lua_State *L, char *text);

/* Pushes one number of a tensor, by its place in row-major order: whole where the dtype is. */
void ln_push_number(lua_State *L, const ln_tensor *tensor, int64_t at);

/* Fields of a table of arguments: borrowed from the table, which keeps them. */
ln_tensor *ln_tensor_field(lua_State *L, int table, const char *field); /* or NULL */
int64_t ln_integer_field(lua_State *L, int table, const char *field, int64_t fallback);
double ln_number_field(lua_State *L, int table, const char *field, double fallback);
const char *ln_text_field(lua_State *L, int table, const char *field); /* or NULL */
/* The index in `choices` of a text field, 0 when it is absent or no choice. */
int ln_choice_field(lua_State *L, int table, const char *field, const char *choices);
/* A list of sizes, one row of the inputs as the user gave them; rank 0: there is none. A row that is a single
 * number has one axis. */
ln_shape ln_shape_field(lua_State *L, int table, const char *field);

#endif
