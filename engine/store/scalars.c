/* SQL functions of one list of numbers: tensor_sum, _l1, _l2, _min, _max, _argmax, _count,
 * _get(t, i), _topk(t, k).
 *
 * A list is a BLOB of float32, little-endian, as attribution_values(id) and tensor_values(id)
 * return it. NULL gives NULL. Sums run in index order in float64; a NaN in them gives NULL, for
 * that is how SQLite stores NaN. Least, greatest and top elements pass NaN over. A list without
 * numbers has the sum 0 and no least, greatest or top element (NULL, []). Cost: one pass; topk a
 * heap of k. */
#include "store/sqlite.h"

#include <math.h>
#include <stdarg.h>

#include "store/topk.h"

#define FLAGS (SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS)

void ln_sql_error(sqlite3_context *context, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *message = sqlite3_vmprintf(format, args);
    va_end(args);
    if (!message) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_error(context, message, -1);
    sqlite3_free(message);
}

static const char *type_name(int type)
{
    return type == SQLITE_INTEGER ? "an integer" : type == SQLITE_FLOAT ? "a real number" : "text";
}

bool ln_sql_floats(sqlite3_context *context, const char *function, sqlite3_value *value,
                   ln_floats *out)
{
    int type = sqlite3_value_type(value);
    if (type == SQLITE_NULL) {
        sqlite3_result_null(context);
        return false;
    }
    if (type != SQLITE_BLOB) {
        ln_sql_error(context,
                     "%s expects a BLOB of float32 numbers, such as attribution_values(id) or "
                     "tensor_values(id), and was given %s",
                     function, type_name(type));
        return false;
    }
    out->data = sqlite3_value_blob(value);
    int bytes = sqlite3_value_bytes(value);
    if (bytes % 4 != 0) {
        ln_sql_error(context,
                     "%s expects a BLOB of float32 numbers (4 bytes each) and was given %d bytes",
                     function, bytes);
        return false;
    }
    if (bytes > 0 && !out->data) {
        sqlite3_result_error_nomem(context);
        return false;
    }
    out->count = bytes / 4;
    return true;
}

/* What one walk over a list gives. */
typedef struct summary {
    double sum, l1, squares; /* float64, index order */
    double min, max;         /* over the numbers that are not NaN */
    int64_t argmax;          /* the first of the greatest; -1: none */
} summary;

typedef void (*summary_fn)(sqlite3_context *context, const summary *summary, int64_t count);

/* A function of the walk's result. */
typedef struct one_list {
    const char *name; /* as in SQL */
    summary_fn give;  /* sets the result */
} one_list;

static void give_sum(sqlite3_context *context, const summary *s, int64_t count)
{
    (void)count;
    sqlite3_result_double(context, s->sum);
}

static void give_l1(sqlite3_context *context, const summary *s, int64_t count)
{
    (void)count;
    sqlite3_result_double(context, s->l1);
}

static void give_l2(sqlite3_context *context, const summary *s, int64_t count)
{
    (void)count;
    sqlite3_result_double(context, sqrt(s->squares));
}

static void give_min(sqlite3_context *context, const summary *s, int64_t count)
{
    (void)count;
    if (s->argmax >= 0)
        sqlite3_result_double(context, s->min);
}

static void give_max(sqlite3_context *context, const summary *s, int64_t count)
{
    (void)count;
    if (s->argmax >= 0)
        sqlite3_result_double(context, s->max);
}

static void give_argmax(sqlite3_context *context, const summary *s, int64_t count)
{
    (void)count;
    if (s->argmax >= 0)
        sqlite3_result_int64(context, s->argmax);
}

static void give_count(sqlite3_context *context, const summary *s, int64_t count)
{
    (void)s;
    sqlite3_result_int64(context, count);
}

static const one_list one_lists[] = {
    {"tensor_sum", give_sum},     {"tensor_l1", give_l1},   {"tensor_l2", give_l2},
    {"tensor_min", give_min},     {"tensor_max", give_max}, {"tensor_argmax", give_argmax},
    {"tensor_count", give_count},
};

static void walk_sums(const ln_floats *floats, summary *s)
{
    for (int64_t i = 0; i < floats->count; i++) {
        double x = ln_float_at(floats, i);
        s->sum += x;
        s->l1 += fabs(x);
        s->squares += x * x;
    }
}

static void walk_extremes(const ln_floats *floats, summary *s)
{
    for (int64_t i = 0; i < floats->count; i++) {
        double x = ln_float_at(floats, i);
        if (isnan(x))
            continue;
        if (s->argmax < 0 || x > s->max) {
            s->max = x;
            s->min = s->argmax < 0 ? x : s->min;
            s->argmax = i;
        } else if (x < s->min) {
            s->min = x;
        }
    }
}

static void call_one_list(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    const one_list *function = sqlite3_user_data(context);
    ln_floats floats;
    if (!ln_sql_floats(context, function->name, argv[0], &floats))
        return;
    summary s = {.argmax = -1};
    if (function->give == give_sum || function->give == give_l1 || function->give == give_l2)
        walk_sums(&floats, &s);
    else if (function->give != give_count)
        walk_extremes(&floats, &s);
    function->give(context, &s, floats.count);
}

/* tensor_get(t, i): NULL outside the list, as json_extract gives for a list's missing element. */
static void call_get(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    ln_floats floats;
    if (!ln_sql_floats(context, "tensor_get", argv[0], &floats))
        return;
    if (sqlite3_value_numeric_type(argv[1]) != SQLITE_INTEGER) {
        if (sqlite3_value_type(argv[1]) != SQLITE_NULL)
            ln_sql_error(context, "tensor_get expects a whole number as its second argument");
        return;
    }
    int64_t i = sqlite3_value_int64(argv[1]);
    if (i >= 0 && i < floats.count)
        sqlite3_result_double(context, ln_float_at(&floats, i));
}

/* tensor_topk(t, k): JSON list of the k indices of greatest |value|, greatest first; of equal ones
 * the lower index first; NaN is never among them, so the list may be shorter than k. */
static void call_topk(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    ln_floats floats;
    int64_t *top = NULL, count = 0;
    if (!ln_sql_floats(context, "tensor_topk", argv[0], &floats) ||
        !ln_topk(context, "tensor_topk", &floats, argv[1], &top, &count))
        return;
    sqlite3_str *text = sqlite3_str_new(NULL);
    sqlite3_str_appendchar(text, 1, '[');
    for (int64_t i = 0; i < count; i++)
        sqlite3_str_appendf(text, "%s%lld", i ? "," : "", (long long)top[i]);
    sqlite3_str_appendchar(text, 1, ']');
    sqlite3_free(top);
    char *json = sqlite3_str_finish(text);
    if (!json)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_text(context, json, -1, sqlite3_free);
}

int ln_sql_register_scalars(sqlite3 *db)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < sizeof one_lists / sizeof *one_lists && code == SQLITE_OK; i++)
        code = sqlite3_create_function(db, one_lists[i].name, 1, FLAGS, (void *)&one_lists[i],
                                       call_one_list, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_create_function(db, "tensor_get", 2, FLAGS, NULL, call_get, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_create_function(db, "tensor_topk", 2, FLAGS, NULL, call_topk, NULL, NULL);
    return code;
}
