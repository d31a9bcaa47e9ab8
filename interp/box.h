/* Boxes: engine objects as Lua userdata. The order that never leaks (docs/architecture.md, "Errors
 * and ownership"): check all arguments, holding nothing; make the result's box, empty, with its
 * metatable set; call the engine, which never raises, to fill it; raise last.
 *
 *     ln_error err = {0};
 *     ln_tensor *x = ln_box_check(L, 1, "tensor");
 *     void **slot = ln_box_new(L, "tensor", close_tensor);
 *     if (ln_tensor_convert(x, LN_F64, (ln_tensor **)slot, &err))
 *         return ln_raise(L, &err);
 *     return 1;
 *
 * A box is closed once: by ln_box_close, by `<close>`, or by the collector. */
#ifndef LN_BOX_H
#define LN_BOX_H

#include <lua.h>

typedef void (*ln_box_close_fn)(void *object);

/* Pushes an empty box; the place for the object is returned (borrowed from the box). The type's
 * metatable is made on first use; `close` gets the object, never NULL. */
void **ln_box_new(lua_State *L, const char *type, ln_box_close_fn close);

/* The object in the box at `index`; a Lua error names what was expected and what was found, also
 * when the box is empty or closed. Borrowed. */
void *ln_box_check(lua_State *L, int index, const char *type);

/* Closes the box at `index` now. */
void ln_box_close(lua_State *L, int index, const char *type);

/* Keeps the value at `parent` alive as long as the box at `index` (views, jobs over a model). */
void ln_box_keep(lua_State *L, int index, int parent);

#endif
