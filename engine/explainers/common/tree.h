/* A binary tree whose leaves are players: which belong together, for Owen values. The leaves are nodes 0
 * .. leaves - 1, then come inner nodes, children before their parents, the root last: as scipy's linkage
 * matrices have it. It is given, or made from how the players' inputs are correlated over some rows:
 * single linkage on 1 - r, the distance of two players being the least among their inputs; an input that does
 * not vary is as far from all as one that is not correlated. Ties go to the pair that comes first. Cost:
 * O(inputs^2 rows). */
#ifndef LN_EXPLAINERS_TREE_H
#define LN_EXPLAINERS_TREE_H

#include "explainers/common/groups.h"
#include "tensor/tensor.h"

typedef struct ln_tree {
    int64_t leaves, words; /* 64-bit words of a mask of leaves */
    int64_t *child;        /* (leaves - 1, 2) of inner node leaves + i */
    int64_t *size;         /* (2 leaves - 1) leaves below a node */
    uint64_t *mask;        /* (2 leaves - 1, words) which */
} ln_tree;

/* From `given` (leaves - 1, 2) i64, what is wrong with which an error says, or from the (rows, width) f32 rows. Caller
 * frees with ln_tree_free, also after an error. */
ln_status ln_tree_given(const ln_tensor *given, int64_t leaves, ln_tree *out, ln_error *err);
ln_status ln_tree_correlated(const ln_tensor *rows, const ln_groups *groups, ln_tree *out,
                             ln_error *err);
void ln_tree_free(ln_tree *tree);

static inline int64_t ln_tree_root(const ln_tree *tree)
{
    return 2 * tree->leaves - 2;
}

#endif
