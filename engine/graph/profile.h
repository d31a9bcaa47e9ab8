/* Where the time of passes goes: one line a node that ran, and one for each kind of work beside the passes that its
 * doers add (explainers: mixtures of rows that go through layers without a pass, and the rest). Executions of a
 * plan that has a profile time their nodes and add what they measured when they are freed, on the thread that
 * frees them. Nodes of several plans that have the same name and layer are one line. */
#ifndef LN_PROFILE_H
#define LN_PROFILE_H

#include "layers/layer.h"

enum { LN_PROFILE_FORWARD, LN_PROFILE_BACKWARD, LN_PROFILE_WAYS };

typedef struct ln_profile_line {
    char *node;          /* its name; owned */
    char *operator_name; /* how the user knows the layer; owned */
    const ln_layer
        *layer; /* the layer that ran; NULL: work of this name beside the passes, forward here */
    const char *kernels[2]; /* what computed it, each way; borrowed constants or NULL */
    int64_t rows[2];        /* rows passed, each way */
    int64_t nanoseconds[2]; /* of processors, summed over threads */
    double operations[2];   /* floating-point operations of products, two a multiply-add */
} ln_profile_line;

typedef struct ln_profile {
    ln_profile_line *lines; /* in the order in which they came */
    int count;
} ln_profile;

ln_status ln_profile_new(ln_profile **out, ln_error *err); /* caller frees */
void ln_profile_free(ln_profile *profile);
/* Adds to the line of this step; what there is no memory for is left out. */
void ln_profile_add(ln_profile *profile, const ln_step *step, int way, int64_t rows,
                    int64_t nanoseconds);
/* Adds work beside the passes, of one kind of one doer. */
typedef struct ln_profile_work {
    const char *doer, *kind; /* the line's node and operator */
    const char *kernel;      /* a constant, or NULL */
    int64_t rows, nanoseconds;
    double operations;
} ln_profile_work;
void ln_profile_add_work(ln_profile *profile, const ln_profile_work *work);
/* What the calling thread has taken of its processor so far, in nanoseconds; 0 without a profile. */
int64_t ln_profile_clock(const ln_profile *profile);
/* The lines by their time, the longest first. */
void ln_profile_sort(ln_profile *profile);

#endif
