/*
 * What can stand against a restore, each with its own words.
 */
#include "backup/restore_job.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/fs.h"
#include "base/parse.h"
#include "redis/rdb_compat.h"

#define ROOM_SPARE ((uint64_t)1 << 20) /* directories, manifests */
#define TELL_MAX 2048
#define MULTI_PART_SINCE 7 /* the first major version that reads an append-only directory */

void restore_tell(const struct restore_options *options, const char *format, ...)
{
    char text[TELL_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* too long is cut */
    va_end(args);
    if (options->on_event != NULL)
        options->on_event(options->context, text);
}

void restore_warn(const struct restore_options *options, enum problem problem, const char *format,
                  ...)
{
    char text[TELL_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* too long is cut */
    va_end(args);
    if (options->on_warning != NULL)
        options->on_warning(options->context, problem, text);
}

int restore_check_server(const struct restore_job *job, struct err *err)
{
    const struct restore_options *options = job->options;

    if (options->check_server == NULL || options->check_server(options->context, err) == 0)
        return 0;
    return err_wrap(err, "restore into %s", options->dir);
}

/* *out: it holds data that is not to be replaced; what names it. */
static int is_in_the_way(const struct restore_job *job, const struct volume_names *names, bool *out,
                         char what[VOLUME_WHAT_MAX], struct err *err)
{
    *out = false;
    return job->options->force ? 0 : volume_holds_data(job->dir_fd, names, out, what, err);
}

int restore_check_volume(const struct restore_job *job, const struct volume_names *names,
                         bool *out_go_on, struct err *err)
{
    const struct restore_options *options = job->options;
    char what[VOLUME_WHAT_MAX];
    bool holds = false;

    if (is_in_the_way(job, names, &holds, what, err) != 0)
        return -1;
    *out_go_on = !holds && !options->is_replica;
    if (*out_go_on)
        return 0;
    job->result->reason = holds ? "volume-holds-data" : "replica";
    if (!holds)
        return 0;
    restore_tell(options, "%s holds data: %s", options->dir, what);
    if (options->if_empty)
        return 0;
    return err_set(err, ERR_HOLDS_DATA,
                   "restore into %s: it holds data: %s. HINT: restore into another directory with "
                   "--target, or move what is there aside with --force",
                   options->dir, what);
}

int restore_check_again(const struct restore_job *job, const struct volume_names *names,
                        struct err *err)
{
    const struct restore_options *options = job->options;
    char what[VOLUME_WHAT_MAX];
    bool holds = false;

    if (restore_check_server(job, err) != 0 || is_in_the_way(job, names, &holds, what, err) != 0)
        return -1;
    if (!holds)
        return 0;
    return err_set(err, ERR_HOLDS_DATA,
                   "restore into %s: it was empty, and holds data now: %s. Nothing was put in "
                   "place. HINT: start the server after the restore has ended",
                   options->dir, what);
}

int restore_check_room(const struct restore_job *job, const struct manifest *manifest,
                       uint64_t more_bytes, struct err *err)
{
    uint64_t need = manifest_file_bytes(manifest) + more_bytes + ROOM_SPARE;
    uint64_t have = 0;
    char need_text[32];
    char have_text[32];

    if (fs_free_bytes(job->dir_fd, &have, err) != 0)
        return -1;
    if (need <= have)
        return 0;
    format_size(need, need_text, sizeof(need_text));
    format_size(have, have_text, sizeof(have_text));
    (void)err_set(err, ERR_FAILED,
                  "restore %s into %s: it needs %s, and %s are free. HINT: make room on the "
                  "volume or use a larger one; nothing was fetched",
                  manifest->id, job->options->dir, need_text, have_text);
    return err_as(err, PROBLEM_DISK_FULL);
}

static int check_version(const struct restore_options *options, const struct manifest *manifest,
                         struct err *err)
{
    char why[RDB_LOAD_WHY_MAX];
    char writer[48];

    if (options->target == NULL || manifest->rdb_version < 0)
        return 0;
    if (rdb_can_load(options->target, manifest->rdb_magic, manifest->rdb_version, why) !=
        RDB_LOAD_NO)
        return 0;
    server_version_format(&manifest->server, writer, sizeof(writer));
    return err_set(err, ERR_TOO_NEW,
                   "backup %s cannot be loaded by its target (%s): %s. HINT: start %s or newer, or "
                   "name the version that will load it with server-version; nothing was fetched",
                   manifest->id, options->target_from, why,
                   manifest->server.major > 0 ? writer : "the server that wrote it");
}

/* What cannot be told from the manifest is not refused: it may not be in the backup at all. */
static void warn_of_version(const struct restore_options *options, const struct manifest *manifest)
{
    const struct rdb_load_parts parts = {
        .has_rdb = manifest->rdb_version >= 0,
        .has_commands = manifest_has_kind(manifest, MANIFEST_AOF_MANIFEST),
    };
    char why[RDB_LOAD_WHY_MAX];

    if (options->target == NULL || !rdb_load_doubt(options->target, &manifest->server, parts, why))
        return;
    restore_warn(options, PROBLEM_BACKUP_TOO_NEW,
                 "backup %s may hold what its target (%s) does not load, and exits over: %s. HINT: "
                 "should it not start, start the version that wrote the backup, or a newer one",
                 manifest->id, options->target_from, why);
}

/* Before 7.0 the append-only file was one, and beside it what is laid out here is not looked at. */
static bool reads_multi_part(const struct server_version *version)
{
    return version == NULL || version->flavour != REDIS_FLAVOUR_REDIS ||
           version->major >= MULTI_PART_SINCE;
}

static int check_layout(const struct restore_options *options, const struct manifest *manifest,
                        struct err *err)
{
    if (options->appendonly != RESTORE_APPENDONLY_NO && !reads_multi_part(options->target))
        return err_set(err, ERR_CONFIG,
                       "backup %s is laid out for servers of version 7.0 or newer, and its target "
                       "is older (%s). HINT: start a newer server; or one with appendonly no, and "
                       "say so with --appendonly no",
                       manifest->id, options->target_from);
    if (options->appendonly == RESTORE_APPENDONLY_NO && !manifest_has_kind(manifest, MANIFEST_RDB))
        return err_set(err, ERR_CONFIG,
                       "backup %s holds append-only files alone, and a server with appendonly no "
                       "would not load them. HINT: start the server with appendonly yes",
                       manifest->id);
    return 0;
}

int restore_check_target(const struct restore_options *options, const struct manifest *manifest,
                         struct err *err)
{
    if (check_version(options, manifest, err) != 0 || check_layout(options, manifest, err) != 0)
        return -1;
    warn_of_version(options, manifest);
    return 0;
}
