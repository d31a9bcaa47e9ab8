/* train: images that are moved and mirrored by chance, against the definition: every outcome is a
 * move of the image, all moves come up, and draws depend on seed, epoch and row alone. Training that goes
 * on from a state has the bits of one that was never interrupted. */
#include "train_support.h"

#include <string.h>

#include "base/parallel.h"
#include "train/trainer.h"

enum {
    CHANNELS = 2,
    HEIGHT = 4,
    WIDTH = 5,
    SIZE = CHANNELS * HEIGHT * WIDTH,
    ROWS = 40,
    SHIFT = 1
};

static ln_model *images_model(const ln_shape *input)
{
    ln_error err;
    ln_declaration declaration;
    ln_graph *graph;
    ln_model *model;
    const ln_pool_attributes pool = {.kernel_size = {1, {2}}, .count_include_pad = true};
    assert_ok(ln_declare_begin(input, 0, &declaration, &err));
    if (input->rank > 2)
        add(&declaration, "max_pool2d", &pool);
    add(&declaration, "flatten", &(ln_flatten_attributes){1});
    add(&declaration, "dense", &(ln_dense_attributes){.units = 3, .bias = true});
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    return model;
}

/* The move of an image by the definition: out (c, y, x) = in (c, y - down, x - right), mirrored first. */
static void moved(const float *in, bool mirrored, int down, int right, float *out)
{
    for (int c = 0; c < CHANNELS; c++)
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) {
                const int from_y = y - down, before = x - right;
                const int from_x = mirrored ? WIDTH - 1 - before : before;
                const bool inside = from_y >= 0 && from_y < HEIGHT && before >= 0 && before < WIDTH;
                out[(c * HEIGHT + y) * WIDTH + x] =
                    inside ? in[(c * HEIGHT + from_y) * WIDTH + from_x] : 0;
            }
}

/* Which of the moves `out` is, from 0; fails where it is none. */
static int move_of(const float *in, const float *out)
{
    float wanted[SIZE];
    for (int mirrored = 0; mirrored < 2; mirrored++)
        for (int down = -SHIFT; down <= SHIFT; down++)
            for (int right = -SHIFT; right <= SHIFT; right++) {
                moved(in, mirrored, down, right, wanted);
                if (memcmp(wanted, out, sizeof wanted) == 0)
                    return (mirrored * 3 + down + SHIFT) * 3 + right + SHIFT;
            }
    fail_msg("the image was not moved but changed");
    return -1;
}

static void every_move_comes_up_and_nothing_else(void **state)
{
    const ln_shape input = TEST_SHAPE(CHANNELS, HEIGHT, WIDTH);
    ln_model *model = images_model(&input);
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, CHANNELS, HEIGHT, WIDTH), 3);
    const ln_train_set set = {.x = x};
    ln_train_options options = {.augment = {SHIFT, 0.5}, .seed = 7};
    const ln_recipe recipe = {.options = &options};
    const ln_trainer trainer = {.recipe = &recipe, .model = model};
    int64_t rows[ROWS];
    int seen[18] = {0}, mirrored = 0, changed = 0;
    float out[ROWS * SIZE], other[ROWS * SIZE];
    (void)state;
    for (int i = 0; i < ROWS; i++)
        rows[i] = ROWS - 1 - i;
    for (int64_t epoch = 0; epoch < 50; epoch++) {
        const ln_batch batch = {.set = &set, .rows = rows, .count = ROWS, .epoch = epoch};
        const ln_batch next = {.set = &set, .rows = rows, .count = ROWS, .epoch = epoch + 1};
        ln_augment_rows(&trainer, &batch, 0, ROWS, out);
        for (int i = 0; i < ROWS; i++) {
            const int move = move_of(ln_f32(x) + rows[i] * SIZE, out + i * SIZE);
            seen[move]++;
            mirrored += move >= 9;
        }
        ln_augment_rows(&trainer, &batch, 0, 11, other); /* however the batch is cut */
        ln_augment_rows(&trainer, &batch, 11, ROWS - 11, other + 11 * SIZE);
        assert_memory_equal(out, other, sizeof out);
        ln_augment_rows(&trainer, &next, 0, ROWS, other);
        changed += memcmp(out, other, sizeof out) != 0;
    }
    /* 2,000 draws, counter-based: 18 moves of 1/18 each (111, deviation 10), half of them mirrored. */
    for (int move = 0; move < 18; move++)
        assert_in_range(seen[move], 70, 152);
    assert_in_range(mirrored, 910, 1090);
    assert_int_equal(changed, 50);
    options.augment = (ln_augment){0, 1};
    ln_augment_rows(&trainer, &(ln_batch){.set = &set, .rows = rows, .count = ROWS}, 0, 1, out);
    moved(ln_f32(x) + rows[0] * SIZE, true, 0, 0, other);
    assert_memory_equal(out, other, SIZE * sizeof *out);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* Training on augmented rows; the losses of the epochs and the trained weights. */
static int64_t train(const ln_augment *augment, int threads, float *out)
{
    const ln_shape input = TEST_SHAPE(CHANNELS, HEIGHT, WIDTH);
    ln_error err;
    ln_pool *pool;
    ln_model *model = images_model(&input);
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, CHANNELS, HEIGHT, WIDTH), 3);
    int32_t labels[ROWS];
    for (int i = 0; i < ROWS; i++)
        labels[i] = i % 3;
    const ln_train_set set = {.x = x, .labels = labels};
    ln_train_options options = test_options(3, 33);
    test_epochs epochs = {0};
    options.augment = *augment;
    assert_ok(ln_pool_new(threads, &pool, &err));
    assert_ok(ln_train(model, &options, &set, NULL, pool, test_hear, &epochs, &err));
    ln_pool_free(pool);
    test_get_weights(model, out);
    int64_t count = test_weight_count(model);
    for (int i = 0; i < epochs.count; i++)
        out[count++] = (float)epochs.at[i].loss;
    ln_tensor_release(x);
    ln_model_release(model);
    return count;
}

static void training_is_augmented_with_the_same_bits_for_all_threads(void **state)
{
    float plain[64], one[64], other[64];
    const int64_t count = train(&(ln_augment){0}, 1, plain);
    (void)state;
    assert_int_equal(train(&(ln_augment){SHIFT, 0.5}, 1, one), count);
    assert_true(memcmp(plain, one, (size_t)count * sizeof *one) != 0);
    for (int threads = 2; threads <= 5; threads += 3) {
        train(&(ln_augment){SHIFT, 0.5}, threads, other);
        assert_same_bits(other, one, (size_t)count * sizeof *one);
    }
}

/* ---------------------------------------------------------------- going on from a state */

typedef struct keeping {
    test_epochs epochs;
    int64_t at; /* the epoch whose state is kept */
    ln_train_state state;
} keeping;

static void hear_and_keep(void *context, const ln_epoch *epoch)
{
    keeping *self = context;
    ln_error err;
    test_hear(&self->epochs, epoch);
    if (epoch->epoch == self->at)
        assert_ok(ln_train_snapshot(epoch, &self->state, &err));
}

/* A network with dropout; from `start` where it is not NULL. */
static int64_t train_from(const char *optimizer, int64_t patience, const ln_train_state *start,
                          keeping *heard, float *weights)
{
    const test_network network = {
        .inputs = 5, .sizes = {8, 3}, .activations = {"relu"}, .dropout = 0.3};
    ln_error err;
    ln_model *model = test_model(&network);
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, 5), 3),
              *held_out = tensor_random(TEST_SHAPE(9, 5), 4);
    int32_t labels[ROWS];
    for (int i = 0; i < ROWS; i++)
        labels[i] = (ln_f32(x)[i * 5] > 0) + (ln_f32(x)[i * 5 + 1] > 0);
    const ln_train_set set = {.x = x, .labels = labels},
                       validation = {.x = held_out, .labels = labels};
    ln_train_options options = test_options(12, 16);
    options.optimizer = ln_optimizer_find(optimizer);
    options.patience = patience;
    options.shuffle = true;
    options.start = start;
    assert_ok(ln_train(model, &options, &set, &validation, NULL, hear_and_keep, heard, &err));
    test_get_weights(model, weights);
    const int64_t count = test_weight_count(model);
    ln_tensor_release(x);
    ln_tensor_release(held_out);
    ln_model_release(model);
    return count;
}

static void goes_on_to_the_same_bits(void **state)
{
    static const char *const optimizers[] = {"sgd", "adam", "adamw"};
    float whole[128], rest[128];
    (void)state;
    for (int i = 0; i < 6; i++) {
        const char *optimizer = optimizers[i / 2];
        const int64_t patience = i % 2 ? 3 : 0;
        keeping first = {.at = 4}, second = {.at = -1};
        const int64_t count = train_from(optimizer, patience, NULL, &first, whole);
        assert_int_equal(first.state.epoch, 4);
        assert_int_equal(train_from(optimizer, patience, &first.state, &second, rest), count);
        assert_same_bits(rest, whole, (size_t)count * sizeof *rest);
        assert_int_equal(second.epochs.count, first.epochs.count - 4);
        for (int e = 0; e < second.epochs.count; e++) {
            assert_true(second.epochs.at[e].loss == first.epochs.at[e + 4].loss);
            assert_int_equal(second.epochs.at[e].epoch, e + 5);
        }
        ln_tensor_release(first.state.numbers);
    }
}

static void a_state_of_another_network_is_refused(void **state)
{
    const test_network network = {.inputs = 5, .sizes = {3}};
    const int32_t labels[ROWS] = {0};
    ln_error err;
    ln_model *model = test_model(&network);
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, 5), 3),
              *numbers = tensor_random(TEST_SHAPE(17), 1);
    const ln_train_state start = {.epoch = 1, .numbers = numbers};
    const ln_train_set set = {.x = x, .labels = labels};
    ln_train_options options = test_options(2, 16);
    (void)state;
    options.start = &start;
    assert_int_equal(ln_train(model, &options, &set, NULL, NULL, NULL, NULL, &err), LN_EINVALID);
    assert_non_null(strstr(err.message, "has 17 numbers, and this training has "));
    ln_tensor_release(x);
    ln_tensor_release(numbers);
    ln_model_release(model);
}

static void refuses(const ln_shape *input, const ln_augment *augment, const char *message)
{
    ln_error err = {0};
    ln_model *model = images_model(input);
    assert_int_equal(ln_augment_check(augment, model, &err), LN_EINVALID);
    assert_non_null(strstr(err.message, message));
    ln_model_release(model);
}

static void only_images_are_moved(void **state)
{
    const ln_shape image = TEST_SHAPE(1, 4, 5), row = TEST_SHAPE(7);
    (void)state;
    refuses(&row, &(ln_augment){1, 0}, "have no height and width");
    refuses(&row, &(ln_augment){0, 0.5}, "have no height and width");
    refuses(&image, &(ln_augment){4, 0}, "shift = 4 would move all of an image of 4 x 5 away");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_move_comes_up_and_nothing_else),
        cmocka_unit_test(training_is_augmented_with_the_same_bits_for_all_threads),
        cmocka_unit_test(only_images_are_moved),
        cmocka_unit_test(goes_on_to_the_same_bits),
        cmocka_unit_test(a_state_of_another_network_is_refused),
    };
    return cmocka_run_group_tests_name("train_augment", tests, NULL, NULL);
}
