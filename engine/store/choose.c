/* Which runs, in what order, and what is shown of them. See choose.h and store.h.
 *
 * Each name that the user wrote becomes two columns of the TEMP table `chosen`, which has a row a
 * run: one that compares as a number where its value is one (NUMERIC affinity, so that a tag
 * written as 10 is greater than 9) and one with the value as it is stored. The user's condition sees
 * this table alone, and it runs as a query under the authorizer. */
#include <string.h>

#include "store/choose.h"

/* The parts of "a, -b, c:desc" one after another; false after the last. */
static bool next_part(const char **list, const char **part, size_t *length)
{
    if (!*list)
        return false;
    *part = *list + strspn(*list, " \t");
    *length = strcspn(*part, ",");
    *list = (*part)[*length] == ',' ? *part + *length + 1 : NULL;
    while (*length > 0 && strchr(" \t", (*part)[*length - 1]))
        --*length;
    return true;
}

static ln_status find_part(ln_chosen_names *names, const char *option, const char *part,
                           size_t length, const ln_chosen_name **found, ln_error *err)
{
    *found = NULL;
    ln_status status = length == 0 ? ln_fail(err, LN_EINVALID, "a name is missing")
                                   : ln_chosen_find(names, part, length, found, err);
    if (status == LN_OK && !*found)
        status = ln_chosen_unknown(names, part, length, err);
    if (status == LN_EINVALID)
        ln_error_prefix(err, "%s", option);
    return status;
}

/* ORDER BY: the names of --sort, then the newest first. */
static ln_status write_order(ln_chosen_names *names, const char *sort, ln_text *sql, ln_error *err)
{
    const char *part;
    size_t length;
    ln_text_add(sql, "\nORDER BY ");
    while (next_part(&sort, &part, &length)) {
        const ln_chosen_name *found;
        bool down = length > 0 && *part == '-';
        part += down;
        length -= down;
        if (length > 5 && strncmp(part + length - 5, ":desc", 5) == 0) {
            down = true;
            length -= 5;
        } else if (length > 4 && strncmp(part + length - 4, ":asc", 4) == 0) {
            length -= 4;
        }
        ln_status status = find_part(names, "--sort", part, length, &found, err);
        if (status != LN_OK)
            return status;
        ln_text_format(sql, "%s %s NULLS LAST, ", found->column, down ? "DESC" : "ASC");
    }
    ln_text_add(sql, "\" \" DESC");
    return LN_OK;
}

static ln_status write_columns(ln_chosen_names *names, const char *columns, bool people,
                               ln_text *sql, ln_error *err)
{
    const char *part, *between = "";
    size_t length;
    while (next_part(&columns, &part, &length)) {
        const ln_chosen_name *found;
        ln_status status = find_part(names, "--columns", part, length, &found, err);
        if (status != LN_OK)
            return status;
        if (people)
            ln_text_format(sql,
                           "%sCASE typeof(%s) WHEN 'real' THEN CAST(printf('%%.6g', %s) AS REAL) "
                           "ELSE %s END AS %s",
                           between, found->shown, found->shown, found->shown, found->column);
        else
            ln_text_format(sql, "%s%s AS %s", between, found->shown, found->column);
        between = ", ";
    }
    return LN_OK;
}

static ln_status fill_table(ln_store *store, const ln_chosen_names *names, ln_error *err)
{
    ln_text sql = {0}, columns = {0}, values = {0};
    ln_chosen_define(names, &columns, &values);
    ln_text_format(&sql,
                   "DROP TABLE IF EXISTS temp.chosen; CREATE TEMP TABLE chosen (\" \" INTEGER "
                   "PRIMARY KEY%s); INSERT INTO temp.chosen SELECT s.id%s FROM run_summary s",
                   columns.data ? columns.data : "", values.data ? values.data : "");
    ln_status status = LN_OK;
    if (sql.failed || columns.failed || values.failed)
        status = ln_fail_memory(err, sql.length);
    /* query_only is for the statements of users; this is a table of ours. */
    if (status == LN_OK)
        status = ln_store_exec(store, "PRAGMA query_only = 0", err);
    if (status == LN_OK)
        status = ln_store_exec(store, sql.data, err);
    if (store->mode == LN_STORE_READ) {
        ln_status after = ln_store_exec(store, "PRAGMA query_only = 1", status ? NULL : err);
        status = status ? status : after;
    }
    ln_text_free(&sql);
    ln_text_free(&columns);
    ln_text_free(&values);
    return status;
}

/* The statement of a choice; its names are in `names` then. */
static ln_status write_choice(ln_chosen_names *names, const ln_run_choice *choice, ln_text *sql,
                              ln_error *err)
{
    ln_text where = {0}, order = {0}, columns = {0}, limit = {0};
    ln_status status = LN_OK;
    if (choice->where) {
        ln_text_add(&where, "\nWHERE (\n");
        status = ln_condition_write(names, choice->where, &where, err);
        if (status == LN_EINVALID)
            ln_error_prefix(err, "--where");
        ln_text_add(&where, "\n)");
    }
    if (status == LN_OK)
        status = write_order(names, choice->sort, &order, err);
    if (status == LN_OK)
        status = write_columns(names, choice->columns, choice->people, &columns, err);
    if (choice->limit >= 0)
        ln_text_format(&limit, " LIMIT %lld", (long long)choice->limit);
    const char *condition = where.data ? where.data : "", *most = limit.data ? limit.data : "";
    if (status == LN_OK && choice->columns)
        ln_text_format(sql, "SELECT %s FROM temp.chosen%s%s%s", columns.data, condition, order.data,
                       most);
    else if (status == LN_OK)
        ln_text_format(sql,
                       "WITH picked(run, place) AS (SELECT \" \", row_number() OVER (%s) FROM "
                       "temp.chosen%s%s%s) SELECT %s FROM run_summary JOIN picked ON picked.run = "
                       "run_summary.id ORDER BY picked.place",
                       order.data, condition, order.data, most, choice->fallback);
    if (status == LN_OK &&
        (sql->failed || where.failed || order.failed || columns.failed || limit.failed))
        status = ln_fail_memory(err, sql->length);
    ln_text_free(&where);
    ln_text_free(&order);
    ln_text_free(&columns);
    ln_text_free(&limit);
    return status;
}

ln_status ln_store_choose_runs(ln_store *store, const ln_run_choice *choice, char **sql,
                               ln_error *err)
{
    ln_chosen_names names = {.store = store};
    ln_text text = {0};
    *sql = NULL;
    ln_status status = write_choice(&names, choice, &text, err);
    if (status == LN_OK)
        status = fill_table(store, &names, err);
    ln_chosen_free(&names);
    if (status == LN_OK)
        *sql = text.data;
    else
        ln_text_free(&text);
    return status;
}
