/*
 * The settings: what an operator decides, from flags, the environment, a file, and defaults, in
 * that order of precedence. The table in settings_table.c is the only place where a setting exists;
 * this struct holds the checked values. Nothing below daemon/ knows of it: commands fill the option
 * structs of the modules from it.
 */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "daemon/arguments.h"
#include "host/advise.h"

/* Bits of backup_include. */
enum settings_include {
    SETTINGS_INCLUDE_RDB = 1 << 0,
    SETTINGS_INCLUDE_AOF = 1 << 1,
    SETTINGS_INCLUDE_ACL = 1 << 2,
    SETTINGS_INCLUDE_CLUSTER = 1 << 3,
};

enum settings_appendonly {
    SETTINGS_APPENDONLY_AUTO,
    SETTINGS_APPENDONLY_YES,
    SETTINGS_APPENDONLY_NO,
};

enum settings_guard {
    SETTINGS_GUARD_OFF,
    SETTINGS_GUARD_REPORT,
    SETTINGS_GUARD_FIX,
};

enum settings_role {
    SETTINGS_ROLE_ANY,
    SETTINGS_ROLE_PRIMARY,
    SETTINGS_ROLE_REPLICA,
};

enum settings_prune {
    SETTINGS_PRUNE_ON,
    SETTINGS_PRUNE_OFF,
};

enum settings_lock {
    SETTINGS_LOCK_GOVERNANCE,
    SETTINGS_LOCK_COMPLIANCE,
};

struct settings_owner {
    bool is_set; /* false = the owner of the data directory */
    uint32_t uid;
    uint32_t gid;
};

struct setting_shown { /* what `redkeep config` says of one row of the table */
    char *text;        /* the value in effect, masked; NULL = not set */
    char *origin;      /* "default", "flag --x", "environment X", "file /path:3" */
};

struct settings {
    /* the server; text that is NULL was not set */
    char *redis_url; /* may hold a password: never print it, settings_masked_url() can */
    char *redis_username;
    struct secret redis_password;
    char *redis_tls_ca_file;
    char *redis_tls_cert_file; /* with its key, or neither */
    char *redis_tls_key_file;
    char *redis_tls_server_name;
    char *bgsave_command;    /* what the server calls BGSAVE */
    char *config_command;    /* what the server calls CONFIG */
    char *server_version;    /* what a restore is for: "7.0.15", "valkey 8.1"; NULL = auto */
    int64_t save_timeout_ms; /* 0 = none */

    /* its files; NULL = ask the server, else the name that Redis has by default */
    char *data_dir;
    char *dbfilename;
    char *appendfilename;
    char *appenddirname;
    char *aclfile; /* relative to data_dir */
    enum settings_appendonly appendonly;
    struct settings_owner restore_owner;
    char *server_user;         /* name, UID or UID:GID; NULL = redis, else valkey */
    enum settings_guard guard; /* of what prepare finds on the volume */
    char *primary;             /* HOST:PORT; NULL = off */

    /* the repository */
    char *repository; /* NULL = not set */
    char *instance;
    unsigned backup_include; /* bits of enum settings_include */
    unsigned lock_days;      /* 0 = off */
    enum settings_lock lock_mode;
    char *backup_lease; /* "auto", "off", or the name of one */

    /* which backups stay; 0, NULL = off */
    unsigned keep_last;
    unsigned keep_hourly;
    unsigned keep_daily;
    unsigned keep_weekly;
    unsigned keep_monthly;
    char *keep_within; /* see retention.h */
    enum settings_prune prune;

    /* the sidecar */
    char *backup_schedule; /* see schedule.h */
    int64_t backup_jitter_ms;
    char *timezone;
    enum settings_role backup_role;
    unsigned backup_on_changes; /* writes; 0 = off */
    int64_t backup_max_age_ms;  /* 0 = twice the schedule */
    char *verify_schedule;      /* see schedule.h */
    char *drill_server;         /* NULL = the one in PATH, by hand only */
    char *drill_dir;
    unsigned shrink_alarm; /* percent; 0 = off */
    int64_t drain_timeout_ms;
    char *http_listen; /* NULL = off */
    struct secret http_token;
    char *notify_url; /* never print these two: settings_masked_hook() can */
    char *heartbeat_url;

    char *fix_server; /* what `check --fix` may CONFIG SET, separated by commas; NULL = nothing */

    /* what advise is told */
    enum advise_durability durability;
    enum advise_use use;
    enum advise_storage storage;
    int64_t recovery_point_ms; /* 0 = not stated */

    /* speed */
    unsigned compression_level; /* 0 stores */
    unsigned compress_workers;  /* at least 1 */
    unsigned upload_parallel;   /* 0 = auto */
    uint64_t part_bytes;        /* 0 = auto */
    uint64_t bandwidth_limit;   /* bytes a second; 0 = none */

    enum log_level log_level;
    enum log_format log_format;

    struct setting_shown *shown; /* by row of the table; NULL when not made by settings_load */
};

/* All that settings come from, so that a test can say what the machine is. */
struct settings_input {
    const struct arguments *arguments; /* NULL = no flags */
    char *const *environment;          /* NAME=value, ended by NULL */
    const char *default_file;          /* read when it is there and nothing else was named */
    const char *host_name;             /* the default of `instance` */
    unsigned cpus;                     /* the default of `compress-workers` is one less */
};

/* Reads and checks all of them. ERR_CONFIG, naming the setting and where it came from, for an
 * unknown name (with the nearest known one), a value that its type refuses, or a file that cannot
 * be read. An empty environment variable counts as not set. */
int settings_load(const struct settings_input *input, struct settings *out, struct err *err);
void settings_release(struct settings *settings);

/* The settings in effect and their origin, secrets masked: a line each, or an object by name whose
 * members are `value` and `origin` (sizes are bytes, durations seconds, not set is null). */
void settings_print_text(const struct settings *settings, FILE *out);
struct json *settings_to_json(const struct settings *settings);
/* The lines of --help: flag, default, what it is. */
void settings_print_help(FILE *out);
void settings_print_options(const struct option_spec *options, FILE *out);

/* url with whatever can be a password or a token in it replaced by ***; the caller frees it. */
char *settings_masked_url(const char *url);
/* The same of a URL whose path is a secret: only scheme and host are left. */
char *settings_masked_hook(const char *url);

static inline void cleanup_settings(struct settings *settings)
{
    settings_release(settings);
}
#define auto_settings auto_with(cleanup_settings)

#endif
