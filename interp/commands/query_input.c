/* Where the SQL of `lunette query` comes from, and where its rows go. See query_input.h. */
#include "query_input.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

static ln_status read_stdin(char **sql, ln_error *err)
{
    char part[4096];
    size_t bytes;
    ln_text text = {0};
    while ((bytes = fread(part, 1, sizeof part, stdin)) > 0)
        ln_text_addn(&text, part, bytes);
    ln_status status = ferror(stdin)  ? ln_fail(err, LN_EIO, "standard input cannot be read")
                       : text.failed  ? ln_fail_memory(err, text.length)
                       : !text.length ? ln_fail(err, LN_EINVALID, "standard input is empty")
                                      : LN_OK;
    if (status != LN_OK)
        ln_text_free(&text);
    *sql = text.data;
    return status;
}

static ln_status read_file(const char *path, char **sql, ln_error *err)
{
    ln_file file = {0};
    ln_status status = ln_file_read(path, &file, err);
    if (status == LN_OK && memchr(file.data, '\0', file.bytes))
        status = ln_fail(err, LN_EINVALID, "'%s' is no text", path);
    if (status != LN_OK) {
        ln_file_free(&file);
        return status;
    }
    *sql = file.data;
    return LN_OK;
}

ln_status ln_query_input(ln_store *store, const ln_options *options, char **sql, ln_error *err)
{
    const char *operand = options->operands.at[0];
    size_t length = strlen(operand);
    *sql = NULL;
    if (strcmp(operand, "-") == 0)
        return read_stdin(sql, err);
    if (operand[0] == '@')
        return ln_store_saved_query(store, operand + 1, sql, err);
    if (length > 4 && strcmp(operand + length - 4, ".sql") == 0 && !strpbrk(operand, "();\n"))
        return read_file(operand, sql, err);
    *sql = ln_strdup(operand);
    return *sql ? LN_OK : ln_fail_memory(err, length);
}

/* "FILE AS name", or "FILE": the file's name without folder and ending. */
static ln_status attach_one(ln_store *store, const char *text, ln_error *err)
{
    const char *as = NULL;
    for (const char *c = text; *c; c++)
        if (c > text && strncasecmp(c, " as ", 4) == 0)
            as = c;
    const char *slash = strrchr(text, '/'), *first = slash ? slash + 1 : text;
    const char *point = strrchr(first, '.');
    char *path = as ? ln_strndup(text, (size_t)(as - text)) : ln_strdup(text);
    char *name = as ? ln_strdup(as + 4 + strspn(as + 4, " "))
                    : ln_strndup(first, point ? (size_t)(point - first) : strlen(first));
    ln_status status = LN_OK;
    if (!path || !name)
        status = ln_fail_memory(err, strlen(text));
    else
        status = ln_store_attach(store, path, name, err);
    if (status == LN_EINVALID && !as)
        ln_error_hint(err, "--attach \"FILE AS name\" gives it one");
    ln_free(path);
    ln_free(name);
    return status;
}

ln_status ln_query_attach(ln_store *store, const ln_options *options, ln_error *err)
{
    ln_status status = LN_OK;
    for (int i = 0; i < options->attach.count && status == LN_OK; i++) {
        status = attach_one(store, options->attach.at[i], err);
        if (status == LN_EINVALID)
            ln_error_prefix(err, "--attach");
    }
    return status;
}

ln_status ln_output_open(const char *path, const char *store, ln_output *output, ln_error *err)
{
    struct stat there, ours;
    *output = (ln_output){.path = path};
    bool exists = stat(path, &there) == 0;
    if (exists && stat(store, &ours) == 0 && there.st_dev == ours.st_dev &&
        there.st_ino == ours.st_ino)
        return ln_fail(err, LN_EINVALID, "--output: '%s' is the store itself", path);
    if (!exists || S_ISREG(there.st_mode)) {
        ln_text beside = {0};
        ln_text_format(&beside, "%s.%ld.part", path, (long)getpid());
        if (beside.failed)
            return ln_fail_memory(err, strlen(path));
        output->beside = beside.data;
    }
    output->file = fopen(output->beside ? output->beside : path, "w");
    if (output->file)
        return LN_OK;
    ln_fail(err, LN_EIO, "'%s' cannot be written: %s", path, strerror(errno));
    ln_free(output->beside);
    return LN_EIO;
}

ln_status ln_output_close(ln_output *output, ln_status status, ln_error *err)
{
    errno = 0;
    bool written = !ferror(output->file);
    written = fclose(output->file) == 0 && written;
    if (status == LN_OK && written && output->beside)
        written = rename(output->beside, output->path) == 0;
    if (status == LN_OK && !written)
        status = ln_fail(err, LN_EIO, "'%s' cannot be written: %s", output->path,
                         errno ? strerror(errno) : "unknown reason");
    if (status != LN_OK && output->beside)
        unlink(output->beside);
    ln_free(output->beside);
    return status;
}
