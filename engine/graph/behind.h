/* The part of a graph behind one of its values: what computes `output` where that value is given. */
#ifndef LN_BEHIND_H
#define LN_BEHIND_H

#include "graph/graph.h"

/* A graph whose only input is `value` (f32, under its name) and whose nodes are those that `output` needs
 * besides; constants are shared. *out is NULL where `output` needs an input in another way, or nothing
 * but `value` itself. Caller releases; *out_output is the id of `output` in it. */
ln_status ln_graph_behind(const ln_graph *graph, int value, int output, ln_graph **out,
                          int *out_output, ln_error *err);

#endif
