#include "explainers/common/lars.h"

#include <math.h>
#include <string.h>

#include "explainers/common/cholesky.h"

#define NOTHING 1e-12 /* of the greatest correlation at the start: rounding */

ln_lars ln_lars_carve(int64_t features, ln_carver *carver)
{
    ln_lars made = {0};
    made.coefficient = ln_carve(carver, features, sizeof *made.coefficient);
    made.left = ln_carve(carver, features, sizeof *made.left);
    made.step = ln_carve(carver, features, sizeof *made.step);
    made.factor = ln_carve(carver, features * features, sizeof *made.factor);
    made.active = ln_carve(carver, features, sizeof *made.active);
    made.in = ln_carve(carver, features, sizeof *made.in);
    return made;
}

void ln_lars_start(ln_lars *path, int64_t features, const double *gram, const double *right,
                   bool lasso)
{
    path->features = features;
    path->gram = gram;
    path->right = right;
    path->lasso = lasso;
    path->active_count = 0;
    path->penalty = 0;
    path->dropped = false;
    memset(path->coefficient, 0, (size_t)features * sizeof *path->coefficient);
    memset(path->in, 0, (size_t)features * sizeof *path->in);
    memcpy(path->left, right, (size_t)features * sizeof *path->left);
    for (int64_t i = 0; i < features; i++)
        path->penalty = fmax(path->penalty, fabs(right[i]));
}

/* The feature outside that is most correlated with what is left, the first of equal ones; -1: none. */
static int64_t next_feature(const ln_lars *path)
{
    int64_t best = -1;
    for (int64_t i = 0; i < path->features; i++)
        if (!path->in[i] && path->gram[i * path->features + i] > 0 &&
            (best < 0 || fabs(path->left[i]) > fabs(path->left[best])))
            best = i;
    return best;
}

/* The direction in which all active correlations fall alike, by 1 a unit: G_AA^-1 of their signs. False
 * where the active features do not determine it. */
static bool find_direction(ln_lars *path)
{
    const int64_t n = path->features, count = path->active_count;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j <= i; j++)
            path->factor[i * count + j] = path->gram[path->active[i] * n + path->active[j]];
        path->step[i] = path->left[path->active[i]] < 0 ? -1 : 1;
    }
    if (!ln_cholesky_factor(path->factor, count))
        return false;
    ln_cholesky_solve(path->factor, count, path->step);
    return true;
}

/* How fast the correlation of feature i falls along the direction. */
static double slope(const ln_lars *path, int64_t i)
{
    const double *row = path->gram + i * path->features;
    double sum = 0;
    for (int64_t a = 0; a < path->active_count; a++)
        sum += row[path->active[a]] * path->step[a];
    return sum;
}

/* As far as until one outside is as correlated as those inside, and no farther than to least squares. */
static double length_to_next(const ln_lars *path)
{
    double least = path->penalty;
    for (int64_t i = 0; i < path->features; i++) {
        if (path->in[i])
            continue;
        const double falls = slope(path, i), left = path->left[i];
        const double above = (path->penalty - left) / (1 - falls);
        const double under = (path->penalty + left) / (1 + falls);
        if (falls < 1 && above < least)
            least = above;
        if (falls > -1 && under < least)
            least = under;
    }
    return least > 0 ? least : 0;
}

/* The active feature whose coefficient comes to 0 first, if before *length, which is then there; -1. */
static int64_t first_to_leave(const ln_lars *path, double *length)
{
    int64_t leaves = -1;
    for (int64_t a = 0; path->lasso && a < path->active_count; a++) {
        const double until = -path->coefficient[path->active[a]] / path->step[a];
        if (until > 0 && until < *length) {
            *length = until;
            leaves = a;
        }
    }
    return leaves;
}

static void walk(ln_lars *path, double length)
{
    for (int64_t i = 0; i < path->features; i++)
        path->left[i] -= length * slope(path, i);
    for (int64_t a = 0; a < path->active_count; a++)
        path->coefficient[path->active[a]] += length * path->step[a];
    path->penalty -= length;
}

static void remove_active(ln_lars *path, int64_t place)
{
    const int64_t feature = path->active[place];
    path->coefficient[feature] = 0;
    path->in[feature] = false;
    for (int64_t a = place; a + 1 < path->active_count; a++)
        path->active[a] = path->active[a + 1];
    path->active_count--;
}

bool ln_lars_step(ln_lars *path, double least)
{
    double greatest = 0;
    for (int64_t i = 0; i < path->features; i++)
        greatest = fmax(greatest, fabs(path->right[i]));
    if (path->penalty <= least || path->penalty <= NOTHING * greatest)
        return false;
    if (!path->dropped) {
        const int64_t feature = next_feature(path);
        if (feature < 0)
            return false;
        path->in[feature] = true;
        path->active[path->active_count++] = feature;
    }
    path->dropped = false;
    if (!find_direction(path)) {
        remove_active(path, path->active_count - 1);
        return false;
    }
    double length = length_to_next(path);
    const int64_t leaves = first_to_leave(path, &length);
    if (path->penalty - length < least) {
        walk(path, path->penalty - least);
        return true;
    }
    walk(path, length);
    if (leaves >= 0) {
        remove_active(path, leaves);
        path->dropped = true;
    }
    return true;
}
