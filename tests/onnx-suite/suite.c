/* Runs a folder of ONNX's backend cases and counts, by operator:
 *
 *     onnx-suite DIR [PART OF A NAME] [-v] [-f]
 *
 * DIR is searched for folders with a model.onnx. Each case runs in a process of its own, so that none
 * takes the others with it. -v prints every case, -f computes as numerics "fast" does. Exit status 1
 * where one failed. */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

enum { SECONDS = 60, MOST_CASES = 20000 };

typedef struct one_case {
    char *folder;
    suite_result result;
} one_case;

static one_case cases[MOST_CASES];
static int case_count;

static void find_cases(const char *folder, const char *part)
{
    char path[1024];
    struct dirent **entries;
    struct stat info;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    if (stat(path, &info) == 0) {
        if (strstr(folder, part) && case_count < MOST_CASES)
            cases[case_count++].folder = strdup(folder);
        return;
    }
    const int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
            find_cases(path, part);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

/* The result that a process of its own writes into a pipe. */
static void run_apart(one_case *at, bool fast)
{
    int ends[2], status = 0;
    at->result = (suite_result){.verdict = SUITE_FAILED, .operator_name = "(none)"};
    fflush(stdout);
    if (pipe(ends) != 0)
        return;
    const pid_t child = fork();
    if (child == 0) {
        suite_result result;
        alarm(SECONDS);
        suite_run_case(at->folder, fast, &result);
        _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
    }
    close(ends[1]);
    const ssize_t got = read(ends[0], &at->result, sizeof at->result);
    close(ends[0]);
    waitpid(child, &status, 0);
    if (got == sizeof at->result)
        return;
    at->result = (suite_result){.verdict = SUITE_FAILED, .operator_name = "(none)"};
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(at->result.reason, sizeof at->result.reason, "no end after %d seconds", SECONDS);
    else
        snprintf(at->result.reason, sizeof at->result.reason, "crashed (status %d)", status);
}

static int by_operator(const void *a, const void *b)
{
    const one_case *x = a, *y = b;
    const int order = strcmp(x->result.operator_name, y->result.operator_name);
    return order ? order : strcmp(x->folder, y->folder);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The cases [first, last) of one operator: counts, and each reason once. */
static void print_operator(int first, int last)
{
    int counts[3] = {0};
    for (int i = first; i < last; i++)
        counts[cases[i].result.verdict]++;
    printf("%-28s %6d %6d %7d\n", cases[first].result.operator_name, counts[0], counts[1],
           counts[2]);
    for (int i = first; i < last; i++) {
        bool said = cases[i].result.verdict == SUITE_PASSED;
        for (int j = first; j < i && cases[i].result.verdict == SUITE_SKIPPED; j++)
            said = said ||
                   (cases[j].result.verdict == SUITE_SKIPPED &&
                    strcmp(cases[j].result.operator_name, cases[i].result.operator_name) == 0 &&
                    strlen(cases[j].result.reason) == strlen(cases[i].result.reason));
        if (!said)
            printf("    %s %s: %s\n",
                   cases[i].result.verdict == SUITE_FAILED ? "FAILED" : "skipped",
                   base_name(cases[i].folder), cases[i].result.reason);
    }
}

int main(int argc, char **argv)
{
    static const char *const verdicts[] = {"passed", "FAILED", "skipped"};
    bool verbose = false, fast = false;
    const char *part = "";
    int counts[3] = {0};
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else if (strcmp(argv[i], "-f") == 0)
            fast = true;
        else
            part = argv[i];
    if (argc < 2) {
        fprintf(stderr, "usage: onnx-suite DIR [PART OF A NAME] [-v] [-f]\n");
        return 2;
    }
    find_cases(argv[1], part);
    for (int i = 0; i < case_count; i++) {
        run_apart(&cases[i], fast);
        counts[cases[i].result.verdict]++;
        if (verbose)
            printf("%s %s %s %s\n", verdicts[cases[i].result.verdict], base_name(cases[i].folder),
                   cases[i].result.operator_name, cases[i].result.reason);
    }
    qsort(cases, (size_t)case_count, sizeof *cases, by_operator);
    printf("%-28s %6s %6s %7s\n", "operator", "passed", "failed", "skipped");
    for (int first = 0, last; first < case_count; first = last) {
        for (last = first; last < case_count && strcmp(cases[last].result.operator_name,
                                                       cases[first].result.operator_name) == 0;)
            last++;
        print_operator(first, last);
    }
    printf("%d passed, %d failed, %d skipped\n", counts[0], counts[1], counts[2]);
    for (int i = 0; i < case_count; i++)
        free(cases[i].folder);
    return counts[SUITE_FAILED] > 0;
}
