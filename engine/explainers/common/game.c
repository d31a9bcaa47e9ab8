#include "explainers/common/game.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/manifold.h"

#define WORTH_SORTING 4 /* references with which coalitions are evaluated */

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
    status = ln_factored_make(request->model, request->link, &game->groups, coalitions,
                              job->rows_per_pass, &game->factored, err);
    job->behind = game->factored.on ? &game->factored.value : NULL;
    return status;
}

void ln_game_free(ln_game *game)
{
    ln_groups_free(&game->groups);
    ln_factored_free(&game->factored);
    ln_free(game->none);
    game->none = NULL;
}

ln_game_buffers ln_game_carve(const ln_job *job, const ln_game *game, ln_carver *carver)
{
    const ln_model *model = job->request->model;
    const int64_t outputs = ln_request_outputs(job->request);
    ln_game_buffers made = {.factored = ln_factored_carve(&game->factored, carver)};
    if (!game->factored.on)
        made.x = ln_carve(carver, job->rows_per_pass * model->width, sizeof *made.x);
    made.out = ln_carve(carver, job->rows_per_pass * outputs, sizeof *made.out);
    return made;
}

static double explained(const ln_target *target, const float *out)
{
    return target->offset + target->scale * (double)out[target->index];
}

/* h(none) of references [first, first + count). */
static void mix_none(const ln_job *job, const ln_game *game, const ln_factored_buffers *at,
                     int64_t first, int64_t count, float *h)
{
    for (int64_t r = 0; r < count; r++) {
        ln_factored_other(&game->factored, at, reference(job, 0, first + r));
        ln_factored_mix(&game->factored, at, 1, 1, h + r * game->factored.hidden);
    }
}

/* The outputs at all references, mixed behind the first dense layer as coalitions are. */
static ln_status forward_none(const ln_job *job, const ln_game *game, ln_runner *runner, float *out,
                              ln_error *err)
{
    ln_carver carver = {0};
    ln_factored_carve(&game->factored, &carver);
    size_t bytes = carver.used;
    carver = (ln_carver){.base = ln_alloc_aligned(bytes)};
    if (!carver.base)
        return ln_fail_memory(err, bytes);
    ln_factored_buffers at = ln_factored_carve(&game->factored, &carver);
    ln_factored_row(&game->factored, &at, reference(job, 0, 0)); /* of which nothing is taken */
    ln_factored_ends(&game->factored, &at);
    ln_status status = LN_OK;
    for (int64_t done = 0, count; done < game->reference_count && !status; done += count) {
        count = game->reference_count - done;
        if (count > job->rows_per_pass)
            count = job->rows_per_pass;
        float *h = ln_runner_place(runner, count);
        mix_none(job, game, &at, done, count, h);
        status = ln_runner_forward(runner, h, count,
                                   out + done * ln_function_outputs(job->function), err);
    }
    ln_free_aligned(carver.base);
    return status;
}

ln_status ln_game_start(const ln_job *job, ln_game *game, ln_runner *runner, int64_t *evaluations,
                        ln_error *err)
{
    int64_t outputs = ln_function_outputs(job->function), count = game->reference_count;
    if (job->request->model->holds || (!job->request->background && job->baseline_stride > 0))
        return LN_OK;
    if (game->factored.on && count == 1) {
        ln_status kept = ln_factored_keep(&game->factored, reference(job, 0, 0), err);
        if (kept)
            return kept;
    }
    game->none = ln_calloc((size_t)outputs, sizeof *game->none);
    float *out = ln_calloc((size_t)(count * outputs), sizeof *out);
    ln_status status = LN_OK;
    if (!game->none || !out)
        status = ln_fail_memory(err, (size_t)(count * outputs) * sizeof *out);
    else if (game->factored.through)
        status = ln_factored_outputs(&game->factored, reference(job, 0, 0),
                                     job->request->model->width, count, game->none, err);
    else if (game->factored.on)
        status = forward_none(job, game, runner, out, err);
    else
        status = ln_runner_outputs(runner, reference(job, 0, 0), count, out, err);
    for (int64_t o = 0; o < outputs && !status; o++) {
        for (int64_t r = 0; r < count; r++)
            game->none[o] += (double)out[r * outputs + o]; /* 0 of those that went through */
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
        ln_status status = ln_runner_outputs(chunk->runner, at->x, pass, at->out, err);
        if (status)
            return status;
        for (int64_t r = 0; r < pass; r++)
            *none += explained(target, at->out + r * outputs);
        chunk->evaluations += pass;
    }
    *none /= (double)game->reference_count;
    return LN_OK;
}

/* v(all), and v(none) of the row's own reference where it has one, mixed as coalitions are. */
static ln_status mix_ends(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                          const ln_game_buffers *at, int64_t row, const ln_target *target,
                          double *all, double *none, ln_error *err)
{
    const ln_factored *factored = &game->factored;
    int64_t count = game->none ? 1 : 2;
    ln_factored_row(factored, &at->factored,
                    ln_f32(job->request->x) + row * job->request->model->width);
    ln_factored_ends(factored, &at->factored);
    float *h = ln_runner_place(chunk->runner, count);
    ln_factored_all(factored, &at->factored, h);
    if (count > 1) {
        ln_factored_other(factored, &at->factored, reference(job, row, 0));
        ln_factored_mix(factored, &at->factored, 1, 1, h + factored->hidden);
    }
    ln_status status = ln_runner_forward(chunk->runner, h, count, at->out, err);
    if (status)
        return status;
    *all = explained(target, at->out);
    if (count > 1)
        *none = explained(target, at->out + ln_function_outputs(job->function));
    chunk->evaluations += count;
    return LN_OK;
}

/* Floating-point operations of the products that a pass would do for a row. */
static double products_of(const ln_cascade *cascade)
{
    int64_t sum = 0, before = cascade->ending.numbers;
    for (int64_t i = 0; i < cascade->layer_count; i++) {
        sum += before * cascade->layers[i].ending.numbers;
        before = cascade->layers[i].ending.numbers;
    }
    return 2 * (double)(sum + before); /* one output is asked for */
}

/* With a profile: what mixtures that went through all layers took since `start`. */
static void note_mixtures(const ln_job *job, const ln_game *game, const ln_job_chunk *chunk,
                          int64_t rows, int64_t start)
{
    ln_job_mixtures *to = chunk->mixtures;
    if (!to)
        return;
    to->rows += rows;
    to->nanoseconds += ln_profile_clock(job->request->model->profile) - start;
    to->operations += (double)rows * products_of(&game->factored.cascade);
}

/* The same where mixtures go through all layers. */
static void add_ends(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                     const ln_game_buffers *at, int64_t row, const ln_target *target, double *all,
                     double *none)
{
    const ln_factored *factored = &game->factored;
    const int64_t count = game->none ? 1 : 2;
    const int64_t start = ln_profile_clock(job->request->model->profile);
    ln_factored_take(factored, &at->factored,
                     ln_f32(job->request->x) + row * job->request->model->width);
    ln_factored_ends_through(factored, &at->factored, game->none ? NULL : reference(job, row, 0));
    ln_factored_clear(&at->factored, count);
    ln_factored_add(factored, &at->factored, count, target->index);
    *all = target->offset + target->scale * at->factored.sum[0];
    if (count > 1)
        *none = target->offset + target->scale * at->factored.sum[1];
    chunk->evaluations += count;
    note_mixtures(job, game, chunk, count, start);
}

static ln_status forward_ends(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                              const ln_game_buffers *at, int64_t row, const ln_target *target,
                              double *all, double *none, ln_error *err)
{
    int64_t width = job->request->model->width;
    memcpy(at->x, ln_f32(job->request->x) + row * width, (size_t)width * sizeof *at->x);
    ln_status status = ln_runner_outputs(chunk->runner, at->x, 1, at->out, err);
    if (status)
        return status;
    chunk->evaluations++;
    *all = explained(target, at->out);
    return game->none ? LN_OK : none_of_row(job, game, chunk, at, row, target, none, err);
}

ln_status ln_game_ends(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                       const ln_game_buffers *at, int64_t entry, ln_error *err)
{
    int64_t row = job->request->items[chunk->first + entry].row;
    const ln_target *target = &job->targets[chunk->first + entry];
    double *all = &chunk->out->output[entry], *none = &chunk->out->baseline_output[entry];
    if (game->none)
        *none = target->offset + target->scale * game->none[target->index];
    if (game->factored.through) {
        add_ends(job, game, chunk, at, row, target, all, none);
        return LN_OK;
    }
    return game->factored.on ? mix_ends(job, game, chunk, at, row, target, all, none, err)
                             : forward_ends(job, game, chunk, at, row, target, all, none, err);
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

/* Coalitions of one reference that stand side by side in a pass. */
typedef struct stretch {
    const float *x, *other;
    const uint64_t *masks; /* of the first of them */
    int64_t first, count;  /* among those prepared */
    bool begins;           /* the first pass that has this reference */
} stretch;

/* Their rows as the function reads them; each is made from the one before, or mixed from what is prepared. */
static void fill(const ln_job *job, const ln_game *game, const ln_game_buffers *at,
                 const stretch *part, int64_t width, float *to)
{
    if (game->factored.on) {
        if (part->begins)
            ln_factored_other(&game->factored, &at->factored, part->other);
        ln_factored_mix(&game->factored, &at->factored, part->first, part->count, to);
        return;
    }
    make(job->request->model, game, part->masks, part->x, part->other, to);
    for (int64_t c = 1; c < part->count; c++) {
        const uint64_t *mask = part->masks + c * game->words;
        to += width;
        memcpy(to, to - width, (size_t)width * sizeof *to);
        flip(game, mask - game->words, mask, part->x, part->other, to);
    }
}

/* One block of coalitions: sums over the references into values. */
static ln_status add_block(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                           const ln_game_buffers *at, int64_t entry, const uint64_t *masks,
                           int64_t count, double *values, ln_error *err)
{
    const ln_request *request = job->request;
    const ln_target *target = &job->targets[chunk->first + entry];
    int64_t row = request->items[chunk->first + entry].row, rows = count * game->reference_count;
    int64_t width = game->factored.on ? game->factored.hidden : request->model->width;
    int64_t outputs = ln_function_outputs(job->function);
    stretch part = {.x = ln_f32(request->x) + row * request->model->width};
    if (game->factored.on)
        ln_factored_masks(&game->factored, &at->factored, masks, game->words, count);
    for (int64_t done = 0, pass; done < rows; done += pass) {
        pass = rows - done < job->rows_per_pass ? rows - done : job->rows_per_pass;
        float *x = game->factored.on ? ln_runner_place(chunk->runner, pass) : at->x;
        for (int64_t i = 0; i < pass; i += part.count) {
            part.first = (done + i) % count;
            part.other = reference(job, row, (done + i) / count);
            part.masks = masks + part.first * game->words;
            part.count = count - part.first < pass - i ? count - part.first : pass - i;
            part.begins = part.first == 0;
            fill(job, game, at, &part, width, x + i * width);
        }
        ln_status status = ln_check_interrupt(err); /* an item can take minutes */
        if (!status)
            status = ln_runner_forward(chunk->runner, x, pass, at->out, err);
        if (status)
            return status;
        for (int64_t i = 0, c = done % count; i < pass; i++, c = c + 1 < count ? c + 1 : 0)
            values[c] += explained(target, at->out + i * outputs);
        chunk->evaluations += pass;
    }
    return LN_OK;
}

/* The same where mixtures go through all layers: references one after the other. */
static ln_status add_block_through(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                                   const ln_game_buffers *at, int64_t entry, const uint64_t *masks,
                                   int64_t count, double *values, ln_error *err)
{
    const ln_target *target = &job->targets[chunk->first + entry];
    const ln_factored *factored = &game->factored;
    const int64_t row = job->request->items[chunk->first + entry].row;
    const double references = (double)game->reference_count;
    const int64_t start = ln_profile_clock(job->request->model->profile);
    ln_factored_row(factored, &at->factored,
                    ln_f32(job->request->x) + row * job->request->model->width);
    ln_factored_masks_through(factored, &at->factored, masks, game->words, count,
                              game->reference_count >= WORTH_SORTING);
    ln_factored_clear(&at->factored, count);
    for (int64_t r = 0; r < game->reference_count; r++) {
        const ln_status status = ln_check_interrupt(err); /* an item can take minutes */
        if (status)
            return status;
        ln_factored_other(factored, &at->factored, reference(job, row, r));
        ln_factored_add(factored, &at->factored, count, target->index);
    }
    for (int64_t i = 0; i < count; i++)
        values[at->factored.order[i]] =
            target->offset * references + target->scale * at->factored.sum[i];
    chunk->evaluations += count * game->reference_count;
    note_mixtures(job, game, chunk, count * game->reference_count, start);
    return LN_OK;
}

/* Shows the rows of these coalitions, with every reference. */
static void show(const ln_job *job, const ln_game *game, const ln_job_chunk *chunk, int64_t entry,
                 const uint64_t *masks, int64_t count)
{
    const ln_model *model = job->request->model;
    const int64_t row = job->request->items[chunk->first + entry].row;
    const float *x = ln_f32(job->request->x) + row * model->width;
    for (int64_t c = 0; c < count && chunk->watcher; c++)
        for (int64_t r = 0; r < game->reference_count; r++) {
            float *to = ln_manifold_place(chunk, entry);
            if (to)
                make(model, game, masks + c * game->words, x, reference(job, row, r), to);
        }
}

ln_status ln_game_values(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                         const ln_game_buffers *at, int64_t entry, const uint64_t *masks,
                         int64_t count, double *values, ln_error *err)
{
    ln_status status = LN_OK;
    memset(values, 0, (size_t)count * sizeof *values);
    show(job, game, chunk, entry, masks, count);
    for (int64_t done = 0, block; done < count && !status; done += block) {
        block = count - done < LN_FACTORED_BLOCK ? count - done : LN_FACTORED_BLOCK;
        status = (game->factored.through ? add_block_through : add_block)(
            job, game, chunk, at, entry, masks + done * game->words, block, values + done, err);
    }
    for (int64_t c = 0; c < count; c++)
        values[c] /= (double)game->reference_count;
    return status;
}

ln_status ln_game_walks(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                        const ln_game_buffers *at, int64_t entry, const int32_t *player,
                        const uint64_t *masks, int64_t walk, int64_t count, double *values,
                        ln_error *err)
{
    const ln_target *target = &job->targets[chunk->first + entry];
    const ln_factored *factored = &game->factored;
    const int64_t row = job->request->items[chunk->first + entry].row;
    const double references = (double)game->reference_count, *sum = at->factored.sum;
    if (masks)
        show(job, game, chunk, entry, masks, count);
    const int64_t start = ln_profile_clock(job->request->model->profile);
    ln_factored_walks(factored, &at->factored, player, count);
    ln_factored_clear(&at->factored, count);
    for (int64_t r = 0; r < game->reference_count; r++) {
        const ln_status status = ln_check_interrupt(err);
        if (status)
            return status;
        ln_factored_walk_from(factored, &at->factored, reference(job, row, r));
        ln_factored_walk(factored, &at->factored, count, walk, target->index);
    }
    /* As v(none) is; a division by 1 would change nothing, and take longer than the rest. */
    for (int64_t i = 0; i < count && game->reference_count == 1; i++)
        values[i] = target->offset + target->scale * sum[i];
    for (int64_t i = 0; i < count && game->reference_count > 1; i++)
        values[i] = target->offset + target->scale * (sum[i] / references);
    chunk->evaluations += count * game->reference_count;
    note_mixtures(job, game, chunk, count * game->reference_count, start);
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
