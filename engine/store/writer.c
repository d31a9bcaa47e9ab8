/* What a run has finished is written while it goes on: a thread with a connection of its own takes
 * pieces and rows in the order in which they were submitted, each in one transaction.
 *
 * The owner's transactions and the thread's take turns (ln_store_begin pauses the thread): SQLite
 * waits for the write lock by asking again and again, and would lose against a thread that wants it
 * all the time.
 *
 * Foreign keys are not enforced on the thread's connection: SQLite would look up the explanation, the
 * sample and the tensor of every row. That the explanation is there is seen once a piece, when its
 * cost is written; the tensor was stored a moment ago, and the samples by the owner. */
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/background.h"
#include "store/internal.h"

#define MOST_WAITING ((size_t)1 << 30) /* bytes of tasks that wait, where memory is plenty */

/* A piece, or a row, and all that it points to. */
typedef struct written {
    ln_store *store;           /* the owner's */
    ln_arena arena;            /* holds what is copied */
    size_t bytes;              /* of it, and of the tensors */
    bool failed;               /* no memory for it */
    ln_attribution_rows rows;  /* a piece: values and errors are retained, the rest copied */
    ln_verdict_rows *verdicts; /* verdict_count of them */
    int verdict_count;         /* how many */
    const char *table;         /* a row: of this table */
    int64_t id;                /* ... with this id, or 0: a new one */
    ln_cell *cells;            /* ... cell_count columns of it */
    int cell_count;            /* how many */
} written;

/* Attributions that the verdicts of a piece are of. */
static int64_t judged(const ln_attribution_rows *rows)
{
    return rows->judged ? rows->judged : rows->count;
}

/* --- the thread ------------------------------------------------------------------------------- */

static ln_status write_piece(void *context, ln_error *err)
{
    const written *w = context;
    ln_store *writer = w->store->writer;
    ln_status status = ln_store_begin(writer, err);
    if (status != LN_OK)
        return status;
    status = ln_store_put_cost(writer, &w->rows, err);
    if (status == LN_OK)
        status = ln_store_put_piece(writer, &w->rows, w->verdicts, w->verdict_count, err);
    status = ln_store_leave(writer, true, status, err);
    if (status == LN_OK)
        __atomic_add_fetch(&w->store->written, judged(&w->rows), __ATOMIC_RELEASE);
    return status;
}

static ln_status write_row(void *context, ln_error *err)
{
    const written *w = context;
    ln_store *writer = w->store->writer;
    return w->id ? ln_store_update(writer, w->table, w->id, w->cells, w->cell_count, err)
                 : ln_store_insert(writer, w->table, w->cells, w->cell_count, NULL, err);
}

static void release(void *context)
{
    written *w = context;
    for (const ln_attribution_rows *rows = &w->rows; rows; rows = rows->next) {
        ln_tensor_release((ln_tensor *)rows->values);
        ln_tensor_release((ln_tensor *)rows->errors);
        ln_tensor_release((ln_tensor *)rows->grouping);
    }
    ln_arena_free(&w->arena);
    ln_free(w);
}

/* --- copies ----------------------------------------------------------------------------------- */

static void *copy(written *w, const void *from, size_t bytes)
{
    if (!from)
        return NULL;
    void *to = ln_arena_alloc(&w->arena, bytes);
    if (to)
        memcpy(to, from, bytes);
    w->failed = w->failed || !to;
    w->bytes += bytes;
    return to;
}

static char *copy_text(written *w, const char *text)
{
    return copy(w, text, text ? strlen(text) + 1 : 0);
}

/* A list of texts, most of which are the same or none. */
static const char *const *copy_texts(written *w, const char *const *texts, int64_t count)
{
    const char **list = copy(w, texts, (size_t)count * sizeof *texts);
    for (int64_t i = 0; list && i < count; i++)
        list[i] = i > 0 && texts[i] == texts[i - 1] ? list[i - 1] : copy_text(w, texts[i]);
    return list;
}

static void copy_rows(written *w, const ln_attribution_rows *from, ln_attribution_rows *rows)
{
    const size_t count = (size_t)from->count;
    const size_t samples = (size_t)judged(from);
    *rows = *from;
    rows->values = ln_tensor_retain((ln_tensor *)from->values);
    rows->errors = from->errors ? ln_tensor_retain((ln_tensor *)from->errors) : NULL;
    rows->grouping = from->grouping ? ln_tensor_retain((ln_tensor *)from->grouping) : NULL;
    w->bytes += from->values->bytes + (from->errors ? from->errors->bytes : 0) +
                (from->grouping ? from->grouping->bytes : 0);
    const double **const numbers[] = {&rows->output,   &rows->baseline_output,
                                      &rows->absorbed, &rows->total,
                                      &rows->residual, &rows->min,
                                      &rows->max,      &rows->l1};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = copy(w, *numbers[i], count * sizeof **numbers[i]);
    rows->sample = copy(w, from->sample, samples * sizeof *from->sample);
    rows->target = copy(w, from->target, count * sizeof *from->target);
    rows->nan_count = copy(w, from->nan_count, count * sizeof *from->nan_count);
    rows->status = copy_texts(w, from->status, from->count);
    rows->reason = copy_texts(w, from->reason, from->count);
    rows->kind = copy_text(w, from->kind);
    rows->space = copy_text(w, from->space);
    rows->layer = copy_text(w, from->layer);
    rows->input = copy_text(w, from->input);
    ln_attribution_rows *next = from->next ? copy(w, from->next, sizeof *next) : NULL;
    if (next)
        copy_rows(w, from->next, next);
    rows->next = next;
}

static void copy_verdicts(written *w, const ln_verdict_rows *from, int count)
{
    w->verdicts = copy(w, from, (size_t)count * sizeof *from);
    w->verdict_count = w->verdicts ? count : 0;
    const int64_t rows = judged(&w->rows);
    for (int i = 0; i < w->verdict_count; i++) {
        ln_verdict_rows *verdict = &w->verdicts[i];
        verdict->name = copy_text(w, from[i].name);
        verdict->label = copy_text(w, from[i].label);
        verdict->params = copy_text(w, from[i].params);
        verdict->values = copy(w, from[i].values, (size_t)rows * sizeof *from->values);
        verdict->lower = copy(w, from[i].lower, (size_t)rows * sizeof *from->lower);
        verdict->upper = copy(w, from[i].upper, (size_t)rows * sizeof *from->upper);
        verdict->n = copy(w, from[i].n, (size_t)rows * sizeof *from->n);
        verdict->reasons = copy_texts(w, from[i].reasons, rows);
        verdict->own_params = copy_texts(w, from[i].own_params, rows);
    }
}

static void copy_cells(written *w, const ln_cell *from, int count)
{
    w->cells = copy(w, from, (size_t)count * sizeof *from);
    w->cell_count = w->cells ? count : 0;
    for (int i = 0; i < w->cell_count; i++) {
        w->cells[i].column = copy_text(w, from[i].column);
        w->cells[i].data = copy(w, from[i].data, from[i].bytes);
    }
}

/* --- the owner -------------------------------------------------------------------------------- */

static ln_status open_connection(const ln_store *owner, ln_store **out, ln_error *err)
{
    ln_store *store = ln_calloc(1, sizeof *store);
    char *path = ln_strdup(owner->path);
    *out = NULL;
    if (!store || !path) {
        ln_free(store);
        ln_free(path);
        return ln_fail_memory(err, sizeof *store);
    }
    store->path = path;
    store->mode = LN_STORE_WRITE;
    store->running_fd = -1;
    ln_status status = ln_store_connect(store, err);
    if (status == LN_OK)
        status =
            ln_store_exec(store, "PRAGMA foreign_keys = OFF; PRAGMA synchronous = NORMAL", err);
    if (status == LN_OK)
        *out = store;
    else
        ln_store_close(store);
    return status;
}

/* How many bytes of tasks may wait: an eighth of --memory or, without it, of the machine's memory. An
 * explainer of images is faster than a disk that takes each number twice, into the log and from there
 * into the store; what it makes meanwhile has to lie somewhere if it is not to wait. */
static size_t most_waiting(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t limit = ln_memory_limit_get();
    if (limit == 0 && pages > 0 && page > 0)
        limit = (size_t)pages * (size_t)page;
    return limit && limit / 8 < MOST_WAITING ? limit / 8 : MOST_WAITING;
}

static ln_status start(ln_store *store, ln_error *err)
{
    if (store->background)
        return LN_OK;
    ln_status status = open_connection(store, &store->writer, err);
    if (status == LN_OK)
        status = ln_background_new(most_waiting(), &store->background, err);
    if (status != LN_OK)
        ln_store_writer_close(store);
    return status;
}

void ln_store_writer_close(ln_store *store)
{
    ln_background_free(store->background);
    store->background = NULL;
    ln_store_close(store->writer);
    store->writer = NULL;
}

static ln_status submit(ln_store *store, ln_status (*run)(void *, ln_error *), written *w,
                        ln_error *err)
{
    ln_status status = w->failed ? ln_fail_memory(err, w->bytes) : start(store, err);
    if (status != LN_OK) {
        release(w);
        return status;
    }
    w->store = store;
    const ln_task task = {.run = run, .release = release, .context = w, .bytes = w->bytes};
    return ln_background_submit(store->background, &task, err);
}

static written *new_written(ln_error *err)
{
    written *w = ln_calloc(1, sizeof *w);
    if (w)
        ln_arena_init(&w->arena, 0);
    else
        ln_fail_memory(err, sizeof *w);
    return w;
}

ln_status ln_store_submit_piece(ln_store *store, const ln_attribution_rows *rows,
                                const ln_verdict_rows *verdicts, int verdict_count, ln_error *err)
{
    written *w = new_written(err);
    if (!w)
        return LN_ENOMEM;
    copy_rows(w, rows, &w->rows);
    if (verdict_count > 0)
        copy_verdicts(w, verdicts, verdict_count);
    return submit(store, write_piece, w, err);
}

ln_status ln_store_submit_row(ln_store *store, const char *table, int64_t id, const ln_cell *cells,
                              int count, ln_error *err)
{
    written *w = new_written(err);
    if (!w)
        return LN_ENOMEM;
    w->table = copy_text(w, table);
    w->id = id;
    copy_cells(w, cells, count);
    return submit(store, write_row, w, err);
}

ln_status ln_store_settle(ln_store *store, ln_error *err)
{
    return store->background ? ln_background_settle(store->background, err) : LN_OK;
}

int64_t ln_store_written(const ln_store *store)
{
    return __atomic_load_n(&store->written, __ATOMIC_ACQUIRE);
}
