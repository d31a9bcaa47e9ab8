/* Two lists a model, of functions and of idle runners, the latest used first. What does not fit into keep_bytes is
 * let go from the other end, never a function that somebody uses. Nothing is allocated here, so that no error
 * comes from keeping. */
#include "model/kept.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"

enum { MOST_FUNCTIONS = 32 };

struct ln_kept {
    ln_lock *making;        /* held while a function is made */
    ln_lock *lock;          /* guards all below, and `users`, `kept` and `next` of functions */
    ln_function *functions; /* the latest used first */
    ln_runner *runners;     /* idle ones of these functions, the latest used first */
    size_t bytes;           /* of both */
    int count;              /* functions */
};

ln_status ln_kept_new(ln_kept **out, ln_error *err)
{
    *out = ln_calloc(1, sizeof **out);
    if (!*out)
        return ln_fail_memory(err, sizeof **out);
    ln_status status = ln_lock_new(&(*out)->lock, err);
    if (!status)
        status = ln_lock_new(&(*out)->making, err);
    if (status) {
        ln_lock_free((*out)->lock);
        ln_free(*out);
        *out = NULL;
    }
    return status;
}

size_t ln_kept_runner_bytes(const ln_runner *runner)
{
    const ln_function *function = runner->function;
    return ln_plan_exec_bytes(function->plan) +
           (function->single ? ln_plan_exec_bytes(function->single) : 0);
}

/* Moves the idle runners of a function (NULL: of all) to *gone. */
static void drop_runners(ln_kept *kept, const ln_function *function, ln_runner **gone)
{
    for (ln_runner **at = &kept->runners; *at;) {
        ln_runner *runner = *at;
        if (function && runner->function != function) {
            at = &runner->next;
            continue;
        }
        *at = runner->next;
        kept->bytes -= ln_kept_runner_bytes(runner);
        runner->next = *gone;
        *gone = runner;
    }
}

/* What a call lets go, destroyed after the lock is. */
typedef struct gone {
    ln_function *functions;
    ln_runner *runners;
} gone;

static void destroy(gone what)
{
    while (what.runners) {
        ln_runner *next = what.runners->next;
        ln_runner_destroy(what.runners);
        what.runners = next;
    }
    while (what.functions) {
        ln_function *next = what.functions->next;
        ln_function_destroy(what.functions);
        what.functions = next;
    }
}

/* Takes the function at *at out of the list; one that is in use is its last user's to destroy. */
static void drop_function(ln_kept *kept, ln_function **at, gone *what)
{
    ln_function *function = *at;
    drop_runners(kept, function, &what->runners);
    *at = function->next;
    kept->bytes -= function->bytes;
    kept->count--;
    function->kept = false;
    function->next = NULL;
    if (function->users == 0) {
        function->next = what->functions;
        what->functions = function;
    }
}

static ln_function **last_unused(ln_kept *kept)
{
    ln_function **last = NULL;
    for (ln_function **at = &kept->functions; *at; at = &(*at)->next)
        if ((*at)->users == 0)
            last = at;
    return last;
}

/* Lets go until the rest fits: functions that nobody uses, then idle runners of the others. */
static void trim(ln_kept *kept, size_t most, gone *what)
{
    ln_function **at;
    while ((kept->bytes > most || kept->count > MOST_FUNCTIONS) && (at = last_unused(kept)))
        drop_function(kept, at, what);
    if (kept->bytes > most)
        drop_runners(kept, NULL, &what->runners);
}

size_t ln_model_keep_bytes(void)
{
    const size_t share = ln_memory_limit_get() / 8;
    return share == 0 || share > LN_KEEP_BYTES ? LN_KEEP_BYTES : share;
}

void ln_model_forget(ln_model *model)
{
    ln_kept *kept = model->kept;
    gone what = {0};
    if (!kept)
        return;
    ln_lock_take(kept->lock);
    while (kept->functions)
        drop_function(kept, &kept->functions, &what);
    ln_lock_give(kept->lock);
    destroy(what);
}

void ln_kept_free(ln_kept *kept)
{
    gone what = {0};
    if (!kept)
        return;
    while (kept->functions)
        drop_function(kept, &kept->functions, &what);
    destroy(what);
    ln_lock_free(kept->making);
    ln_lock_free(kept->lock);
    ln_free(kept);
}

void ln_kept_make(ln_kept *kept)
{
    ln_lock_take(kept->making);
}

void ln_kept_made(ln_kept *kept)
{
    ln_lock_give(kept->making);
}

ln_status ln_kept_copy(const ln_model *model, ln_graph **out, ln_error *err)
{
    *out = NULL;
    ln_kept_make(model->kept);
    ln_status status = ln_graph_wake(model->graph, err);
    if (!status)
        status = ln_graph_copy(model->graph, out, err);
    ln_kept_made(model->kept);
    return status;
}

/* But for the rows. */
static bool same_key(const ln_function_key *a, const ln_function_key *b)
{
    return a->link == b->link && a->layer == b->layer && a->behind == b->behind &&
           a->explained == b->explained && a->gradient == b->gradient && a->fast == b->fast;
}

ln_function *ln_kept_find(ln_model *model, const ln_function_key *key,
                          const ln_composite *composite, bool base)
{
    ln_kept *kept = model->kept;
    ln_function *found = NULL;
    ln_lock_take(kept->lock);
    for (ln_function **at = &kept->functions; *at; at = &(*at)->next) {
        ln_function *one = *at;
        const bool fits = base ? !one->base : one->key.rows == key->rows;
        if (!fits || !same_key(&one->key, key) || !ln_plan_follows(one->plan, composite))
            continue;
        *at = one->next;
        one->next = kept->functions;
        kept->functions = one;
        one->users++;
        found = one;
        break;
    }
    ln_lock_give(kept->lock);
    return found;
}

void ln_kept_add(ln_model *model, ln_function *function)
{
    ln_kept *kept = model->kept;
    gone what = {0};
    if (model->keep_bytes == 0 || function->bytes > model->keep_bytes)
        return;
    ln_lock_take(kept->lock);
    function->kept = true;
    function->next = kept->functions;
    kept->functions = function;
    kept->bytes += function->bytes;
    kept->count++;
    trim(kept, model->keep_bytes, &what);
    ln_lock_give(kept->lock);
    destroy(what);
}

void ln_kept_return(ln_function *function)
{
    ln_kept *kept = function->model->kept;
    gone what = {0};
    ln_lock_take(kept->lock);
    if (--function->users == 0 && !function->kept)
        what.functions = function; /* it is in no list: next is NULL */
    trim(kept, function->model->keep_bytes, &what);
    ln_lock_give(kept->lock);
    destroy(what);
}

ln_runner *ln_kept_take_runner(const ln_function *function)
{
    ln_kept *kept = function->model->kept;
    ln_runner *found = NULL;
    ln_lock_take(kept->lock);
    for (ln_runner **at = &kept->runners; *at && !found; at = found ? at : &(*at)->next)
        if ((*at)->function == function) {
            found = *at;
            *at = found->next;
            kept->bytes -= ln_kept_runner_bytes(found);
        }
    ln_lock_give(kept->lock);
    return found;
}

void ln_kept_return_runner(ln_runner *runner)
{
    ln_kept *kept = runner->function->model->kept;
    const size_t most = runner->function->model->keep_bytes;
    gone what = {0};
    ln_lock_take(kept->lock);
    if (runner->function->kept) {
        runner->next = kept->runners;
        kept->runners = runner;
        kept->bytes += ln_kept_runner_bytes(runner);
        trim(kept, most, &what);
    } else {
        what.runners = runner;
        runner->next = NULL;
    }
    ln_lock_give(kept->lock);
    destroy(what);
}
