/*
 * One row per setting, in the order of the documentation. A row is added together with the code
 * that reads its field, never before.
 */
#include "daemon/settings_table.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "daemon/nearest.h"
#include "daemon/settings.h"

#define MIB ((uint64_t)1024 * 1024)

static const char *const include_words[] = {"rdb", "aof", "acl", "cluster", NULL};
static const char *const appendonly_words[] = {"auto", "yes", "no", NULL};
static const char *const repository_words[] = {"s3://", "file:///", NULL};
static const char *const hook_words[] = {"https://", "http://", NULL};
static const char *const role_words[] = {"any", "primary", "replica", NULL};
static const char *const prune_words[] = {"on", "off", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};
static const char *const format_words[] = {"auto", "text", "json", NULL};

#define FIELD(field) .offset = offsetof(struct settings, field)
#define KEEP(name_, field, default_, help_)                                                        \
    {                                                                                              \
        .name = name_, .type = SETTING_UINT, FIELD(field), .default_text = default_, .value = "N", \
        .help = help_, .zero_word = "off", .min = 1, .max = UINT32_MAX                             \
    }

const struct setting_row setting_table[] = {
    {.name = "redis-url",
     .type = SETTING_SERVER,
     FIELD(redis_url),
     .default_text = "redis://127.0.0.1:6379",
     .value = "URL",
     .help = "the server: redis://[USER@]HOST[:PORT][/DB] or unix:///PATH"},
    {.name = "redis-username",
     .type = SETTING_STRING,
     FIELD(redis_username),
     .value = "NAME",
     .help = "the ACL user to log in as"},
    {.name = "redis-password",
     .type = SETTING_SECRET,
     FIELD(redis_password),
     .value = "TEXT",
     .help = "the password to log in with"},
    {.name = "bgsave-command",
     .type = SETTING_WORD,
     FIELD(bgsave_command),
     .default_text = "BGSAVE",
     .value = "NAME",
     .help = "what the server calls BGSAVE, after rename-command"},
    {.name = "config-command",
     .type = SETTING_WORD,
     FIELD(config_command),
     .default_text = "CONFIG",
     .value = "NAME",
     .help = "what the server calls CONFIG, after rename-command"},
    {.name = "save-timeout",
     .type = SETTING_DURATION,
     FIELD(save_timeout_ms),
     .default_text = "off",
     .value = "TIME",
     .help = "how long to wait for a save of the server before giving up",
     .zero_word = "off",
     .min = 1,
     .max = (uint64_t)INT64_MAX},
    {.name = "server-version",
     .type = SETTING_VERSION,
     FIELD(server_version),
     .default_text = "auto",
     .value = "VERSION",
     .help = "what a restore is for, such as 7.0.15 or \"valkey 8.1\"",
     .zero_word = "auto"},
    {.name = "data-dir",
     .type = SETTING_STRING,
     FIELD(data_dir),
     .default_text = "/data",
     .value = "DIR",
     .help = "where redkeep sees the server's dir"},
    {.name = "dbfilename",
     .type = SETTING_FILENAME,
     FIELD(dbfilename),
     .value = "NAME",
     .help = "the server's setting of that name; else asked from it, else dump.rdb"},
    {.name = "appendonly",
     .type = SETTING_ENUM,
     FIELD(appendonly),
     .default_text = "auto",
     .value = "WHAT",
     .help = "what the server will be started with, where it cannot be asked",
     .words = appendonly_words},
    {.name = "appendfilename",
     .type = SETTING_FILENAME,
     FIELD(appendfilename),
     .value = "NAME",
     .help = "the server's setting of that name; else asked from it, else appendonly.aof"},
    {.name = "appenddirname",
     .type = SETTING_FILENAME,
     FIELD(appenddirname),
     .value = "NAME",
     .help = "the server's setting of that name; else asked from it, else appendonlydir"},
    {.name = "aclfile",
     .type = SETTING_PATH,
     FIELD(aclfile),
     .value = "PATH",
     .help = "the server's ACL file below data-dir; else asked from it, else users.acl"},
    {.name = "repository",
     .type = SETTING_URL,
     FIELD(repository),
     .value = "URL",
     .help = "where backups live, a bucket and prefix or a directory",
     .words = repository_words},
    {.name = "instance",
     .type = SETTING_FILENAME,
     FIELD(instance),
     .default_text = SETTING_DEFAULT_HOST_NAME,
     .value = "NAME",
     .help = "this server's own name in the repository"},
    {.name = "backup-schedule",
     .type = SETTING_SCHEDULE,
     FIELD(backup_schedule),
     .default_text = "@hourly",
     .value = "WHEN",
     .help = "five-field cron, @hourly..., \"@every 15m\", or off"},
    {.name = "backup-jitter",
     .type = SETTING_DURATION,
     FIELD(backup_jitter_ms),
     .default_text = "0",
     .value = "TIME",
     .help = "each run begins up to so much later, another time for each instance",
     .zero_word = "off",
     .max = (uint64_t)INT64_MAX},
    {.name = "timezone",
     .type = SETTING_WORD,
     FIELD(timezone),
     .default_text = "UTC",
     .value = "ZONE",
     .help = "of the schedule, retention and the page, such as Europe/Berlin"},
    {.name = "backup-role",
     .type = SETTING_ENUM,
     FIELD(backup_role),
     .default_text = "any",
     .value = "WHAT",
     .help = "scheduled backups only while the server is that: any, primary, replica",
     .words = role_words},
    {.name = "backup-on-changes",
     .type = SETTING_UINT,
     FIELD(backup_on_changes),
     .default_text = "off",
     .value = "N",
     .help = "no scheduled backup when nothing changed, an early one after N writes",
     .zero_word = "off",
     .min = 1,
     .max = UINT32_MAX},
    {.name = "backup-max-age",
     .type = SETTING_DURATION,
     FIELD(backup_max_age_ms),
     .default_text = "auto",
     .value = "TIME",
     .help = "older than this, /backupz fails; auto: twice the schedule",
     .zero_word = "auto",
     .min = 1000,
     .max = (uint64_t)INT64_MAX},
    {.name = "verify-schedule",
     .type = SETTING_SCHEDULE,
     FIELD(verify_schedule),
     .default_text = "off",
     .value = "WHEN",
     .help = "when the sidecar verifies the newest backup, as backup-schedule"},
    {.name = "drill-server",
     .type = SETTING_STRING,
     FIELD(drill_server),
     .value = "PATH",
     .help = "a server to load backups with: then scheduled verifications are drills"},
    {.name = "drill-dir",
     .type = SETTING_STRING,
     FIELD(drill_dir),
     .default_text = "/tmp",
     .value = "DIR",
     .help = "where a drill has room for a whole backup"},
    {.name = "shrink-alarm",
     .type = SETTING_UINT,
     FIELD(shrink_alarm),
     .default_text = "50",
     .value = "PERCENT",
     .help = "an alarm, and a pin on the one before, when a backup is so much smaller",
     .zero_word = "off",
     .min = 1,
     .max = 100},
    KEEP("keep-last", keep_last, "24", "the newest so many backups stay"),
    {.name = "keep-within",
     .type = SETTING_SPAN,
     FIELD(keep_within),
     .default_text = "off",
     .value = "TIME",
     .help = "and all taken within this of the newest: 7d, 6m (months), 1y",
     .zero_word = "off"},
    KEEP("keep-hourly", keep_hourly, "off", "and the newest of each hour, so many"),
    KEEP("keep-daily", keep_daily, "7", "and the newest of each day"),
    KEEP("keep-weekly", keep_weekly, "4", "and the newest of each week"),
    KEEP("keep-monthly", keep_monthly, "off", "and the newest of each month"),
    {.name = "prune",
     .type = SETTING_ENUM,
     FIELD(prune),
     .default_text = "on",
     .value = "WHAT",
     .help = "on: the sidecar applies these rules after each backup; off: it removes nothing",
     .words = prune_words},
    {.name = "backup-include",
     .type = SETTING_LIST,
     FIELD(backup_include),
     .default_text = "rdb,acl",
     .value = "LIST",
     .help = "what a backup holds",
     .words = include_words},
    {.name = "backup-lease",
     .type = SETTING_FILENAME,
     FIELD(backup_lease),
     .default_text = "auto",
     .value = "NAME",
     .help = "whose backups take turns; auto: of servers that replicate one another; off"},
    {.name = "compression-level",
     .type = SETTING_UINT,
     FIELD(compression_level),
     .default_text = "1",
     .value = "N",
     .help = "of zstd; 0 stores",
     .max = 19},
    {.name = "compress-workers",
     .type = SETTING_UINT,
     FIELD(compress_workers),
     .default_text = SETTING_DEFAULT_CPUS,
     .value = "N",
     .help = "threads that compress; the server keeps a core",
     .min = 1,
     .max = 256},
    {.name = "upload-parallel",
     .type = SETTING_UINT,
     FIELD(upload_parallel),
     .default_text = "auto",
     .value = "N",
     .help = "parts in flight; auto: few, up to 12 while the store is slow",
     .zero_word = "auto",
     .min = 1,
     .max = 64},
    {.name = "part-size",
     .type = SETTING_SIZE,
     FIELD(part_bytes),
     .default_text = "auto",
     .value = "SIZE",
     .help = "of multipart uploads; auto: by the size of the data",
     .zero_word = "auto",
     .min = 5 * MIB,
     .max = 1024 * MIB},
    {.name = "bandwidth-limit",
     .type = SETTING_SIZE,
     FIELD(bandwidth_limit),
     .default_text = "off",
     .value = "SIZE",
     .help = "bytes a second to and from an s3:// repository",
     .zero_word = "off",
     .min = 1024,
     .max = (uint64_t)INT64_MAX},
    {.name = "restore-owner",
     .type = SETTING_OWNER,
     FIELD(restore_owner),
     .default_text = "auto",
     .value = "UID:GID",
     .help = "who the restored files belong to; auto: the owner of the directory",
     .zero_word = "auto"},
    {.name = "http-listen",
     .type = SETTING_LISTEN,
     FIELD(http_listen),
     .default_text = "0.0.0.0:9742",
     .value = "ADDRESS",
     .help = "where the sidecar answers HTTP: HOST:PORT, [IPV6]:PORT, :PORT, or off",
     .zero_word = "off"},
    {.name = "http-token",
     .type = SETTING_SECRET,
     FIELD(http_token),
     .value = "TEXT",
     .help = "who has it may ask the sidecar for jobs: POST /backup, POST /verify"},
    {.name = "notify-url",
     .type = SETTING_HOOK,
     FIELD(notify_url),
     .value = "URL",
     .help = "where failures and recoveries are told, as JSON that Slack's hooks take",
     .words = hook_words},
    {.name = "heartbeat-url",
     .type = SETTING_HOOK,
     FIELD(heartbeat_url),
     .value = "URL",
     .help = "what is asked for (GET) while all is well, and only then",
     .words = hook_words},
    {.name = "drain-timeout",
     .type = SETTING_DURATION,
     FIELD(drain_timeout_ms),
     .default_text = "25s",
     .value = "TIME",
     .help = "how long the sidecar takes to stop, at most",
     .min = 2000,
     .max = 3600000},
    {.name = "log-level",
     .type = SETTING_ENUM,
     FIELD(log_level),
     .default_text = "info",
     .value = "WHAT",
     .help = "the least that is logged",
     .words = level_words},
    {.name = "log-format",
     .type = SETTING_ENUM,
     FIELD(log_format),
     .default_text = "auto",
     .value = "WHAT",
     .help = "auto: text on a terminal, else json",
     .words = format_words},
};

const size_t setting_count = sizeof setting_table / sizeof setting_table[0];

/* The words of an enum are in the order of its values. */
_Static_assert(LOG_LEVEL_DEBUG == 0 && LOG_LEVEL_ERROR == 3, "level_words");
_Static_assert(LOG_FORMAT_AUTO == 0 && LOG_FORMAT_JSON == 2, "format_words");
_Static_assert(SETTINGS_APPENDONLY_AUTO == 0 && SETTINGS_APPENDONLY_NO == 2, "appendonly_words");
_Static_assert(SETTINGS_ROLE_ANY == 0 && SETTINGS_ROLE_REPLICA == 2, "role_words");
_Static_assert(SETTINGS_PRUNE_ON == 0 && SETTINGS_PRUNE_OFF == 1, "prune_words");
_Static_assert(SETTINGS_INCLUDE_RDB == 1 && SETTINGS_INCLUDE_CLUSTER == 8, "include_words");

const struct setting_row *setting_find(const char *name)
{
    for (size_t i = 0; i < setting_count; i++) {
        if (strcmp(setting_table[i].name, name) == 0)
            return &setting_table[i];
    }
    return NULL;
}

void setting_env_name(const struct setting_row *row, char *out, size_t out_size)
{
    (void)snprintf(out, out_size, "%s%s", SETTING_ENV_PREFIX, row->name); /* rows are short */
    for (; *out != '\0'; out++)
        *out = *out == '-' ? '_' : (char)toupper((unsigned char)*out);
}

const char *setting_nearest(const char *name, const struct option_spec *options)
{
    struct nearest nearest = nearest_to(name);

    for (size_t i = 0; i < setting_count; i++)
        nearest_try(&nearest, setting_table[i].name);
    nearest_try(&nearest, "config");
    for (; options != NULL && options->name != NULL; options++)
        nearest_try(&nearest, options->name);
    return nearest.best;
}
