/* Contents that come compressed by gzip (RFC 1952). */
#ifndef LN_BASE_GZIP_H
#define LN_BASE_GZIP_H

#include "lunette.h"

bool ln_is_gzip(const void *data, size_t bytes); /* begins with gzip's magic bytes */
/* All members of the file, one after the other; checksums are checked. `name` is the file's, for
 * messages. A NUL stands behind the `*out_bytes` bytes. Caller frees *out with ln_free. */
ln_status ln_gunzip(const char *name, const void *data, size_t bytes, char **out, size_t *out_bytes,
                    ln_error *err);

#endif
