/* A deterministic mutation fuzzer for the readers of files: onnx, npy, csv, idx, png, jpeg,
 * safetensors.
 *
 *     fuzz [READER|all [ROUNDS [SEED]]]          default: all, 20000 rounds each, seed 0
 *
 * Every round takes one of the seed files (made here), changes it in one to eight ways (bits, edge
 * values, lengths, blocks copied, moved, cut or put in, parts of another seed) and parses the
 * result from a block of exactly its size, so that the sanitizers see a byte read beyond it.
 * Of each parse it checks: the status is fine, invalid or unsupported; an error has words; nothing is left in the
 * memory account; the memory taken stays in proportion to the file; it ends within seconds. Round
 * r is a function of (seed, reader, r) alone: a failing one is repeated by its number, which is
 * printed with the file's bytes in fuzz-<reader>-<round>.bin in the working directory.
 *
 * Exit status 0 when all rounds hold. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"
#include "fuzz.h"

#define SLOWEST 5.0 /* seconds of one parse, with sanitizers */

/* ---------------------------------------------------------------- mutation */

size_t fuzz_below(ln_rng *rng, size_t bound)
{
    return bound ? (size_t)ln_rng_below(rng, bound) : 0;
}

void fuzz_add(sample *to, const void *bytes, size_t size)
{
    if (to->size + size > sizeof to->bytes)
        abort();
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

void fuzz_add_byte(sample *to, uint8_t byte)
{
    fuzz_add(to, &byte, 1);
}

/* Puts `size` bytes in at a place; what no longer fits is cut off. */
static void insert(sample *to, size_t at, const uint8_t *bytes, size_t size)
{
    if (size > LONGEST - at)
        size = LONGEST - at;
    size_t tail = to->size - at;
    if (tail > LONGEST - at - size)
        tail = LONGEST - at - size;
    memmove(to->bytes + at + size, to->bytes + at, tail);
    memcpy(to->bytes + at, bytes, size);
    to->size = at + size + tail;
}

void fuzz_mutate(const reader *of, sample *file, ln_rng *rng)
{
    static const uint8_t edges[] = {0,    1,    2,   4,   8,    16,  0x7F, 0x80,
                                    0xFE, 0xFF, '"', ',', '\n', '(', '-'};
    static const uint8_t large[] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x01};
    sample other;
    uint8_t block[64];
    size_t at = fuzz_below(rng, file->size), length = 1 + fuzz_below(rng, sizeof block - 1);
    if (length > file->size - at)
        length = file->size - at;
    switch (fuzz_below(rng, 9)) {
    case 0: /* a bit */
        if (file->size)
            file->bytes[at] ^= (uint8_t)(1u << fuzz_below(rng, 8));
        break;
    case 1: /* an edge value */
        if (file->size)
            file->bytes[at] = edges[fuzz_below(rng, sizeof edges)];
        break;
    case 2: /* a length or number a little off */
        if (file->size)
            file->bytes[at] = (uint8_t)(file->bytes[at] + fuzz_below(rng, 7) - 3);
        break;
    case 3: /* cut out */
        memmove(file->bytes + at, file->bytes + at + length, file->size - at - length);
        file->size -= length;
        break;
    case 4: /* a block again, elsewhere */
        memcpy(block, file->bytes + at, length);
        insert(file, fuzz_below(rng, file->size + 1), block, length);
        break;
    case 5: /* random bytes */
        for (size_t i = 0; i < length; i++)
            block[i] = (uint8_t)ln_rng_u32(rng);
        insert(file, at, block, length);
        break;
    case 6: /* a great number */
        insert(file, at, large, 1 + fuzz_below(rng, sizeof large));
        break;
    case 7: /* the end */
        file->size = at;
        break;
    default: /* a part of another seed */
        of->make_seed((int)fuzz_below(rng, (size_t)of->seed_count), &other);
        size_t from = fuzz_below(rng, other.size);
        insert(file, at, other.bytes + from, fuzz_below(rng, other.size - from));
        break;
    }
}

/* ---------------------------------------------------------------- rounds */

static void keep(const reader *of, uint64_t round, const sample *file, const char *why)
{
    char name[64];
    snprintf(name, sizeof name, "fuzz-%s-%" PRIu64 ".bin", of->name, round);
    fprintf(stderr, "%s round %" PRIu64 ": %s; its %zu bytes are in %s\n", of->name, round, why,
            file->size, name);
    FILE *to = fopen(name, "wb");
    if (to) {
        fwrite(file->bytes, 1, file->size, to);
        fclose(to);
    }
}

static bool check_round(const reader *of, uint64_t seed, uint64_t round, int *accepted)
{
    sample file;
    ln_rng rng = ln_rng_make(seed, of->name, 0, round);
    bool plain = round < (uint64_t)of->seed_count; /* the first rounds are the seeds themselves */
    of->make_seed(plain ? (int)round : (int)fuzz_below(&rng, (size_t)of->seed_count), &file);
    for (size_t changes = plain ? 0 : 1 + fuzz_below(&rng, 1 + fuzz_below(&rng, 8)); changes > 0;
         changes--)
        if (of->mutate_within && fuzz_below(&rng, 4) > 0)
            of->mutate_within(of, &file, &rng);
        else
            fuzz_mutate(of, &file, &rng);

    uint8_t *exact = malloc(file.size ? file.size : 1);
    if (!exact)
        abort();
    memcpy(exact, file.bytes, file.size);
    ln_error err = {0};
    size_t before = ln_memory_used();
    clock_t start = clock();
    ln_memory_limit(before + of->memory_base + of->memory_factor * file.size);
    ln_status status = of->parse(exact, file.size, &err);
    ln_memory_limit(0);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    free(exact);

    const char *why = NULL;
    if (status == LN_ENOMEM)
        why = "it takes memory out of proportion";
    else if (status != LN_OK && status != LN_EINVALID && status != LN_EUNSUPPORTED)
        why = "the status is none of fine, invalid and unsupported";
    else if (plain && status != LN_OK)
        why = err.message;
    else if (status != LN_OK && !err.message[0])
        why = "the error has no words";
    else if (ln_memory_used() != before)
        why = "memory was left";
    else if (seconds > SLOWEST)
        why = "it takes too long";
    if (why)
        keep(of, round, &file, why);
    *accepted += status == LN_OK;
    return !why;
}

static const reader *const readers[] = {&fuzz_onnx, &fuzz_npy,  &fuzz_csv,         &fuzz_idx,
                                        &fuzz_png,  &fuzz_jpeg, &fuzz_safetensors, &fuzz_npz};

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "all";
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    int found = 0, failures = 0;
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        const reader *of = readers[i];
        if (strcmp(wanted, "all") != 0 && strcmp(wanted, of->name) != 0)
            continue;
        int accepted = 0, failed = 0;
        for (uint64_t round = 0; round < rounds; round++)
            failed += !check_round(of, seed, round, &accepted);
        printf("%-5s %" PRIu64 " rounds, %d files accepted, %d failures\n", of->name, rounds,
               accepted, failed);
        found++;
        failures += failed;
    }
    if (!found) {
        fprintf(stderr,
                "usage: fuzz [onnx|npy|csv|idx|png|jpeg|safetensors|all [ROUNDS [SEED]]]\n");
        return 2;
    }
    return failures ? 1 : 0;
}
