/*
 * The checks of the backups: are there any, how old, can they be loaded, read by others, or deleted
 * by whoever takes over this process. Lines to paste are redkeep's own settings, or what the owner
 * of the bucket runs.
 */
#include "host/check.h"

#include "base/parse.h"

#define LAG_LIMIT_MS 60000
#define DRILL_LIMIT_MS (INT64_C(35) * 86400 * 1000) /* a monthly one, and a little */

static bool has_repository(const struct check_facts *facts, struct check_result *result)
{
    if (!facts->backup.has_repository)
        check_unknown(result, "this needs the setting repository");
    return facts->backup.has_repository;
}

/* 0 when the clocks differ. */
static int64_t age_ms(const struct check_facts *facts, int64_t time_ms)
{
    return time_ms > facts->now_ms ? 0 : facts->now_ms - time_ms;
}

static void look_age(const struct check_facts *facts, struct check_result *result)
{
    const struct check_backup *backup = &facts->backup;
    char age_text[16];
    char max_text[16];

    if (!has_repository(facts, result))
        return;
    if (backup->newest_ms < 0) {
        check_unknown(result, "this needs a sidecar (redkeep run) at http-listen that has read the "
                              "repository");
        return;
    }
    if (backup->newest_ms == 0) {
        check_bad(result, CHECK_FAIL, "there is no backup");
        check_wants(result, "a backup");
        check_fix_by(result, "redkeep backup");
        return;
    }
    int64_t age = age_ms(facts, backup->newest_ms);
    format_duration(age, age_text, sizeof(age_text));
    format_duration(backup->max_age_ms, max_text, sizeof(max_text));
    if (backup->max_age_ms <= 0 || age <= backup->max_age_ms) {
        check_ok(result, "%s", age_text);
        return;
    }
    check_bad(result, CHECK_FAIL, "%s", age_text);
    check_wants(result, "at most %s", max_text);
    check_fix_by(result, "redkeep backup");
}

static void look_lag(const struct check_facts *facts, struct check_result *result)
{
    char lag_text[16];

    if (!has_repository(facts, result))
        return;
    if (facts->backup.lag_ms < 0) {
        check_unknown(result, "this needs a sidecar that ships the log");
        return;
    }
    format_duration(facts->backup.lag_ms, lag_text, sizeof(lag_text));
    if (facts->backup.lag_ms <= LAG_LIMIT_MS) {
        check_ok(result, "%s", lag_text);
        return;
    }
    check_bad(result, CHECK_WARN, "%s", lag_text);
    check_wants(result, "at most a minute");
    check_fix_by(result, "redkeep status");
}

static void drill_now(const struct check_facts *facts, struct check_result *result)
{
    check_wants(result, "a drill that loads the newest backup, at least once a month");
    if (facts->backup.has_drill_server == 1)
        check_fix_by(result, "verify-schedule @weekly");
    else
        check_fix_by(result, "drill-server /usr/bin/redis-server\nverify-schedule @weekly");
}

static void look_drill(const struct check_facts *facts, struct check_result *result)
{
    const struct check_backup *backup = &facts->backup;
    char age_text[16];

    if (!has_repository(facts, result))
        return;
    if (backup->drilled_ms < 0 || (backup->drilled_ms > 0 && backup->drill_ok < 0)) {
        check_unknown(result,
                      "this needs a drill that the sidecar at http-listen has seen the end of");
        return;
    }
    if (backup->drilled_ms == 0) {
        check_bad(result, CHECK_WARN, "never");
        drill_now(facts, result);
        return;
    }
    int64_t age = age_ms(facts, backup->drilled_ms);
    format_duration(age, age_text, sizeof(age_text));
    if (backup->drill_ok == 0) {
        check_bad(result, CHECK_FAIL, "failed %s ago", age_text);
        check_wants(result, "a backup that loads");
        check_fix_by(result, "redkeep verify --all --drill");
    } else if (age > DRILL_LIMIT_MS) {
        check_bad(result, CHECK_WARN, "ok, %s ago", age_text);
        drill_now(facts, result);
    } else {
        check_ok(result, "ok, %s ago", age_text);
    }
}

static void look_encryption(const struct check_facts *facts, struct check_result *result)
{
    if (!has_repository(facts, result))
        return;
    if (facts->backup.is_encrypted < 0) {
        check_unknown(result, "this needs a backup that the sidecar at http-listen knows of");
    } else if (facts->backup.is_encrypted == 1) {
        check_ok(result, "encrypted by redkeep");
    } else {
        check_unknown(result,
                      "not by redkeep; whether the %s is encrypted cannot be seen from here",
                      facts->backup.is_directory ? "file system" : "bucket");
    }
}

static void look_deletable(const struct check_facts *facts, struct check_result *result)
{
    const struct check_backup *backup = &facts->backup;

    if (!has_repository(facts, result))
        return;
    if (backup->lock_days > 0) {
        check_ok(result, "nobody can delete a backup for %u days (s3-object-lock-days)",
                 backup->lock_days);
    } else if (backup->is_versioned == 1) {
        check_ok(result, "the bucket keeps the versions of what is deleted; only who may delete "
                         "versions too (s3:DeleteObjectVersion) ends them");
    } else if (backup->may_delete == 0) {
        check_ok(result, "these credentials may not delete%s",
                 backup->prunes == 1 ? "; prune is on, and can remove nothing" : "");
    } else if (backup->may_delete < 0) {
        check_unknown(result, "%s",
                      backup->why != NULL ? backup->why
                                          : "whether these credentials may delete was not tried");
    } else if (backup->is_versioned < 0) {
        check_unknown(result, "these credentials may delete; whether the bucket keeps versions "
                              "needs s3:GetBucketVersioning");
    } else if (backup->is_directory) {
        check_bad(result, CHECK_WARN, "this process may delete, and a directory keeps nothing");
        check_wants(result, "a second copy that this process cannot delete");
        check_fix_by(result, "# of a bucket with versions; or snapshots of the file system\n"
                             "repository s3://<bucket>/<prefix>");
    } else {
        check_bad(result, CHECK_WARN,
                  "these credentials may delete, and the bucket keeps nothing of it");
        check_wants(result, backup->prunes == 0
                                ? "credentials without s3:DeleteObject, or a bucket with versions"
                                : "a bucket that keeps versions, or locks them");
        check_fix_by(result, "aws s3api put-bucket-versioning --bucket <bucket> "
                             "--versioning-configuration Status=Enabled");
    }
}

const struct check_row check_backup_rows[] = {
    {"backup-age", CHECK_BACKUP,
     "What was written since the newest backup is lost with the volume, unless the log is shipped.",
     look_age},
    {"backup-lag", CHECK_BACKUP, "What is not shipped yet is lost with the volume.", look_lag},
    {"last-drill", CHECK_BACKUP,
     "Only a server that has loaded a backup proves that it can be restored.", look_drill},
    {"encryption", CHECK_BACKUP, "Whoever may read the bucket can read all the data.",
     look_encryption},
    {"deletable", CHECK_BACKUP,
     "Whoever takes over this process can delete every backup along with the data.",
     look_deletable},
    {.id = NULL},
};
