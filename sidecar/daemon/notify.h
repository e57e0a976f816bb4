/*
 * What is told to people and to other programs: JSON that Slack-compatible hooks accept (`text`)
 * and that a program can read (the other members). Pure; `redkeep notify` sends it.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdint.h>

#include "base/json.h"
#include "base/problem.h"

enum notify_event {
    NOTIFY_FAILED,    /* a backup (or another job) failed, its tries are used up */
    NOTIFY_RECOVERED, /* the first success after a failure, or the end of a problem */
    NOTIFY_PROBLEM,   /* something else is wrong: LOADED_LESS, SHRUNK, BACKUP_STALE, ... */
    NOTIFY_RESTORED,  /* a restore is done */
    NOTIFY_TEST,      /* somebody tries the hook */
};

struct notify_message {
    enum notify_event event;
    const char *instance;
    enum problem problem; /* PROBLEM_NONE: none */
    const char *what;     /* one sentence */
    int64_t at_ms;
};

/* {"text":"redkeep cache-0:
 * ...","event":"failed","instance","time","what","code","cause","remedy"}; the last three are null
 * without a problem, the last two at its end too. A root that the caller frees. */
struct json *notify_to_json(const struct notify_message *message);

#endif
