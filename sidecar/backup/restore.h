/*
 * A backup into a data directory that holds no data, all or nothing (INVARIANT 3), laid out so that
 * the server loads it whether it runs with appendonly yes or no (INVARIANT 5).
 */
#ifndef BACKUP_RESTORE_H
#define BACKUP_RESTORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backup/manifest.h"
#include "backup/server_files.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/store.h"

enum restore_appendonly {                          /* what the server will be started with */
                          RESTORE_APPENDONLY_AUTO, /* not known: laid out for both */
                          RESTORE_APPENDONLY_YES,
                          RESTORE_APPENDONLY_NO,
};

struct restore_options {
    const char *dir;       /* the data directory, or another target */
    bool create;           /* make dir when it is not there */
    bool if_empty;         /* a volume that holds data is success, untouched */
    bool if_backup_exists; /* a repository without any backup is success */
    bool is_replica;       /* an empty volume is left as it is: the primary fills it */
    bool force;            /* what is there is moved aside */
    bool dry_run;
    const char *instance;
    const char *backup_id; /* NULL: the newest */
    int64_t at_ms;         /* the newest that is not younger; -1: no matter */
    struct server_names names;
    enum restore_appendonly appendonly;
    bool has_owner; /* else: the owner of dir */
    uid_t uid;
    gid_t gid;
    const struct server_version *target; /* the server that will load it; NULL: not known */
    const char *target_from;             /* how target became known, for the message */
    unsigned workers;
    unsigned shrink_percent; /* smaller by so much than one that is pinned is warned of; 0: never */
    const struct clock *clock;
    /* Opens the repository; called only when it is needed: a volume that holds data must come up
     * while the store is down. The store is the restore's from then on. */
    int (*open_store)(void *context, struct store **out, struct err *err);
    /* Does a server run on dir? ERR_HOLDS_DATA says which. Asked before everything that writes, so
     * several times; may be NULL. */
    int (*check_server)(void *context, struct err *err);
    void (*on_event)(void *context, const char *text); /* in words for a log; may be NULL */
    /* What a person should see; may be NULL. */
    void (*on_warning)(void *context, enum problem problem, const char *text);
    void *context;
};

struct restore_skipped {
    char *id;
    char *why;
};

struct restore_result {
    bool restored;
    const char
        *reason; /* "restored", "volume-holds-data", "no-backup", "replica", "dry-run"; static */
    char *id;    /* NULL: none */
    int64_t restored_to_ms; /* the moment that the data shows; -1 */
    bool has_keys;
    uint64_t keys;
    uint64_t bytes;
    char **files; /* as laid out, relative to dir */
    size_t file_count;
    struct restore_skipped *skipped; /* newer restore points that could not be used */
    size_t skipped_count;
    char *aside;           /* where force has moved what was there; NULL */
    char *other_instances; /* "a, b": no backup of ours, but of these; NULL: not so */
    int64_t took_ms;
};

/* ERR_HOLDS_DATA: there is data (and neither if_empty nor force), a server runs on dir or has
 * written into it meanwhile, or an interrupted restore of another backup was finished first.
 * ERR_NOT_FOUND: no backup, no such id, moment not covered. ERR_STORE: the repository could not be
 * asked (INVARIANT 4: never taken for an empty one). ERR_TOO_NEW: the target cannot load it;
 * nothing was fetched. ERR_CORRUPT: neither the wanted backup nor, unless it was named by id, an
 * older one is whole. ERR_BUSY: locked. *out is filled in success and failure; the caller releases
 * it. */
int restore(const struct restore_options *options, struct restore_result *out, struct err *err);
void restore_result_release(struct restore_result *result);

static inline void cleanup_restore_result(struct restore_result *result)
{
    restore_result_release(result);
}
#define auto_restore_result auto_with(cleanup_restore_result)

#endif
