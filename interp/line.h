/* Lines typed at a terminal, by libedit: history, editing, completion. It is opened when the first line
 * is asked for, so that other commands do not load it. On a pipe lines are read as they are. */
#ifndef LN_LINE_H
#define LN_LINE_H

#include "lunette.h"

typedef struct ln_line_editor ln_line_editor;

/* What Tab does: from the line up to the cursor to the text to insert ("" none) and one to print above
 * the line ("" none), both by ln_alloc or NULL. */
typedef void (*ln_complete_fn)(void *context, const char *text, char **insert, char **listing);

ln_status ln_line_editor_new(ln_complete_fn complete, void *context, ln_line_editor **out,
                             ln_error *err);
void ln_line_editor_free(ln_line_editor *editor); /* writes the history */
/* *line without its end, by ln_alloc; NULL at the end of the input. `*stopped`: Ctrl-C at the prompt. */
ln_status ln_line_read(ln_line_editor *editor, const char *prompt, char **line, bool *stopped,
                       ln_error *err);

#endif
