/* Inside layers/: the lines of a value along one axis of its rows. */
#ifndef LN_LAYERS_LINES_H
#define LN_LAYERS_LINES_H

#include "layers/operand.h"

typedef struct ln_lines {
    int64_t outer; /* groups of lines in the pass */
    int64_t count; /* elements of a line */
    int64_t step;  /* from element to element; the lines of a group start side by side */
} ln_lines;

/* Of the first input, along an axis attribute that infer has checked. */
static inline ln_lines ln_lines_of(const ln_pass *pass, int64_t axis)
{
    const ln_operand x = ln_operand_in(pass->step, 0);
    const int own = (int)(axis < 0 ? axis + x.row.rank : axis - 1);
    ln_lines lines = {.outer = ln_pass_rows(pass), .count = x.row.dims[own], .step = 1};
    for (int i = 0; i < own; i++)
        lines.outer *= x.row.dims[i];
    for (int i = own + 1; i < x.row.rank; i++)
        lines.step *= x.row.dims[i];
    return lines;
}

/* Where a line starts: line j of group i. */
static inline int64_t ln_line_at(const ln_lines *lines, int64_t i, int64_t j)
{
    return i * lines->count * lines->step + j;
}

#endif
