/*
 * Server and sidecar in one container: what is to be done when. Pure: events and a clock in,
 * actions out; pair_run.c does them.
 *
 * The server leads. It is told to stop, and only when it has ended is the sidecar: so a final
 * backup has all of drain-timeout, and finds what the server wrote at its end. A sidecar that dies
 * is started again, later each time; one that is not there at the end is replaced by a backup
 * alone.
 */
#ifndef ENTRYPOINT_PAIR_H
#define ENTRYPOINT_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAIR_AGAIN_MS                                                           \
    1000 /* until a sidecar that died is started again: twice as long each time \
          */
#define PAIR_AGAIN_MAX_MS 60000 /* at most; one that ran for as long begins anew */

enum pair_who {
    PAIR_SERVER,
    PAIR_SIDECAR,
    PAIR_LAST, /* the backup when the server has ended and no sidecar is there to take it */
    PAIR_COUNT,
};

enum pair_what {
    PAIR_START,
    PAIR_SIGNAL,
    PAIR_EXIT, /* with the status of the server: exit_code */
};

struct pair_action {
    enum pair_what what;
    enum pair_who who;
    int signal;
};

#define PAIR_ACTIONS_MAX 8

struct pair_actions {
    struct pair_action list[PAIR_ACTIONS_MAX];
    size_t count;
};

struct pair { /* pair_begin fills it */
    int64_t drain_ms;
    bool runs[PAIR_COUNT];
    bool server_ended;
    int exit_code;
    int64_t sidecar_since_ms;
    int64_t again_ms;    /* how long the last wait was; 0: none */
    int64_t again_at_ms; /* -1: nothing to start */
    int64_t drain_until_ms;
};

/* Each writes what is to be done, in that order, to *out. */
void pair_begin(struct pair *pair, int64_t drain_ms, int64_t now_ms, struct pair_actions *out);
/* One of them has ended; status is that of waitpid. */
void pair_on_end(struct pair *pair, enum pair_who who, int status, int64_t now_ms,
                 struct pair_actions *out);
void pair_on_signal(const struct pair *pair, int signal_number, struct pair_actions *out);
void pair_on_time(struct pair *pair, int64_t now_ms, struct pair_actions *out);
/* Until pair_on_time has something to do; -1: nothing. */
int64_t pair_wait_ms(const struct pair *pair, int64_t now_ms);

/* What a shell would call it: the exit code, or 128 and the signal. */
int pair_exit_code(int status);

#endif
