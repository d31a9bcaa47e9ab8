/* Files that belong to a run: where they are, and whether they still are what was stored. A path is
 * relative to the folder of the store, or absolute where the file lies elsewhere. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "store/internal.h"

ln_status ln_store_artifact_path(const ln_store *store, const char *path, char **out, ln_error *err)
{
    ln_text text = {0};
    const char *slash = strrchr(store->path, '/');
    if (path[0] != '/' && slash)
        ln_text_addn(&text, store->path, (size_t)(slash - store->path) + 1);
    ln_text_add(&text, path);
    *out = text.failed ? NULL : text.data;
    if (text.failed)
        ln_text_free(&text);
    return *out ? LN_OK : ln_fail_memory(err, strlen(path));
}

ln_status ln_store_artifact_state(const ln_store *store, const char *path, const char *sha256,
                                  ln_artifact_state *state, ln_error *err)
{
    char *where, hex[LN_SHA256_HEX];
    ln_file file = {0};
    ln_status status = ln_store_artifact_path(store, path, &where, err);
    if (status != LN_OK)
        return status;
    *state = LN_ARTIFACT_MISSING;
    if (access(where, F_OK) == 0)
        status = ln_file_read(where, &file, err);
    if (file.data) {
        ln_sha256_hex(file.sha256, hex);
        *state = strcmp(hex, sha256) == 0 ? LN_ARTIFACT_SAME : LN_ARTIFACT_CHANGED;
    }
    if (status == LN_EFILE) { /* it is there, but may not be read or is a folder */
        *state = LN_ARTIFACT_CHANGED;
        status = LN_OK;
    }
    ln_file_free(&file);
    ln_free(where);
    return status;
}
