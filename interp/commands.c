/* The table of commands, in the order in which `lunette help` lists them. A new command is its file
 * in commands/ and its line here. */
#include "command.h"

#include <string.h>

#define COMMANDS(X)                                                                                \
    X(run)                                                                                         \
    X(check)                                                                                       \
    X(repl)                                                                                        \
    X(runs)                                                                                        \
    X(show)                                                                                        \
    X(predict)                                                                                     \
    X(query)                                                                                       \
    X(compare)                                                                                     \
    X(reproduce)                                                                                   \
    X(import)                                                                                      \
    X(export)                                                                                      \
    X(verify)                                                                                      \
    X(tag)                                                                                         \
    X(note)                                                                                        \
    X(rm)                                                                                          \
    X(gc)                                                                                          \
    X(list)                                                                                        \
    X(help)                                                                                        \
    X(test)

#define DECLARE(name) extern const ln_command ln_command_##name;
COMMANDS(DECLARE)
#undef DECLARE

#define ENTRY(name) &ln_command_##name,
const ln_command *const ln_commands[] = {COMMANDS(ENTRY) NULL};
#undef ENTRY

const ln_command *ln_command_find(const char *name)
{
    for (int i = 0; ln_commands[i]; i++)
        if (strcmp(ln_commands[i]->name, name) == 0)
            return ln_commands[i];
    return NULL;
}
