/* A list of tasks behind one lock. The thread takes the first, runs it unlocked, and takes it off only
 * then, so "the list is empty" means that all is done. It blocks all signals: Ctrl-C goes to the main
 * thread. */
#include "base/background.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

typedef struct waiting {
    struct waiting *next; /* brought later */
    ln_task task;         /* as given */
} waiting;

struct ln_background {
    pthread_t thread;      /* its thread */
    pthread_mutex_t lock;  /* guards all below */
    pthread_cond_t wake;   /* for the thread: a task, no more pause, or the end */
    pthread_cond_t change; /* for the owner: a task is done */
    waiting *first, *last; /* oldest to newest; the first may be running */
    size_t bytes;          /* of all of them */
    size_t most_bytes;     /* see ln_background_new */
    bool running;          /* the first is being run */
    bool paused;           /* none may begin */
    bool quit;             /* the thread ends once nothing waits */
    ln_status status;      /* of the first failure that was not told yet */
    ln_error failure;      /* its error */
};

/* Takes off the first task, and says so. Called with the lock, which is free while it is released. */
static void drop_first(ln_background *background)
{
    waiting *done = background->first;
    pthread_mutex_unlock(&background->lock);
    done->task.release(done->task.context);
    pthread_mutex_lock(&background->lock);
    background->first = done->next;
    if (!background->first)
        background->last = NULL;
    background->bytes -= done->task.bytes;
    background->running = false;
    ln_free(done);
    pthread_cond_signal(&background->change);
}

static void run_first(ln_background *background)
{
    const ln_task *task = &background->first->task;
    background->running = true;
    if (background->status == LN_OK) {
        ln_error err = {0};
        pthread_mutex_unlock(&background->lock);
        ln_status status = task->run(task->context, &err);
        pthread_mutex_lock(&background->lock);
        background->status = status;
        background->failure = err;
    }
    drop_first(background);
}

static void *work(void *context)
{
    ln_background *background = context;
    pthread_mutex_lock(&background->lock);
    for (;;) {
        if (background->first && (!background->paused || background->status != LN_OK))
            run_first(background);
        else if (background->quit && !background->first)
            break;
        else
            pthread_cond_wait(&background->wake, &background->lock);
    }
    pthread_mutex_unlock(&background->lock);
    return NULL;
}

ln_status ln_background_new(size_t most_bytes, ln_background **out, ln_error *err)
{
    *out = NULL;
    ln_background *background = ln_calloc(1, sizeof *background);
    if (!background)
        return ln_fail_memory(err, sizeof *background);
    background->most_bytes = most_bytes;
    pthread_mutex_init(&background->lock, NULL);
    pthread_cond_init(&background->wake, NULL);
    pthread_cond_init(&background->change, NULL);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int why = pthread_create(&background->thread, NULL, work, background);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (why) {
        ln_free(background);
        return ln_fail(err, LN_EFAILED, "no thread can be started: %s", strerror(why));
    }
    *out = background;
    return LN_OK;
}

/* The failure that was not told yet, once what waited behind it is gone. Called with the lock. */
static ln_status tell(ln_background *background, ln_error *err)
{
    ln_status status = background->status;
    while (status != LN_OK && background->first)
        pthread_cond_wait(&background->change, &background->lock);
    if (status != LN_OK && err)
        *err = background->failure;
    background->status = LN_OK;
    return status;
}

static void wait_for_room(ln_background *background, size_t bytes)
{
    while (background->first && background->status == LN_OK &&
           background->bytes + bytes > background->most_bytes)
        pthread_cond_wait(&background->change, &background->lock);
}

ln_status ln_background_submit(ln_background *background, const ln_task *task, ln_error *err)
{
    waiting *one = ln_alloc(sizeof *one);
    if (!one) {
        task->release(task->context);
        return ln_fail_memory(err, sizeof *one);
    }
    *one = (waiting){.task = *task};
    pthread_mutex_lock(&background->lock);
    wait_for_room(background, task->bytes);
    ln_status status = tell(background, err);
    if (status == LN_OK) {
        if (background->last)
            background->last->next = one;
        else
            background->first = one;
        background->last = one;
        background->bytes += task->bytes;
        pthread_cond_signal(&background->wake);
    }
    pthread_mutex_unlock(&background->lock);
    if (status != LN_OK) {
        task->release(task->context);
        ln_free(one);
    }
    return status;
}

ln_status ln_background_settle(ln_background *background, ln_error *err)
{
    pthread_mutex_lock(&background->lock);
    while (background->first)
        pthread_cond_wait(&background->change, &background->lock);
    ln_status status = tell(background, err);
    pthread_mutex_unlock(&background->lock);
    return status;
}

ln_status ln_background_pause(ln_background *background, ln_error *err)
{
    pthread_mutex_lock(&background->lock);
    background->paused = true;
    while (background->running)
        pthread_cond_wait(&background->change, &background->lock);
    ln_status status = tell(background, err);
    if (status != LN_OK)
        background->paused = false;
    pthread_cond_signal(&background->wake);
    pthread_mutex_unlock(&background->lock);
    return status;
}

void ln_background_resume(ln_background *background)
{
    pthread_mutex_lock(&background->lock);
    background->paused = false;
    pthread_cond_signal(&background->wake);
    pthread_mutex_unlock(&background->lock);
}

void ln_background_free(ln_background *background)
{
    if (!background)
        return;
    pthread_mutex_lock(&background->lock);
    background->quit = true;
    background->paused = false;
    pthread_cond_signal(&background->wake);
    pthread_mutex_unlock(&background->lock);
    pthread_join(background->thread, NULL);
    pthread_cond_destroy(&background->wake);
    pthread_cond_destroy(&background->change);
    pthread_mutex_destroy(&background->lock);
    ln_free(background);
}
