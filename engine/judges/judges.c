/* The table of judges: one line here, its words in a file a family, one test, one page. */
#include "judges/judge.h"

#include <string.h>

#define JUDGES(X)                                                                                  \
    X(deletion)                                                                                    \
    X(insertion)                                                                                   \
    X(pixel_flipping)                                                                              \
    X(sparseness)                                                                                  \
    X(complexity)                                                                                  \
    X(completeness)                                                                                \
    X(relevance_mass)                                                                              \
    X(relevance_rank)                                                                              \
    X(pointing_game)                                                                               \
    X(parameter_randomisation)                                                                     \
    X(off_manifold)

#define DECLARE(name) extern const ln_judge ln_judge_##name;
JUDGES(DECLARE)

#define ENTRY(name) &ln_judge_##name,
const ln_judge *const ln_judges[] = {JUDGES(ENTRY) NULL};

const ln_judge *ln_judge_find(const char *word)
{
    for (const ln_judge *const *entry = ln_judges; *entry; entry++)
        if (strcmp((*entry)->word.name, word) == 0)
            return *entry;
    return NULL;
}
