/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011). A block of four numbers is a pure function of a
 * 64-bit key and a 128-bit counter: ten rounds of two 32x32-bit products and xors.
 *
 * Here the key is the first eight bytes of SHA-256 over seed and stream (little-endian, eight bytes
 * each) and the purpose's letters; the counter's upper half is the row, its lower half the number
 * of the block. So a draw can be named, and repeated by anyone, without drawing those before it. */
#include "base/rng.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"

#define ROUNDS 10
#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u
#define WEYL_1 0xBB67AE85u

void ln_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0;
        uint64_t p1 = (uint64_t)MULTIPLIER_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += WEYL_0;
        k1 += WEYL_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static void put_u64(uint8_t *at, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(number >> (8 * i));
}

ln_rng ln_rng_make(uint64_t seed, const char *purpose, uint64_t stream, uint64_t row)
{
    uint8_t head[16], digest[LN_SHA256_BYTES];
    put_u64(head, seed);
    put_u64(head + 8, stream);
    ln_sha256_pair(head, sizeof head, purpose, strlen(purpose), digest);

    ln_rng rng = {.used = 4};
    for (int i = 0; i < 4; i++) {
        rng.key[0] |= (uint32_t)digest[i] << (8 * i);
        rng.key[1] |= (uint32_t)digest[4 + i] << (8 * i);
    }
    rng.counter[2] = (uint32_t)row;
    rng.counter[3] = (uint32_t)(row >> 32);
    return rng;
}

ln_rng ln_rng_part(const ln_rng *rng, uint32_t part)
{
    ln_rng made = *rng;
    made.counter[0] = 0;
    made.counter[1] = part;
    made.used = 4;
    return made;
}

uint32_t ln_rng_u32(ln_rng *rng)
{
    if (rng->used >= 4) {
        ln_philox4x32(rng->counter, rng->key, rng->block);
        if (++rng->counter[0] == 0)
            rng->counter[1]++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

void ln_rng_words(ln_rng *rng, uint32_t *words, int64_t count)
{
    int64_t done = 0;
    while (done < count && rng->used < 4)
        words[done++] = ln_rng_u32(rng);
    for (; count - done >= 4; done += 4) {
        ln_philox4x32(rng->counter, rng->key, words + done);
        if (++rng->counter[0] == 0)
            rng->counter[1]++;
    }
    while (done < count)
        words[done++] = ln_rng_u32(rng);
}

double ln_rng_uniform(ln_rng *rng)
{
    uint32_t high = ln_rng_u32(rng) >> 5; /* 27 bits */
    uint32_t low = ln_rng_u32(rng) >> 6;  /* 26 bits */
    return ((double)high * 67108864.0 + (double)low) * 0x1p-53;
}

float ln_rng_uniform_f32(ln_rng *rng)
{
    return (float)(ln_rng_u32(rng) >> 8) * 0x1p-24f;
}

double ln_rng_normal(ln_rng *rng)
{
    /* The second number of the pair is left: a draw then costs a fixed four words, whatever the
     * caller drew before. 1 - u lies in (0, 1], so the logarithm is finite. */
    double radius = sqrt(-2.0 * log(1.0 - ln_rng_uniform(rng)));
    double angle = 6.283185307179586476925 * ln_rng_uniform(rng);
    return radius * cos(angle);
}

uint64_t ln_rng_below(ln_rng *rng, uint64_t bound)
{
    if (bound <= 1)
        return 0;
    /* The lowest 2^64 mod bound values would make the first remainders more likely. */
    uint64_t refused = (0 - bound) % bound;
    for (;;) {
        uint64_t low = ln_rng_u32(rng);
        uint64_t number = (uint64_t)ln_rng_u32(rng) << 32 | low;
        if (number >= refused)
            return number % bound;
    }
}

void ln_rng_shuffle(ln_rng *rng, int64_t *items, size_t count)
{
    for (size_t left = count; left > 1; left--) {
        size_t chosen = (size_t)ln_rng_below(rng, left);
        int64_t item = items[chosen];
        items[chosen] = items[left - 1];
        items[left - 1] = item;
    }
}
