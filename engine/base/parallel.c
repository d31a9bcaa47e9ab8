/* The worker pool: threads that wait, and the caller as worker 0.
 *
 * A job is a number of chunks. Workers take the next chunk's number from a shared counter, so
 * chunks begin in order and all below a failed one have begun: they are waited for, and the lowest
 * failure wins whatever the timing. A job has a seat for every worker that could have a chunk; seats that
 * nobody has taken when the caller runs out of chunks are taken away, so that a short job waits for no
 * thread that is only just waking. Nothing a chunk computes may depend on its worker, so results
 * have the same bits for any number of threads.
 *
 * Every thread computes with one OpenMP thread (oneDNN, where it is linked, would otherwise start its
 * own) and with the default floating-point mode. Workers block all signals: Ctrl-C goes to the main thread. */
#include "base/parallel.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif
#include <fenv.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#ifdef __x86_64__
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define MOST_THREADS 1024

/* What all workers of one ln_parallel call share. */
typedef struct job {
    int64_t chunks;          /* how many there are */
    ln_chunk_fn run;         /* called once a chunk */
    void *context;           /* for run */
    _Atomic int64_t next;    /* the chunk that is taken next */
    _Atomic int64_t done;    /* chunks finished well */
    atomic_bool stop;        /* a chunk failed: take no more */
    pthread_mutex_t lock;    /* guards the three below */
    int64_t failed_chunk;    /* the lowest that failed, or -1 */
    ln_status failed_status; /* its status */
    ln_error failed_error;   /* its error */
} job;

typedef struct worker {
    struct ln_pool *pool; /* the pool it belongs to */
    int number;           /* 1 .. threads - 1; the caller is 0 */
    pthread_t thread;     /* its thread */
} worker;

struct ln_pool {
    int threads;          /* workers, the caller included */
    int started;          /* threads that run (less than threads - 1 only while starting) */
    worker *workers;      /* threads - 1 of them */
    pthread_mutex_t lock; /* guards the four below */
    pthread_cond_t wake;  /* a job is there, or the end */
    pthread_cond_t idle;  /* a worker has left the job */
    job *job;             /* the present job */
    int seats;            /* of it, that workers may still take */
    int busy;  /* its seats that are free or taken: workers leave theirs when they are done */
    bool quit; /* the pool is being freed */
};

static atomic_int interrupt_why;

static void set_computing_mode(void)
{
#ifdef _OPENMP
    omp_set_num_threads(1);
#endif
    fesetenv(FE_DFL_ENV);
}

static void note_failure(job *work, int64_t chunk, ln_status status, const ln_error *error)
{
    atomic_store(&work->stop, true);
    pthread_mutex_lock(&work->lock);
    if (work->failed_chunk < 0 || chunk < work->failed_chunk) {
        work->failed_chunk = chunk;
        work->failed_status = status;
        work->failed_error = *error;
    }
    pthread_mutex_unlock(&work->lock);
}

static void take_chunks(job *work, int number, ln_progress_fn progress, void *progress_context)
{
    while (!atomic_load(&work->stop) && !ln_interrupted()) {
        int64_t chunk = atomic_fetch_add(&work->next, 1);
        if (chunk >= work->chunks)
            return;
        ln_error error = {0};
        ln_status status = work->run(work->context, chunk, number, &error);
        if (status) {
            error.status = status;
            note_failure(work, chunk, status, &error);
            return;
        }
        int64_t done = atomic_fetch_add(&work->done, 1) + 1;
        if (progress)
            progress(progress_context, done, work->chunks);
    }
}

static void *work_until_quit(void *argument)
{
    worker *self = argument;
    ln_pool *pool = self->pool;
    set_computing_mode();
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->quit && pool->seats == 0)
            pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->quit)
            break;
        pool->seats--;
        job *work = pool->job;
        pthread_mutex_unlock(&pool->lock);
        take_chunks(work, self->number, NULL, NULL);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static ln_status start_workers(ln_pool *pool, ln_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ln_status status = LN_OK;
    for (int i = 0; i < pool->threads - 1 && !status; i++) {
        worker *one = &pool->workers[i];
        one->pool = pool;
        one->number = i + 1;
        int why = pthread_create(&one->thread, NULL, work_until_quit, one);
        if (why == 0)
            pool->started++;
        else
            status = ln_fail(err, LN_EFAILED, "%d threads cannot be started: %s", pool->threads,
                             strerror(why));
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

ln_status ln_pool_new(int threads, ln_pool **out, ln_error *err)
{
    *out = NULL;
    if (threads < 1 || threads > MOST_THREADS)
        return ln_fail(err, LN_EINVALID, "%d threads: a number from 1 to %d is wanted", threads,
                       MOST_THREADS);
    ln_pool *pool = ln_calloc(1, sizeof *pool);
    worker *workers = ln_calloc((size_t)threads, sizeof *workers);
    if (!pool || !workers) {
        ln_free(pool);
        ln_free(workers);
        return ln_fail_memory(err, sizeof *pool + (size_t)threads * sizeof *workers);
    }
    pool->threads = threads;
    pool->workers = workers;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->idle, NULL);
    set_computing_mode();
    ln_status status = start_workers(pool, err);
    if (status)
        ln_pool_free(pool);
    else
        *out = pool;
    return status;
}

void ln_pool_free(ln_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->quit = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    ln_free(pool->workers);
    ln_free(pool);
}

int ln_pool_threads(const ln_pool *pool)
{
    return pool ? pool->threads : 1;
}

ln_status ln_parallel(ln_pool *pool, int64_t chunks, ln_chunk_fn run, void *context,
                      ln_progress_fn progress, void *progress_context, ln_error *err)
{
    job work = {.chunks = chunks, .run = run, .context = context, .failed_chunk = -1};
    bool shared = pool && pool->started > 0 && chunks > 1;
    pthread_mutex_init(&work.lock, NULL);
    set_computing_mode();
    if (shared) {
        pthread_mutex_lock(&pool->lock);
        /* It outlives its use: this function waits until no worker is busy with it. */
        // cppcheck-suppress autoVariables
        pool->job = &work;
        pool->seats = chunks - 1 < pool->started ? (int)(chunks - 1) : pool->started;
        pool->busy = pool->seats;
        for (int i = 0; i < pool->seats; i++)
            pthread_cond_signal(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    take_chunks(&work, 0, progress, progress_context);
    if (shared) {
        pthread_mutex_lock(&pool->lock);
        pool->busy -= pool->seats;
        pool->seats = 0;
        while (pool->busy > 0)
            pthread_cond_wait(&pool->idle, &pool->lock);
        pool->job = NULL;
        pthread_mutex_unlock(&pool->lock);
    }
    pthread_mutex_destroy(&work.lock);

    if (work.failed_chunk >= 0) {
        if (err)
            *err = work.failed_error;
        return work.failed_status;
    }
    int64_t done = atomic_load(&work.done);
    if (done < chunks)
        return ln_check_interrupt(err);
    if (progress && shared)
        progress(progress_context, done, chunks);
    return LN_OK;
}

struct ln_lock {
    pthread_mutex_t mutex;
};

ln_status ln_lock_new(ln_lock **out, ln_error *err)
{
    *out = ln_calloc(1, sizeof **out);
    if (!*out)
        return ln_fail_memory(err, sizeof **out);
    pthread_mutex_init(&(*out)->mutex, NULL);
    return LN_OK;
}

void ln_lock_free(ln_lock *lock)
{
    if (lock)
        pthread_mutex_destroy(&lock->mutex);
    ln_free(lock);
}

void ln_lock_take(ln_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

void ln_lock_give(ln_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

void ln_interrupt(int why)
{
    atomic_store(&interrupt_why, why);
}

int ln_interrupted(void)
{
    return atomic_load_explicit(&interrupt_why, memory_order_relaxed);
}

ln_status ln_check_interrupt(ln_error *err)
{
    int why = ln_interrupted();
    if (why == 0)
        return LN_OK;
    if (why == LN_INTERRUPT_TIMEOUT)
        return ln_fail(err, LN_EINTERRUPTED, "stopped: the time that --timeout allows is over");
    if (why == SIGINT)
        return ln_fail(err, LN_EINTERRUPTED, "stopped by Ctrl-C");
    return ln_fail(err, LN_EINTERRUPTED, "stopped by signal %d", why);
}

int ln_cpu_count(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) == 0)
        return CPU_COUNT(&cores);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more cores than a cpu_set_t holds */
    return online < 1 ? 1 : online > MOST_THREADS ? MOST_THREADS : (int)online;
}

#ifdef __x86_64__
static const char *const levels[] = {"sse2", "avx2", "avx512", "amx"};
enum { SSE2, AVX2, AVX512, AMX };

/* The instruction set that oneDNN was told to stay within, as a level. */
static int allowed_level(void)
{
    const char *allowed = getenv("ONEDNN_MAX_CPU_ISA");
    if (!allowed)
        allowed = getenv("DNNL_MAX_CPU_ISA");
    if (!allowed)
        return AMX;
    if (strcasecmp(allowed, "SSE41") == 0 || strcasecmp(allowed, "AVX") == 0)
        return SSE2;
    if (strncasecmp(allowed, "AVX2", 4) == 0 || strncasecmp(allowed, "AVX512_MIC", 10) == 0)
        return AVX2;
    return strncasecmp(allowed, "AVX512", 6) == 0 && !strcasestr(allowed, "AMX") ? AVX512 : AMX;
}

static bool tiles;

/* Tiles are there, and the kernel lets the process use them: it saves what they hold only if asked to. */
static void find_tiles(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, BF16_AND_TILE = 1u << 22 | 1u << 24 };
    unsigned a, b, c, d;
    tiles = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & BF16_AND_TILE) == BF16_AND_TILE &&
            syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

/* Asked of the processor once: in a virtual machine the instruction can take 20 microseconds and more. */
static bool has_tiles(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_tiles);
    return tiles;
}

/* At most `asked`. */
static int level(int asked)
{
    const int told = allowed_level(), allowed = told < asked ? told : asked;
    if (allowed < AVX2 || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return SSE2;
    if (allowed < AVX512 || !__builtin_cpu_supports("avx512f") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl"))
        return AVX2;
    return allowed < AMX || !has_tiles() ? AVX512 : AMX;
}
#endif

const char *ln_cpu_isa(void)
{
#ifdef __x86_64__
    return levels[level(AMX)];
#else
    return "neon";
#endif
}

bool ln_cpu_has(const char *isa)
{
#ifdef __x86_64__
    int asked = AMX;
    while (asked >= SSE2 && strcmp(levels[asked], isa) != 0)
        asked--;
    return asked >= SSE2 && level(asked) == asked;
#else
    return strcmp(isa, "neon") == 0;
#endif
}
