#include "explainers/common/attack.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "explainers/common/passes.h"

/* A worker's scratch. */
typedef struct buffers {
    float *g; /* (rows_per_pass, width) */
    float *y; /* (rows_per_pass, classes) losses */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    buffers made;
    made.g = ln_carve(&carver, job->rows_per_pass * job->width, sizeof *made.g);
    made.y =
        ln_carve(&carver, job->rows_per_pass * ln_request_outputs(job->request), sizeof *made.y);
    if (bytes)
        *bytes = carver.used;
    return made;
}

ln_status ln_attack_prepare(ln_job *job, const ln_attack *attack, size_t *scratch_bytes,
                            ln_error *err)
{
    if (!(attack->low <= attack->high)) {
        ln_fail(err, LN_EINVALID,
                "low is %g and high %g: they are the least and the greatest value that an input "
                "can have",
                attack->low, attack->high);
        if (err)
            snprintf(err->field, sizeof err->field, "low");
        return LN_EINVALID;
    }
    ln_passes_set(job, 1);
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

static double length_of(const float *a, const float *b, int64_t width)
{
    double sum = 0;
    for (int64_t i = 0; i < width; i++) {
        const double d = (double)a[i] - (b ? (double)b[i] : 0);
        sum += d * d;
    }
    return sqrt(sum);
}

/* Moves x along `size` g (linf: its signs), as far as lies within epsilon of `from`. */
static void move(const ln_attack *attack, const float *from, const float *g, double size,
                 int64_t width, float *x)
{
    const double length = attack->norm == LN_ATTACK_L2 ? length_of(g, NULL, width) : 0;
    for (int64_t i = 0; i < width; i++) {
        const double slope = (double)g[i];
        const double way = attack->norm == LN_ATTACK_L2 ? (length > 0 ? slope / length : slope)
                           : slope > 0                  ? 1
                           : slope < 0                  ? -1
                                                        : slope; /* 0, or no number */
        x[i] = (float)((double)x[i] + size * way);
    }
    const double far = attack->norm == LN_ATTACK_L2 ? length_of(x, from, width) : 0;
    for (int64_t i = 0; i < width; i++) {
        const double start = (double)from[i];
        double at = (double)x[i];
        if (far > attack->epsilon)
            at = start + (at - start) * (attack->epsilon / far);
        if (attack->norm != LN_ATTACK_L2 && at > start + attack->epsilon)
            at = start + attack->epsilon;
        if (attack->norm != LN_ATTACK_L2 && at < start - attack->epsilon)
            at = start - attack->epsilon;
        x[i] = (float)(at > attack->high ? attack->high : at < attack->low ? attack->low : at);
    }
}

/* Where a random start is: uniform in the box, or in the ball. */
static void start_anywhere(const ln_job *job, const ln_attack *attack, int64_t row,
                           const float *from, float *x)
{
    const ln_request *request = job->request;
    const int64_t width = job->width;
    const ln_attack start = {
        .epsilon = attack->epsilon, .norm = attack->norm, .low = attack->low, .high = attack->high};
    double sum = 0;
    ln_rng rng = ln_rng_make(request->seed, job->explainer->word.name, request->stream,
                             (uint64_t)request->row_ids[row]);
    const double radius = attack->norm == LN_ATTACK_L2
                              ? attack->epsilon * pow(ln_rng_uniform(&rng), 1 / (double)width)
                              : attack->epsilon;
    for (int64_t i = 0; i < width; i++) {
        const double draw =
            attack->norm == LN_ATTACK_L2 ? ln_rng_normal(&rng) : 2 * ln_rng_uniform(&rng) - 1;
        sum += draw * draw;
        x[i] = (float)draw;
    }
    const double scale = attack->norm == LN_ATTACK_L2 ? (sum > 0 ? radius / sqrt(sum) : 0) : radius;
    for (int64_t i = 0; i < width; i++)
        x[i] = (float)((double)from[i] + scale * (double)x[i]);
    ln_model_hold(request->model, from, x);
    move(&start, from, x, 0, width, x);
}

/* The losses at the end: of the target, and whether the attack did it. */
static void judge(const ln_job *job, const ln_attack *attack, ln_job_chunk *chunk, int64_t entry,
                  const float *losses, int64_t classes)
{
    const int64_t target = job->targets[chunk->first + entry].index;
    int64_t least = 0;
    for (int64_t c = 1; c < classes; c++)
        if (losses[c] < losses[least])
            least = c;
    chunk->out->output[entry] = (double)losses[target];
    chunk->out->fit[entry] = isnan(losses[target]) ? NAN : (least == target) == attack->targeted;
}

ln_status ln_attack_run(const ln_job *job, const ln_attack *attack, ln_job_chunk *chunk,
                        ln_error *err)
{
    const int64_t width = job->width, classes = ln_function_outputs(job->function);
    const ln_item *items = job->request->items + chunk->first;
    const float *rows = ln_f32(job->request->x);
    const ln_target *targets = job->targets + chunk->first;
    const double size = attack->targeted ? -attack->alpha : attack->alpha;
    const buffers at = carve(job, chunk->scratch, NULL);
    float *x = chunk->out->values;
    ln_status status = LN_OK;
    for (int64_t i = 0; i < chunk->count; i++) {
        const float *from = rows + items[i].row * width;
        memcpy(x + i * width, from, (size_t)width * sizeof *x);
        if (attack->random)
            start_anywhere(job, attack, items[i].row, from, x + i * width);
    }
    for (int64_t step = 0; step < attack->steps && !status; step++) {
        status = ln_check_interrupt(err);
        if (!status)
            status = ln_runner_gradient(chunk->runner, x, targets, chunk->count, NULL, at.g, err);
        for (int64_t i = 0; i < chunk->count && !status; i++)
            move(attack, rows + items[i].row * width, at.g + i * width, size, width, x + i * width);
        for (int64_t i = 0; i < chunk->count && !status; i++)
            ln_model_hold(job->request->model, rows + items[i].row * width, x + i * width);
    }
    if (!status)
        status = ln_runner_forward(chunk->runner, x, chunk->count, at.y, err);
    for (int64_t i = 0; i < chunk->count && !status; i++)
        judge(job, attack, chunk, i, at.y + i * classes, classes);
    chunk->evaluations += chunk->count * (2 * attack->steps + 1);
    return status;
}
