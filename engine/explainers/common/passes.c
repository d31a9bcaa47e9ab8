#include "explainers/common/passes.h"

ln_passes ln_passes_of(const ln_model *model, int64_t rows_per_item, int64_t item_count)
{
    const int64_t most = ln_model_chunk_rows(model);
    if (rows_per_item > most) {
        int64_t passes = (rows_per_item + most - 1) / most;
        return (ln_passes){.rows = (rows_per_item + passes - 1) / passes, .items = 1};
    }
    const int64_t items = ln_even_chunk(item_count, most / rows_per_item);
    return (ln_passes){.rows = items * rows_per_item, .items = items};
}

void *ln_carve(ln_carver *carver, int64_t count, size_t size)
{
    void *piece = carver->base ? carver->base + carver->used : NULL;
    carver->used += ((size_t)count * size + 63) / 64 * 64;
    return piece;
}
