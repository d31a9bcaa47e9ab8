/* The training loop: epochs of shuffled batches, the schedule, early stopping.
 *
 * An epoch's order is one Fisher-Yates shuffle of 0 .. rows - 1, drawn by (seed, "shuffle", epoch
 * from 0), so that it does not depend on the epochs before. The reported loss of an epoch is
 * sum(w l) / sum(w) over its batches, each taken before its step; the validation loss is taken after
 * the epoch. Early stopping keeps a copy of the best weights and ends `patience` epochs after them. */
#include "train/trainer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- checks */

static ln_status check_options(const ln_model *model, const ln_recipe *recipe, bool validated,
                               ln_error *err)
{
    const ln_train_options *options = recipe->options;
    if (options->epochs < 1 || options->batch < 1)
        return ln_fail(err, LN_EINVALID, "%s = %lld; it must be 1 or more",
                       options->epochs < 1 ? "epochs" : "batch",
                       (long long)(options->epochs < 1 ? options->epochs : options->batch));
    if (options->patience < 0 || !(options->min_delta >= 0))
        return ln_fail(err, LN_EINVALID, "%s must not be below 0",
                       options->patience < 0 ? "patience" : "min_delta");
    if (options->patience > 0 && !validated)
        return ln_fail(err, LN_EINVALID,
                       "early stopping looks at a validation loss, and the data have no validation "
                       "split: add split = { ..., validation = 0.1 }");
    if (options->schedule && !recipe->schedule_params)
        return ln_fail(err, LN_EINVALID, "the schedule %s needs its parameters",
                       options->schedule->word.name);
    if (options->loss->task != model->task)
        return ln_fail(err, LN_EINVALID,
                       model->task == LN_TASK_REGRESSION
                           ? "%s is a loss on classes, and the target is numbers: take loss = mse"
                           : "%s is a loss on numbers, and the target is classes: take loss = "
                             "cross_entropy",
                       options->loss->word.name);
    for (int64_t c = 0; options->class_weights && c < model->class_count; c++) {
        if (!(options->class_weights[c] >= 0 && isfinite(options->class_weights[c])))
            return ln_fail(err, LN_EINVALID,
                           "the weight of class %lld is %g; it must be a number not below 0",
                           (long long)c, options->class_weights[c]);
    }
    ln_status status = options->loss->check(recipe->loss_params, model->output_count, err);
    if (status == LN_OK && options->optimizer->check)
        status = options->optimizer->check(recipe->optimizer_params, err);
    if (status == LN_OK) {
        status = ln_augment_check(&options->augment, model, err);
        if (status != LN_OK)
            ln_error_field(err, "augment");
    }
    return status;
}

static ln_status check_targets(const ln_model *model, const ln_loss *loss, const ln_train_set *set,
                               const char *name, int64_t row, ln_error *err)
{
    if (loss->task == LN_TASK_CLASSIFICATION &&
        (set->labels[row] < 0 || set->labels[row] >= model->class_count))
        return ln_fail(err, LN_EINVALID,
                       "%s row %lld is of class %d, and the model has %lld classes (0 to %lld)",
                       name, (long long)row, set->labels[row], (long long)model->class_count,
                       (long long)model->class_count - 1);
    if (loss->task == LN_TASK_REGRESSION && !isfinite(set->numbers[row]))
        return ln_fail(err, LN_EINVALID, "the target of %s row %lld is not a finite number", name,
                       (long long)row);
    if (set->weights && !(set->weights[row] >= 0 && isfinite(set->weights[row])))
        return ln_fail(err, LN_EINVALID,
                       "the weight of %s row %lld is %g; it must be a number not below 0", name,
                       (long long)row, set->weights[row]);
    return LN_OK;
}

static ln_status check_set(const ln_model *model, const ln_train_options *options,
                           const ln_train_set *set, const char *name, ln_error *err)
{
    const ln_loss *loss = options->loss;
    const ln_shape *shape = &set->x->shape;
    const int64_t rows = shape->rank > 0 ? shape->dims[0] : 0;
    double weight = 0;
    if (set->x->dtype != LN_F32 || rows < 1 || ln_shape_row(shape) != model->width)
        return ln_fail(err, LN_EINVALID,
                       "the %s data must be f32 rows of the model's %lld inputs; they are %s rows "
                       "of %lld",
                       name, (long long)model->width, ln_dtype_name(set->x->dtype),
                       (long long)(rows < 1 ? 0 : ln_shape_row(shape)));
    if (loss->task == LN_TASK_CLASSIFICATION ? !set->labels : !set->numbers)
        return ln_fail(err, LN_EINVALID, "%s needs %s for the %s data", loss->word.name,
                       loss->task == LN_TASK_CLASSIFICATION ? "class labels" : "target numbers",
                       name);
    for (int64_t i = 0; i < rows; i++) {
        ln_status status = check_targets(model, loss, set, name, i, err);
        if (status != LN_OK)
            return status;
        for (int64_t j = 0; j < model->width; j++) {
            if (!isfinite(ln_f32(set->x)[i * model->width + j]))
                return ln_fail(err, LN_EINVALID, "input %lld of %s row %lld is not a finite number",
                               (long long)j, name, (long long)i);
        }
        weight += ln_weight_of(set, options->class_weights, i);
    }
    if (!(weight > 0 && isfinite(weight)))
        return ln_fail(err, LN_EINVALID, "the weights of the %s rows add up to %g", name, weight);
    return LN_OK;
}

typedef struct ln_training {
    ln_trainer trainer;
    ln_measure measure;
    const ln_train_options *options;
    const ln_train_set *train;
    bool validated;   /* measure holds a validation set */
    int64_t rows;     /* of the training set */
    int64_t batch;    /* rows of a batch, at most all of them */
    int64_t *order;   /* rows: ids in this epoch's order */
    float *best;      /* early stopping: the best weights; else NULL */
    double best_loss; /* theirs */
    int64_t best_epoch;
} training;

/* ---------------------------------------------------------------- states */

static int64_t state_count(const training *loop)
{
    const ln_trainer *trainer = &loop->trainer;
    const int64_t parameters = trainer->weight_count + trainer->kept_numbers;
    const int slots = trainer->recipe->options->optimizer->state_slots;
    return parameters * (loop->best ? 2 : 1) + slots * trainer->weight_count;
}

ln_status ln_train_snapshot(const ln_epoch *epoch, ln_train_state *out, ln_error *err)
{
    const training *loop = epoch->training;
    const ln_trainer *trainer = &loop->trainer;
    const int64_t parameters = trainer->weight_count + trainer->kept_numbers;
    const int64_t state = trainer->weight_count * loop->options->optimizer->state_slots;
    const ln_shape shape = {.rank = 1, .dims = {state_count(loop)}};
    *out = (ln_train_state){epoch->epoch, trainer->step, loop->best_loss, loop->best_epoch, NULL};
    ln_status status = ln_tensor_new(LN_F32, &shape, &out->numbers, err);
    if (status != LN_OK)
        return status;
    float *numbers = ln_f32(out->numbers);
    ln_trainer_copy_weights(trainer, numbers);
    memcpy(numbers + parameters, trainer->state, (size_t)state * sizeof *numbers);
    if (loop->best)
        memcpy(numbers + parameters + state, loop->best, (size_t)parameters * sizeof *numbers);
    return LN_OK;
}

/* The opposite: the loop stands where `start` was taken. */
static ln_status go_on_from(training *loop, const ln_train_state *start, ln_error *err)
{
    ln_trainer *trainer = &loop->trainer;
    const int64_t parameters = trainer->weight_count + trainer->kept_numbers;
    const int64_t state = trainer->weight_count * loop->options->optimizer->state_slots;
    const ln_shape *shape = &start->numbers->shape;
    if (start->numbers->dtype != LN_F32 || ln_shape_count(shape) != state_count(loop))
        return ln_fail(err, LN_EINVALID,
                       "the state to go on from has %lld numbers, and this training has %lld",
                       (long long)ln_shape_count(shape), (long long)state_count(loop));
    const float *numbers = ln_f32(start->numbers);
    ln_trainer_set_weights(trainer, numbers);
    memcpy(trainer->state, numbers + parameters, (size_t)state * sizeof *numbers);
    if (loop->best)
        memcpy(loop->best, numbers + parameters + state, (size_t)parameters * sizeof *numbers);
    trainer->step = start->step;
    loop->best_loss = start->best_loss;
    loop->best_epoch = start->best_epoch;
    return ln_plan_refresh(trainer->plan, err);
}

/* ---------------------------------------------------------------- epochs */

static ln_status diverged(const ln_trainer *trainer, const char *what, double value, int64_t epoch,
                          double lr, ln_error *err)
{
    double gradient = 0;
    const char *layer = ln_watch_greatest(&trainer->watch, trainer, &gradient);
    char greatest[160] = "";
    if (layer)
        snprintf(greatest, sizeof greatest, "; the greatest gradients are those of %.80s: %.2g",
                 layer, gradient);
    ln_status status = ln_fail(
        err, LN_EFAILED, "training diverged: the %s is %s in epoch %lld (learning rate %g)%s", what,
        isnan(value) ? "not a number" : "infinite", (long long)epoch, lr, greatest);
    ln_error_hint(err, "try a lower learning rate, such as lr = %g, or scaled inputs", lr / 10);
    return status;
}

static void put_in_order(training *loop, int64_t epoch)
{
    for (int64_t i = 0; i < loop->rows; i++)
        loop->order[i] = i;
    if (!loop->options->shuffle)
        return;
    ln_rng rng = ln_rng_make(loop->options->seed, "shuffle", 0, (uint64_t)epoch);
    ln_rng_shuffle(&rng, loop->order, (size_t)loop->rows);
}

static ln_status check_weights(const ln_trainer *trainer, int64_t epoch, double lr, ln_error *err)
{
    for (int i = 0; i < trainer->trainable_count; i++) {
        const ln_trainable *own = &trainer->trainables[i];
        for (int64_t j = 0; j < own->count; j++) {
            if (!isfinite(own->weights[j]))
                return diverged(trainer, "greatest weight", (double)own->weights[j], epoch, lr,
                                err);
        }
    }
    return LN_OK;
}

/* One pass over the training set; *loss is its mean. `epoch` from 0. */
static ln_status run_epoch(training *loop, int64_t epoch, double lr, double *loss, ln_error *err)
{
    const ln_train_options *options = loop->options;
    double sum = 0, weight = 0;
    put_in_order(loop, epoch);
    ln_watch_begin(&loop->trainer.watch);
    for (int64_t first = 0; first < loop->rows; first += loop->batch) {
        const int64_t left = loop->rows - first;
        ln_batch batch = {.set = loop->train,
                          .rows = loop->order + first,
                          .count = left < loop->batch ? left : loop->batch,
                          .epoch = epoch};
        double batch_loss = 0;
        for (int64_t i = 0; i < batch.count; i++)
            batch.denominator += ln_weight_of(loop->train, options->class_weights, batch.rows[i]);
        weight += batch.denominator;
        if (batch.denominator == 0)
            batch.denominator = 1; /* all weights are 0, and so is the gradient */
        ln_status status = ln_trainer_step(&loop->trainer, &batch, lr, &batch_loss, err);
        if (status != LN_OK)
            return status;
        if (!isfinite(batch_loss))
            return diverged(&loop->trainer, "loss", batch_loss, epoch + 1, lr, err);
        sum += batch_loss;
    }
    *loss = sum / weight;
    return check_weights(&loop->trainer, epoch + 1, lr, err);
}

static ln_status validate(training *loop, ln_epoch *report, ln_error *err)
{
    report->validation_loss = NAN;
    if (!loop->validated)
        return LN_OK;
    ln_status status = ln_measure_loss(&loop->measure, &report->validation_loss, err);
    if (status != LN_OK)
        return status;
    if (!isfinite(report->validation_loss))
        return diverged(&loop->trainer, "validation loss", report->validation_loss, report->epoch,
                        report->lr, err);
    if (loop->best && report->validation_loss < loop->best_loss - loop->options->min_delta) {
        report->best = true;
        loop->best_loss = report->validation_loss;
        loop->best_epoch = report->epoch;
        ln_trainer_copy_weights(&loop->trainer, loop->best);
    }
    return LN_OK;
}

static ln_status run_loop(training *loop, const ln_recipe *recipe, ln_epoch_fn each, void *context,
                          ln_error *err)
{
    const ln_train_options *options = loop->options;
    const double base = options->optimizer->lr(recipe->optimizer_params);
    for (int64_t epoch = options->start ? options->start->epoch : 0; epoch < options->epochs;
         epoch++) {
        if (loop->best && loop->best_epoch > 0 && epoch - loop->best_epoch >= options->patience)
            break;
        ln_epoch report = {.epoch = epoch + 1, .lr = base, .training = loop};
        if (options->schedule)
            report.lr =
                options->schedule->lr(recipe->schedule_params, base, epoch, options->epochs);
        ln_status status = run_epoch(loop, epoch, report.lr, &report.loss, err);
        if (status == LN_OK)
            status = validate(loop, &report, err);
        if (status != LN_OK)
            return status;
        ln_watch *watch = &loop->trainer.watch;
        ln_watch_report(watch, &loop->trainer);
        report.layers = watch->reports;
        report.layer_count = watch->layer_count + watch->relu_count;
        if (each)
            each(context, &report);
        status = ln_check_interrupt(err); /* also what the listener asks for */
        if (status != LN_OK)
            return status;
    }
    if (loop->best)
        ln_trainer_set_weights(&loop->trainer, loop->best);
    return LN_OK;
}

static ln_status make_loop(training *loop, ln_model *model, const ln_recipe *recipe,
                           const ln_train_set *validation, ln_pool *pool, ln_error *err)
{
    ln_status status = ln_trainer_init(&loop->trainer, model, recipe, loop->batch, pool, err);
    if (status == LN_OK && validation)
        status = ln_measure_init(&loop->measure, model, recipe, validation, loop->trainer.output,
                                 pool, err);
    if (status != LN_OK)
        return status;
    loop->validated = validation != NULL;
    loop->order = ln_alloc((size_t)loop->rows * sizeof *loop->order);
    if (!loop->order)
        return ln_fail_memory(err, (size_t)loop->rows * sizeof *loop->order);
    if (loop->options->patience > 0) {
        const size_t bytes =
            (size_t)(loop->trainer.weight_count + loop->trainer.kept_numbers) * sizeof *loop->best;
        loop->best_loss = INFINITY;
        if (!(loop->best = ln_alloc(bytes)))
            return ln_fail_memory(err, bytes);
    }
    return loop->options->start ? go_on_from(loop, loop->options->start, err) : LN_OK;
}

static ln_recipe resolve(const ln_train_options *options)
{
    return (ln_recipe){
        options, options->loss_params ? options->loss_params : options->loss->defaults,
        options->optimizer_params ? options->optimizer_params : options->optimizer->defaults,
        options->schedule_params || !options->schedule ? options->schedule_params
                                                       : options->schedule->defaults};
}

static ln_status check_all(const ln_model *model, const ln_recipe *recipe,
                           const ln_train_set *train, const ln_train_set *validation, ln_error *err)
{
    ln_status status = check_options(model, recipe, validation != NULL, err);
    if (status == LN_OK)
        status = check_set(model, recipe->options, train, "training", err);
    if (status == LN_OK && validation)
        status = check_set(model, recipe->options, validation, "validation", err);
    return status;
}

ln_status ln_train_check(ln_model *model, const ln_train_options *options,
                         const ln_train_set *train, const ln_train_set *validation, ln_error *err)
{
    const ln_recipe recipe = resolve(options);
    ln_trainer trainer = {0};
    ln_status status = check_all(model, &recipe, train, validation, err);
    if (status == LN_OK) /* what is trained, and up to which layer */
        status = ln_trainer_init(&trainer, model, &recipe, 1, NULL, err);
    ln_trainer_free(&trainer);
    return status;
}

ln_status ln_train(ln_model *model, const ln_train_options *options, const ln_train_set *train,
                   const ln_train_set *validation, ln_pool *pool, ln_epoch_fn each, void *context,
                   ln_error *err)
{
    const ln_recipe recipe = resolve(options);
    ln_status status = check_all(model, &recipe, train, validation, err);
    if (status != LN_OK)
        return status;

    training loop = {.options = options, .train = train, .rows = train->x->shape.dims[0]};
    loop.batch = options->batch < loop.rows ? options->batch : loop.rows;
    ln_model_forget(model);
    status = make_loop(&loop, model, &recipe, validation, pool, err);
    if (status == LN_OK)
        status = run_loop(&loop, &recipe, each, context, err);
    ln_trainer_free(&loop.trainer);
    ln_measure_free(&loop.measure);
    ln_free(loop.order);
    ln_free(loop.best);
    return status == LN_OK ? ln_model_rehash(model, err) : status;
}
