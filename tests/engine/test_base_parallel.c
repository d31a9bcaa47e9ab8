/* The worker pool: the same result for every number of threads, which error wins, interruption. */
#include "support.h"

#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parallel.h"
#include "base/rng.h"

#define CHUNKS 97

typedef struct sums {
    double of_chunk[CHUNKS]; /* what each chunk computed */
    int runs[CHUNKS];        /* how often it ran */
    int worker[CHUNKS];      /* by whom */
} sums;

static ln_status sum_chunk(void *context, int64_t chunk, int worker, ln_error *err)
{
    (void)err;
    sums *all = context;
    ln_rng rng = ln_rng_make(3, "parallel", 0, (uint64_t)chunk);
    float sum = 0;
    for (int i = 0; i < 2000; i++)
        sum += (float)ln_rng_uniform(&rng) * 0.1f;
    all->of_chunk[chunk] = (double)sum;
    __atomic_add_fetch(&all->runs[chunk], 1, __ATOMIC_RELAXED);
    all->worker[chunk] = worker;
    return LN_OK;
}

static void run_sums(int threads, sums *out)
{
    ln_error err;
    ln_pool *pool;
    *out = (sums){0};
    assert_ok(ln_pool_new(threads, &pool, &err));
    assert_int_equal(ln_pool_threads(pool), threads);
    assert_ok(ln_parallel(pool, CHUNKS, sum_chunk, out, NULL, NULL, &err));
    ln_pool_free(pool);
    for (int i = 0; i < CHUNKS; i++) {
        assert_int_equal(out->runs[i], 1);
        assert_in_range(out->worker[i], 0, (unsigned)threads - 1);
    }
}

static void results_do_not_depend_on_threads(void **state)
{
    (void)state;
    ln_error err;
    sums alone = {0}, other;
    assert_ok(ln_parallel(NULL, CHUNKS, sum_chunk, &alone, NULL, NULL, &err));
    static const int threads[] = {1, 2, 5};
    for (size_t i = 0; i < 3; i++) {
        run_sums(threads[i], &other);
        assert_same_bits(other.of_chunk, alone.of_chunk, sizeof other.of_chunk);
    }
}

static ln_status count_run(void *context, int64_t chunk, int worker, ln_error *err)
{
    (void)chunk;
    (void)worker;
    (void)err;
    __atomic_add_fetch((int *)context, 1, __ATOMIC_RELAXED);
    return LN_OK;
}

/* Workers are kept between jobs, and each job has all its chunks run. */
static void a_pool_runs_many_jobs(void **state)
{
    (void)state;
    ln_error err;
    ln_pool *pool;
    assert_ok(ln_pool_new(3, &pool, &err));
    for (int64_t chunks = 0; chunks < CHUNKS; chunks++) {
        sums out = {0};
        assert_ok(ln_parallel(pool, chunks, sum_chunk, &out, NULL, NULL, &err));
        for (int i = 0; i < CHUNKS; i++)
            assert_int_equal(out.runs[i], i < chunks);
    }
    ln_pool_free(pool);
    ln_pool_free(NULL);
    assert_int_equal(ln_pool_threads(NULL), 1);
}

/* Short jobs in a row: workers wake for one that is over, or late for the next, and no chunk is lost. */
static void short_jobs_follow_one_another(void **state)
{
    (void)state;
    ln_error err;
    ln_pool *pool;
    assert_ok(ln_pool_new(4, &pool, &err));
    for (int job = 0; job < 3000; job++) {
        int ran = 0;
        const int64_t chunks = job % 6;
        assert_ok(ln_parallel(pool, chunks, count_run, &ran, NULL, NULL, &err));
        assert_int_equal(ran, chunks);
    }
    ln_pool_free(pool);
}

static ln_status fail_late_and_early(void *context, int64_t chunk, int worker, ln_error *err)
{
    (void)context;
    (void)worker;
    if (chunk == 3) {
        usleep(20000); /* chunk 5 fails before it */
        return ln_fail(err, LN_EFAILED, "chunk %d", (int)chunk);
    }
    if (chunk >= 5)
        return ln_fail(err, LN_EINVALID, "chunk %d", (int)chunk);
    return LN_OK;
}

static void the_lowest_failing_chunk_wins(void **state)
{
    (void)state;
    ln_error err;
    for (int threads = 1; threads <= 5; threads++) {
        ln_pool *pool;
        assert_ok(ln_pool_new(threads, &pool, &err));
        for (int i = 0; i < 5; i++)
            assert_fails(ln_parallel(pool, 50, fail_late_and_early, NULL, NULL, NULL, &err),
                         LN_EFAILED, "chunk 3");
        assert_int_equal(err.status, LN_EFAILED);
        assert_int_equal(ln_parallel(pool, 50, fail_late_and_early, NULL, NULL, NULL, NULL),
                         LN_EFAILED);
        ln_pool_free(pool);
    }
}

static ln_status count_and_fail_at_three(void *context, int64_t chunk, int worker, ln_error *err)
{
    (void)worker;
    __atomic_add_fetch((int *)context, 1, __ATOMIC_RELAXED);
    return chunk == 3 ? ln_fail(err, LN_EFAILED, "chunk 3") : LN_OK;
}

static void chunks_after_a_failure_are_not_begun(void **state)
{
    (void)state;
    ln_error err;
    int begun = 0;
    assert_fails(ln_parallel(NULL, 1000, count_and_fail_at_three, &begun, NULL, NULL, &err),
                 LN_EFAILED, "chunk 3");
    assert_int_equal(begun, 4);
}

static ln_status interrupt_at_ten(void *context, int64_t chunk, int worker, ln_error *err)
{
    (void)worker;
    (void)err;
    __atomic_add_fetch((int *)context, 1, __ATOMIC_RELAXED);
    if (chunk == 10)
        ln_interrupt(SIGINT);
    return LN_OK;
}

static void an_interrupt_stops_between_chunks(void **state)
{
    (void)state;
    ln_error err;
    for (int threads = 1; threads <= 2; threads++) {
        ln_pool *pool;
        int ran = 0;
        assert_ok(ln_pool_new(threads, &pool, &err));
        assert_fails(ln_parallel(pool, 100000, interrupt_at_ten, &ran, NULL, NULL, &err),
                     LN_EINTERRUPTED, "Ctrl-C");
        assert_true(ran >= 11 && ran < 100000);
        assert_int_equal(ln_interrupted(), SIGINT);
        ln_interrupt(0);
        ln_pool_free(pool);
    }
    /* The last chunk finished: nothing is left to stop. */
    int ran = 0;
    assert_ok(ln_parallel(NULL, 11, interrupt_at_ten, &ran, NULL, NULL, &err));
    assert_int_equal(ran, 11);
    ln_interrupt(0);
}

static void an_interrupt_says_why(void **state)
{
    (void)state;
    ln_error err;
    assert_ok(ln_check_interrupt(&err));
    ln_interrupt(LN_INTERRUPT_TIMEOUT);
    assert_fails(ln_check_interrupt(&err), LN_EINTERRUPTED, "--timeout");
    ln_interrupt(SIGTERM);
    assert_fails(ln_check_interrupt(&err), LN_EINTERRUPTED, "signal 15");
    ln_interrupt(0);
}

typedef struct seen {
    int64_t calls, last; /* of the progress function */
} seen;

static void note_progress(void *context, int64_t done, int64_t chunks)
{
    seen *all = context;
    assert_int_equal(chunks, CHUNKS);
    assert_true(done >= all->last && done <= chunks);
    all->calls++;
    all->last = done;
}

static void progress_comes_to_the_end(void **state)
{
    (void)state;
    ln_error err;
    sums out = {0};
    seen progress = {0};
    assert_ok(ln_parallel(NULL, CHUNKS, sum_chunk, &out, note_progress, &progress, &err));
    assert_int_equal(progress.calls, CHUNKS);
    assert_int_equal(progress.last, CHUNKS);

    ln_pool *pool;
    assert_ok(ln_pool_new(2, &pool, &err));
    progress = (seen){0};
    assert_ok(ln_parallel(pool, CHUNKS, sum_chunk, &out, note_progress, &progress, &err));
    assert_int_equal(progress.last, CHUNKS);
    ln_pool_free(pool);
}

static ln_status note_rounding(void *context, int64_t chunk, int worker, ln_error *err)
{
    (void)worker;
    (void)err;
    usleep(1000); /* so that every worker has some */
    ((int *)context)[chunk] = fegetround();
    return LN_OK;
}

/* Threads inherit the mode of the one that made them: it must be reset. */
static void workers_compute_in_the_default_mode(void **state)
{
    (void)state;
    ln_error err;
    ln_pool *pool;
    int modes[16];
    fesetround(FE_UPWARD);
    assert_ok(ln_pool_new(4, &pool, &err));
    fesetround(FE_UPWARD);
    assert_ok(ln_parallel(pool, 16, note_rounding, modes, NULL, NULL, &err));
    for (int i = 0; i < 16; i++)
        assert_int_equal(modes[i], FE_TONEAREST);
    ln_pool_free(pool);
}

static void bad_thread_counts_are_refused(void **state)
{
    (void)state;
    ln_error err;
    ln_pool *pool;
    assert_fails(ln_pool_new(0, &pool, &err), LN_EINVALID, "from 1 to 1024");
    assert_null(pool);
    assert_fails(ln_pool_new(1025, &pool, &err), LN_EINVALID, "1025 threads");
}

static ln_status make_pool(void *context, ln_error *err)
{
    (void)context;
    ln_pool *pool;
    ln_status status = ln_pool_new(3, &pool, err);
    ln_pool_free(pool);
    return status;
}

static void a_pool_survives_failing_allocations(void **state)
{
    (void)state;
    sweep_allocation_failures(make_pool, NULL);
}

static void the_instruction_set_follows_the_environment(void **state)
{
    (void)state;
    static const char *const known[] = {"amx", "avx512", "avx2", "sse2", "neon"};
    char before[32];
    snprintf(before, sizeof before, "%s", ln_cpu_isa());
    size_t found = 0;
    while (found < 5 && strcmp(known[found], before) != 0)
        found++;
    assert_true(found < 5);
    assert_true(ln_cpu_count() >= 1);
    if (strcmp(before, "neon") == 0)
        return;
    const char *kept = getenv("DNNL_MAX_CPU_ISA");
    char *restore = kept ? strdup(kept) : NULL;
    const bool wide = ln_cpu_has("avx512");
    setenv("DNNL_MAX_CPU_ISA", "AVX512_CORE_BF16", 1);
    assert_false(ln_cpu_has("amx"));
    assert_true(ln_cpu_has("sse2") && !ln_cpu_has("neon"));
    assert_int_equal(ln_cpu_has("avx512"), wide);
    assert_true(!wide || strcmp(ln_cpu_isa(), "avx512") == 0);
    setenv("DNNL_MAX_CPU_ISA", "AVX512_CORE_AMX", 1);
    assert_int_equal(ln_cpu_has("avx512"), wide);
    setenv("DNNL_MAX_CPU_ISA", "AVX2", 1);
    assert_false(ln_cpu_has("avx512") || ln_cpu_has("amx"));
    setenv("DNNL_MAX_CPU_ISA", "avx512_mic", 1);
    assert_false(ln_cpu_has("avx512"));
    setenv("DNNL_MAX_CPU_ISA", "SSE41", 1);
    assert_string_equal(ln_cpu_isa(), "sse2");
    if (restore)
        setenv("DNNL_MAX_CPU_ISA", restore, 1);
    else
        unsetenv("DNNL_MAX_CPU_ISA");
    free(restore);
    assert_string_equal(ln_cpu_isa(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_do_not_depend_on_threads),
        cmocka_unit_test(a_pool_runs_many_jobs),
        cmocka_unit_test(short_jobs_follow_one_another),
        cmocka_unit_test(the_lowest_failing_chunk_wins),
        cmocka_unit_test(chunks_after_a_failure_are_not_begun),
        cmocka_unit_test(an_interrupt_stops_between_chunks),
        cmocka_unit_test(an_interrupt_says_why),
        cmocka_unit_test(progress_comes_to_the_end),
        cmocka_unit_test(workers_compute_in_the_default_mode),
        cmocka_unit_test(bad_thread_counts_are_refused),
        cmocka_unit_test(a_pool_survives_failing_allocations),
        cmocka_unit_test(the_instruction_set_follows_the_environment),
    };
    return cmocka_run_group_tests_name("base_parallel", tests, NULL, NULL);
}
