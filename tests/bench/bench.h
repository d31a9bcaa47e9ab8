/* What the bench programs share: clocks, memory, and stopping where something fails. */
#ifndef LN_BENCH_H
#define LN_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lunette.h"

static inline void stop_on(ln_status status, const ln_error *err)
{
    if (status) {
        fprintf(stderr, "bench: %s\n", err->message);
        exit(1);
    }
}

static inline double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The fastest of several calls, on the clock and of the processor. */
typedef struct fastest {
    double wall, processor;
} fastest;

static inline fastest fastest_of(long count, void (*call)(void *context), void *context)
{
    fastest best = {1e30, 1e30};
    for (long i = 0; i < count; i++) {
        const double used = seconds(CLOCK_PROCESS_CPUTIME_ID), start = seconds(CLOCK_MONOTONIC);
        call(context);
        const double took = seconds(CLOCK_MONOTONIC) - start;
        const double cost = seconds(CLOCK_PROCESS_CPUTIME_ID) - used;
        best.wall = took < best.wall ? took : best.wall;
        best.processor = cost < best.processor ? cost : best.processor;
    }
    return best;
}

/* Prints the peak of resident KiB since the last such call, and those of now. */
static inline void say_memory(void)
{
    char line[256];
    long peak = 0, now = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        sscanf(line, "VmHWM: %ld", &peak);
        sscanf(line, "VmRSS: %ld", &now);
    }
    if (file)
        fclose(file);
    printf("%ld %ld\n", peak, now);
    file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file); /* the peak begins anew */
        fclose(file);
    }
}

#endif
