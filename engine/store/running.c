/* Which runs are alive. A run's process holds an open-file-description lock (fcntl, F_OFD_SETLK)
 * on the byte with the run's number of the file `<store>-running`. The kernel lets go of it when
 * the process ends in whatever way, also SIGKILL, and it holds across containers that share the
 * folder, where process numbers mean nothing. Unlike POSIX locks it is not lost when another
 * handle on the same file is closed.
 *
 * The last one to close the store removes the file: it first takes the whole file's lock. Whoever
 * opened the file meanwhile finds after locking that the name leads to another file and begins
 * anew. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

#define DEAD_WORDS "its process ended without a word" /* run.error of a run that was killed */

static char *running_path(const ln_store *store)
{
    ln_text text = {0};
    ln_text_format(&text, "%s-running", store->path);
    if (text.failed)
        ln_text_free(&text);
    return text.data;
}

/* Takes the lock of `length` bytes from `first` (0: to the end), without waiting. */
static bool lock_bytes(int fd, int64_t first, int64_t length)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = first, .l_len = length};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static bool same_file(int fd, const char *path)
{
    struct stat ours, theirs;
    return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
           ours.st_ino == theirs.st_ino;
}

ln_status ln_store_run_begin(ln_store *store, int64_t run, ln_error *err)
{
    char *path = running_path(store);
    if (!path)
        return ln_fail_memory(err, strlen(store->path));
    ln_status status = LN_OK;
    for (int tries = 0; status == LN_OK; tries++) {
        if (store->running_fd < 0)
            store->running_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (store->running_fd < 0 || tries == 1000)
            status = ln_fail(err, LN_ESTORE,
                             "'%s', which tells other processes that the run is alive, cannot be "
                             "made: %s",
                             path, strerror(errno));
        else if (lock_bytes(store->running_fd, run, 1) && same_file(store->running_fd, path))
            break;
        else if (!same_file(store->running_fd, path)) {
            close(store->running_fd);
            store->running_fd = -1;
        } else {
            usleep(1000); /* someone is about to remove it */
        }
    }
    ln_free(path);
    return status;
}

ln_status ln_store_drop_checkpoint(ln_store *store, int64_t run, ln_error *err)
{
    char sql[64];
    snprintf(sql, sizeof sql, "DELETE FROM checkpoint WHERE run = %lld", (long long)run);
    return ln_store_exec(store, sql, err);
}

/* Removes the file where nobody else holds a lock in it; closes fd. */
static void close_last(const ln_store *store, int fd)
{
    char *path = running_path(store);
    if (path && lock_bytes(fd, 0, 0) && same_file(fd, path))
        unlink(path);
    ln_free(path);
    close(fd);
}

void ln_store_running_close(ln_store *store)
{
    if (store->running_fd >= 0)
        close_last(store, store->running_fd);
    store->running_fd = -1;
}

/* What a killed process left lying. */
static void remove_stale(const ln_store *store)
{
    char *path = running_path(store);
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    ln_free(path);
    if (fd >= 0)
        close_last(store, fd);
}

/* Whether byte `run` is locked through another open file than ours. */
static bool locked_elsewhere(int fd, int64_t run)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = run, .l_len = 1};
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* Whether the process of a run that is `running` still lives. */
static bool run_alive(const ln_store *store, int64_t run)
{
    char *path = running_path(store);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    bool unknown = !path || (fd < 0 && errno != ENOENT);
    bool alive = unknown || (fd >= 0 && locked_elsewhere(fd, run));
    if (fd >= 0)
        close(fd);
    ln_free(path);
    return alive;
}

ln_status ln_store_any_alive(const ln_store *store, bool *alive, ln_error *err)
{
    char *path = running_path(store);
    if (!path)
        return ln_fail_memory(err, strlen(store->path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool locked = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    *alive = locked || (fd < 0 && errno != ENOENT);
    if (fd >= 0)
        close(fd);
    ln_free(path);
    return LN_OK;
}

/* The next run after *run that is `running` without a living process; 0 after the last. */
static ln_status next_dead(ln_store *store, int64_t *run, ln_error *err)
{
    for (;;) {
        ln_status status = ln_store_number(
            store, "SELECT min(id) FROM main.run WHERE status = 'running' AND id > ?1", *run, 0,
            run, err);
        if (status != LN_OK || *run == 0 || !run_alive(store, *run))
            return status;
    }
}

static ln_status mark_all(ln_store *store, int64_t *marked, ln_error *err)
{
    for (int64_t run = 0;;) {
        int64_t none;
        ln_status status = next_dead(store, &run, err);
        if (status != LN_OK || run == 0)
            return status;
        status = ln_store_number(store,
                                 "UPDATE run SET status = 'interrupted', "
                                 "error = coalesce(error, '" DEAD_WORDS "') WHERE id = ?1",
                                 run, 0, &none, err);
        if (status == LN_OK)
            status =
                ln_store_number(store,
                                "UPDATE explanation SET status = 'interrupted', "
                                "reason = '" DEAD_WORDS "' WHERE run = ?1 AND status = 'running'",
                                run, 0, &none, err);
        if (status != LN_OK)
            return status;
        ++*marked;
    }
}

ln_status ln_store_mark_dead(ln_store *store, int64_t *marked, ln_error *err)
{
    int64_t run = 0;
    bool own;
    *marked = 0;
    ln_status status = next_dead(store, &run, err);
    if (status == LN_OK && run > 0) {
        status = ln_store_enter(store, &own, err);
        if (status == LN_OK)
            status = ln_store_leave(store, own, mark_all(store, marked, err), err);
    }
    if (status == LN_OK && store->running_fd < 0)
        remove_stale(store);
    return status;
}

ln_status ln_store_hide_dead(ln_store *store, bool *any, ln_error *err)
{
    ln_text sql = {0};
    int64_t run = 0;
    ln_text_add(&sql, "CREATE TEMP VIEW run AS WITH dead(run) AS (VALUES (0)");
    ln_status status = next_dead(store, &run, err);
    *any = status == LN_OK && run > 0;
    while (status == LN_OK && run > 0) {
        ln_text_format(&sql, ", (%lld)", (long long)run);
        status = next_dead(store, &run, err);
    }
    ln_text_add(&sql, ") SELECT id, uuid, invocation, experiment, "
                      "CASE WHEN status = 'running' AND id IN dead THEN 'interrupted' ELSE status "
                      "END AS status, "
                      "started_at, finished_at, seed, numerics, threads, argv, script_sha256, "
                      "environment, parent_run, reproduces_run, "
                      "CASE WHEN status = 'running' AND id IN dead THEN coalesce(error, "
                      "'" DEAD_WORDS "') ELSE error END AS error, identity FROM main.run");
    if (status == LN_OK && sql.failed)
        status = ln_fail_memory(err, 0);
    if (status == LN_OK && *any)
        status = ln_store_exec(store, sql.data, err);
    ln_text_free(&sql);
    return status;
}
