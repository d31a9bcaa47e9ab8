/* From a checked table of options to the parameter struct of a descriptor. */
#ifndef LN_ARGS_H
#define LN_ARGS_H

#include <lua.h>

#include "base/param.h"

/* Bytes of the parameter struct with the lists behind it that the table at `index` has entries of. */
size_t ln_args_bytes(lua_State *L, int index, const ln_word *word);

/* Fills `params` (ln_args_bytes, which is word->params_size for words without lists; zeroed first) from the table at `index`: every parameter
 * of the word that has an offset. Defaults are already in the table (schema.lua resolves them); an
 * optional one that is absent leaves 0, false, NULL or an empty list, -1 for a choice and NaN for a
 * real. Texts are borrowed from the table. LN_EINVALID, with the field set, for what does not fit;
 * nothing is raised (the table's own metatables are not asked). */
ln_status ln_args_read(lua_State *L, int index, const ln_word *word, void *params, ln_error *err);

#endif
