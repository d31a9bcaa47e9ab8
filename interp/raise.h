/* From an error record of the engine to a Lua error. The error value is a table:
 *
 *     status   exit status (contract, section 1)
 *     kind     "invalid", "file", "unsupported", "memory", "store", "io", "interrupted", "callback"
 *              or "failed"
 *     field    path of the script's field, where the engine knows part of it, else nil
 *     message  what was found and what would be right
 *     hint     or nil
 *
 * stdlib/fail.lua adds where in the script: script, line, and the whole field. */
#ifndef LN_RAISE_H
#define LN_RAISE_H

#include <lua.h>

#include "lunette.h"

/* Raises it: does not return. Written `return ln_raise(L, &err)`. */
int ln_raise(lua_State *L, const ln_error *err);

/* Keeps the Lua error on top of the stack (and pops it) for the ln_raise of the LN_ECALLBACK that a
 * callback returns in its place. May raise only for want of memory. */
void ln_keep_callback_error(lua_State *L);

#endif
