/* Weights of a network by name: from and to a safetensors file. */
#ifndef LN_MODEL_WEIGHTS_H
#define LN_MODEL_WEIGHTS_H

#include "model/model.h"
#include "tensor/safetensors.h"

/* Puts an array of the file in the place of every constant of a declared network and makes the model's
 * hash anew. "<layer>.weight" is asked for under this name and, where the script gave the layer no name
 * (it is called word_number), under "<number>.weight", as PyTorch's Sequential names it. All or nothing:
 * LN_EINVALID lists what is missing, what is of another shape and what nothing asked for (but
 * "num_batches_tracked", which counts PyTorch's training steps). */
ln_status ln_model_load_weights(ln_model *model, const ln_safetensors *file, const char *path,
                                ln_error *err);

/* Writes every constant of the graph under its name. */
ln_status ln_model_save_weights(const ln_model *model, const char *path, ln_error *err);

#endif
