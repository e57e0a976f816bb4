/*
 * A look at the volume before the server starts: does it hold a trap, that is, files with which the
 * server would start without data, with less data than there is, or not at all? And the mending of
 * those that can be mended without losing a command.
 *
 * Nothing is judged that only the server could know. Nothing is written while a server runs there.
 * Whatever bytes a fix takes out of a file stay on the volume, under "redkeep-kept." names inside
 * the append-only directory: servers pass over what their manifest does not list, and the data
 * directory itself gets no new entry (INVARIANT 10).
 */
#ifndef BACKUP_GUARD_H
#define BACKUP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/restore.h"
#include "backup/server_files.h"
#include "base/clock.h"
#include "base/err.h"
#include "redis/server_version.h"

struct guard_options {
    const char *dir; /* the data directory */
    struct server_names names;
    enum restore_appendonly appendonly; /* auto: judged by what lies there, else both ways */
    bool fix;
    bool beside_server; /* only looked at: neither a server that runs there nor the lock matters */
    const struct server_version *target; /* the server that will load it; NULL: not known */
    const char *target_from;
    const struct clock *clock;
    /* As for a restore; asked at the start, and before everything that writes. May be NULL. */
    int (*check_server)(void *context, struct err *err);
    void (*on_event)(void *context, const char *text); /* may be NULL */
    void *context;
};

/* What a fix does; for guard*.c alone. */
enum guard_mend {
    GUARD_MEND_NONE,
    GUARD_MEND_LAY_BASE,    /* the dump becomes the base of an append-only set, too */
    GUARD_MEND_LINK_BASE,   /* so it was, and has been replaced by a newer one */
    GUARD_MEND_FIRST_START, /* the dump becomes the base of a set that is empty */
    GUARD_MEND_MANIFEST,    /* `text` becomes the manifest */
    GUARD_MEND_DROP,        /* runs of NULs and torn transactions are left out of `file` */
    GUARD_MEND_CUT,         /* `file` ends at its last whole command */
    GUARD_MEND_REMOVE,      /* `file` goes */
    GUARD_MEND_RESTORE,     /* an interrupted restore is finished, or thrown away */
};

struct guard_finding {
    const char *id;   /* static; the table in README.md */
    const char *when; /* "appendonly yes", "appendonly no"; NULL: either way. Static */
    char *file;       /* relative to the data directory */
    int64_t offset;   /* -1: the file as a whole */
    bool loses;       /* the server would start with less data than there is, or not at all */
    bool fixable;     /* without losing a command */
    bool fixed;
    char *why;  /* what the server does with it */
    char *fix;  /* what mends it, or what to do */
    char *kept; /* where the bytes are that the fix took out, relative as file; NULL: none */

    enum guard_mend mend;
    char *text;
};

struct guard_result {
    struct guard_finding *findings; /* those that were mended first */
    size_t count;
    const char *appendonly; /* how it was judged: "yes", "no", "auto" (both ways); static */
    int64_t took_ms;
};

/* Looks, and mends with options->fix: one after the other, each all or nothing, and looked at again
 * afterwards. Success also with findings. ERR_HOLDS_DATA: a server runs on it; ERR_BUSY: locked;
 * ERR_FAILED: it could not be looked at, or mended. *out is filled in success and failure; the
 * caller releases it. */
int guard(const struct guard_options *options, struct guard_result *out, struct err *err);
void guard_result_release(struct guard_result *result);

/* Is nothing left that would be lost? Else ERR_CORRUPT, naming what is. */
int guard_judge(const struct guard_result *result, const char *dir, struct err *err);

/* Removes what fixes have kept before that moment, as far as that works: a backup that began later
 * holds what they mended. */
void guard_forget_kept(int dir_fd, const char *appenddirname, int64_t before_ms);

static inline void cleanup_guard_result(struct guard_result *result)
{
    guard_result_release(result);
}
#define auto_guard_result auto_with(cleanup_guard_result)

#endif
