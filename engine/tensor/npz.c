/* The archive is opened by libzip over the bytes in memory, so that what is hashed is what is read.
 * An entry is inflated into a buffer that doubles as it fills: the size an archive claims for it is a
 * stranger's word. Names end in ".npy" in the archive and are shown and asked for without. */
#include "tensor/npz.h"

#include <string.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/text.h"
#include "tensor/npy.h"

#define SUFFIX ".npy"
#define SUFFIX_BYTES 4
#define READ_AT_FIRST (1 << 16)

static ln_status open_archive(const char *name, const void *data, size_t bytes, zip_t **out,
                              ln_error *err)
{
    zip_error_t why;
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(data, bytes, 0, &why);
    *out = source ? zip_open_from_source(source, ZIP_RDONLY, &why) : NULL;
    ln_status status = LN_OK;
    if (!*out) {
        if (source)
            zip_source_free(source);
        status = zip_error_code_zip(&why) == ZIP_ER_MEMORY
                     ? ln_fail_memory(err, bytes)
                     : ln_fail(err, LN_EINVALID, "%s is no .npz file, or a damaged one: %s", name,
                               zip_error_strerror(&why));
    }
    zip_error_fini(&why);
    return status;
}

/* The array's name in entry `index`, "x" of "x.npy"; NULL: the entry is none. *length leaves the
 * suffix out. */
static const char *array_name(zip_t *archive, zip_int64_t index, size_t *length)
{
    const char *name = zip_get_name(archive, (zip_uint64_t)index, 0);
    *length = name ? strlen(name) : 0;
    if (*length <= SUFFIX_BYTES || strcmp(name + *length - SUFFIX_BYTES, SUFFIX) != 0)
        return NULL;
    *length -= SUFFIX_BYTES;
    return name;
}

/* The names of all arrays, for a message; false when memory runs out. */
static bool list_names(zip_t *archive, ln_text *out)
{
    for (zip_int64_t i = 0, listed = 0; i < zip_get_num_entries(archive, 0); i++) {
        size_t length;
        const char *name = array_name(archive, i, &length);
        if (!name)
            continue;
        ln_text_add(out, listed++ ? ", " : "");
        if (out->length > 200) {
            ln_text_add(out, "...");
            break;
        }
        ln_text_addn(out, name, length);
    }
    return !out->failed;
}

static ln_status not_found(const char *name, zip_t *archive, const char *key, int64_t arrays,
                           ln_error *err)
{
    ln_text names = {0};
    ln_status status;
    if (arrays == 0)
        return ln_fail(err, LN_EINVALID, "%s holds no arrays (entries that end in .npy)", name);
    if (!list_names(archive, &names)) {
        ln_text_free(&names);
        return ln_fail_memory(err, 256);
    }
    if (key)
        status =
            ln_fail(err, LN_EINVALID, "%s has no array '%s'; it has %s", name, key, names.data);
    else
        status = ln_fail(err, LN_EINVALID, "%s holds %lld arrays; say which one with `key`: %s",
                         name, (long long)arrays, names.data);
    ln_text_free(&names);
    ln_error_field(err, "key");
    return status;
}

static ln_status find_entry(const char *name, zip_t *archive, const char *key, zip_int64_t *out,
                            ln_error *err)
{
    int64_t arrays = 0;
    *out = -1;
    for (zip_int64_t i = 0; i < zip_get_num_entries(archive, 0); i++) {
        size_t length;
        const char *entry = array_name(archive, i, &length);
        if (!entry)
            continue;
        arrays++;
        if (!key || (strlen(key) == length && memcmp(key, entry, length) == 0))
            *out = i;
    }
    if (*out < 0 || (!key && arrays > 1))
        return not_found(name, archive, key, arrays, err);
    return LN_OK;
}

static ln_status read_entry(const char *name, zip_t *archive, zip_int64_t index, char **out,
                            size_t *out_bytes, ln_error *err)
{
    const char *entry = zip_get_name(archive, (zip_uint64_t)index, 0);
    zip_file_t *file = zip_fopen_index(archive, (zip_uint64_t)index, 0);
    char *data = NULL;
    size_t bytes = 0, room = 0;
    ln_status status = LN_OK;
    if (!file)
        return ln_fail(err, LN_EINVALID, "%s: its entry %s cannot be read: %s", name, entry,
                       zip_strerror(archive));
    for (;;) {
        if (bytes == room) {
            room = room ? 2 * room : READ_AT_FIRST;
            char *larger = ln_realloc(data, room);
            if (!larger) {
                status = ln_fail_memory(err, room);
                break;
            }
            data = larger;
        }
        const zip_int64_t got = zip_fread(file, data + bytes, room - bytes);
        if (got < 0)
            status = ln_fail(err, LN_EINVALID, "%s: its entry %s is damaged: %s", name, entry,
                             zip_file_strerror(file));
        else
            status = ln_check_interrupt(err);
        if (got <= 0 || status != LN_OK)
            break;
        bytes += (size_t)got;
    }
    zip_fclose(file);
    if (status != LN_OK) {
        ln_free(data);
        return status;
    }
    *out = data;
    *out_bytes = bytes;
    return LN_OK;
}

ln_status ln_npz_parse(const char *name, const void *data, size_t bytes, const char *key,
                       ln_tensor **out, ln_error *err)
{
    zip_t *archive;
    zip_int64_t index;
    char *entry = NULL;
    size_t entry_bytes = 0;
    *out = NULL;
    ln_status status = open_archive(name, data, bytes, &archive, err);
    if (status != LN_OK)
        return status;
    status = find_entry(name, archive, key, &index, err);
    if (status == LN_OK)
        status = read_entry(name, archive, index, &entry, &entry_bytes, err);
    zip_discard(archive);
    if (status == LN_OK)
        status = ln_npy_parse(name, entry, entry_bytes, out, err);
    ln_free(entry);
    return status;
}

ln_status ln_npz_read(const char *path, const char *key, ln_tensor **out, uint8_t *sha256,
                      ln_error *err)
{
    ln_file file;
    *out = NULL;
    ln_status status = ln_file_read(path, &file, err);
    if (status != LN_OK)
        return status;
    status = ln_npz_parse(path, file.data, file.bytes, key, out, err);
    if (status == LN_OK && sha256)
        memcpy(sha256, file.sha256, LN_SHA256_BYTES);
    ln_file_free(&file);
    return status;
}
