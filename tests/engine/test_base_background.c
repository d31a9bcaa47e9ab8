/* The thread that does tasks in order: all of them, within its room, the first failure told once. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/background.h"

#define TASKS 200

/* What all tasks of a test share. */
typedef struct shared {
    int order[TASKS];    /* numbers in the order in which they ran */
    int ran;             /* how many of them; atomic */
    int released[TASKS]; /* how often each was released */
    long waiting, most;  /* bytes given and not released, and the most there were when one ran */
    int failing;         /* the task that fails, or -1 */
} shared;

typedef struct one {
    shared *all; /* of the test */
    int number;  /* which one it is */
    long bytes;  /* as given */
} one;

static ln_status run_one(void *context, ln_error *err)
{
    one *task = context;
    shared *all = task->all;
    long waiting = __atomic_load_n(&all->waiting, __ATOMIC_ACQUIRE);
    all->most = waiting > all->most ? waiting : all->most;
    all->order[__atomic_fetch_add(&all->ran, 1, __ATOMIC_RELEASE)] = task->number;
    return task->number == all->failing ? ln_fail(err, LN_ESTORE, "task %d failed", task->number)
                                        : LN_OK;
}

static void release_one(void *context)
{
    one *task = context;
    task->all->released[task->number]++;
    __atomic_sub_fetch(&task->all->waiting, task->bytes, __ATOMIC_RELEASE);
    ln_free(task);
}

static ln_status give(ln_background *background, shared *all, int number, long bytes, ln_error *err)
{
    one *task = ln_alloc(sizeof *task);
    if (!task)
        return ln_fail_memory(err, sizeof *task);
    *task = (one){all, number, bytes};
    const ln_task whole = {run_one, release_one, task, (size_t)bytes};
    ln_status status = ln_background_submit(background, &whole, err);
    if (status == LN_OK)
        __atomic_add_fetch(&all->waiting, bytes, __ATOMIC_ACQ_REL);
    return status;
}

static void tasks_run_in_order_within_their_room(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_background *background;
    shared all = {.failing = -1};
    assert_ok(ln_background_new(100, &background, &err));
    for (int i = 0; i < TASKS; i++)
        assert_ok(
            give(background, &all, i, i == 50 ? 1000 : 40, &err)); /* a large one goes alone */
    assert_ok(ln_background_settle(background, &err));
    assert_int_equal(all.ran, TASKS);
    for (int i = 0; i < TASKS; i++) {
        assert_int_equal(all.order[i], i);
        assert_int_equal(all.released[i], 1);
    }
    assert_true(all.most <= 1000);
    assert_int_equal(all.waiting, 0);
    ln_background_free(background);
}

static void the_first_failure_is_told_once(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_background *background;
    shared all = {.failing = 3};
    assert_ok(ln_background_new(1 << 20, &background, &err));
    assert_ok(ln_background_pause(background, &err)); /* so that all wait before it fails */
    for (int i = 0; i < 100; i++)
        assert_ok(give(background, &all, i, 1, &err));
    ln_background_resume(background);
    assert_fails(ln_background_settle(background, &err), LN_ESTORE, "task 3 failed");
    assert_int_equal(all.ran, 4);
    assert_ok(ln_background_settle(background, &err));
    assert_ok(give(background, &all, 100, 1, &err));
    assert_ok(ln_background_settle(background, &err));
    assert_int_equal(all.order[4], 100);
    all.failing = 101; /* the next call tells it, whichever it is */
    assert_ok(give(background, &all, 101, 1, &err));
    while (__atomic_load_n(&all.ran, __ATOMIC_ACQUIRE) < 6)
        usleep(100);
    ln_status status = LN_OK;
    int last = 102; /* until the failure is noted some may still be let in, none of them runs */
    for (; status == LN_OK && last < TASKS; last++)
        status = give(background, &all, last, 1, &err);
    assert_fails(status, LN_ESTORE, "task 101 failed");
    assert_int_equal(all.ran, 6);
    all.failing = 102;
    memset(all.released, 0, sizeof all.released);
    assert_ok(give(background, &all, 102, 1, &err));
    while (__atomic_load_n(&all.ran, __ATOMIC_ACQUIRE) < 7)
        usleep(100);
    status = LN_OK;
    while (status == LN_OK) {
        status = ln_background_pause(background, &err);
        if (status == LN_OK)
            ln_background_resume(background);
    }
    assert_fails(status, LN_ESTORE, "task 102 failed");
    assert_int_equal(all.released[102], 1);
    ln_background_free(background);
}

static void nothing_runs_in_a_pause(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_background *background;
    shared all = {.failing = -1};
    assert_ok(ln_background_new(1 << 20, &background, &err));
    for (int round = 0; round < 20; round++) {
        all.ran = 0;
        for (int i = 0; i < 50; i++)
            assert_ok(give(background, &all, i, 1, &err));
        assert_ok(ln_background_pause(background, &err));
        int before = __atomic_load_n(&all.ran, __ATOMIC_ACQUIRE);
        for (int i = 50; i < 60; i++)
            assert_ok(give(background, &all, i, 1, &err));
        usleep(500);
        assert_int_equal(__atomic_load_n(&all.ran, __ATOMIC_ACQUIRE), before);
        ln_background_resume(background);
        assert_ok(ln_background_settle(background, &err));
        assert_int_equal(all.ran, 60);
    }
    /* What waits when it is freed is done. */
    all.ran = 0;
    assert_ok(ln_background_pause(background, &err));
    for (int i = 0; i < 50; i++)
        assert_ok(give(background, &all, i, 1, &err));
    ln_background_free(background);
    assert_int_equal(all.ran, 50);
}

static ln_status whole_life(void *context, ln_error *err)
{
    (void)context;
    ln_background *background;
    shared all = {.failing = -1};
    ln_status status = ln_background_new(100, &background, err);
    for (int i = 0; i < 3 && status == LN_OK; i++)
        status = give(background, &all, i, 40, err);
    if (status == LN_OK)
        status = ln_background_settle(background, err);
    ln_background_free(background);
    return status;
}

static void no_allocation_failure_does_harm(void **state)
{
    (void)state;
    sweep_allocation_failures(whole_life, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_in_order_within_their_room),
        cmocka_unit_test(the_first_failure_is_told_once),
        cmocka_unit_test(nothing_runs_in_a_pause),
        cmocka_unit_test(no_allocation_failure_does_harm),
    };
    return cmocka_run_group_tests_name("base_background", tests, NULL, NULL);
}
