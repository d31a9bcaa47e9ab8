#include "explainers/common/best_arms.h"

#include <math.h>
#include <string.h>

#include "explainers/common/bernoulli.h"

/* k1 and alpha of the paper's experiments. */
#define RATE_FACTOR 405.5
#define RATE_POWER 1.1

ln_arms ln_arms_carve(int64_t count, ln_carver *carver)
{
    ln_arms made;
    made.tosses = ln_carve(carver, count, sizeof *made.tosses);
    made.heads = ln_carve(carver, count, sizeof *made.heads);
    made.bound = ln_carve(carver, count, sizeof *made.bound);
    made.order = ln_carve(carver, count, sizeof *made.order);
    made.spare = ln_carve(carver, count, sizeof *made.spare);
    return made;
}

double ln_best_arms_level(int64_t count, int64_t round, double delta)
{
    const double level = log(RATE_FACTOR * (double)count * pow((double)round, RATE_POWER) / delta);
    return level + log(level);
}

static double mean(const ln_arms *arms, int64_t arm)
{
    return arms->tosses[arm] > 0 ? (double)arms->heads[arm] / (double)arms->tosses[arm] : 0;
}

static bool is_better(const ln_arms *arms, int64_t one, int64_t other)
{
    const double a = mean(arms, one), b = mean(arms, other);
    return a > b || (a == b && one < other);
}

/* By merging: there may be very many arms. */
static void sort_all(ln_arms *arms, int64_t count)
{
    for (int64_t width = 1; width < count; width *= 2) {
        for (int64_t start = 0; start < count; start += 2 * width) {
            const int64_t middle = start + width < count ? start + width : count;
            const int64_t end = middle + width < count ? middle + width : count;
            for (int64_t at = start, one = start, other = middle; at < end; at++) {
                const bool first =
                    other >= end ||
                    (one < middle && is_better(arms, arms->order[one], arms->order[other]));
                arms->spare[at] = arms->order[first ? one++ : other++];
            }
        }
        memcpy(arms->order, arms->spare, (size_t)count * sizeof *arms->order);
    }
}

/* By insertion: between two rounds only two arms have moved. */
static void sort_again(ln_arms *arms, int64_t count)
{
    for (int64_t i = 1; i < count; i++) {
        const int64_t arm = arms->order[i];
        int64_t at = i;
        for (; at > 0 && is_better(arms, arm, arms->order[at - 1]); at--)
            arms->order[at] = arms->order[at - 1];
        arms->order[at] = arm;
    }
}

static ln_status toss(const ln_best_arms *task, ln_arms *arms, int64_t arm, bool *all,
                      ln_error *err)
{
    int64_t tosses = 0, heads = 0;
    ln_status status = task->toss(task->context, arm, task->batch, &tosses, &heads, err);
    arms->tosses[arm] += tosses;
    arms->heads[arm] += heads;
    *all &= tosses == task->batch;
    return status;
}

/* The two arms to toss next; how far apart their bounds are. */
static double find_two(const ln_best_arms *task, ln_arms *arms, int64_t round, int64_t *least,
                       int64_t *greatest)
{
    const double level = ln_best_arms_level(task->count, round, task->delta);
    for (int64_t i = 0; i < task->count; i++) {
        const int64_t arm = arms->order[i];
        const double divergence = level / (double)arms->tosses[arm];
        arms->bound[arm] = i < task->most ? ln_bernoulli_lower(mean(arms, arm), divergence)
                                          : ln_bernoulli_upper(mean(arms, arm), divergence);
        if (i == 0 || (i < task->most && arms->bound[arm] < arms->bound[*least]))
            *least = arm;
        if (i == task->most || (i > task->most && arms->bound[arm] > arms->bound[*greatest]))
            *greatest = arm;
    }
    return arms->bound[*greatest] - arms->bound[*least];
}

ln_status ln_best_arms_find(const ln_best_arms *task, ln_arms *arms, bool *all, ln_error *err)
{
    ln_status status = LN_OK;
    *all = true;
    for (int64_t i = 0; i < task->count; i++) {
        arms->tosses[i] = arms->heads[i] = 0;
        arms->order[i] = i;
    }
    if (task->count <= task->most)
        return LN_OK; /* all of them */
    for (int64_t i = 0; i < task->count && *all && !status; i++)
        status = toss(task, arms, i, all, err);
    sort_all(arms, task->count);
    int64_t least = 0, greatest = 0;
    for (int64_t round = 1; *all && !status; round++) {
        if (!(find_two(task, arms, round, &least, &greatest) > task->tolerance))
            break;
        status = toss(task, arms, least, all, err);
        if (!status && *all)
            status = toss(task, arms, greatest, all, err);
        sort_again(arms, task->count);
    }
    return status;
}
