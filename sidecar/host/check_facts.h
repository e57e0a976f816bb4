/*
 * What the checks judge: facts, read once (check_read.h for the host and the volume; the command
 * for server and backups). Tests fill it from saved trees and texts. Text is borrowed.
 */
#ifndef HOST_CHECK_FACTS_H
#define HOST_CHECK_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "host/pairs.h"

/* The volume, as the directory that redkeep sees; -1 and NULL: unknown. */
struct check_volume {
    const char *path;        /* data-dir; NULL: none is set or it is not there */
    const char *why;         /* without a path: why in words; static, NULL: none is set */
    const char *file_system; /* "ext4", "xfs", "nfs4", "overlay", "tmpfs": /proc/mounts' word */
    int64_t total_bytes;
    int64_t free_bytes;   /* for those who are not root */
    int64_t total_inodes; /* 0: the file system has no fixed number */
    int64_t free_inodes;
    int is_read_only;  /* 0, 1, -1 */
    int64_t owner_uid; /* of the directory */
    int64_t owner_gid;
    int64_t mode;               /* permission bits */
    bool is_mount;              /* a volume of its own: only who has it mounted reaches it */
    int64_t fsync_us;           /* the median of a few measured ones; -1: not measured */
    const char *const *entries; /* names at the top, NULL-terminated; NULL: could not be listed */
    const char *const *old_temp_files; /* leftovers of saves that died; NULL-terminated, or NULL */
    int repository_is_inside;          /* the file:// repository is on the same volume: 0, 1, -1 */
};

/* The backups, of the sidecar's status or the repository; -1: unknown. */
struct check_backup {
    bool has_repository;  /* one is set */
    bool is_directory;    /* file://, no bucket */
    int64_t newest_ms;    /* when its data was forked; 0: there is none */
    int64_t max_age_ms;   /* 0: no bound */
    int64_t lag_ms;       /* what a lost volume would cost now */
    int64_t drilled_ms;   /* the last drill; 0: never */
    int drill_ok;         /* 0, 1, -1 */
    int has_drill_server; /* one is set */
    int is_encrypted;     /* the newest backup */
    int may_delete;       /* the credentials can delete objects: 0, 1, -1 not tried */
    int is_versioned;     /* the bucket keeps versions of what is deleted */
    const char *why;      /* why one of these two is -1, in words; NULL: nobody asked */
    unsigned lock_days;   /* objects are locked for so long; 0: they are not */
    int prunes;           /* the setting prune is on */
    bool has_cluster;     /* the settings say that nodes.conf is backed up too */
};

/* Whether the kernel believes that its clock is kept by somebody (adjtimex(2), STA_UNSYNC). */
enum check_clock_sync { CHECK_CLOCK_UNKNOWN, CHECK_CLOCK_SYNCED, CHECK_CLOCK_UNSYNCED };

/* What a client without a user's name meets, as it was tried; requirepass alone does not tell,
 * since an ACL file or ACL SETUSER may have said otherwise. */
enum check_login { CHECK_LOGIN_UNKNOWN, CHECK_LOGIN_FREE, CHECK_LOGIN_PASSWORD };

/* What the user `default` may: all of it, or not. */
enum check_default_user {
    CHECK_DEFAULT_USER_UNKNOWN,
    CHECK_DEFAULT_USER_WHOLE,
    CHECK_DEFAULT_USER_LIMITED,
};

/* The way to the server. */
struct check_tls {
    bool is_used;
    bool is_ours;    /* the certificate that runs out first is redkeep's, not the server's */
    int64_t from_ms; /* of that one; wall clock */
    int64_t until_ms;
};

/* What reading the clock costs: the share of the time that the kernel takes of it. */
struct check_clock_cost {
    bool is_measured;
    unsigned kernel_percent;
};

/* How often a write has waited for the disk of late (aof_delayed_fsync), as the sidecar saw it. */
struct check_delays {
    int64_t span_s; /* over how long; 0: not known */
    int64_t count;
};

struct check_facts {
    int root_fd; /* "/", or a saved tree: proc/sys/vm/..., sys/kernel/mm/..., are read below it */
    int64_t now_ms; /* wall clock */

    /* the server; NULL: cannot be asked, server_why says why in words */
    const struct pairs *info;   /* INFO everything; of a cluster CLUSTER INFO behind it */
    const struct pairs *config; /* CONFIG GET *; NULL: not allowed */
    const char *server_why;
    bool is_job; /* of a sidecar: there is a server, which may only be away for a moment */
    enum check_login login;
    struct check_tls tls;
    bool is_default_user; /* it lets us in as the user `default`, which is there then */
    enum check_default_user default_user;
    bool is_same_network; /* reached by loopback: its network namespace is ours */
    int64_t server_pid; /* its process below root_fd's proc/; -1: not visible (its PID namespace) */
    struct check_delays delays;

    /* what the settings say */
    bool is_cache;    /* use cache */
    bool is_prepared; /* redkeep prepare, or entrypoint, runs before each of its starts */

    enum check_clock_sync clock_sync; /* check_read_clock's */
    struct check_clock_cost clock_cost;

    struct check_volume volume;
    struct check_backup backup;
};

#endif
