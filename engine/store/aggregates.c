/* SQL aggregates over lists of equal length: tensor_mean(t) and tensor_mean_abs(t), element by
 * element.
 *
 * The result is a BLOB of float32; sums are float64 in the order of the rows. NULL rows are left
 * out; no rows at all give NULL; lists of different length are an error. Cost: one pass. */
#include "store/sqlite.h"

#include <math.h>

#define FLAGS (SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS)

/* Between rows. */
typedef struct sums {
    double *at;    /* count sums; NULL before the first row */
    int64_t count; /* numbers a list */
    int64_t rows;  /* lists added */
} sums;

static void step(sqlite3_context *context, const char *function, sqlite3_value *value,
                 bool magnitude)
{
    ln_floats floats;
    if (sqlite3_value_type(value) == SQLITE_NULL ||
        !ln_sql_floats(context, function, value, &floats))
        return;
    sums *all = sqlite3_aggregate_context(context, sizeof *all);
    if (!all) {
        sqlite3_result_error_nomem(context);
        return;
    }
    if (!all->at) {
        sqlite3_uint64 bytes = (sqlite3_uint64)(floats.count + 1) * sizeof *all->at;
        all->at = sqlite3_malloc64(bytes);
        if (!all->at) {
            sqlite3_result_error_nomem(context);
            return;
        }
        __builtin_memset(all->at, 0, bytes);
        all->count = floats.count;
    }
    if (all->count != floats.count) {
        ln_sql_error(context,
                     "%s expects lists of equal length and was given %lld and %lld numbers",
                     function, (long long)all->count, (long long)floats.count);
        return;
    }
    for (int64_t i = 0; i < floats.count; i++) {
        double x = ln_float_at(&floats, i);
        all->at[i] += magnitude ? fabs(x) : x;
    }
    all->rows++;
}

static void step_mean(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    step(context, "tensor_mean", argv[0], false);
}

static void step_mean_abs(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    step(context, "tensor_mean_abs", argv[0], true);
}

static void final(sqlite3_context *context)
{
    sums *all = sqlite3_aggregate_context(context, 0);
    if (!all || !all->at)
        return;
    if (all->rows > 0) {
        float *means = sqlite3_malloc64((sqlite3_uint64)(all->count + 1) * sizeof *means);
        if (means) {
            for (int64_t i = 0; i < all->count; i++)
                means[i] = (float)(all->at[i] / (double)all->rows);
            sqlite3_result_blob64(context, means, (sqlite3_uint64)all->count * sizeof *means,
                                  sqlite3_free);
        } else {
            sqlite3_result_error_nomem(context);
        }
    }
    sqlite3_free(all->at);
}

int ln_sql_register_aggregates(sqlite3 *db)
{
    int code = sqlite3_create_function(db, "tensor_mean", 1, FLAGS, NULL, NULL, step_mean, final);
    if (code == SQLITE_OK)
        code = sqlite3_create_function(db, "tensor_mean_abs", 1, FLAGS, NULL, NULL, step_mean_abs,
                                       final);
    return code;
}
