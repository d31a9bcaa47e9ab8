/* What the fuzzer's driver and its readers share. */
#ifndef LN_TESTS_FUZZ_H
#define LN_TESTS_FUZZ_H

#include "base/rng.h"
#include "lunette.h"

#define LONGEST 4096 /* bytes of a file */

typedef struct sample {
    uint8_t bytes[LONGEST];
    size_t size;
} sample;

/* One reader of files. */
typedef struct reader {
    const char *name;
    int seed_count;
    void (*make_seed)(int number, sample *out);
    /* Parses, and releases what it made. */
    ln_status (*parse)(const void *data, size_t size, ln_error *err);
    /* Changes one part and makes the lengths around it right again, so that what lies deep is
     * reached; NULL where the format has no lengths. */
    void (*mutate_within)(const struct reader *of, sample *file, ln_rng *rng);
    size_t memory_base, memory_factor; /* bytes a parse may take: base + factor * size */
} reader;

extern const reader fuzz_npz;
extern const reader fuzz_onnx, fuzz_npy, fuzz_csv, fuzz_idx, fuzz_png, fuzz_jpeg, fuzz_safetensors;

/* fuzz.c: one change anywhere in the bytes. */
void fuzz_mutate(const reader *of, sample *file, ln_rng *rng);
size_t fuzz_below(ln_rng *rng, size_t bound); /* [0, bound), 0 for an empty range */
void fuzz_add(sample *to, const void *bytes, size_t size);
void fuzz_add_byte(sample *to, uint8_t byte);

#endif
