#include "explainers/common/tree.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

static ln_status make_empty(int64_t leaves, ln_tree *out, ln_error *err)
{
    const size_t nodes = (size_t)(2 * leaves - 1);
    *out = (ln_tree){.leaves = leaves, .words = (leaves + 63) / 64};
    out->child = ln_calloc((size_t)(2 * leaves), sizeof *out->child);
    out->size = ln_calloc(nodes, sizeof *out->size);
    out->mask = ln_calloc(nodes * (size_t)out->words, sizeof *out->mask);
    if (!out->child || !out->size || !out->mask)
        return ln_fail_memory(err, nodes * (size_t)out->words * sizeof *out->mask);
    for (int64_t i = 0; i < leaves; i++) {
        out->size[i] = 1;
        out->mask[i * out->words + i / 64] = (uint64_t)1 << i % 64;
    }
    return LN_OK;
}

void ln_tree_free(ln_tree *tree)
{
    ln_free(tree->child);
    ln_free(tree->size);
    ln_free(tree->mask);
    *tree = (ln_tree){0};
}

/* Inner node leaves + i is a and b. */
static void join(ln_tree *tree, int64_t i, int64_t a, int64_t b)
{
    const int64_t node = tree->leaves + i, words = tree->words;
    tree->child[2 * i] = a;
    tree->child[2 * i + 1] = b;
    tree->size[node] = tree->size[a] + tree->size[b];
    for (int64_t w = 0; w < words; w++)
        tree->mask[node * words + w] = tree->mask[a * words + w] | tree->mask[b * words + w];
}

/* ---------------------------------------------------------------- given */

static ln_status fail_clustering(ln_error *err)
{
    ln_error_field(err, "clustering");
    return LN_EINVALID;
}

ln_status ln_tree_given(const ln_tensor *given, int64_t leaves, ln_tree *out, ln_error *err)
{
    ln_status status = make_empty(leaves, out, err);
    if (status)
        return status;
    if (given->dtype != LN_I64 || given->shape.rank != 2 || given->shape.dims[0] != leaves - 1 ||
        given->shape.dims[1] != 2) {
        char text[64];
        ln_fail(err, LN_EINVALID,
                "a tree of %" PRId64 " features joins two nodes %" PRId64
                " times: expected shape (%" PRId64 ", 2), found %s",
                leaves, leaves - 1, leaves - 1, ln_shape_text(&given->shape, text, sizeof text));
        return fail_clustering(err);
    }
    bool *used = ln_calloc((size_t)(2 * leaves), sizeof *used);
    if (!used)
        return ln_fail_memory(err, (size_t)(2 * leaves) * sizeof *used);
    for (int64_t i = 0; i < leaves - 1 && !status; i++) {
        for (int side = 0; side < 2 && !status; side++) {
            const int64_t child = ln_i64(given)[2 * i + side];
            if (child < 0 || child >= leaves + i) {
                ln_fail(err, LN_EINVALID,
                        "row %" PRId64 " joins node %" PRId64
                        ": before it there are nodes 0 to %" PRId64,
                        i, child, leaves + i - 1);
                status = fail_clustering(err);
            } else if (used[child]) {
                ln_fail(err, LN_EINVALID,
                        "row %" PRId64 " joins node %" PRId64 ", which is joined already", i,
                        child);
                status = fail_clustering(err);
            } else {
                used[child] = true;
            }
        }
        if (!status)
            join(out, i, ln_i64(given)[2 * i], ln_i64(given)[2 * i + 1]);
    }
    ln_free(used);
    return status;
}

/* ---------------------------------------------------------------- correlated */

/* Each input less its mean, over its length; 0 where it does not vary. */
static void standardise(const ln_tensor *rows, double *columns)
{
    const int64_t count = rows->shape.dims[0], width = rows->shape.dims[1];
    for (int64_t i = 0; i < width; i++) {
        double *column = columns + i * count, mean = 0, squares = 0;
        for (int64_t r = 0; r < count; r++)
            mean += (double)ln_f32(rows)[r * width + i] / (double)count;
        for (int64_t r = 0; r < count; r++) {
            column[r] = (double)ln_f32(rows)[r * width + i] - mean;
            squares += column[r] * column[r];
        }
        for (int64_t r = 0; r < count; r++)
            column[r] = squares > 0 ? column[r] / sqrt(squares) : 0;
    }
}

/* The least of 1 - r between the inputs of two players. */
static double distance(const ln_groups *groups, const double *columns, int64_t count, int64_t a,
                       int64_t b)
{
    double least = 2;
    for (int64_t i = groups->start[a]; i < groups->start[a + 1]; i++)
        for (int64_t j = groups->start[b]; j < groups->start[b + 1]; j++) {
            const double *one = columns + groups->member[i] * count;
            const double *other = columns + groups->member[j] * count;
            double r = 0;
            for (int64_t k = 0; k < count; k++)
                r += one[k] * other[k];
            least = fmin(least, 1 - r);
        }
    return least;
}

typedef struct edge {
    double length;
    int64_t a, b;
} edge;

/* The shortest tree that joins all players (Prim), whose edges in their order are the single linkage. */
static void grow(const ln_groups *groups, const double *columns, int64_t count, edge *nearest,
                 edge *edges)
{
    const int64_t players = groups->count;
    for (int64_t i = 1; i < players; i++)
        nearest[i] = (edge){distance(groups, columns, count, 0, i), 0, i};
    for (int64_t k = 0; k < players - 1; k++) {
        int64_t best = -1;
        for (int64_t i = 1; i < players; i++)
            if (nearest[i].length < 3 && (best < 0 || nearest[i].length < nearest[best].length))
                best = i;
        edges[k] = nearest[best];
        nearest[best].length = 3; /* in the tree: farther than any distance */
        for (int64_t i = 1; i < players; i++) {
            if (nearest[i].length >= 3)
                continue;
            const double length = distance(groups, columns, count, best, i);
            if (length < nearest[i].length)
                nearest[i] = (edge){length, best, i};
        }
    }
}

/* Insertion by length, which keeps the order of equal ones. */
static void sort_edges(edge *edges, int64_t count)
{
    for (int64_t i = 1; i < count; i++) {
        const edge moved = edges[i];
        int64_t at = i;
        for (; at > 0 && edges[at - 1].length > moved.length; at--)
            edges[at] = edges[at - 1];
        edges[at] = moved;
    }
}

/* The node that a player is part of so far. */
static int64_t top_of(const int64_t *parent, int64_t node)
{
    while (parent[node] >= 0)
        node = parent[node];
    return node;
}

ln_status ln_tree_correlated(const ln_tensor *rows, const ln_groups *groups, ln_tree *out,
                             ln_error *err)
{
    const int64_t players = groups->count, count = rows->shape.dims[0];
    const size_t numbers = (size_t)(rows->shape.dims[1] * count);
    ln_status status = make_empty(players, out, err);
    if (status)
        return status;
    double *columns = ln_calloc(numbers, sizeof *columns);
    edge *nearest = ln_calloc((size_t)players, sizeof *nearest);
    edge *edges = ln_calloc((size_t)players, sizeof *edges);
    int64_t *parent = ln_calloc((size_t)(2 * players), sizeof *parent);
    if (columns && nearest && edges && parent) {
        standardise(rows, columns);
        grow(groups, columns, count, nearest, edges);
        sort_edges(edges, players - 1);
        for (int64_t i = 0; i < 2 * players; i++)
            parent[i] = -1;
        for (int64_t i = 0; i < players - 1; i++) {
            const int64_t a = top_of(parent, edges[i].a), b = top_of(parent, edges[i].b);
            join(out, i, a < b ? a : b, a < b ? b : a);
            parent[a] = parent[b] = players + i;
        }
    } else {
        status = ln_fail_memory(err, numbers * sizeof *columns);
    }
    ln_free(columns);
    ln_free(nearest);
    ln_free(edges);
    ln_free(parent);
    return status;
}
