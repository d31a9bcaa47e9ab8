/* Owen values over a tree of the features: Shapley values where those that belong together come together.
 *
 *   a_g = mean over the orders that part no node of the tree of v(those before g, and g) - v(those before g)
 *
 * Of every inner node the one child comes before the other or after it, half of the orders each. So a node, in
 * the context of those before it, shares what it adds out between its children: left first and right first,
 * weighing half each, and each child in both contexts does the same. That is exact, and costs two coalitions a
 * node and context. Where `evaluations` end before, what a node adds is shared out by the number of leaves
 * below its children, largest amounts being looked into first (|added| * weight, then in the order in which
 * they came). The sum is exact at any rate.
 *
 * v as common/game.h has it, trees as common/tree.h. x (N, width) -> a (N, M). A feature that does not vary
 * gets exactly 0 and is in no tree of its row. Nothing is drawn: a value has the standard error 0, or none (NaN) where
 * it has a part of what was not looked into. Source: Owen 1977; the Partition explainer of shap. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/game.h"
#include "explainers/common/tree.h"

#define AT_ONCE 32           /* nodes that are looked into together */
#define MOST_CORRELATED 8192 /* inputs: their pairs take seconds */

typedef struct partition_shap_params {
    int64_t evaluations; /* coalitions a row */
    double tolerance;    /* relative residual that verify lets pass */
} partition_shap_params;

typedef struct partition_shap {
    ln_game game;
    ln_tree tree;
    int64_t most; /* parts of a row */
} partition_shap;

/* What a node adds in a context. */
typedef struct part {
    double rank;          /* |after - before| * weight: greatest first */
    double before, after; /* v(context), v(context and node) */
    double weight;        /* share of the orders */
    int64_t node, number; /* number: of this part, and of its context */
} part;

/* A worker's scratch. */
typedef struct buffers {
    ln_game_buffers game;
    part *heap;        /* (most) */
    uint64_t *context; /* (most, words) by number */
    uint64_t *masks;   /* (2 AT_ONCE, words) */
    double *values;    /* (2 AT_ONCE) */
    part *taken;       /* (AT_ONCE) */
    uint64_t *varies;  /* (words) */
    double *sum;       /* (players) */
    bool *guessed;     /* (players) the sum has a part of what was not looked into */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const partition_shap *shared = job->shared;
    const int64_t words = shared->game.words;
    buffers made = {.game = ln_game_carve(job, &shared->game, &carver)};
    made.heap = ln_carve(&carver, shared->most, sizeof *made.heap);
    made.context = ln_carve(&carver, shared->most * words, sizeof *made.context);
    made.masks = ln_carve(&carver, 2 * AT_ONCE * words, sizeof *made.masks);
    made.values = ln_carve(&carver, 2 * AT_ONCE, sizeof *made.values);
    made.taken = ln_carve(&carver, AT_ONCE, sizeof *made.taken);
    made.varies = ln_carve(&carver, words, sizeof *made.varies);
    made.sum = ln_carve(&carver, job->width, sizeof *made.sum);
    made.guessed = ln_carve(&carver, job->width, sizeof *made.guessed);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    partition_shap *shared = job->shared;
    ln_game_free(&shared->game);
    ln_tree_free(&shared->tree);
    ln_free(shared);
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_request *request = job->request;
    const partition_shap_params *params = request->params;
    if (!request->tree && request->model->width > MOST_CORRELATED) {
        ln_fail(err, LN_EINVALID,
                "\"correlation\" looks at all pairs of inputs, and there are %" PRId64
                ": expected at most %d; give a tree",
                request->model->width, MOST_CORRELATED);
        ln_error_field(err, "clustering");
        return LN_EINVALID;
    }
    partition_shap *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared;
    ln_status status = ln_game_make(job, 2 * AT_ONCE, &shared->game, err);
    if (!status)
        status = request->tree ? ln_tree_given(request->tree, job->width, &shared->tree, err)
                               : ln_tree_correlated(request->background, &shared->game.groups,
                                                    &shared->tree, err);
    /* Two coalitions make four parts. The tree has no more than a chain: 2^(M + 1) - 3. */
    shared->most = 2 * params->evaluations + 4;
    if (job->width < 40 && shared->most > (int64_t)1 << (job->width + 1))
        shared->most = (int64_t)1 << (job->width + 1);
    if (!status)
        carve(job, NULL, scratch_bytes);
    return status;
}

static ln_status start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err)
{
    partition_shap *shared = job->shared;
    return ln_game_start(job, &shared->game, runner, evaluations, err);
}

/* ---------------------------------------------------------------- the heap */

static bool is_before(const part *a, const part *b)
{
    return a->rank > b->rank || (!(a->rank < b->rank) && a->number < b->number);
}

static void push(part *heap, int64_t *count, part added)
{
    int64_t at = (*count)++;
    for (; at > 0 && is_before(&added, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = added;
}

static part pop(part *heap, int64_t *count)
{
    const part first = heap[0], moved = heap[--*count];
    int64_t at = 0;
    for (int64_t child; (child = 2 * at + 1) < *count; at = child) {
        if (child + 1 < *count && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &moved))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
    return first;
}

/* ---------------------------------------------------------------- one row */

typedef struct walk {
    const ln_tree *tree;
    const buffers *at;
    int64_t waiting, made; /* parts in the heap; numbers given */
} walk;

static bool has_varying(const walk *it, int64_t node)
{
    const uint64_t *mask = it->tree->mask + node * it->tree->words;
    for (int64_t w = 0; w < it->tree->words; w++)
        if (mask[w] & it->at->varies[w])
            return true;
    return false;
}

static const int64_t *children(const walk *it, int64_t node)
{
    return it->tree->child + 2 * (node - it->tree->leaves);
}

/* The node as this row has it: where nothing varies below one child, it is the other. */
static int64_t narrowed(const walk *it, int64_t node)
{
    while (node >= it->tree->leaves) {
        const int64_t *child = children(it, node);
        if (has_varying(it, child[0]) && has_varying(it, child[1]))
            return node;
        node = has_varying(it, child[0]) ? child[0] : child[1];
    }
    return node;
}

/* A part with the context `before`, and `node_before` besides where that is not -1. */
static void add_part(walk *it, int64_t node, const uint64_t *before, int64_t node_before,
                     double value_before, double value_after, double weight)
{
    const int64_t words = it->tree->words, leaf = narrowed(it, node);
    const double added = value_after - value_before;
    if (leaf < it->tree->leaves) {
        it->at->sum[leaf] += weight * added;
        return;
    }
    uint64_t *context = it->at->context + it->made * words;
    for (int64_t w = 0; w < words; w++)
        context[w] = before[w] | (node_before < 0 ? 0 : it->tree->mask[node_before * words + w]);
    push(it->at->heap, &it->waiting,
         (part){.rank = fabs(added) * weight,
                .before = value_before,
                .after = value_after,
                .weight = weight,
                .node = leaf,
                .number = it->made++});
}

/* What was not looked into, by the leaves that vary. */
static void share_out(const walk *it, const part *left)
{
    const int64_t leaves = it->tree->leaves;
    const uint64_t *mask = it->tree->mask + left->node * it->tree->words;
    int64_t size = 0;
    for (int64_t w = 0; w < it->tree->words; w++)
        size += __builtin_popcountll(mask[w] & it->at->varies[w]);
    for (int64_t i = 0; i < leaves; i++) {
        if (!(mask[i / 64] & it->at->varies[i / 64] & (uint64_t)1 << i % 64))
            continue;
        it->at->sum[i] += left->weight * (left->after - left->before) / (double)size;
        it->at->guessed[i] = true;
    }
}

/* Looks into the `count` first parts: v(context and left child), v(context and right child) of each. */
static ln_status look_into(const ln_job *job, ln_job_chunk *chunk, walk *it, int64_t entry,
                           int64_t count, ln_error *err)
{
    const partition_shap *shared = job->shared;
    const buffers *at = it->at;
    const int64_t words = it->tree->words;
    for (int64_t k = 0; k < count; k++) {
        at->taken[k] = pop(at->heap, &it->waiting);
        const int64_t *child = children(it, at->taken[k].node);
        for (int side = 0; side < 2; side++)
            for (int64_t w = 0; w < words; w++)
                at->masks[(2 * k + side) * words + w] =
                    at->context[at->taken[k].number * words + w] |
                    it->tree->mask[child[side] * words + w];
    }
    ln_status status = ln_game_values(job, &shared->game, chunk, &at->game, entry, at->masks,
                                      2 * count, at->values, err);
    for (int64_t k = 0; k < count && !status; k++) {
        const part *whole = &at->taken[k];
        const int64_t *child = children(it, whole->node);
        const uint64_t *context = at->context + whole->number * words;
        for (int side = 0; side < 2; side++) {
            const double own = at->values[2 * k + side], other = at->values[2 * k + 1 - side];
            add_part(it, child[side], context, -1, whole->before, own, whole->weight / 2);
            add_part(it, child[side], context, child[1 - side], other, whole->after,
                     whole->weight / 2);
        }
    }
    return status;
}

/* Marks what varies, starts with everything, looks into parts while there are evaluations. */
static ln_status walk_down(const ln_job *job, ln_job_chunk *chunk, const buffers *at, int64_t entry,
                           ln_error *err)
{
    const partition_shap *shared = job->shared;
    const partition_shap_params *params = job->request->params;
    const int64_t row = job->request->items[chunk->first + entry].row;
    walk it = {.tree = &shared->tree, .at = at};
    bool some = false;
    memset(at->varies, 0, (size_t)shared->game.words * sizeof *at->varies);
    memset(at->sum, 0, (size_t)job->width * sizeof *at->sum);
    memset(at->guessed, 0, (size_t)job->width * sizeof *at->guessed);
    for (int64_t g = 0; g < job->width; g++)
        if (ln_game_varies(job, &shared->game, row, g)) {
            at->varies[g / 64] |= (uint64_t)1 << g % 64;
            some = true;
        }
    ln_status status = ln_game_ends(job, &shared->game, chunk, &at->game, entry, err);
    memset(at->masks, 0, (size_t)shared->game.words * sizeof *at->masks);
    if (!status && some)
        add_part(&it, ln_tree_root(it.tree), at->masks, -1, chunk->out->baseline_output[entry],
                 chunk->out->output[entry], 1);
    for (int64_t left = params->evaluations / 2, count; it.waiting > 0 && left > 0 && !status;
         left -= count) {
        count = it.waiting < AT_ONCE ? it.waiting : AT_ONCE;
        count = count < left ? count : left;
        status = look_into(job, chunk, &it, entry, count, err);
    }
    for (int64_t i = 0; i < it.waiting && !status; i++)
        share_out(&it, &at->heap[i]);
    return status;
}

static ln_status explain(const ln_job *job, ln_job_chunk *chunk, int64_t entry, ln_error *err)
{
    const buffers at = carve(job, chunk->scratch, NULL);
    ln_status status = walk_down(job, chunk, &at, entry, err);
    if (status)
        return status;
    for (int64_t g = 0; g < job->width; g++) {
        chunk->out->values[entry * job->width + g] = (float)at.sum[g];
        chunk->out->errors[entry * job->width + g] = at.guessed[g] ? NAN : 0;
    }
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "evaluations",
     .type = LN_PARAM_INT,
     .offset = offsetof(partition_shap_params, evaluations),
     .fallback = "500",
     .min = 2,
     .max = 1e8,
     .help = "coalitions a row at most: two a node of the tree and context"},
    {.name = "clustering",
     .type = LN_PARAM_TREE,
     .offset = LN_NO_OFFSET,
     .fallback = "\"correlation\"",
     .help = "the tree of the features: by how they are correlated over the background, pairs of "
             "pairs of "
             "column names, or a linkage matrix"},
    LN_GAME_GROUPS,
    LN_GAME_BACKGROUND,
    LN_GAME_TOLERANCE(partition_shap_params),
    LN_PARAM_END,
};

const ln_explainer ln_explainer_partition_shap = {
    .word =
        {
            .name = "partition_shap",
            .summary = "shares of features that belong together, over a tree of them: Owen values",
            .formula =
                "a_g = mean over the orders that part no node of the tree of v(those before g, "
                "and g) - v(those before g)",
            .source = "Owen 1977, Values of Games with a Priori Unions; the Partition explainer of "
                      "shap",
            .params = params,
            .params_size = sizeof(partition_shap_params),
        },
    .flags = LN_WATCHED | LN_TAKES_BACKGROUND | LN_TAKES_GROUPS | LN_TAKES_TREE | LN_COMPLETE |
             LN_HAS_ERRORS,
    .version = 2,
    .tolerance = 1e-4,
    .cost = "evaluations forward passes a row, or less (times the rows of the background)",
    .prepare = prepare,
    .start = start,
    .release = release,
    .explain = explain,
};
