/* Input files are read whole, once, and hashed on the way (a mapped file that is truncated is
 * SIGBUS). Output files are written beside their place and renamed, so that none is half there. */
#ifndef LN_BASE_FILE_H
#define LN_BASE_FILE_H

#include "base/hash.h"
#include "lunette.h"

typedef struct ln_file {
    char *data; /* `bytes` bytes and a NUL after them */
    size_t bytes;
    uint8_t sha256[LN_SHA256_BYTES]; /* of the content */
} ln_file;

/* LN_EFILE when it is missing, unreadable, a folder or no regular file; the message names it. */
ln_status ln_file_read(const char *path, ln_file *out, ln_error *err);
void ln_file_free(ln_file *file);

/* Writes through a temporary file and rename. LN_EIO with the reason (disk full ...). */
ln_status ln_file_write(const char *path, const void *data, size_t bytes, ln_error *err);

/* Creates a folder and its parents. */
ln_status ln_folder_make(const char *path, ln_error *err);

#endif
