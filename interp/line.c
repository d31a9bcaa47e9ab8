/* libedit works on wide characters inside; it is fed by `next_character`, which waits in poll: unlike a
 * read that is restarted, poll returns when a signal comes, and Ctrl-C ends the line. */
#include "line.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"

#define HISTORY_LINES 2000

struct ln_line_editor {
    EditLine *edit; /* NULL: not at a terminal */
    History *past;
    char *path; /* of the history, or NULL */
    const char *prompt;
    mbstate_t shift; /* of a character that has come in part */
    ln_complete_fn complete;
    void *context;
};

static ln_line_editor *editor_of(EditLine *edit)
{
    void *editor = NULL;
    el_get(edit, EL_CLIENTDATA, &editor);
    return editor;
}

static char *show_prompt(EditLine *edit)
{
    return (char *)(uintptr_t)editor_of(edit)->prompt; /* libedit reads it only */
}

static int next_character(EditLine *edit, wchar_t *to)
{
    ln_line_editor *editor = editor_of(edit);
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    for (;;) {
        char byte;
        if (ln_interrupted())
            return -1;
        if (poll(&input, 1, -1) < 0 && errno == EINTR)
            continue;
        const ssize_t got = read(STDIN_FILENO, &byte, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return (int)got;
        const size_t used = mbrtowc(to, &byte, 1, &editor->shift);
        if (used == (size_t)-1)
            memset(&editor->shift, 0, sizeof editor->shift);
        if (used <= 1)
            return 1;
    }
}

/* Tab. */
static unsigned char complete_here(EditLine *edit, int key)
{
    ln_line_editor *editor = editor_of(edit);
    const LineInfo *line = el_line(edit);
    char *before = ln_strndup(line->buffer, (size_t)(line->cursor - line->buffer));
    char *insert = NULL, *listing = NULL;
    unsigned char done = CC_ERROR;
    (void)key;
    if (before)
        editor->complete(editor->context, before, &insert, &listing);
    if (insert && *insert && el_insertstr(edit, insert) == 0) {
        done = CC_REFRESH;
    } else if (listing && *listing) {
        printf("\n%s", listing);
        fflush(stdout);
        done = CC_REDISPLAY;
    }
    ln_free(before);
    ln_free(insert);
    ln_free(listing);
    return done;
}

/* ---------------------------------------------------------------- history */

/* $LUNETTE_HISTORY, or a file in the user's state folder; NULL: none is kept. */
static char *history_path(void)
{
    const char *given = getenv("LUNETTE_HISTORY"), *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    char path[4096];
    ln_error err;
    if (given)
        return *given ? ln_strdup(given) : NULL;
    if (state && *state)
        snprintf(path, sizeof path - 16, "%s/lunette", state);
    else if (home && *home)
        snprintf(path, sizeof path - 16, "%s/.local/state/lunette", home);
    else
        return NULL;
    if (ln_folder_make(path, &err))
        return NULL;
    strcat(path, "/history");
    return ln_strdup(path);
}

static void open_history(ln_line_editor *editor)
{
    HistEvent event;
    editor->past = history_init();
    if (!editor->past)
        return;
    history(editor->past, &event, H_SETSIZE, HISTORY_LINES);
    history(editor->past, &event, H_SETUNIQUE, 1);
    editor->path = history_path();
    if (editor->path)
        history(editor->past, &event, H_LOAD, editor->path);
    el_set(editor->edit, EL_HIST, history, editor->past);
}

/* ---------------------------------------------------------------- life */

static ln_status open_terminal(ln_line_editor *editor, ln_error *err)
{
    setlocale(LC_CTYPE, ""); /* what characters the terminal sends */
    editor->edit = el_init("lunette", stdin, stdout, stderr);
    if (!editor->edit)
        return ln_fail(err, LN_EFAILED, "this terminal cannot be used for editing lines");
    el_set(editor->edit, EL_CLIENTDATA, editor);
    el_set(editor->edit, EL_PROMPT, show_prompt);
    el_set(editor->edit, EL_EDITOR, "emacs");
    el_set(editor->edit, EL_SIGNAL, 0);
    el_set(editor->edit, EL_GETCFN, next_character);
    el_set(editor->edit, EL_ADDFN, "lunette-complete", "complete words and options", complete_here);
    el_set(editor->edit, EL_BIND, "^I", "lunette-complete", NULL);
    el_set(editor->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    open_history(editor);
    el_source(editor->edit, NULL); /* the user's own ~/.editrc */
    return LN_OK;
}

ln_status ln_line_editor_new(ln_complete_fn complete, void *context, ln_line_editor **out,
                             ln_error *err)
{
    ln_line_editor *editor = ln_calloc(1, sizeof *editor);
    *out = editor;
    if (!editor)
        return ln_fail_memory(err, sizeof *editor);
    editor->complete = complete;
    editor->context = context;
    return isatty(STDIN_FILENO) ? open_terminal(editor, err) : LN_OK;
}

void ln_line_editor_free(ln_line_editor *editor)
{
    HistEvent event;
    if (!editor)
        return;
    if (editor->past && editor->path)
        history(editor->past, &event, H_SAVE, editor->path);
    if (editor->past)
        history_end(editor->past);
    if (editor->edit)
        el_end(editor->edit);
    ln_free(editor->path);
    ln_free(editor);
}

/* ---------------------------------------------------------------- reading */

static ln_status copy(const char *text, size_t length, char **line, ln_error *err)
{
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    *line = ln_strndup(text, length);
    return *line ? LN_OK : ln_fail_memory(err, length + 1);
}

static ln_status read_pipe(char **line, ln_error *err)
{
    char *text = NULL; /* getline's own malloc */
    size_t room = 0;
    const ssize_t length = getline(&text, &room, stdin);
    const ln_status status = length < 0 ? LN_OK : copy(text, (size_t)length, line, err);
    free(text);
    return status;
}

ln_status ln_line_read(ln_line_editor *editor, const char *prompt, char **line, bool *stopped,
                       ln_error *err)
{
    HistEvent event;
    int length = 0;
    *line = NULL;
    *stopped = false;
    if (!editor->edit)
        return read_pipe(line, err);
    editor->prompt = prompt;
    const char *text = el_gets(editor->edit, &length);
    if (ln_interrupted()) {
        el_set(editor->edit, EL_UNBUFFERED, 0); /* leaves the line that was begun */
        fputs("^C\n", stdout);
        fflush(stdout);
        *stopped = true;
        return LN_OK;
    }
    if (!text || length <= 0) {
        fputc('\n', stdout);
        return LN_OK;
    }
    ln_status status = copy(text, (size_t)length, line, err);
    if (!status && editor->past && (*line)[strspn(*line, " \t")])
        history(editor->past, &event, H_ENTER, *line);
    return status;
}
