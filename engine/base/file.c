/* Whole files in and out.
 *
 * Reading: one pass, up to the end the file has while it is read (sizes that stat tells are only a
 * first guess), hashed afterwards from memory. Writing: a temporary file in the same folder, then
 * rename, so that a reader sees the old file or the new one; what is no regular file (a pipe,
 * /dev/stdout) is written directly. The data reach the disk with the system's own flushing:
 * surviving a power cut is the store's promise, not that of exported files. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

static ln_status fail_open(const char *path, ln_error *err)
{
    if (errno == ENOENT || errno == ENOTDIR)
        return ln_fail(err, LN_EFILE, "the file '%s' does not exist", path);
    if (errno == EACCES || errno == EPERM)
        return ln_fail(err, LN_EFILE, "the file '%s' may not be read (no permission)", path);
    return ln_fail(err, LN_EFILE, "the file '%s' cannot be opened: %s", path, strerror(errno));
}

/* Reads to the end of the file; out->data grows as needed. */
static ln_status read_all(int fd, const char *path, size_t guess, ln_file *out, ln_error *err)
{
    size_t room = guess + 1;
    out->data = ln_alloc(room + 1);
    if (!out->data)
        return ln_fail_memory(err, room + 1);
    for (;;) {
        if (out->bytes == room) {
            size_t larger = room * 2;
            char *data = ln_realloc(out->data, larger + 1);
            if (!data)
                return ln_fail_memory(err, larger + 1);
            out->data = data;
            room = larger;
        }
        ssize_t got = read(fd, out->data + out->bytes, room - out->bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ln_fail(err, LN_EFILE, "the file '%s' cannot be read: %s", path,
                           strerror(errno));
        if (got == 0)
            break;
        out->bytes += (size_t)got;
    }
    char *data = ln_realloc(out->data, out->bytes + 1);
    if (data)
        out->data = data;
    out->data[out->bytes] = '\0';
    return LN_OK;
}

ln_status ln_file_read(const char *path, ln_file *out, ln_error *err)
{
    *out = (ln_file){0};
    /* O_NONBLOCK: opening a named pipe would wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_open(path, err);

    ln_status status = LN_OK;
    struct stat about;
    if (fstat(fd, &about) != 0)
        status = fail_open(path, err);
    else if (S_ISDIR(about.st_mode))
        status = ln_fail(err, LN_EFILE, "'%s' is a folder, a file is wanted", path);
    else if (!S_ISREG(about.st_mode))
        status = ln_fail(err, LN_EFILE, "'%s' is no regular file", path);
    else
        status = read_all(fd, path, (size_t)about.st_size, out, err);
    close(fd);

    if (status)
        ln_file_free(out);
    else
        ln_sha256(out->data, out->bytes, out->sha256);
    return status;
}

void ln_file_free(ln_file *file)
{
    ln_free(file->data);
    *file = (ln_file){0};
}

static ln_status fail_write(const char *path, int why, ln_error *err)
{
    if (why == ENOSPC || why == EDQUOT)
        return ln_fail(err, LN_EIO, "'%s' cannot be written: the disk is full", path);
    if (why == EACCES || why == EPERM)
        return ln_fail(err, LN_EIO, "'%s' cannot be written: no permission", path);
    if (why == ENOENT || why == ENOTDIR)
        return ln_fail(err, LN_EIO, "'%s' cannot be written: its folder does not exist", path);
    return ln_fail(err, LN_EIO, "'%s' cannot be written: %s", path, strerror(why));
}

/* 0, or errno. */
static int write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t put = write(fd, data, bytes);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno;
        data += put;
        bytes -= (size_t)put;
    }
    return 0;
}

static int write_direct(const char *path, const void *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int why = write_all(fd, data, bytes);
    if (close(fd) != 0 && !why)
        why = errno;
    return why;
}

/* `temporary` has room for the path and 32 more. */
static int write_renamed(const char *path, char *temporary, size_t room, const void *data,
                         size_t bytes)
{
    int fd = -1;
    for (int attempt = 0; fd < 0 && attempt < 100; attempt++) {
        snprintf(temporary, room, "%s.%ld-%d.tmp", path, (long)getpid(), attempt);
        fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            return errno;
    }
    if (fd < 0)
        return EEXIST;
    int why = write_all(fd, data, bytes);
    if (close(fd) != 0 && !why)
        why = errno;
    if (!why && rename(temporary, path) != 0)
        why = errno;
    if (why)
        unlink(temporary);
    return why;
}

ln_status ln_file_write(const char *path, const void *data, size_t bytes, ln_error *err)
{
    struct stat about;
    bool exists = stat(path, &about) == 0;
    if (exists && S_ISDIR(about.st_mode))
        return ln_fail(err, LN_EIO, "'%s' cannot be written: it is a folder", path);
    if (exists && !S_ISREG(about.st_mode)) {
        int why = write_direct(path, data, bytes);
        return why ? fail_write(path, why, err) : LN_OK;
    }

    /* A link stays a link: what it points to is replaced. */
    char *target = exists ? realpath(path, NULL) : NULL;
    const char *place = target ? target : path;
    size_t room = strlen(place) + 40;
    char *temporary = ln_alloc(room);
    ln_status status = LN_OK;
    if (!temporary) {
        status = ln_fail_memory(err, room);
    } else {
        int why = write_renamed(place, temporary, room, data, bytes);
        if (why)
            status = fail_write(path, why, err);
    }
    ln_free(temporary);
    free(target); /* realpath's own malloc */
    return status;
}

static int make_one(const char *path)
{
    struct stat about;
    if (mkdir(path, 0777) == 0)
        return 0;
    int why = errno;
    if (stat(path, &about) == 0)
        return S_ISDIR(about.st_mode) ? 0 : ENOTDIR;
    return why;
}

ln_status ln_folder_make(const char *path, ln_error *err)
{
    char *copy = ln_strdup(path);
    if (!copy)
        return ln_fail_memory(err, strlen(path) + 1);
    int why = 0;
    for (char *slash = copy + (*copy == '/'); !why && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        why = make_one(copy);
        *slash = '/';
    }
    if (!why)
        why = make_one(copy);
    ln_free(copy);
    if (why == ENOTDIR)
        return ln_fail(err, LN_EIO, "the folder '%s' cannot be made: a file is in its way", path);
    if (why)
        return ln_fail(err, LN_EIO, "the folder '%s' cannot be made: %s", path, strerror(why));
    return LN_OK;
}
