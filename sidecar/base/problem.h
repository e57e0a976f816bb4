/*
 * Everything that can be wrong, by name. One table: the codes stand in logs, in /status, in metrics
 * and in the manual, so that a person can look one up and an alert can match it. A code is never
 * renamed. Pure.
 */
#ifndef BASE_PROBLEM_H
#define BASE_PROBLEM_H

enum problem {
    PROBLEM_NONE,
    /* the server's saves and files */
    PROBLEM_FORK_FAILED,     /* the server could not fork for a save */
    PROBLEM_BGSAVE_ERR,      /* its last save failed (rdb_last_bgsave_status:err) */
    PROBLEM_SAVE_BUSY,       /* another child of the server went on for too long */
    PROBLEM_MEMORY_LOW,      /* a save was not asked for: its fork may not fit */
    PROBLEM_DISK_FULL,       /* no room on the volume, or in the repository's file system */
    PROBLEM_PERMISSION,      /* a local file or directory that may not be read or written */
    PROBLEM_READ_ONLY,       /* a read-only file system */
    PROBLEM_RDB_CORRUPT,     /* the dump that the server wrote is not whole */
    PROBLEM_AOF_CORRUPT,     /* the append-only files are not whole */
    PROBLEM_WOULD_LOSE,      /* a server that starts on this volume now would lose data */
    PROBLEM_WRITE_ERR,       /* aof_last_write_status:err: the server refuses writes */
    PROBLEM_AOF_REWRITE_ERR, /* aof_last_bgrewrite_status:err */
    PROBLEM_DATA_DIR,        /* data-dir is not where the server writes */
    PROBLEM_LOADED_LESS,     /* the server loaded fewer keys than the newest restore point holds */
    PROBLEM_SHRUNK,          /* the newest backup is much smaller than the one before */
    PROBLEM_NO_DATA,         /* there is nothing to back up */
    /* the way to the server */
    PROBLEM_SERVER_UNREACHABLE,
    PROBLEM_SERVER_AUTH,   /* wrong or missing password */
    PROBLEM_SERVER_DENIED, /* the ACL user lacks a permission, or a command was renamed */
    PROBLEM_SERVER_BUSY,   /* a script blocks it, or all connections are taken */
    PROBLEM_SERVER_LOADING,
    PROBLEM_SERVER_FAILED, /* it refuses for a reason without a code of its own */
    /* the repository */
    PROBLEM_STORE_UNREACHABLE,
    PROBLEM_STORE_DENIED,
    PROBLEM_STORE_MISSING, /* no such bucket or directory */
    PROBLEM_NO_BACKUP,     /* nothing to restore, or nothing backed up yet */
    PROBLEM_BACKUP_STALE,  /* the newest proven backup is older than backup-max-age */
    PROBLEM_BACKUP_CORRUPT,
    PROBLEM_BACKUP_UNPROVEN,
    PROBLEM_BACKUP_TOO_NEW,
    /* redkeep itself */
    PROBLEM_CONFIG,
    PROBLEM_HOLDS_DATA, /* a restore was refused: the target holds data */
    PROBLEM_LOCKED,     /* another redkeep works on the directory, or holds the lease */
    PROBLEM_INTERRUPTED,
    PROBLEM_JOB_CRASHED,
    PROBLEM_JOB_HUNG,
    PROBLEM_DRAIN_TIMEOUT, /* stopped before what SHUTDOWN wrote was stored */
    PROBLEM_LOG_LOST,      /* log lines could not be written */
    PROBLEM_NOTIFY_FAILED,
    PROBLEM_FAILED, /* anything without a code of its own */
    PROBLEM_COUNT,
};

struct problem_row {
    const char *code;   /* "FORK_FAILED"; "" for PROBLEM_NONE */
    const char *cause;  /* one sentence: what it means */
    const char *remedy; /* one or two sentences: what to do */
};

/* Never NULL. Static. */
const struct problem_row *problem_row(enum problem problem);
/* PROBLEM_NONE for a code that is none. */
enum problem problem_find(const char *code);

#endif
