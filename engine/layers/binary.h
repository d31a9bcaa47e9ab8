/* Inside layers/: functions of two numbers, broadcast: y = f(a, b). A family brings its loops over
 * runs, this room walks the operands, converts whole numbers and sums gradients. */
#ifndef LN_LAYERS_BINARY_H
#define LN_LAYERS_BINARY_H

#include "layers/walk.h"

/* A run: element i of a is a[i * a_by] (a_by 0: one number for all of the run), of y y[i]. */
typedef struct ln_run {
    const float *a, *b;
    int64_t a_by, b_by, count;
    float *y;        /* to be written; for slopes: what forward wrote */
    const float *dy; /* slopes: the gradient of y */
} ln_run;

typedef struct ln_binary {
    void (*value)(const ln_run *run);
    /* to[i] = df/da dy (operand 0) or df/db dy (operand 1). */
    void (*slope)(const ln_run *run, int operand, float *to);
    int64_t (*whole)(int64_t a, int64_t b); /* of whole numbers; NULL: none */
    double (*real)(double a, double b);     /* where the types differ; NULL: they may not */
} ln_binary;

/* With more than two inputs y = f(f(a, b), c) ...; then df/da, df/db must not depend on a, b, y. */
ln_status ln_binary_forward(const ln_pass *pass, const ln_binary *binary);
ln_status ln_binary_backward(const ln_pass *pass, const ln_binary *binary, bool parameters);
/* Scratch for the sums of broadcast operands' gradients. */
ln_status ln_binary_prepare(ln_step *step, const void *const *constant, ln_error *err);

#endif
