/* How a statement walks `element`: which constraints it takes, in which order rows come, what that
 * costs. */
#include "store/element.h"

static int wanted_columns(sqlite3_uint64 used)
{
    return (used >> LN_ELEMENT_NAME & 1 ? LN_WANT_NAME : 0) |
           (used >> LN_ELEMENT_RAW & 1 ? LN_WANT_RAW : 0) |
           (used >> LN_ELEMENT_INPUT & 1 ? LN_WANT_INPUT : 0) |
           (used >> LN_ELEMENT_ERROR & 1 ? LN_WANT_ERROR : 0);
}

/* Whether the statement asks for this order of columns, or for the beginning of it. GROUP BY and
 * DISTINCT only want equal rows side by side: a direction that they have is that of some ORDER BY. */
static bool ordered_by(sqlite3_index_info *info, int first, int second)
{
    const int columns[] = {first, second};
    const int why = sqlite3_vtab_distinct(info);
    const bool grouping = why == 1 || why == 2;
    if (info->nOrderBy < 1 || info->nOrderBy > 2)
        return false;
    for (int i = 0; i < info->nOrderBy; i++)
        if ((info->aOrderBy[i].desc && !grouping) || info->aOrderBy[i].iColumn != columns[i])
            return false;
    return true;
}

int ln_element_plan(sqlite3_vtab *base, sqlite3_index_info *info)
{
    (void)base;
    int attribution = -1, idx = -1, arguments = 0;
    for (int i = 0; i < info->nConstraint; i++) {
        if (!info->aConstraint[i].usable || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (info->aConstraint[i].iColumn == LN_ELEMENT_ATTRIBUTION)
            attribution = i;
        else if (info->aConstraint[i].iColumn == LN_ELEMENT_IDX)
            idx = i;
    }
    bool list = attribution >= 0 && sqlite3_vtab_in(info, attribution, 1);
    int pushed[] = {attribution, idx};
    for (int i = 0; i < 2; i++) {
        if (pushed[i] < 0)
            continue;
        info->aConstraintUsage[pushed[i]].argvIndex = ++arguments;
        info->aConstraintUsage[pushed[i]].omit = 1; /* xFilter compares as SQLite would */
    }
    bool one = attribution >= 0 && !list;
    info->idxNum = wanted_columns(info->colUsed) | (one ? LN_BY_ATTRIBUTION : 0) |
                   (list ? LN_BY_LIST : 0) | (idx >= 0 ? LN_BY_IDX : 0);
    info->idxStr = list               ? (idx >= 0 ? "attribution IN AND idx=?" : "attribution IN")
                   : attribution >= 0 ? (idx >= 0 ? "attribution=? AND idx=?" : "attribution=?")
                   : idx >= 0         ? "idx=?"
                                      : NULL;
    /* Without statistics SQLite takes every table for a million rows: walking all elements has to
     * look dearer than walking any of them and asking for its elements one by one. */
    const double attributions = one ? 1 : list ? 100 : (double)((int64_t)1 << 33);
    info->estimatedRows = (sqlite3_int64)attributions * (idx >= 0 ? 1 : 100);
    info->estimatedCost = (attribution >= 0 ? 5 * attributions : 1e12) * (idx >= 0 ? 1.0 : 20.0);
    if (one && idx >= 0)
        info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    if (ordered_by(info, LN_ELEMENT_ATTRIBUTION, LN_ELEMENT_IDX)) {
        info->orderByConsumed = 1;
    } else if (ordered_by(info, LN_ELEMENT_IDX, LN_ELEMENT_ATTRIBUTION)) {
        bool as_it_comes = one || idx >= 0;
        bool plain = wanted_columns(info->colUsed) == 0;
        info->orderByConsumed = as_it_comes || plain;
        if (!as_it_comes && plain) {
            info->idxNum |= LN_IN_BANDS;
            info->idxStr = list ? "attribution IN, by idx" : "by idx";
        }
    }
    return SQLITE_OK;
}
