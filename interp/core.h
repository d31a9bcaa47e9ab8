/* `core`: the table of C functions that the modules of stdlib/ see (as the global `core` and by
 * require "core"); scripts never do. An opener adds its functions to the table on top of the stack. */
#ifndef LN_CORE_H
#define LN_CORE_H

#include <lua.h>

/* Leaves the table on the stack. */
int ln_core_open(lua_State *L);

void ln_bind_json(lua_State *L);    /* json.c: json, json_parse, object, null */
void ln_bind_words(lua_State *L);   /* bind_words.c: words, commands, nearest */
void ln_bind_sandbox(lua_State *L); /* sandbox.c: guarded, calling, and what scripts get of Lua */
void ln_bind_tensor(lua_State *L);
void ln_bind_data(lua_State *L);
void ln_bind_images(lua_State *L);
void ln_bind_repl(lua_State *L);
void ln_bind_groups(lua_State *L);
void ln_bind_network(lua_State *L);
void ln_bind_saved(lua_State *L);
void ln_bind_model(lua_State *L);
void ln_bind_train(lua_State *L);
void ln_bind_explain(lua_State *L);
void ln_bind_fill(lua_State *L);
void ln_bind_precomputed(lua_State *L);
void ln_bind_metric(lua_State *L);
void ln_bind_blackbox(lua_State *L);
void ln_bind_own(lua_State *L); /* bind_own.c: what a script's own parts are given */
void ln_bind_store(lua_State *L);
void ln_bind_log(lua_State *L);
void ln_bind_pieces(lua_State *L);
void ln_bind_draw(lua_State *L);
void ln_bind_export(lua_State *L);
void ln_bind_again(lua_State *L);  /* bind_again.c: reproduce and resume */
void ln_bind_bundle(lua_State *L); /* bind_bundle.c: stores that travel */
void ln_bind_environment(lua_State *L);

#endif
