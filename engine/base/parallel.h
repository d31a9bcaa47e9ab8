/* The worker pool. Work is cut into chunks; workers take chunks in order; what a chunk computes may not
 * depend on the worker that computes it. Sums over chunks are made by the caller, in chunk order, in
 * float64, and the size of these chunks depends on the task alone.
 *
 * Workers never call Lua. Every worker (and the main thread) runs with one OpenMP thread and the
 * same floating-point mode. */
#ifndef LN_BASE_PARALLEL_H
#define LN_BASE_PARALLEL_H

#include "lunette.h"

/* Called once a chunk. `worker` is 0 .. threads - 1 and picks per-worker scratch memory. */
typedef ln_status (*ln_chunk_fn)(void *context, int64_t chunk, int worker, ln_error *err);

/* Called on the calling thread between chunks, with the number finished (for progress bars). */
typedef void (*ln_progress_fn)(void *context, int64_t done, int64_t chunks);

/* `threads` >= 1 workers, the caller being one of them. Caller releases with ln_pool_free. */
ln_status ln_pool_new(int threads, ln_pool **out, ln_error *err);
void ln_pool_free(ln_pool *pool);
int ln_pool_threads(const ln_pool *pool);

/* Runs chunks 0 .. chunks - 1. Returns the error of the lowest chunk that failed (later chunks may
 * have run or not), or LN_EINTERRUPTED when ln_interrupted() became true in between. `progress`
 * may be NULL. A NULL pool runs everything on the caller. Not reentrant. */
ln_status ln_parallel(ln_pool *pool, int64_t chunks, ln_chunk_fn run, void *context,
                      ln_progress_fn progress, void *progress_context, ln_error *err);

/* For what several workers change: held for moments, by one at a time. */
typedef struct ln_lock ln_lock;
ln_status ln_lock_new(ln_lock **out, ln_error *err);
void ln_lock_free(ln_lock *lock); /* NULL is fine */
void ln_lock_take(ln_lock *lock);
void ln_lock_give(ln_lock *lock);

/* Ctrl-C, SIGTERM and --timeout set this from a handler or a watchdog; long loops look at it. */
void ln_interrupt(int why); /* SIGINT, SIGTERM or LN_INTERRUPT_TIMEOUT; async-signal-safe */
int ln_interrupted(void);   /* 0, or why */
#define LN_INTERRUPT_TIMEOUT 1000
ln_status ln_check_interrupt(ln_error *err); /* LN_EINTERRUPTED with the words, or LN_OK */

int ln_cpu_count(void); /* cores this process may use */
/* What the kernels use: "sse2", "avx2", "avx512", "amx" (avx512 and tiles of bfloat16), or "neon".
 * DNNL_MAX_CPU_ISA lowers it for ours too. */
const char *ln_cpu_isa(void);
bool ln_cpu_has(const char *isa); /* whether that is `isa` or contains it */

#endif
