/* From a checked table of options to the parameter struct of a descriptor. */
#ifndef LN_ARGS_H
#define LN_ARGS_H

#include <lua.h>

#include "base/param.h"

/* Fills `params` (word->params_size bytes, zeroed first) from the table at `index`: every parameter
 * of the word that has an offset. Defaults are already in the table (schema.lua resolves them); an
 * optional one that is absent leaves 0, false, NULL or an empty list, -1 for a choice and NaN for a
 * real. Texts are borrowed from the table. LN_EINVALID, with the field set, for what does not fit;
 * nothing is raised (the table's own metatables are not asked). */
ln_status ln_args_read(lua_State *L, int index, const ln_word *word, void *params, ln_error *err);

#endif
