/* Augmentation: each epoch sees every image moved and mirrored by chance.
 *
 * x (C, H, W): first mirrored left to right with probability `flip`, then moved by whole pixels, down
 * and to the right by two draws from -shift .. shift; what moves in is 0. Drawn by (seed, "augment",
 * epoch, row of the training set), so that neither batches nor threads change it. Validation rows stay
 * as they are.
 *
 * Source: the usual recipe for small images; torchvision's RandomHorizontalFlip, and RandomCrop with
 * padding = shift. */
#include "train/trainer.h"

#include "base/error.h"
#include "base/rng.h"

#include <string.h>

/* (N, ..., H, W) */
static const ln_shape *image_of(const ln_model *model)
{
    return &model->graph->values[model->graph->inputs[0]].shape;
}

static bool changes(const ln_augment *augment)
{
    return augment->shift > 0 || augment->flip > 0;
}

ln_status ln_augment_check(const ln_augment *augment, const ln_model *model, ln_error *err)
{
    if (!changes(augment))
        return LN_OK;
    const ln_shape *shape = image_of(model);
    if (model->input_count != 1 || shape->rank < 3) {
        ln_status status = ln_fail(err, LN_EINVALID,
                                   "images are moved and mirrored, and the rows "
                                   "of these data have no height and width");
        ln_error_hint(err, "give the data shape = { channels, height, width }, or leave it out");
        return status;
    }
    const int64_t height = shape->dims[shape->rank - 2], width = shape->dims[shape->rank - 1];
    if (augment->shift >= height || augment->shift >= width)
        return ln_fail(err, LN_EINVALID,
                       "shift = %lld would move all of an image of %lld x %lld away",
                       (long long)augment->shift, (long long)height, (long long)width);
    return LN_OK;
}

/* One line of `width` numbers, mirrored or not, moved `right` places. */
static void move_line(const float *from, int64_t width, bool mirrored, int64_t right, float *to)
{
    for (int64_t x = 0; x < width; x++) {
        const int64_t at = mirrored ? width - 1 - (x - right) : x - right;
        to[x] = at < 0 || at >= width ? 0 : from[at];
    }
}

void ln_augment_rows(const ln_trainer *trainer, const ln_batch *batch, int64_t first, int64_t count,
                     float *x)
{
    const ln_augment *augment = &trainer->recipe->options->augment;
    const ln_model *model = trainer->model;
    if (!changes(augment))
        return;
    const ln_shape *shape = image_of(model);
    const int64_t height = shape->dims[shape->rank - 2], width = shape->dims[shape->rank - 1];
    const uint64_t range = 2 * (uint64_t)augment->shift + 1;
    const float *data = ln_f32(batch->set->x);
    for (int64_t i = 0; i < count; i++, x += model->width) {
        const int64_t row = batch->rows[first + i];
        const float *from = data + row * model->width;
        ln_rng rng = ln_rng_make(trainer->recipe->options->seed, "augment", (uint64_t)batch->epoch,
                                 (uint64_t)row);
        const bool mirrored = ln_rng_uniform(&rng) < augment->flip;
        const int64_t down = (int64_t)ln_rng_below(&rng, range) - augment->shift;
        const int64_t right = (int64_t)ln_rng_below(&rng, range) - augment->shift;
        for (int64_t line = 0; line < model->width / width; line++) {
            const int64_t y = line % height, source = y - down;
            float *to = x + line * width;
            if (source < 0 || source >= height)
                memset(to, 0, (size_t)width * sizeof *to);
            else
                move_line(from + (line - down) * width, width, mirrored, right, to);
        }
    }
}
