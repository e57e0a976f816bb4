/*
 * What the parts of a guard share: guard.c drives, guard_look.c looks at the directory, guard_aof.c
 * at the append-only set, guard_set.c at its files, guard_old.c at that of before 7.0, guard_file.c
 * into one, guard_mend.c mends, guard_keep.c keeps what that takes out. For them alone.
 */
#ifndef BACKUP_GUARD_JOB_H
#define BACKUP_GUARD_JOB_H

#include <sys/stat.h>

#include "backup/guard.h"
#include "backup/volume.h"
#include "base/fs.h"
#include "redis/aof_manifest.h"
#include "redis/rdb_probe.h"

#define GUARD_NEW_PREFIX "redkeep-new."   /* a file that a fix is writing */
#define GUARD_KEPT_PREFIX "redkeep-kept." /* what a fix has taken out */
#define GUARD_RESTORE "restore the newest backup: redkeep restore --force"
#define GUARD_NO_LINK \
    "put the file itself in the place of the symbolic link, and run redkeep guard --fix again"
#define GUARD_YES "appendonly yes"
#define GUARD_NO "appendonly no"

enum guard_rdb {
    GUARD_RDB_WHOLE,
    GUARD_RDB_CORRUPT,
    GUARD_RDB_OPAQUE, /* another format: nothing is said of it */
};

/* What was found in an RDB, so that it is read once. */
struct guard_seen {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec changed;
    enum guard_rdb rdb;
    char why[200];
    struct rdb_head head;
    uint64_t end; /* of the RDB: commands may follow */
};

struct guard_job {
    const struct guard_options *options;
    struct guard_result *result;
    int dir_fd;
    struct volume_names names;
    char *manifest_name;
    bool with_yes; /* judged for appendonly yes, for appendonly no */
    bool with_no;
    struct guard_seen *seen;
    size_t seen_count;
};

/* ---- findings ---- */

struct guard_trap {
    const char *id;
    const char *when;
    bool loses;
    enum guard_mend mend; /* NONE: not fixable */
    const char *file;
    int64_t offset;
    const char *fix; /* static */
};

/* Adds one; format says why. Borrowed until the next one. */
struct guard_finding *guard_add(struct guard_job *job, const struct guard_trap *trap,
                                const char *format, ...) __attribute__((format(printf, 3, 4)));
void guard_finding_release(struct guard_finding *finding);

/* ---- looking ---- */

/* Everything: adds a finding for whatever is found. */
int guard_look(struct guard_job *job, struct err *err);
/* The append-only set, as a server with appendonly yes takes it. */
int guard_look_at_aof(struct guard_job *job, struct err *err);
/* Has a server written to the append-only set that is there? */
bool guard_has_run_appending(const struct guard_job *job);

struct guard_dump {
    bool is_there;
    bool is_link;   /* a symbolic one: a server replaces it when it saves, so it is made no base */
    struct stat st; /* of the file itself */
    bool is_whole;
    bool is_empty; /* no key, no function */
};
/* Reads it when it is there; finds nothing. */
int guard_look_at_dump(struct guard_job *job, struct guard_dump *out, struct err *err);

/* The set that a server with appendonly no passes over. */
int guard_look_at_ignored_aof(struct guard_job *job, const struct guard_dump *dump,
                              struct err *err);

/* Is there an append-only file of a server before 7.0? */
int guard_has_old_file(const struct guard_job *job, bool *out, struct err *err);
bool guard_old_file_has_bytes(const struct guard_job *job);
/* Finds what is wrong with it where the server takes it for its base; is_listed: a manifest says so
 * already. */
int guard_judge_old_file(struct guard_job *job, bool is_listed, struct err *err);
/* It lies beside a set that the server takes. */
int guard_find_ignored_old_file(struct guard_job *job, struct err *err);

/* Reads a whole RDB; *out is borrowed until the next one. */
int guard_read_rdb(struct guard_job *job, int fd, const char *path, const struct guard_seen **out,
                   struct err *err);
/* Finds an RDB that a server would not load, as a base or a dump; true when it would. */
bool guard_judge_rdb(struct guard_job *job, const struct guard_seen *seen, const char *id,
                     const char *when, const char *path);
/* Finds what is wrong with the commands of a file, from byte `from` on. */
int guard_judge_commands(struct guard_job *job, int fd, const char *path, uint64_t from,
                         bool is_last, struct err *err);

struct guard_set {
    struct guard_job *job;
    int fd;                   /* of the directory; -1: there is none */
    struct aof_manifest list; /* what the manifest says */
};

/* The path of a file of the set, relative to the data directory; heap. */
char *guard_path_of(const struct guard_job *job, const char *name);
/* The files that lie there under the names of a set, as a manifest would list them. */
int guard_list_by_name(const struct guard_set *set, struct aof_manifest *out, struct err *err);
enum guard_content {
    GUARD_COMMANDS,
    GUARD_RDB,
    GUARD_UNKNOWN, /* neither: as a base, another format; of an incr, bytes that are no commands */
};
/* By the first bytes. */
int guard_look_at_head(int fd, const char *path, enum guard_content *out, struct err *err);
/* Finds what is wrong with those that are listed, and those that are not. */
int guard_judge_listed(const struct guard_set *set, struct err *err);
int guard_judge_unlisted(const struct guard_set *set, struct err *err);
/* Is there anything in them that the server would overwrite, or append to? */
bool guard_holds_data(const struct guard_set *set, const struct aof_manifest *there);
/* Adds a finding about the manifest; it is fixable when names and files leave no doubt. */
int guard_find_manifest(const struct guard_set *set, const char *id, const char *why,
                        struct err *err);

/* ---- mending ---- */

/* Mends one finding; finding->kept is set when something was kept. */
int guard_mend(struct guard_job *job, struct guard_finding *finding, struct err *err);

/* A new file beside `name`, owned as `like` is; *out_fd is open for writing. */
int guard_new_file(int dir_fd, const char *name, const struct stat *like, int *out_fd,
                   struct err *err);
/* Fsyncs it; it takes the place of `name` in one rename. */
int guard_put_new_file(int dir_fd, const char *name, int fd, struct err *err);
/* Gives the file a second name; *out_kept (heap) is it. */
int guard_keep_file(int dir_fd, const char *name, char **out_kept, struct err *err);
/* Copies the bytes of the file from there on into a file of their own. */
int guard_keep_tail(int dir_fd, const char *name, uint64_t from, char **out_kept, struct err *err);
/* Copies bytes [from, to) of one file to the end of another. */
int guard_copy(int from_fd, int to_fd, uint64_t from, uint64_t to, const char *label,
               struct err *err);

#endif
