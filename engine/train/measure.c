/* The mean loss of a whole set (the validation split) under the weights of now: chunks of
 * LN_CHUNK_ROWS rows over the pool, their sums added in order. One forward pass. */
#include "train/trainer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"

static int64_t chunk_count(const ln_train_set *set)
{
    return (set->x->shape.dims[0] + LN_CHUNK_ROWS - 1) / LN_CHUNK_ROWS;
}

ln_status ln_measure_init(ln_measure *measure, ln_model *model, const ln_recipe *recipe,
                          const ln_train_set *set, int output, ln_pool *pool, ln_error *err)
{
    *measure = (ln_measure){.recipe = recipe,
                            .model = model,
                            .pool = pool,
                            .workers = pool ? ln_pool_threads(pool) : 1,
                            .output = output,
                            .set = set};
    for (int64_t i = 0; i < set->x->shape.dims[0]; i++)
        measure->denominator += ln_weight_of(set, recipe->options->class_weights, i);
    measure->losses = ln_alloc((size_t)chunk_count(set) * sizeof *measure->losses);
    if (!measure->losses)
        return ln_fail_memory(err, (size_t)chunk_count(set) * sizeof *measure->losses);
    const ln_plan_options plan = {.rows = LN_CHUNK_ROWS,
                                  .values = &measure->output,
                                  .value_count = 1,
                                  .profile = model->profile};
    ln_status status = ln_plan_new(model->graph, &plan, &measure->plan, err);
    if (status == LN_OK)
        status = ln_execs_new(measure->plan, measure->workers, &measure->execs, err);
    return status;
}

void ln_measure_free(ln_measure *measure)
{
    ln_execs_free(measure->execs, measure->workers);
    ln_plan_free(measure->plan);
    ln_free(measure->losses);
    *measure = (ln_measure){0};
}

static ln_status measure_chunk(void *context, int64_t chunk, int worker, ln_error *err)
{
    ln_measure *own = context;
    const ln_recipe *recipe = own->recipe;
    const int64_t first = chunk * LN_CHUNK_ROWS, left = own->set->x->shape.dims[0] - first;
    ln_gathered gathered;
    ln_loss_rows rows;
    ln_gather(own->model, own->execs[worker], own->set, NULL, first,
              left < LN_CHUNK_ROWS ? left : LN_CHUNK_ROWS, recipe->options->class_weights,
              &gathered, &rows);
    ln_status status = ln_exec_forward(own->execs[worker], rows.rows, err);
    if (status != LN_OK)
        return status;
    rows.count = own->model->output_count;
    rows.denominator = own->denominator;
    rows.outputs = ln_exec_value(own->execs[worker], own->output);
    own->losses[chunk] = recipe->options->loss->compute(recipe->loss_params, &rows);
    return LN_OK;
}

ln_status ln_measure_loss(ln_measure *measure, double *loss, ln_error *err)
{
    const int64_t chunks = chunk_count(measure->set);
    ln_status status = ln_plan_refresh(measure->plan, err);
    if (status == LN_OK)
        status = ln_parallel(measure->pool, chunks, measure_chunk, measure, NULL, NULL, err);
    if (status != LN_OK)
        return status;
    *loss = 0;
    for (int64_t i = 0; i < chunks; i++)
        *loss += measure->losses[i];
    *loss /= measure->denominator;
    return LN_OK;
}
