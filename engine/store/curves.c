/* The points of a metric that is a curve: thousands a curve, written in one go. */
#include "store/bulk.h"

static const ln_bulk curve_bulk = {LN_PUT_CURVE, "curve", "metric, series, seq, x, y, threshold", 2,
                                   4};

static void bind_curve(sqlite3_stmt *statement, const void *context)
{
    const ln_curve_rows *curve = context;
    sqlite3_bind_int64(statement, 1, curve->metric);
    sqlite3_bind_text(statement, 2, curve->series, -1, SQLITE_STATIC);
}

static void bind_point(sqlite3_stmt *statement, int place, const void *context, int64_t i)
{
    const ln_curve_rows *curve = context;
    sqlite3_bind_int64(statement, place, i);
    sqlite3_bind_double(statement, place + 1, curve->x[i]);
    sqlite3_bind_double(statement, place + 2, curve->y[i]);
    if (curve->threshold)
        sqlite3_bind_double(statement, place + 3, curve->threshold[i]);
}

ln_status ln_store_put_curve(ln_store *store, const ln_curve_rows *curve, ln_error *err)
{
    bool own;
    ln_status status = ln_store_enter(store, &own, err);
    if (status == LN_OK)
        status = ln_store_leave(
            store, own,
            ln_store_put_bulk(store, &curve_bulk, bind_curve, bind_point, curve, curve->count, err),
            err);
    return status;
}
