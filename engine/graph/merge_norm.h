/* Inside graph/: a layer_norm over the last axis, or a group_norm, that a file spells out (merge.c). */
#ifndef LN_MERGE_NORM_H
#define LN_MERGE_NORM_H

#include "graph/simplify_internal.h"

enum { LN_MERGE_NORM_NODES = 10 };

typedef struct ln_merge_norm {
    int x, weight, bias; /* values; -1: none */
    double eps;
    int64_t groups;                        /* of a group_norm, else 0 */
    int nodes[LN_MERGE_NORM_NODES], count; /* that it is made of, the last left out */
} ln_merge_norm;

/* Whether `node` is the last of
 *
 *     c = x - mean(x),  c / sqrt(mean(c^2) + eps)  (* weight (+ bias))
 *
 * of which nobody else reads what is in between. */
bool ln_merge_find_norm(const ln_simplifying *s, const ln_node *node, ln_merge_norm *out);

/* Whether `node` is the last of
 *
 *     instance_norm of the groups, each as long as all its channels; the shape of x again; * weight + bias
 *
 * with a number a channel, as torch writes a group_norm. */
bool ln_merge_find_groups(const ln_simplifying *s, const ln_node *node, ln_merge_norm *out);

#endif
