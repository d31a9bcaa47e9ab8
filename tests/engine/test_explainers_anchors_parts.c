/* What anchors is made of: its bounds against SciPy's, its choice of arms against what they are, rows under a rule
 * against their distribution. */
#include "networks.h"

#include "base/alloc.h"
#include "explainers/common/anchor_search.h"
#include "explainers/common/bernoulli.h"
#include "explainers/common/best_arms.h"
#include "explainers/common/conditions.h"

/* ---------------------------------------------------------------- bounds */

static void bounds_are_those_of_scipy(void **state)
{
    (void)state;
    ln_tensor *wanted = reference("anchors.bounds");
    for (int64_t i = 0; i < wanted->shape.dims[0]; i++) {
        const double *row = ln_f64(wanted) + 4 * i, p = row[0], divergence = row[1];
        const double got[] = {ln_bernoulli_lower(p, divergence), ln_bernoulli_upper(p, divergence)};
        assert_near_f64(got, row + 2, 2, 1e-12, 1e-9);
        assert_true(got[0] <= p && got[1] >= p && got[0] >= 0 && got[1] <= 1);
    }
    ln_tensor_release(wanted);
    const double by_hand[] = {ln_bernoulli_divergence(0.5, 0.25), ln_bernoulli_divergence(0, 0.5),
                              ln_bernoulli_divergence(1, 1), ln_bernoulli_upper(0.3, 0),
                              ln_bernoulli_lower(0.3, 0)};
    assert_near_f64(by_hand, ((double[]){0.5 * log(4.0 / 3), log(2), 0, 0.3, 0.3}), 5, 1e-15, 0);
    assert_true(isinf(ln_bernoulli_divergence(0.5, 1)));
}

static void levels_are_those_of_the_anchor_package(void **state)
{
    (void)state;
    ln_tensor *wanted = reference("anchors.levels");
    for (int64_t i = 0; i < wanted->shape.dims[0]; i++) {
        const double *row = ln_f64(wanted) + 4 * i;
        const double got = ln_best_arms_level((int64_t)row[0], (int64_t)row[1], row[2]);
        assert_near_f64(&got, row + 3, 1, 1e-12, 0);
    }
    ln_tensor_release(wanted);
}

/* ---------------------------------------------------------------- arms */

#define ARMS 9

typedef struct coins {
    const double *mean; /* (ARMS) */
    ln_rng rng;
    int64_t left; /* tosses that may still be made */
    int64_t tosses[ARMS];
} coins;

static ln_status toss_coin(void *context, int64_t arm, int64_t wanted, int64_t *tosses,
                           int64_t *heads, ln_error *err)
{
    (void)err;
    coins *it = context;
    *tosses = wanted < it->left ? wanted : it->left;
    it->left -= *tosses;
    it->tosses[arm] += *tosses;
    *heads = 0;
    for (int64_t i = 0; i < *tosses; i++)
        *heads += ln_rng_uniform(&it->rng) < it->mean[arm];
    return LN_OK;
}

static ln_status toss_first_coin(void *context, int64_t arm, int64_t wanted, int64_t *tosses,
                                 int64_t *heads, ln_error *err)
{
    (void)arm;
    return toss_coin(context, 0, wanted, tosses, heads, err);
}

static bool find_arms(coins *it, const ln_best_arms *options, int64_t *order)
{
    ln_error err = {0};
    ln_best_arms task = *options;
    task.count = ARMS;
    task.toss = toss_coin;
    task.context = it;
    ln_carver carver = {0};
    ln_arms_carve(ARMS, &carver);
    carver = (ln_carver){.base = ln_alloc_aligned(carver.used)};
    ln_arms arms = ln_arms_carve(ARMS, &carver);
    bool all;
    assert_ok(ln_best_arms_find(&task, &arms, &all, &err));
    memcpy(order, arms.order, ARMS * sizeof *order);
    for (int a = 0; a < ARMS && task.most < ARMS; a++)
        assert_int_equal(arms.tosses[a], it->tosses[a]);
    ln_free_aligned(carver.base);
    return all;
}

/* Over 400 seeds: the chosen are the best to within epsilon, in all but a share delta of them; and arms that
 * are far off are let go with few tosses. */
static void the_best_arms_are_found(void **state)
{
    (void)state;
    enum { SEEDS = 400 };
    static const double mean[ARMS] = {0.3, 0.75, 0.1, 0.55, 0.9, 0.5, 0.2, 0.97, 0.6};
    static const struct {
        double delta, epsilon, worst; /* of the best `most` */
        int64_t most;
    } cases[] = {{0.1, 0.05, 0.97, 1}, {0.1, 0.1, 0.75, 3}, {0.3, 0.04, 0.55, 5}};
    for (int c = 0; c < 3; c++) {
        int wrong = 0;
        int64_t near = 0, far = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            coins it = {.mean = mean, .rng = ln_rng_make(seed, "test", 0, 0), .left = INT64_MAX};
            int64_t order[ARMS];
            assert_true(find_arms(&it,
                                  &(ln_best_arms){.most = cases[c].most,
                                                  .batch = 10,
                                                  .delta = cases[c].delta,
                                                  .tolerance = cases[c].epsilon},
                                  order));
            bool bad = false;
            for (int64_t i = 0; i < cases[c].most; i++)
                bad |= mean[order[i]] < cases[c].worst - cases[c].epsilon;
            wrong += bad;
            near += it.tosses[4]; /* 0.9: the second best */
            far += it.tosses[2];  /* 0.1 */
        }
        if (wrong > cases[c].delta * SEEDS)
            fail_msg("case %d: wrong for %d of %d seeds", c, wrong, SEEDS);
        assert_true(c > 0 || near > 5 * far);
    }
}

static void arms_of_equal_means_come_in_their_order(void **state)
{
    (void)state;
    static const double mean[ARMS] = {0, 1, 0, 1, 1, 0, 0, 1, 0};
    coins it = {.mean = mean, .rng = ln_rng_make(1, "test", 0, 0), .left = INT64_MAX};
    int64_t order[ARMS];
    const ln_best_arms options = {.most = 2, .batch = 50, .delta = 0.1, .tolerance = 0.3};
    assert_true(find_arms(&it, &options, order));
    assert_true(order[0] == 1 && order[1] == 3 && order[2] == 4);
    /* Where all are chosen, nothing is tossed; where tosses end, that is said, and what was seen counts. */
    coins none = {.mean = mean, .left = INT64_MAX};
    assert_true(find_arms(&none, &(ln_best_arms){.most = ARMS, .batch = 5, .delta = 0.1}, order));
    assert_true(order[0] == 0 && none.tosses[0] == 0);
    coins few = {.mean = mean, .rng = ln_rng_make(1, "test", 0, 0), .left = 120};
    assert_false(find_arms(&few, &options, order));
    assert_true(order[0] == 1 && few.tosses[1] == 50 && few.tosses[2] == 20 && few.tosses[3] == 0);
}

/* Of very many, whose means are 0, 1/2 or 1. */
static void many_arms_come_in_their_order(void **state)
{
    (void)state;
    enum { MANY = 1000, BATCH = 2 };
    ln_error err = {0};
    ln_carver carver = {0};
    ln_arms_carve(MANY, &carver);
    carver = (ln_carver){.base = ln_alloc_aligned(carver.used)};
    ln_arms arms = ln_arms_carve(MANY, &carver);
    const double half[ARMS] = {0.5};
    coins it = {.mean = half, .rng = ln_rng_make(7, "test", 0, 0), .left = MANY * BATCH};
    const ln_best_arms task = {.count = MANY,
                               .most = 10,
                               .batch = BATCH,
                               .delta = 0.1,
                               .tolerance = 0.01,
                               .toss = toss_first_coin,
                               .context = &it};
    bool all;
    assert_ok(ln_best_arms_find(&task, &arms, &all, &err));
    assert_false(all); /* each has had its toss, and the rounds none */
    for (int i = 1; i < MANY; i++) {
        const int64_t one = arms.order[i - 1], other = arms.order[i];
        assert_true(arms.heads[one] > arms.heads[other] ||
                    (arms.heads[one] == arms.heads[other] && one < other));
    }
    assert_true(arms.heads[arms.order[0]] == BATCH && arms.heads[arms.order[MANY - 1]] == 0);
    ln_free_aligned(carver.base);
}

/* ---------------------------------------------------------------- candidates */

static ln_status toss_tails(void *context, const int32_t *rule, int64_t size, int64_t count,
                            int64_t *heads, ln_error *err)
{
    (void)context;
    (void)rule;
    (void)size;
    (void)count;
    (void)heads;
    (void)err;
    return LN_OK;
}

/* Where the beam keeps all rules, the next ones are all sets of one condition more: each of them once. */
static void every_set_of_conditions_is_a_candidate_once(void **state)
{
    (void)state;
    enum { PIECES = 9, BEAM = 126 /* as many sets of four there are */ };
    static const int64_t choose[] = {1, 9, 36, 84, 126, 126, 84, 36, 9, 1};
    static const int32_t group[PIECES] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    ln_error err = {0};
    ln_groups pieces;
    assert_ok(ln_groups_make(group, PIECES, PIECES, &pieces, &err));
    for (int64_t longest = 1; longest <= PIECES; longest++) {
        const ln_anchor_options options = {.precision = 0.9,
                                           .slack = 0.1,
                                           .delta = 0.1,
                                           .tolerance = 1,
                                           .beam = BEAM,
                                           .batch = 5,
                                           .longest = longest,
                                           .samples = INT64_MAX,
                                           .toss = toss_tails};
        ln_carver carver = {0};
        ln_conditions_carve(NULL, &pieces, PIECES, PIECES, longest, &carver);
        ln_anchor_search_carve(&options, PIECES, &carver);
        carver = (ln_carver){.base = ln_alloc_aligned(carver.used)};
        ln_conditions conditions =
            ln_conditions_carve(NULL, &pieces, PIECES, PIECES, longest, &carver);
        ln_anchor_search search = ln_anchor_search_carve(&options, PIECES, &carver);
        ln_conditions_of(&conditions, (float[PIECES]){0});
        assert_ok(ln_anchor_search_run(&search, &options, &conditions, &err));
        assert_int_equal(search.candidate_count, choose[longest]);
        assert_false(search.reached || search.ended);
        ln_free_aligned(carver.base);
    }
    ln_groups_free(&pieces);
}

/* ---------------------------------------------------------------- rows under a rule */

#define FEW 5

/* Five rows that are 0 to 4, 10 to 14 and 20 to 24 a column: what a drawn row has tells where it is from. Bounds
 * of the first column are 1, 2 and 3. */
typedef struct scene {
    ln_model *model;
    ln_tensor *training;
    ln_request request;
    ln_job job;
    ln_neighbourhood near;
    ln_conditions conditions;
    void *scratch;
} scene;

static void make_scene(scene *it, const int32_t *groups, int64_t group_count, const float *x)
{
    static const float weights[8] = {0};
    ln_error err = {0};
    *it = (scene){0};
    it->model = network_of("dense", (int64_t[]){3, 2}, weights, LN_TASK_CLASSIFICATION);
    it->training = tensor_zero(LN_F32, TEST_SHAPE(FEW, 3));
    for (int r = 0; r < FEW; r++)
        for (int c = 0; c < 3; c++)
            ln_f32(it->training)[3 * r + c] = (float)(r + 10 * c);
    it->request = (ln_request){.model = it->model,
                               .background = it->training,
                               .groups = groups,
                               .group_count = group_count};
    it->job = (ln_job){.request = &it->request, .width = group_count};
    assert_ok(ln_neighbourhood_make(&it->job, LN_DISCRETIZE_QUARTILE, false, &it->near, &err));
    ln_carver carver = {0};
    ln_conditions_carve(&it->near, NULL, 3, group_count, 3, &carver);
    it->scratch = ln_alloc_aligned(carver.used);
    carver = (ln_carver){.base = it->scratch};
    it->conditions = ln_conditions_carve(&it->near, NULL, 3, group_count, 3, &carver);
    ln_conditions_of(&it->conditions, x);
}

static void free_scene(scene *it)
{
    ln_free_aligned(it->scratch);
    ln_neighbourhood_free(&it->near);
    ln_tensor_release(it->training);
    ln_model_release(it->model);
}

static int32_t condition(const scene *it, int64_t column, ln_condition_kind kind, int bin)
{
    for (int32_t c = 0; c < it->conditions.count; c++) {
        const ln_condition *at = &it->conditions.at[c];
        if (at->column == column && at->kind == kind &&
            (kind == LN_CONDITION_SAME || at->bin == bin))
            return c;
    }
    fail_msg("no such condition");
    return -1;
}

/* Under x0 > 2 and x2 > 21: a row is one of the five with a column from another row where its own does not do. */
static void rows_under_a_rule_are_as_defined(void **state)
{
    (void)state;
    enum { DRAWS = 60000 };
    static const float x[] = {4, 10, 24};
    scene it;
    make_scene(&it, NULL, 3, x);
    assert_int_equal(it.conditions.count, 9); /* three bounds a column, on whichever side */
    const int32_t rule[] = {condition(&it, 0, LN_CONDITION_ABOVE, 1),
                            condition(&it, 2, LN_CONDITION_ABOVE, 0)};
    const double coverage = ln_conditions_coverage(&it.conditions, rule, 2);
    assert_near_f64(&coverage, (double[]){0.4}, 1, 0, 0); /* rows 3 and 4 */
    int64_t seen[FEW][FEW][FEW] = {0};
    ln_rng rng = ln_rng_make(3, "test", 0, 0);
    ln_conditions_set(&it.conditions, rule, 2);
    for (int i = 0; i < DRAWS; i++) {
        float row[3];
        ln_conditions_draw(&it.conditions, x, NULL, &rng, row);
        seen[(int)row[0]][(int)row[1] - 10][(int)row[2] - 20]++;
    }
    for (int a = 0; a < FEW; a++)
        for (int r = 0; r < FEW; r++)
            for (int c = 0; c < FEW; c++) {
                const double of_a = r > 2 ? a == r : (a > 2) / 2.0;
                const double of_c = r > 1 ? c == r : (c > 1) / 3.0;
                const double p = of_a * of_c / FEW, n = (double)seen[a][r][c];
                if (!(fabs(n - p * DRAWS) <= 5 * sqrt(DRAWS * p * (1 - p))))
                    fail_msg("(%d, %d, %d): %g of %d, expected %g", a, r, c, n, DRAWS, p * DRAWS);
            }
    /* A narrower bound says what a wider one says; the other side and other columns say something else. */
    const int32_t wider = condition(&it, 0, LN_CONDITION_ABOVE, 0);
    const int32_t narrower = condition(&it, 0, LN_CONDITION_ABOVE, 2);
    assert_true(ln_conditions_imply(&it.conditions, rule, 2, wider));
    assert_true(ln_conditions_imply(&it.conditions, rule, 2, rule[0]));
    assert_false(ln_conditions_imply(&it.conditions, rule, 2, narrower));
    assert_false(
        ln_conditions_imply(&it.conditions, rule, 2, condition(&it, 1, LN_CONDITION_AT_MOST, 1)));
    free_scene(&it);
}

/* Columns of a group come from one row; where none has what the row has, they are the row's. */
static void columns_of_a_group_stay_together(void **state)
{
    (void)state;
    static const int32_t groups[] = {0, 0, 1};
    static const float has[] = {3, 13, 24}, odd[] = {4, 10, 24};
    for (int k = 0; k < 2; k++) {
        const float *x = k == 0 ? has : odd;
        scene it;
        make_scene(&it, groups, 2, x);
        const int32_t rule[] = {condition(&it, 0, LN_CONDITION_SAME, 0)};
        const double coverage = ln_conditions_coverage(&it.conditions, rule, 1);
        assert_near_f64(&coverage, (double[]){k == 0 ? 0.2 : 0}, 1, 0, 0);
        ln_rng rng = ln_rng_make(3, "test", 0, 0);
        ln_conditions_set(&it.conditions, rule, 1);
        for (int i = 0; i < 200; i++) {
            float row[3];
            ln_conditions_draw(&it.conditions, x, NULL, &rng, row);
            assert_true(row[0] == x[0] && row[1] == x[1] && row[2] >= 20);
        }
        free_scene(&it);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_are_those_of_scipy),
        cmocka_unit_test(levels_are_those_of_the_anchor_package),
        cmocka_unit_test(the_best_arms_are_found),
        cmocka_unit_test(arms_of_equal_means_come_in_their_order),
        cmocka_unit_test(many_arms_come_in_their_order),
        cmocka_unit_test(every_set_of_conditions_is_a_candidate_once),
        cmocka_unit_test(rows_under_a_rule_are_as_defined),
        cmocka_unit_test(columns_of_a_group_stay_together),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
