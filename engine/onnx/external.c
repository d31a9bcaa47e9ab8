/* External data: constants in a file beside the model's. The path comes from a stranger's file, so it
 * is walked name by name from the model's folder: no name that leads up, no absolute path, no link, and
 * only ordinary files. The bytes are read, never mapped: a file that shrinks meanwhile is an error,
 * not a signal. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "onnx/proto.h"

#define LONGEST_PATH 1024

/* Why a location cannot be used, or NULL. */
static const char *path_fault(ln_bytes location)
{
    if (location.size == 0 || location.size >= LONGEST_PATH)
        return "it must have 1 to 1023 bytes";
    if (memchr(location.data, 0, location.size))
        return "it holds a zero byte";
    if (location.data[0] == '/')
        return "it must be relative to the model's folder";
    return NULL;
}

/* Opens the next name of a path below `folder`, which is closed. */
static ln_status step_into(int *folder, const char *name, bool last, ln_error *err)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (last ? O_NONBLOCK : O_DIRECTORY);
    if (strcmp(name, "..") == 0)
        return ln_fail(err, LN_EINVALID, "its external data lie outside of the model's folder");
    const int next = openat(*folder, name, flags);
    if (next < 0 && errno == ELOOP)
        return ln_fail(err, LN_EFILE,
                       "its external data are behind the link '%s', which is not followed", name);
    if (next < 0)
        return ln_fail(err, LN_EFILE, "its external data cannot be read: '%s': %s", name,
                       strerror(errno));
    close(*folder);
    *folder = next;
    return LN_OK;
}

static ln_status open_below(const char *folder, ln_bytes location, int *out, ln_error *err)
{
    char path[LONGEST_PATH];
    const char *fault = path_fault(location);
    if (fault)
        return ln_fail(err, LN_EINVALID, "the location '%s' of its external data is none: %s",
                       ln_bytes_text(location).at, fault);
    memcpy(path, location.data, location.size);
    path[location.size] = '\0';
    *out = open(*folder ? folder : ".", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (*out < 0)
        return ln_fail(err, LN_EFILE, "the folder '%s' of its external data cannot be read: %s",
                       folder, strerror(errno));
    ln_status status = LN_OK;
    for (char *name = path; name && !status;) {
        char *slash = strchr(name, '/');
        if (slash)
            *slash = '\0';
        if (*name && strcmp(name, ".") != 0)
            status = step_into(out, name, !slash, err);
        name = slash ? slash + 1 : NULL;
    }
    return status;
}

static ln_status read_range(int file, uint64_t offset, uint64_t length, uint8_t *to, ln_error *err)
{
    for (uint64_t done = 0; done < length;) {
        const ssize_t got = pread(file, to + done, length - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ln_fail(err, LN_EFILE, "its external data cannot be read: %s",
                           got < 0 ? strerror(errno) : "the file ended early");
        done += (uint64_t)got;
    }
    return LN_OK;
}

ln_status ln_onnx_read_external(const char *folder, ln_bytes location, uint64_t offset,
                                uint64_t length, uint8_t **out, size_t *bytes, ln_error *err)
{
    int file = -1;
    struct stat info;
    *out = NULL;
    ln_status status = open_below(folder, location, &file, err);
    if (!status && (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)))
        status = ln_fail(err, LN_EFILE, "its external data are in '%s', which is no ordinary file",
                         ln_bytes_text(location).at);
    if (!status && (offset > (uint64_t)info.st_size || length > (uint64_t)info.st_size - offset))
        status = ln_fail(err, LN_EINVALID,
                         "its external data are bytes %llu to %llu of '%s', which has %llu",
                         (unsigned long long)offset, (unsigned long long)(offset + length),
                         ln_bytes_text(location).at, (unsigned long long)info.st_size);
    if (!status) {
        *out = ln_alloc(length);
        if (!*out)
            status = ln_fail_memory(err, length);
    }
    if (!status)
        status = read_range(file, offset, length, *out, err);
    if (file >= 0)
        close(file);
    if (status) {
        ln_free(*out);
        *out = NULL;
    }
    *bytes = length;
    return status;
}
