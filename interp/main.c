/* The program: from argv to an exit status. It sets up what belongs to the process as a whole
 * (signals, the memory limit, the watchdog of --timeout), runs one command and prints its error.
 * Nothing else exits, save the watchdog and a second Ctrl-C, which leave at once.
 *
 * The watchdog is a thread because a script can be inside one long C call (a string pattern, a
 * sort) that no hook interrupts: it first asks (the interrupt flag, which hooks and long loops look
 * at), and GRACE seconds later leaves. What was finished is in the store. */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "command.h"
#include "kernels/library.h"
#include "options.h"

#define GRACE 2.0 /* seconds between asking and leaving */

typedef struct watchdog {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    double seconds; /* of --timeout */
    bool finished;  /* the command came back */
    bool running;   /* the thread exists */
} watchdog;

static void add_seconds(struct timespec *time, double seconds)
{
    double whole = floor(seconds);
    time->tv_sec += (time_t)whole;
    time->tv_nsec += (long)((seconds - whole) * 1e9);
    if (time->tv_nsec >= 1000000000L) {
        time->tv_sec++;
        time->tv_nsec -= 1000000000L;
    }
}

/* True when the time is up before the command came back. */
static bool wait_until(watchdog *dog, const struct timespec *until)
{
    while (!dog->finished)
        if (pthread_cond_timedwait(&dog->wake, &dog->mutex, until) == ETIMEDOUT)
            return !dog->finished;
    return false;
}

static void *watch(void *context)
{
    static const char text[] = "lunette: stopped: the time of --timeout is over\n";
    watchdog *dog = context;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    add_seconds(&until, dog->seconds);
    pthread_mutex_lock(&dog->mutex);
    if (wait_until(dog, &until)) {
        ln_interrupt(LN_INTERRUPT_TIMEOUT);
        add_seconds(&until, GRACE);
        if (wait_until(dog, &until)) {
            if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
                _exit(1);
            _exit(1);
        }
    }
    pthread_mutex_unlock(&dog->mutex);
    return NULL;
}

static ln_status watchdog_start(watchdog *dog, double seconds, ln_error *err)
{
    memset(dog, 0, sizeof *dog);
    if (seconds <= 0)
        return LN_OK;
    dog->seconds = seconds;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&dog->mutex, NULL);
    pthread_cond_init(&dog->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    /* Signals are for the main thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&dog->thread, NULL, watch, dog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return ln_fail(err, LN_EFAILED, "--timeout: no thread can be started: %s",
                       strerror(failed));
    dog->running = true;
    return LN_OK;
}

static void watchdog_stop(watchdog *dog)
{
    if (!dog->running)
        return;
    pthread_mutex_lock(&dog->mutex);
    dog->finished = true;
    pthread_cond_signal(&dog->wake);
    pthread_mutex_unlock(&dog->mutex);
    pthread_join(dog->thread, NULL);
    pthread_cond_destroy(&dog->wake);
    pthread_mutex_destroy(&dog->mutex);
}

/* The first asks; a second one does not wait for the answer. */
static void on_signal(int signal_number)
{
    if (ln_interrupted() && ln_interrupted() != LN_INTERRUPT_TIMEOUT)
        _exit(128 + signal_number);
    ln_interrupt(signal_number);
}

static void set_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* `lunette query ... | head` ends without a word, also where the caller ignores SIGPIPE. */
    action.sa_handler = SIG_DFL;
    sigaction(SIGPIPE, &action, NULL);
}

int ln_exit_status(ln_status status)
{
    switch (status) {
    case LN_OK:
        return 0;
    case LN_EINVALID:
    case LN_EUNSUPPORTED:
        return 2;
    case LN_EFILE:
        return 4;
    case LN_EINTERRUPTED:
        if (ln_interrupted() == SIGINT)
            return 130;
        return ln_interrupted() == SIGTERM ? 143 : 1;
    case LN_ENOMEM:
    case LN_ESTORE:
    case LN_EIO:
    case LN_ECALLBACK:
    case LN_EFAILED:
        return 1;
    }
    return 1;
}

void ln_print_error(const ln_error *err)
{
    fprintf(stderr, "lunette: %s\n", err->message);
    if (err->hint[0])
        fprintf(stderr, "    %s\n", err->hint);
}

static int run_command(const ln_command *command, const ln_options *options)
{
    ln_error err = {.status = LN_OK};
    watchdog dog;
    int result = watchdog_start(&dog, options->timeout, &err);
    if (result == LN_OK)
        result = command->run(options, &err);
    watchdog_stop(&dog);
    if (result < 0) {
        ln_print_error(&err);
        result = ln_exit_status((ln_status)result);
    }
    return result;
}

/* Results that could not be written are no results. */
static int close_output(int result)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return result;
    /* A command that failed has said why. errno is 0 where an earlier write failed: its reason is gone. */
    if (errno != EPIPE && result == 0)
        fprintf(stderr, "lunette: standard output cannot be written%s%s\n", errno ? ": " : "",
                errno ? strerror(errno) : "");
    return result == 0 ? 1 : result;
}

static void print_version(void)
{
    char kernels[64];
    ln_library_name(kernels, sizeof kernels);
    printf("lunette %s\nkernels: %s, %s\n", LN_VERSION, kernels, ln_cpu_isa());
}

static int run_main(int argc, char **argv, ln_options *options)
{
    ln_error err = {.status = LN_OK};
    const ln_command *command;
    ln_request_kind kind;
    bool mistaken = false; /* no command was named */
    ln_status status = ln_options_parse(argc, argv, options, &command, &kind, &err);
    if (status) {
        ln_print_error(&err);
        return ln_exit_status(status);
    }
    if (kind == LN_ASK_VERSION) {
        print_version();
        return 0;
    }
    const char *about = NULL;
    if (kind == LN_ASK_HELP && command && strcmp(command->name, "help") != 0)
        about = command->name;
    if (kind == LN_ASK_HELP) {
        options->operands.count = 0;
        if (about)
            options->operands.at[options->operands.count++] = about;
        /* Asked for, help is a result; without a command it is the answer to a mistake. */
        if (!command && dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
            return 2;
        mistaken = !command;
        command = ln_command_find("help");
    }
    ln_memory_limit(options->memory);
    set_signals();
    int result = run_command(command, options);
    return mistaken && result == 0 ? 2 : result;
}

int main(int argc, char **argv)
{
    ln_options options;
    setlocale(LC_CTYPE, "C.UTF-8"); /* how wide characters are; nothing else depends on it */
    int result = run_main(argc, argv, &options);
    ln_options_free(&options);
    return close_output(result);
}
