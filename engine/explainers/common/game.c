#include "explainers/common/game.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* Reference `r` of a row of request->x. */
static const float *reference(const ln_job *job, int64_t row, int64_t r)
{
    const ln_tensor *background = job->request->background;
    return background ? ln_f32(background) + r * job->request->model->width
                      : ln_job_baseline(job, row);
}

ln_status ln_game_make(ln_job *job, int64_t coalitions, ln_game *game, ln_error *err)
{
    const ln_request *request = job->request;
    *game = (ln_game){.players = job->width, .words = (job->width + 63) / 64, .reference_count = 1};
    ln_status status =
        ln_groups_make(request->groups, request->model->width, job->width, &game->groups, err);
    if (status)
        return status;
    if (request->background)
        game->reference_count = request->background->shape.dims[0];
    int64_t rows;
    if (__builtin_mul_overflow(coalitions, game->reference_count, &rows) || rows > LN_CHUNK_ROWS)
        rows = LN_CHUNK_ROWS;
    job->rows_per_pass = rows > 2 ? rows : 2;
    job->items_per_chunk = 1;
    return LN_OK;
}

void ln_game_free(ln_game *game)
{
    ln_groups_free(&game->groups);
    ln_free(game->none);
    game->none = NULL;
}

ln_game_buffers ln_game_carve(const ln_job *job, ln_carver *carver)
{
    const ln_model *model = job->request->model;
    /* The link "loss" has an output a class, also where the model has one output for two classes. */
    int64_t outputs =
        model->class_count > model->output_count ? model->class_count : model->output_count;
    ln_game_buffers made = {0};
    made.x = ln_carve(carver, job->rows_per_pass * model->width, sizeof *made.x);
    made.out = ln_carve(carver, job->rows_per_pass * outputs, sizeof *made.out);
    return made;
}

static double explained(const ln_target *target, const float *out)
{
    return target->offset + target->scale * (double)out[target->index];
}

ln_status ln_game_start(const ln_job *job, ln_game *game, ln_runner *runner, int64_t *evaluations,
                        ln_error *err)
{
    int64_t outputs = ln_function_outputs(job->function), count = game->reference_count;
    if (job->request->model->holds || (!job->request->background && job->baseline_stride > 0))
        return LN_OK;
    game->none = ln_calloc((size_t)outputs, sizeof *game->none);
    float *out = ln_calloc((size_t)(count * outputs), sizeof *out);
    ln_status status = LN_OK;
    if (!game->none || !out)
        status = ln_fail_memory(err, (size_t)(count * outputs) * sizeof *out);
    else
        status = ln_runner_forward(runner, reference(job, 0, 0), count, out, err);
    for (int64_t o = 0; o < outputs && !status; o++) {
        for (int64_t r = 0; r < count; r++)
            game->none[o] += (double)out[r * outputs + o];
        game->none[o] /= (double)count;
    }
    *evaluations += count;
    ln_free(out);
    return status;
}

/* v(none) of one row, whose references are its own. */
static ln_status none_of_row(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                             const ln_game_buffers *at, int64_t row, const ln_target *target,
                             double *none, ln_error *err)
{
    const ln_model *model = job->request->model;
    const int64_t width = model->width, outputs = ln_function_outputs(job->function);
    const float *x = ln_f32(job->request->x) + row * width;
    *none = 0;
    for (int64_t first = 0, pass; first < game->reference_count; first += pass) {
        pass = game->reference_count - first;
        if (pass > job->rows_per_pass)
            pass = job->rows_per_pass;
        for (int64_t r = 0; r < pass; r++) {
            memcpy(at->x + r * width, reference(job, row, first + r), (size_t)width * sizeof *x);
            ln_model_hold(model, x, at->x + r * width);
        }
        ln_status status = ln_runner_forward(chunk->runner, at->x, pass, at->out, err);
        if (status)
            return status;
        for (int64_t r = 0; r < pass; r++)
            *none += explained(target, at->out + r * outputs);
        chunk->evaluations += pass;
    }
    *none /= (double)game->reference_count;
    return LN_OK;
}

ln_status ln_game_ends(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                       const ln_game_buffers *at, int64_t entry, ln_error *err)
{
    const ln_request *request = job->request;
    int64_t width = request->model->width, row = request->items[chunk->first + entry].row;
    const ln_target *target = &job->targets[chunk->first + entry];
    double *none = &chunk->out->baseline_output[entry];
    memcpy(at->x, ln_f32(request->x) + row * width, (size_t)width * sizeof *at->x);
    ln_status status = ln_runner_forward(chunk->runner, at->x, 1, at->out, err);
    if (status)
        return status;
    chunk->evaluations++;
    chunk->out->output[entry] = explained(target, at->out);
    if (!game->none)
        return none_of_row(job, game, chunk, at, row, target, none, err);
    *none = target->offset + target->scale * game->none[target->index];
    return LN_OK;
}

/* to = the row of coalition `mask`, made from `to` as it was for coalition `before`. */
static void flip(const ln_game *game, const uint64_t *before, const uint64_t *mask, const float *x,
                 const float *other, float *to)
{
    for (int64_t w = 0; w < game->words; w++)
        for (uint64_t left = mask[w] ^ before[w]; left; left &= left - 1) {
            int bit = __builtin_ctzll(left);
            ln_groups_fill(&game->groups, w * 64 + bit, mask[w] >> bit & 1 ? x : other, to);
        }
}

/* The row of coalition `mask` from nothing. */
static void make(const ln_model *model, const ln_game *game, const uint64_t *mask, const float *x,
                 const float *other, float *to)
{
    memcpy(to, other, (size_t)model->width * sizeof *to);
    ln_model_hold(model, x, to);
    for (int64_t w = 0; w < game->words; w++)
        for (uint64_t left = mask[w]; left; left &= left - 1)
            ln_groups_fill(&game->groups, w * 64 + __builtin_ctzll(left), x, to);
}

ln_status ln_game_values(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                         const ln_game_buffers *at, int64_t entry, const uint64_t *masks,
                         int64_t count, double *values, ln_error *err)
{
    const ln_request *request = job->request;
    int64_t width = request->model->width, outputs = ln_function_outputs(job->function);
    int64_t row = request->items[chunk->first + entry].row, rows = count * game->reference_count;
    const float *x = ln_f32(request->x) + row * width;
    const ln_target *target = &job->targets[chunk->first + entry];
    memset(values, 0, (size_t)count * sizeof *values);
    for (int64_t done = 0; done < rows;) {
        int64_t pass = rows - done < job->rows_per_pass ? rows - done : job->rows_per_pass;
        for (int64_t i = 0; i < pass; i++) {
            const float *other = reference(job, row, (done + i) / count);
            const uint64_t *mask = masks + (done + i) % count * game->words;
            float *to = at->x + i * width;
            if (i == 0 || (done + i) % count == 0) {
                make(request->model, game, mask, x, other, to);
                continue;
            }
            memcpy(to, to - width, (size_t)width * sizeof *to);
            flip(game, mask - game->words, mask, x, other, to);
        }
        ln_status status = ln_check_interrupt(err); /* an item can take minutes */
        if (!status)
            status = ln_runner_forward(chunk->runner, at->x, pass, at->out, err);
        if (status)
            return status;
        for (int64_t i = 0; i < pass; i++)
            values[(done + i) % count] += explained(target, at->out + i * outputs);
        chunk->evaluations += pass;
        done += pass;
    }
    for (int64_t c = 0; c < count; c++)
        values[c] /= (double)game->reference_count;
    return LN_OK;
}

bool ln_game_varies(const ln_job *job, const ln_game *game, int64_t row, int64_t player)
{
    int64_t width = job->request->model->width;
    const float *x = ln_f32(job->request->x) + row * width;
    for (int64_t r = 0; r < game->reference_count; r++) {
        const float *other = reference(job, row, r);
        for (int64_t m = game->groups.start[player]; m < game->groups.start[player + 1]; m++)
            if (x[game->groups.member[m]] != other[game->groups.member[m]])
                return true;
    }
    return false;
}
