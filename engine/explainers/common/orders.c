#include "explainers/common/orders.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "kernels/draws.h"

#define BLOCK 1024 /* coalitions evaluated at once, but at least one walk's */

/* A worker's scratch. Players that vary are numbered from 0 on. */
typedef struct buffers {
    ln_game_buffers game;
    uint64_t *masks; /* (block walks, coalitions of a walk, words) */
    int32_t
        *joins;    /* (block walks, coalitions of a walk) who comes, where nobody needs the masks */
    double *value; /* (block walks, coalitions of a walk) */
    int32_t *order;  /* (block walks, players) numbers of those that vary */
    uint32_t *word;  /* (block walks, players) random ones */
    int32_t *number; /* (players) 0, 1, 2 ... */
    int32_t *player; /* (players) those that vary */
    double *brought; /* (block walks, players) contributions along each walk, by number */
    double *mean;    /* (players) so far, by number */
    double *spread;  /* (players) squared deviations from the mean so far (Welford) */
    double *error;   /* (players) at the last look, by number */
} buffers;

static int64_t coalitions_of(const ln_orders *shared, int64_t players)
{
    return (shared->antithetic ? 2 : 1) * (players - 1);
}

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const ln_orders *shared = job->shared;
    int64_t players = job->width;
    int64_t coalitions = shared->block * coalitions_of(shared, players);
    buffers made = {.game = ln_game_carve(job, &shared->game, &carver)};
    made.masks = ln_carve(&carver, coalitions * shared->game.words, sizeof *made.masks);
    made.joins = ln_carve(&carver, coalitions, sizeof *made.joins);
    made.value = ln_carve(&carver, coalitions, sizeof *made.value);
    made.order = ln_carve(&carver, shared->block * players, sizeof *made.order);
    made.word = ln_carve(&carver, shared->block * players, sizeof *made.word);
    made.number = ln_carve(&carver, players, sizeof *made.number);
    made.player = ln_carve(&carver, players, sizeof *made.player);
    made.brought = ln_carve(&carver, shared->block * players, sizeof *made.brought);
    made.mean = ln_carve(&carver, players, sizeof *made.mean);
    made.spread = ln_carve(&carver, players, sizeof *made.spread);
    made.error = ln_carve(&carver, players, sizeof *made.error);
    if (bytes)
        *bytes = carver.used;
    return made;
}

void ln_orders_release(ln_job *job)
{
    ln_orders *shared = job->shared;
    ln_game_free(&shared->game);
    ln_free(shared);
}

ln_status ln_orders_prepare(ln_job *job, bool antithetic, double stop, size_t *scratch_bytes,
                            ln_error *err)
{
    ln_orders *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared;
    shared->antithetic = antithetic;
    shared->stop = stop;
    shared->loops = ln_kernels_walks();
    int64_t coalitions = coalitions_of(shared, job->width);
    shared->block = coalitions > 0 && coalitions < BLOCK ? BLOCK / coalitions : 1;
    ln_status status = ln_game_make(job, BLOCK, &shared->game, err);
    if (!status)
        carve(job, NULL, scratch_bytes);
    return status;
}

ln_status ln_orders_start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err)
{
    ln_orders *shared = job->shared;
    return ln_game_start(job, &shared->game, runner, evaluations, err);
}

/* An order of the n players, by a random word for each but the first: of so few players a word makes some
 * more likely than others by 2^-32 times their number. */
static void draw_order(const buffers *at, const uint32_t *word, int64_t n, int32_t *order)
{
    memcpy(order, at->number, (size_t)n * sizeof *order);
    for (int64_t left = n; left > 1; left--) {
        const int64_t chosen = (int64_t)((uint64_t)word[left - 2] * (uint64_t)left >> 32);
        const int32_t number = order[chosen];
        order[chosen] = order[left - 1];
        order[left - 1] = number;
    }
}

/* Who comes k-th along an order, forwards or from its end. */
static inline int32_t comes(const buffers *at, const int32_t *order, int64_t n, bool backwards,
                            int64_t k)
{
    return at->player[order[backwards ? n - 1 - k : k]];
}

/* The n - 1 coalitions on the way along an order. */
static void list_coalitions(const buffers *at, const int32_t *order, int64_t n, bool backwards,
                            int64_t words, uint64_t *masks)
{
    for (int64_t k = 0; k + 1 < n; k++) {
        const int32_t player = comes(at, order, n, backwards, k);
        uint64_t *mask = masks + k * words;
        if (k > 0)
            memcpy(mask, mask - words, (size_t)words * sizeof *mask);
        else
            memset(mask, 0, (size_t)words * sizeof *mask);
        mask[player / 64] |= (uint64_t)1 << player % 64;
    }
}

/* Who makes those coalitions, one after the other. `all` players vary: then their numbers are theirs. */
static void list_joins(const buffers *at, const int32_t *order, int64_t n, bool backwards, bool all,
                       int32_t *joins)
{
    if (backwards)
        for (int64_t k = 0; k + 1 < n; k++)
            joins[k] = at->player[order[n - 1 - k]];
    else if (all)
        memcpy(joins, order, (size_t)(n - 1) * sizeof *joins);
    else
        for (int64_t k = 0; k + 1 < n; k++)
            joins[k] = at->player[order[k]];
}

/* What each player brings along an order, by number. */
static void list_brought(const int32_t *order, int64_t n, const double *value, double none,
                         double all, double *brought)
{
    double before = none;
    for (int64_t k = 0; k + 1 < n; k++) {
        brought[order[k]] = value[k] - before;
        before = value[k];
    }
    brought[order[n - 1]] = all - before;
}

/* The mean of that and of what each brings from the order's end on. */
static void add_backwards(const int32_t *order, int64_t n, const double *value, double none,
                          double all, double *brought)
{
    double before = none;
    for (int64_t k = 0; k < n; k++) {
        const int32_t number = order[n - 1 - k];
        const double after = k + 1 < n ? value[k] : all;
        brought[number] = 0.5 * brought[number] + 0.5 * (after - before);
        before = after;
    }
}

/* Takes `count` walks, behind the `done` first ones, into mean and spread. */
static void take_walks(const ln_orders *shared, const buffers *at, int64_t n, int64_t count,
                       double none, double all, int64_t done)
{
    const int64_t coalitions = coalitions_of(shared, n);
    for (int64_t w = 0; w < count; w++) {
        const int32_t *order = at->order + w * n;
        const double *value = at->value + w * coalitions;
        list_brought(order, n, value, none, all, at->brought + w * n);
        if (shared->antithetic)
            add_backwards(order, n, value + n - 1, none, all, at->brought + w * n);
    }
    shared->loops->take(count, n, at->brought, done, at->mean, at->spread);
}

/* Whether `walks` are enough. */
static bool may_stop(const ln_orders *shared, const buffers *at, int64_t n, int64_t walks)
{
    if (!ln_stop_looks(shared->stop, walks, LN_ORDERS_LOOK))
        return false;
    for (int64_t i = 0; i < n; i++)
        at->error[i] = ln_stop_error(at->spread[i], walks);
    return ln_stop_holds(shared->stop, at->error, NULL, n);
}

/* Walks of the next block. */
static int64_t next_walks(const ln_orders *shared, int64_t done, int64_t walks)
{
    const int64_t count = walks - done < shared->block ? walks - done : shared->block;
    return ln_stop_before_look(shared->stop, done, count, LN_ORDERS_LOOK);
}

/* Whether the coalitions of walks can be computed each from the one before it. */
static bool joins_one_by_one(const ln_orders *shared, int64_t players)
{
    return shared->game.factored.through &&
           shared->block * coalitions_of(shared, players) <= LN_FACTORED_BLOCK;
}

/* Coalitions of a walk before anybody has come who changes anything are worth what none is, to the last bit, and those
 * after which nobody does what all are: the walk's own sums are rounded otherwise than those of none and all. */
static void set_ends(const bool *moves, const int32_t *joins, int64_t last, int64_t n, double none,
                     double all, double *value)
{
    for (int64_t k = 0; k + 1 < n && !moves[joins[k]]; k++)
        value[k] = none;
    for (int64_t k = n - 1; k > 0 && !moves[k + 1 < n ? joins[k] : last]; k--)
        value[k - 1] = all;
}

/* The walks of one block one by one. */
static ln_status walk(const ln_job *job, ln_job_chunk *chunk, const buffers *at, int64_t entry,
                      int64_t n, int64_t count, ln_error *err)
{
    const ln_orders *shared = job->shared;
    const int64_t coalitions = coalitions_of(shared, n), ways = shared->antithetic ? 2 : 1;
    for (int64_t w = 0; w < count * ways; w++)
        list_joins(at, at->order + w / ways * n, n, w % ways, n == job->width,
                   at->joins + w * (n - 1));
    const ln_status status =
        ln_game_walks(job, &shared->game, chunk, &at->game, entry, at->joins,
                      chunk->watcher ? at->masks : NULL, n - 1, count * coalitions, at->value, err);
    for (int64_t w = 0; w < count * ways && !status; w++)
        set_ends(at->game.factored.moves, at->joins + w * (n - 1),
                 comes(at, at->order + w / ways * n, n, w % ways, n - 1), n,
                 chunk->out->baseline_output[entry], chunk->out->output[entry],
                 at->value + w * (n - 1));
    return status;
}

/* `count` walks: what their coalitions are worth. */
static ln_status evaluate(const ln_job *job, ln_job_chunk *chunk, const buffers *at, int64_t entry,
                          int64_t n, int64_t count, ln_error *err)
{
    const ln_orders *shared = job->shared;
    const int64_t words = shared->game.words, ways = shared->antithetic ? 2 : 1;
    const bool joins = joins_one_by_one(shared, job->width);
    for (int64_t w = 0; w < count * ways && (!joins || chunk->watcher); w++)
        list_coalitions(at, at->order + w / ways * n, n, w % ways, words,
                        at->masks + w * (n - 1) * words);
    if (joins)
        return walk(job, chunk, at, entry, n, count, err);
    return ln_game_values(job, &shared->game, chunk, &at->game, entry, at->masks,
                          count * coalitions_of(shared, n), at->value, err);
}

/* *walks: how many at most; then how many there were. */
static ln_status explain(const ln_job *job, ln_job_chunk *chunk, const buffers *at, int64_t entry,
                         int64_t n, int64_t *walks, ln_error *err)
{
    const ln_orders *shared = job->shared;
    const ln_request *request = job->request;
    const int64_t row = request->items[chunk->first + entry].row;
    double none = chunk->out->baseline_output[entry], all = chunk->out->output[entry];
    ln_rng rng = ln_rng_make(request->seed, job->explainer->word.name, request->stream,
                             (uint64_t)request->row_ids[row]);
    memset(at->mean, 0, (size_t)n * sizeof *at->mean);
    memset(at->spread, 0, (size_t)n * sizeof *at->spread);
    for (int64_t done = 0; done < *walks;) {
        int64_t count = next_walks(shared, done, *walks);
        ln_draw_words(&rng, count * (n - 1), at->word);
        for (int64_t w = 0; w < count; w++)
            draw_order(at, at->word + w * (n - 1), n, at->order + w * n);
        ln_status status = evaluate(job, chunk, at, entry, n, count, err);
        if (status)
            return status;
        take_walks(shared, at, n, count, none, all, done);
        done += count;
        if (may_stop(shared, at, n, done))
            *walks = done;
    }
    return LN_OK;
}

ln_status ln_orders_run(const ln_job *job, ln_job_chunk *chunk,
                        int64_t (*walks)(const void *params, int64_t varying), ln_error *err)
{
    const ln_orders *shared = job->shared;
    buffers at = carve(job, chunk->scratch, NULL);
    for (int64_t i = 0; i < job->width; i++)
        at.number[i] = (int32_t)i;
    for (int64_t entry = 0; entry < chunk->count; entry++) {
        int64_t row = job->request->items[chunk->first + entry].row, n = 0;
        for (int64_t g = 0; g < job->width; g++)
            if (ln_game_varies(job, &shared->game, row, g))
                at.player[n++] = (int32_t)g;
        int64_t count = n > 1 ? walks(job->request->params, n) : 1;
        ln_status status = ln_game_ends(job, &shared->game, chunk, &at.game, entry, err);
        if (!status &&
            n > 0) /* a row that equals its references has no players: all values are 0 */
            status = explain(job, chunk, &at, entry, n, &count, err);
        if (status)
            return status;
        for (int64_t i = 0; i < n; i++) {
            int64_t place = entry * job->width + at.player[i];
            chunk->out->values[place] = (float)at.mean[i];
            chunk->out->errors[place] = n == 1 ? 0 : (float)ln_stop_error(at.spread[i], count);
        }
    }
    return LN_OK;
}
