/* A thread that does tasks one after another, in the order given, while its owner goes on. Tasks that
 * wait are bounded by their bytes: who brings more waits for room. The first failure is told to the
 * owner at its next call, once; tasks behind it are released unrun. One owner: its calls are not
 * thread-safe among themselves. */
#ifndef LN_BASE_BACKGROUND_H
#define LN_BASE_BACKGROUND_H

#include "lunette.h"

typedef struct ln_background ln_background;

typedef struct ln_task {
    ln_status (*run)(void *context, ln_error *err); /* on the thread, unless released before */
    void (*release)(void *context);                 /* once, on whichever thread */
    void *context;                                  /* of both */
    size_t bytes;                                   /* what it holds until released */
} ln_task;

/* `most_bytes`: of tasks that wait; one is always let in. */
ln_status ln_background_new(size_t most_bytes, ln_background **out, ln_error *err);
/* Takes the task over, also where it fails: with the failure of an earlier one, or without memory. */
ln_status ln_background_submit(ln_background *background, const ln_task *task, ln_error *err);
/* Waits until every task is done. */
ln_status ln_background_settle(ln_background *background, ln_error *err);
/* Waits until no task runs, and lets none begin before ln_background_resume; those that wait go on
 * waiting, so nothing may be submitted and settled meanwhile. */
ln_status ln_background_pause(ln_background *background, ln_error *err);
void ln_background_resume(ln_background *background);
/* Does what waits, then ends the thread. NULL is fine. */
void ln_background_free(ln_background *background);

#endif
