/* Inside model/: a function and its runners, and what a model keeps of them between calls. To make a function
 * (fold, fuse, plan, pack weights) costs more than to run it on a row, and the arena of a fresh runner as many
 * page faults as it has pages; scripts, judges and explainers ask for the same ones again and again.
 *
 * A kept function is any number's of users at once, on any threads; a runner is one user's. What nobody uses
 * stays while the model's keep_bytes hold it, the latest used longest. */
#ifndef LN_MODEL_KEPT_H
#define LN_MODEL_KEPT_H

#include "model/known.h"
#include "model/model.h"

/* What a function was asked to be. Its rules are compared apart (ln_plan_follows). Functions that differ in
 * their rows alone share graph and packed weights: all but the first are based on it. */
typedef struct ln_function_key {
    int64_t rows;
    ln_link link;
    int layer, behind, explained; /* values, or -1 */
    bool gradient, fast;
} ln_function_key;

struct ln_function {
    ln_function_key key;
    ln_model *model; /* every user retains it, a kept function alone does not */
    ln_graph *graph; /* the model's, or a copy with what the link adds */
    ln_function
        *base;     /* the one whose graph and packed weights it shares and which it uses, or NULL */
    ln_plan *plan; /* of key.rows */
    ln_plan *single; /* of one row; NULL where `plan` is that */
    int output;      /* the value that is explained */
    int64_t outputs; /* its numbers a row */
    bool relevance;  /* backward starts from the explained output, not from 1 */
    int layer;       /* the value looked at, or -1 */
    int64_t width;   /* numbers a row that comes in */
    int *gradients;  /* inputs whose gradients are asked for, or the layer */
    int gradient_count;
    bool recalls;    /* ln_runner_outputs looks rows up */
    ln_known *known; /* outputs of rows: its own, or with a base that one's; NULL: it keeps none */
    int users;       /* under the lock */
    bool kept;       /* the model's list has it */
    size_t bytes;    /* what making it took, about */
    ln_function *next; /* in that list */
};

struct ln_runner {
    const ln_function *function; /* borrowed */
    ln_exec *exec;               /* of function->plan */
    ln_exec *single;             /* of function->single, or NULL */
    ln_pool *pool; /* whose workers share the rows of a call (ln_runner_share), or NULL */
    ln_runner *
        *others;     /* with it: of all parts of a call but the first, NULL until rows are theirs */
    int sharers;     /* with it: parts of a call, at most */
    ln_runner *next; /* among the model's idle ones */
};

size_t ln_kept_runner_bytes(const ln_runner *runner);
void ln_function_destroy(ln_function *function); /* all but the model; NULL is fine */
void ln_runner_destroy(ln_runner *runner);

ln_status ln_kept_new(ln_kept **out, ln_error *err);
void ln_kept_free(ln_kept *kept); /* nobody uses one of its functions; NULL is fine */

/* Between these one thread at a time makes functions, or other models of this one (ln_kept_copy): it may wake the
 * model's constants and put them to sleep. Whoever else wakes them (hashes, saving, export, loading, training) has the
 * model for itself: what these read or change is no job's meanwhile, and they take no lock. */
void ln_kept_make(ln_kept *kept);
void ln_kept_made(ln_kept *kept);
/* A copy of the model's graph, all constants awake: two graphs hold them from here on, and neither's functions put them
 * to sleep. Jobs may ask for it on any threads. Caller releases. */
ln_status ln_kept_copy(const ln_model *model, ln_graph **out, ln_error *err);
/* The model's function for this key and these rules, now used by the caller too; or NULL. With `base` it may
 * have other rows, and is based on none itself. */
ln_function *ln_kept_find(ln_model *model, const ln_function_key *key,
                          const ln_composite *composite, bool base);
/* Puts one that its maker uses into the list, unless the model keeps nothing. */
void ln_kept_add(ln_model *model, ln_function *function);
/* One user less. */
void ln_kept_return(ln_function *function);
/* An idle runner of the function, or NULL. */
ln_runner *ln_kept_take_runner(const ln_function *function);
/* Keeps or destroys one. */
void ln_kept_return_runner(ln_runner *runner);

#endif
