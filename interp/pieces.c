#include "pieces.h"

#include "base/alloc.h"
#include "base/error.h"

/* The values (count, width) of a piece as a tensor whose rows have the shape given. */
static ln_status keep_values(lua_State *L, int shape_at, ln_piece *piece, ln_error *err)
{
    ln_shape shape = {.rank = 2, .dims = {piece->explained.count, piece->explained.width}};
    if (lua_istable(L, shape_at)) {
        shape.rank = 1 + (int)lua_rawlen(L, shape_at);
        if (shape.rank > LN_MAX_RANK) {
            return ln_fail(err, LN_EUNSUPPORTED, "inputs of more than %d axes", LN_MAX_RANK - 1);
        }
        for (int axis = 1; axis < shape.rank; axis++) {
            lua_rawgeti(L, shape_at, axis);
            shape.dims[axis] = lua_tointeger(L, -1);
            lua_pop(L, 1);
        }
    }
    const ln_status status =
        ln_tensor_copy_of(LN_F32, &shape, piece->explained.values, &piece->values, err);
    if (status || piece->explained.errors == NULL) {
        return status;
    }
    return ln_tensor_copy_of(LN_F32, &shape, piece->explained.errors, &piece->errors, err);
}

static ln_status summarise(ln_piece *piece, ln_error *err)
{
    const int64_t count = piece->explained.count, width = piece->explained.width;
    const size_t bytes = (size_t)count * sizeof *piece->summary + 1;
    piece->summary = ln_alloc(bytes);
    if (piece->summary == NULL) {
        return ln_fail_memory(err, bytes);
    }
    const double *from =
        piece->explained.absorbed ? piece->explained.absorbed : piece->explained.baseline_output;
    for (int64_t i = 0; i < count; i++) {
        const int64_t *units = piece->explained.units;
        piece->summary[i] =
            ln_summarise(piece->explained.values + i * width, units ? units[i] : width,
                         piece->explained.output[i], from[i]);
    }
    return LN_OK;
}

ln_status ln_piece_finish(lua_State *L, int shape_at, ln_piece *piece, ln_error *err)
{
    const ln_status status = summarise(piece, err);
    return status ? status : keep_values(L, shape_at, piece, err);
}
