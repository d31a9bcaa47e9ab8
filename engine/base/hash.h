/* SHA-256 (by nettle): identity of files, tensors, models and sources. */
#ifndef LN_BASE_HASH_H
#define LN_BASE_HASH_H

#include "lunette.h"

#define LN_SHA256_BYTES 32
#define LN_SHA256_HEX 65 /* 64 digits and the NUL */

typedef struct ln_hash ln_hash; /* an open computation */
ln_hash *ln_hash_new(void);     /* caller frees; NULL when out of memory */
void ln_hash_update(ln_hash *hash, const void *data, size_t bytes);
void ln_hash_text(ln_hash *hash, const char *text); /* with its NUL, so that fields stay apart */
void ln_hash_i64(ln_hash *hash, int64_t number);
void ln_hash_finish(ln_hash *hash, uint8_t digest[LN_SHA256_BYTES]); /* and starts anew */
void ln_hash_free(ln_hash *hash);

void ln_sha256(const void *data, size_t bytes, uint8_t digest[LN_SHA256_BYTES]);
/* Of head and data one after the other; allocates nothing. */
void ln_sha256_pair(const void *head, size_t head_bytes, const void *data, size_t bytes,
                    uint8_t digest[LN_SHA256_BYTES]);
void ln_sha256_hex(const uint8_t digest[LN_SHA256_BYTES], char hex[LN_SHA256_HEX]);

#endif
