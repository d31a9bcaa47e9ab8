/* A table of digests beside one of outputs, both of a fixed size, and the passes that look rows up there. A row
 * that stands twice in a call (zeros as a background, one row for each of its targets) is passed once,
 * whether or not the function keeps what it knows. */
#include "model/known.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "model/kept.h"

struct ln_known {
    ln_lock *lock;    /* guards all below */
    int64_t outputs;  /* numbers a row */
    int64_t most;     /* rows that fit */
    int64_t count;    /* rows that are known */
    uint8_t *digests; /* (most, LN_SHA256_BYTES) */
    float *numbers;   /* (most, outputs) */
};

bool ln_known_pays(const ln_model *model)
{
    /* The digest of a row is 3 % of its pass through ResNet-18, and a tenth through the smallest networks of
     * convolutions on digits, which are at this border: jobs all of whose rows are new lose 2 % there, and gain
     * an eighth where they are known (gradient_shap, 100 rows and a background of 100). */
    const int64_t an_input = 12, at_least = (int64_t)1 << 14;
    int64_t numbers = 0;
    for (int i = 0; i < model->graph->value_count; i++)
        if (!model->graph->values[i].fixed)
            numbers += ln_shape_row(&model->graph->values[i].shape);
    return numbers >= at_least && numbers / an_input >= model->width;
}

ln_status ln_known_new(int64_t outputs, ln_known **out, ln_error *err)
{
    const size_t row = LN_SHA256_BYTES + (size_t)outputs * sizeof(float);
    const size_t most = LN_KNOWN_BYTES / row < LN_KNOWN_ROWS ? LN_KNOWN_BYTES / row : LN_KNOWN_ROWS;
    *out = NULL;
    if (most == 0)
        return LN_OK;
    ln_known *known = ln_calloc(1, sizeof *known);
    if (!known)
        return ln_fail_memory(err, sizeof *known);
    known->outputs = outputs;
    known->most = (int64_t)most;
    known->digests = ln_calloc(most, LN_SHA256_BYTES);
    known->numbers = ln_calloc(most, row - LN_SHA256_BYTES);
    ln_status status = known->digests && known->numbers ? ln_lock_new(&known->lock, err)
                                                        : ln_fail_memory(err, most * row);
    if (status)
        ln_known_free(known);
    else
        *out = known;
    return status;
}

void ln_known_free(ln_known *known)
{
    if (!known)
        return;
    ln_lock_free(known->lock);
    ln_free(known->digests);
    ln_free(known->numbers);
    ln_free(known);
}

/* Its place, or -1. */
static int64_t place_of(const ln_known *known, const uint8_t *digest)
{
    for (int64_t i = 0; i < known->count; i++)
        if (memcmp(known->digests + i * LN_SHA256_BYTES, digest, LN_SHA256_BYTES) == 0)
            return i;
    return -1;
}

bool ln_known_find(ln_known *known, const uint8_t digest[LN_SHA256_BYTES], float *outputs)
{
    ln_lock_take(known->lock);
    const int64_t at = place_of(known, digest);
    if (at >= 0)
        memcpy(outputs, known->numbers + at * known->outputs,
               (size_t)known->outputs * sizeof *outputs);
    ln_lock_give(known->lock);
    return at >= 0;
}

void ln_known_add(ln_known *known, const uint8_t digest[LN_SHA256_BYTES], const float *outputs)
{
    uint64_t drawn;
    memcpy(&drawn, digest, sizeof drawn);
    ln_lock_take(known->lock);
    int64_t at = place_of(known, digest); /* another thread may have passed it at the same time */
    if (at < 0)
        at = known->count < known->most ? known->count++ : (int64_t)(drawn % (uint64_t)known->most);
    memcpy(known->digests + at * LN_SHA256_BYTES, digest, LN_SHA256_BYTES);
    memcpy(known->numbers + at * known->outputs, outputs, (size_t)known->outputs * sizeof *outputs);
    ln_lock_give(known->lock);
}

/* ---------------------------------------------------------------- passes */

/* Rows that are looked up together. */
typedef struct block {
    uint8_t digests[LN_CHUNK_ROWS][LN_SHA256_BYTES];
    int same
        [LN_CHUNK_ROWS]; /* the row of the block whose outputs a row has: itself where it is to be
                                passed; KNOWN where they were */
} block;

enum { KNOWN = -1 };

static int first_alike(const block *b, int row)
{
    int at = 0;
    while (memcmp(b->digests[at], b->digests[row], LN_SHA256_BYTES) != 0)
        at++;
    return at;
}

static void look_up(const ln_function *function, const float *x, int rows, float *out, block *b)
{
    for (int r = 0; r < rows; r++) {
        ln_sha256(x + r * function->width, (size_t)function->width * sizeof *x, b->digests[r]);
        b->same[r] = first_alike(b, r);
        if (b->same[r] == r && function->known &&
            ln_known_find(function->known, b->digests[r], out + r * function->outputs))
            b->same[r] = KNOWN;
    }
}

/* Passes what is not known, neighbours together; of rows that are alike the first. */
static ln_status pass_block(ln_runner *runner, const float *x, int rows, float *out, ln_error *err)
{
    const ln_function *function = runner->function;
    const int64_t width = function->width, outputs = function->outputs;
    block b;
    look_up(function, x, rows, out, &b);
    for (int first = 0, end; first < rows; first = end) {
        end = first + 1;
        if (b.same[first] != first)
            continue;
        while (end < rows && b.same[end] == end)
            end++;
        ln_status status =
            ln_runner_forward(runner, x + first * width, end - first, out + first * outputs, err);
        if (status)
            return status;
        for (int r = first; r < end && function->known; r++)
            ln_known_add(function->known, b.digests[r], out + r * outputs);
    }
    for (int r = 0; r < rows; r++)
        if (b.same[r] != KNOWN && b.same[r] != r)
            memcpy(out + r * outputs, out + b.same[r] * outputs, (size_t)outputs * sizeof *out);
    return LN_OK;
}

ln_status ln_runner_outputs(ln_runner *runner, const float *x, int64_t rows, float *out,
                            ln_error *err)
{
    const ln_function *function = runner->function;
    if (!function->recalls)
        return ln_runner_forward(runner, x, rows, out, err);
    ln_status status = LN_OK;
    for (int64_t first = 0; first < rows && !status; first += LN_CHUNK_ROWS) {
        const int64_t left = rows - first;
        status = pass_block(runner, x + first * function->width,
                            left < LN_CHUNK_ROWS ? (int)left : LN_CHUNK_ROWS,
                            out + first * function->outputs, err);
    }
    return status;
}
