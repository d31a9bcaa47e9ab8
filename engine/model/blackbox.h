/* A model made of a function of the caller's: rows in, outputs out. It is called on the thread that
 * asks the model, in passes of at most as many rows as were planned; whoever spreads work over a pool
 * asks ln_model_pool first. */
#ifndef LN_MODEL_BLACKBOX_H
#define LN_MODEL_BLACKBOX_H

#include "model/model.h"

/* Takes over `encoding` (may be NULL) and the callback's context also when it fails. `identity` stands
 * for what the function does, in the model's hash: the text of its source, hashed. */
ln_status ln_model_blackbox(const ln_callback *callback, const char *identity,
                            ln_encoding *encoding, ln_task task, ln_model **out, ln_error *err);

#endif
