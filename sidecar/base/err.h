/*
 * The one error object. A fallible function returns 0, or -1 after filling the caller's struct err;
 * it leaves the object untouched on success. Nothing is allocated. A message says what was
 * attempted, on what, and why it failed; `HINT: ...` says what a person can do next. Never put a
 * secret into a message.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/problem.h"

/* A kind exists because a caller branches on it. The values are the documented exit codes. */
enum err_kind {
    ERR_NONE = 0,
    ERR_FAILED = 1,     /* anything without a kind of its own */
    ERR_CONFIG = 2,     /* usage or configuration */
    ERR_NOT_FOUND = 3,  /* no backup, no such object */
    ERR_HOLDS_DATA = 4, /* refused: the target holds data */
    ERR_STORE = 5,      /* repository unreachable or access denied */
    ERR_CORRUPT = 6,    /* bytes that are not what they must be */
    ERR_SERVER = 7,     /* server unreachable or refuses */
    ERR_BUSY = 8,       /* another redkeep holds the lock */
    ERR_TOO_NEW = 9,    /* written by a server, or a redkeep, too new for the target */
};

#define ERR_MSG_MAX 1024

struct err {
    enum err_kind kind;
    int code;             /* errno, an HTTP status or 0; says nothing without the kind */
    enum problem problem; /* what err_as said; else PROBLEM_NONE, and err_problem derives it */
    char msg[ERR_MSG_MAX];
};

/* Fills *err; returns -1, so that `return err_set(...)` is one statement. A message that is too
 * long is cut. err may not be NULL. */
int err_set(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Like err_set with the errno of the failed call as code and ": <its text>" behind the message.
 * Call it before anything else can change errno. ENOSPC, EDQUOT, EROFS, EACCES and EPERM gain a
 * hint. */
int err_sys(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<text>: " in front of the message; kind and code stay. When it gets too long, what stands
 * before the hint is cut. Returns -1. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts ". HINT: <hint>" behind a message that has none; all else stays. Returns -1. */
int err_advise(struct err *err, const char *hint);

/* Says which problem it is, where kind and code cannot tell; err_set and err_sys forget it,
 * err_wrap keeps it. Returns -1. */
int err_as(struct err *err, enum problem problem);
/* The problem that was said, else the one that kind and code mean; PROBLEM_NONE only for no error
 * at all. */
enum problem err_problem(const struct err *err);

/* "failed", "config", "not-found", ...: the kind in logs and JSON. Static. */
const char *err_kind_name(enum err_kind kind);
/* Where the last "HINT: " of a message begins, NULL when it has none. Borrowed from message. */
const char *err_hint(const char *message);

#ifdef __clang_analyzer__
/* The analyzer cannot see that they always return -1, and would follow paths that do not exist. */
#define err_set(...) ((err_set)(__VA_ARGS__), -1)
#define err_sys(...) ((err_sys)(__VA_ARGS__), -1)
#define err_wrap(...) ((err_wrap)(__VA_ARGS__), -1)
#define err_advise(...) ((err_advise)(__VA_ARGS__), -1)
#define err_as(...) ((err_as)(__VA_ARGS__), -1)
#endif

#endif
