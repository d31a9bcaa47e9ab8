/* SHA-256 by nettle. Numbers enter as eight little-endian bytes, so that a digest does not depend
 * on the machine. */
#include "base/hash.h"

#include <nettle/sha2.h>
#include <string.h>

#include "base/alloc.h"

struct ln_hash {
    struct sha256_ctx context; /* nettle's state */
};

ln_hash *ln_hash_new(void)
{
    ln_hash *hash = ln_alloc(sizeof *hash);
    if (hash)
        sha256_init(&hash->context);
    return hash;
}

void ln_hash_update(ln_hash *hash, const void *data, size_t bytes)
{
    if (bytes > 0)
        sha256_update(&hash->context, bytes, data);
}

void ln_hash_text(ln_hash *hash, const char *text)
{
    ln_hash_update(hash, text, strlen(text) + 1);
}

void ln_hash_i64(ln_hash *hash, int64_t number)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)number >> (8 * i));
    ln_hash_update(hash, bytes, sizeof bytes);
}

void ln_hash_finish(ln_hash *hash, uint8_t digest[LN_SHA256_BYTES])
{
    sha256_digest(&hash->context, LN_SHA256_BYTES, digest);
}

void ln_hash_free(ln_hash *hash)
{
    ln_free(hash);
}

void ln_sha256(const void *data, size_t bytes, uint8_t digest[LN_SHA256_BYTES])
{
    ln_sha256_pair(data, bytes, NULL, 0, digest);
}

void ln_sha256_pair(const void *head, size_t head_bytes, const void *data, size_t bytes,
                    uint8_t digest[LN_SHA256_BYTES])
{
    struct sha256_ctx context;
    sha256_init(&context);
    if (head_bytes > 0)
        sha256_update(&context, head_bytes, head);
    if (bytes > 0)
        sha256_update(&context, bytes, data);
    sha256_digest(&context, LN_SHA256_BYTES, digest);
}

void ln_sha256_hex(const uint8_t digest[LN_SHA256_BYTES], char hex[LN_SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < LN_SHA256_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * LN_SHA256_BYTES] = '\0';
}
