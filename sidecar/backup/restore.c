/*
 * The happy path: lock, look at the volume, list, choose, check version and room, stage, switch.
 *
 *     volume holds data          refused, or success with if_empty; the store is not asked
 *     store unreachable          ERR_STORE, whatever the flags say (INVARIANT 4)
 *     manifest or data corrupt   noted in skipped[], the next older one (INVARIANT 6)
 *     target too old             refused; an older backup would lose data silently
 *     killed                     see stage.h
 */
#include "backup/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/catalog.h"
#include "backup/restore_stage.h"
#include "base/cancel.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"
#include "redis/rdb_compat.h"

#define ROOM_SPARE ((uint64_t)1 << 20) /* directories, manifests */

struct job {
    const struct restore_options *options;
    struct store *store;
    int dir_fd;
    struct restore_result *result;
};

void restore_result_release(struct restore_result *result)
{
    for (size_t i = 0; i < result->file_count; i++)
        free(result->files[i]);
    for (size_t i = 0; i < result->skipped_count; i++) {
        free(result->skipped[i].id);
        free(result->skipped[i].why);
    }
    free(result->files);
    free(result->skipped);
    free(result->id);
    free(result->aside);
    *result = (struct restore_result){0};
}

static void tell(const struct restore_options *options, const char *text)
{
    if (options->on_event != NULL)
        options->on_event(options->context, text);
}

static void skip(const struct restore_options *options, struct restore_result *result,
                 const char *id, const struct err *why)
{
    auto_free char *text =
        xasprintf("backup %s cannot be used, trying the next older: %s", id, why->msg);

    result->skipped =
        xreallocarray(result->skipped, result->skipped_count + 1, sizeof(*result->skipped));
    result->skipped[result->skipped_count++] =
        (struct restore_skipped){.id = xstrdup(id), .why = xstrdup(why->msg)};
    tell(options, text);
}

static int sync_parent(int dir_fd, const char *label, struct err *err)
{
    auto_close int fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, ERR_FAILED, "look at the directory of %s", label);
    return fs_fsync(fd, label, err);
}

/* A dry run makes no directory: one that is not there yet is as empty as can be, and has the room
 * of the one that it would be made in. */
static int open_parent(const struct restore_options *options, int *out_fd, struct err *err)
{
    auto_free char *path = xstrdup(options->dir);

    if (fs_open_dir(AT_FDCWD, dirname(path), out_fd, err) != 0) {
        err->kind = ERR_FAILED;
        return err_wrap(err, "restore into %s", options->dir);
    }
    return 0;
}

static int open_target(const struct restore_options *options, int *out_fd, struct err *err)
{
    bool made = options->create && !options->dry_run && mkdir(options->dir, 0755) == 0;

    if (options->create && !options->dry_run && !made && errno != EEXIST)
        return err_sys(err, ERR_FAILED, "create the target directory %s", options->dir);
    if (fs_open_dir(AT_FDCWD, options->dir, out_fd, err) != 0) {
        err->kind = ERR_FAILED; /* a missing directory is no missing backup */
        return err_wrap(err, "restore into %s", options->dir);
    }
    if (made && sync_parent(*out_fd, options->dir, err) != 0)
        return -1;
    return fs_lock(*out_fd, options->dir, err);
}

/* Is there room, before the first byte is fetched? */
static int check_room(const struct restore_options *options, const struct manifest *manifest,
                      int dir_fd, struct err *err)
{
    uint64_t need = manifest_file_bytes(manifest) + ROOM_SPARE;
    uint64_t have = 0;
    char need_text[32];
    char have_text[32];

    if (fs_free_bytes(dir_fd, &have, err) != 0)
        return -1;
    if (need <= have)
        return 0;
    format_size(need, need_text, sizeof(need_text));
    format_size(have, have_text, sizeof(have_text));
    return err_set(err, ERR_FAILED,
                   "restore %s into %s: it needs %s, and %s are free. HINT: make room on the "
                   "volume or use a larger one; nothing was fetched",
                   manifest->id, options->dir, need_text, have_text);
}

static int check_version(const struct restore_options *options, const struct manifest *manifest,
                         struct err *err)
{
    char why[RDB_LOAD_WHY_MAX];

    if (options->target == NULL || manifest->rdb_version < 0)
        return 0;
    if (rdb_can_load(options->target, manifest->rdb_magic, manifest->rdb_version, why) !=
        RDB_LOAD_NO)
        return 0;
    return err_set(err, ERR_TOO_NEW,
                   "backup %s cannot be loaded by its target (%s): %s. HINT: start a server of "
                   "version %s or newer, or name the version that will load it with "
                   "server-version; nothing was fetched",
                   manifest->id, options->target_from, why, manifest->server_version);
}

static int check_layout(const struct restore_options *options, const struct manifest *manifest,
                        struct err *err)
{
    if (options->appendonly == RESTORE_APPENDONLY_NO && !manifest_has_kind(manifest, MANIFEST_RDB))
        return err_set(err, ERR_CONFIG,
                       "backup %s holds append-only files alone, and a server with appendonly no "
                       "would not load them. HINT: start the server with appendonly yes",
                       manifest->id);
    return 0;
}

static int describe(const struct restore_options *options, const struct manifest *manifest,
                    struct restore_result *result, struct err *err)
{
    free(result->id);
    result->id = xstrdup(manifest->id);
    result->restored = false;
    result->restored_to_ms = manifest->forked_ms;
    result->has_keys = manifest->has_keys;
    result->keys = manifest_keys(manifest);
    result->bytes = manifest_file_bytes(manifest);
    return restore_plan(options, manifest, result, err);
}

static int check_volume(const struct restore_options *options, const struct volume_names *names,
                        int dir_fd, bool *out_go_on, struct restore_result *result, struct err *err)
{
    char what[VOLUME_WHAT_MAX];
    bool holds = false;

    *out_go_on = true;
    if (options->force)
        return 0;
    if (volume_holds_data(dir_fd, names, &holds, what, err) != 0)
        return -1;
    if (!holds)
        return 0;
    *out_go_on = false;
    result->reason = "volume-holds-data";
    auto_free char *text = xasprintf("%s holds data: %s", options->dir, what);
    tell(options, text);
    if (options->if_empty)
        return 0;
    return err_set(err, ERR_HOLDS_DATA,
                   "restore into %s: it holds data: %s. HINT: restore into another directory with "
                   "--target, or move what is there aside with --force",
                   options->dir, what);
}

static int stage_and_switch(const struct job *job, const struct manifest *manifest, struct err *err)
{
    const struct restore_options *options = job->options;
    struct volume_names names = restore_names(options, manifest);
    struct stage_owner owner = {.uid = options->uid, .gid = options->gid};
    auto_stage struct stage *stage = NULL;
    struct stat st;

    if (!options->has_owner) {
        if (fstat(job->dir_fd, &st) != 0)
            return err_sys(err, ERR_FAILED, "look at %s", options->dir);
        owner = (struct stage_owner){.uid = st.st_uid, .gid = st.st_gid};
        if (geteuid() != 0) /* nobody else may give files away: they stay ours */
            owner = (struct stage_owner){.uid = (uid_t)-1, .gid = (gid_t)-1};
    }
    if (stage_new(job->dir_fd, &owner, &stage, err) != 0 ||
        restore_fetch(options, job->store, manifest, stage, err) != 0 || cancel_check(err) != 0)
        return -1;
    free(
        TAKE_PTR(job->result->aside)); /* that of an interrupted restore which was finished first */
    return stage_commit(stage, &names, options->force, &job->result->aside, err);
}

/* What a dry run can know of the data without reading it. */
static int check_object(const struct job *job, const struct manifest *manifest, struct err *err)
{
    auto_free char *key = catalog_key(manifest->instance, manifest->id, manifest->object);
    uint64_t stored = 0;

    if (store_head(job->store, key, &stored, err) != 0) {
        if (err->kind == ERR_NOT_FOUND)
            err->kind = ERR_CORRUPT;
        return -1;
    }
    if (stored != manifest->parts.size)
        return err_set(err, ERR_CORRUPT, "%s has %" PRIu64 " bytes, its manifest says %" PRIu64,
                       key, stored, manifest->parts.size);
    return 0;
}

/* ERR_CORRUPT means: try another. */
static int restore_this(const struct job *job, const struct manifest *manifest, struct err *err)
{
    const struct restore_options *options = job->options;
    struct restore_result *result = job->result;
    struct volume_names names = restore_names(options, manifest);
    bool go_on = false;

    if (check_volume(options, &names, job->dir_fd, &go_on, result, err) != 0)
        return -1;
    if (!go_on) {
        free(TAKE_PTR(result->id)); /* that of one which was passed over */
        return 0;
    }
    if (describe(options, manifest, result, err) != 0 ||
        check_version(options, manifest, err) != 0 || check_layout(options, manifest, err) != 0 ||
        check_room(options, manifest, job->dir_fd, err) != 0)
        return -1;
    if (options->dry_run) {
        result->reason = "dry-run";
        return check_object(job, manifest, err);
    }
    if (stage_and_switch(job, manifest, err) != 0) {
        if (err->kind == ERR_NOT_FOUND)
            err->kind = ERR_FAILED; /* something of the volume's: a backup was found */
        return -1;
    }
    result->restored = true;
    result->reason = "restored";
    return 0;
}

/* One restore point; *out_passed: it is none, it has gone since the listing or is too young. */
static int try_one(const struct job *job, const char *id, bool *out_passed, struct err *err)
{
    const struct restore_options *options = job->options;
    auto_manifest struct manifest manifest = {0};

    *out_passed = false;
    if (catalog_read(job->store, options->instance, id, &manifest, err) != 0) {
        *out_passed = err->kind == ERR_NOT_FOUND;
        return *out_passed ? 0 : -1;
    }
    *out_passed = options->at_ms >= 0 && manifest.forked_ms > options->at_ms;
    return *out_passed ? 0 : restore_this(job, &manifest, err);
}

static int nothing_found(const struct restore_options *options, const struct catalog *catalog,
                         struct store *store, struct err *err)
{
    auto_free char *others = NULL;
    struct err ignored;

    if (options->backup_id != NULL)
        return err_set(err, ERR_NOT_FOUND,
                       "there is no backup %s of instance '%s'. HINT: `redkeep list` shows what "
                       "there is",
                       options->backup_id, options->instance);
    if (catalog->count > 0 && options->at_ms >= 0) {
        char time[32];
        format_rfc3339(options->at_ms, time, sizeof(time));
        return err_set(err, ERR_NOT_FOUND,
                       "no backup of instance '%s' reaches back to %s; the oldest is %s",
                       options->instance, time, catalog->ids[0]);
    }
    /* a wrong instance name is the usual cause; not knowing the others changes nothing */
    if (catalog_instances(store, &others, &ignored) != 0 || others == NULL)
        return err_set(err, ERR_NOT_FOUND, "the repository has no backup of instance '%s'",
                       options->instance);
    return err_set(err, ERR_NOT_FOUND,
                   "the repository has no backup of instance '%s'. HINT: it has some of: %s; name "
                   "one with --instance",
                   options->instance, others);
}

static bool is_candidate(const struct restore_options *options, const char *id)
{
    char until[CATALOG_ID_SIZE];

    if (options->backup_id != NULL)
        return strcmp(options->backup_id, id) == 0;
    if (options->at_ms < 0)
        return true;
    catalog_make_id(options->at_ms, 0xffffff, until);
    return strcmp(id, until) <= 0;
}

static int choose_and_restore(const struct job *job, const struct catalog *catalog, struct err *err)
{
    const struct restore_options *options = job->options;
    const struct restore_result *result = job->result;

    for (size_t i = catalog->count; i-- > 0;) {
        const char *id = catalog->ids[i];
        bool passed = false;

        if (!is_candidate(options, id))
            continue;
        if (try_one(job, id, &passed, err) == 0) {
            if (passed)
                continue;
            return 0;
        }
        if (err->kind != ERR_CORRUPT)
            return -1;
        skip(options, job->result, id, err);
    }
    if (result->skipped_count == 0)
        return nothing_found(options, catalog, job->store, err);
    return err_set(err, ERR_CORRUPT,
                   "%s; nothing %s can be used. HINT: `redkeep verify --all` shows the state of "
                   "every backup",
                   result->skipped[0].why,
                   options->backup_id != NULL ? "else was asked for" : "older");
}

static int restore_from_store(const struct restore_options *options, int dir_fd,
                              struct restore_result *result, struct err *err)
{
    auto_store struct store *store = NULL;
    auto_catalog struct catalog catalog = {0};

    if (options->open_store(options->context, &store, err) != 0 ||
        catalog_list(store, options->instance, &catalog, err) != 0)
        return -1;
    if (catalog.count == 0 && options->if_backup_exists) {
        result->reason = "no-backup";
        return 0;
    }
    struct job job = {.options = options, .store = store, .dir_fd = dir_fd, .result = result};
    if (choose_and_restore(&job, &catalog, err) == 0)
        return 0;
    free(TAKE_PTR(result->id)); /* what was described is not what was restored */
    return -1;
}

/* An earlier run was killed behind its commit: all that is missing are renames. */
static int resume(const struct restore_options *options, int dir_fd, struct restore_result *result,
                  struct err *err)
{
    tell(options, "finishing a restore that was interrupted after it was complete");
    if (stage_resume(dir_fd, &result->id, &result->aside, err) != 0)
        return -1;
    if (result->id == NULL) {
        tell(options, "dropped it: a server has written data of its own meanwhile");
        return 0;
    }
    result->restored = true;
    result->reason = "restored";
    return 0;
}

static int restore_locked(const struct restore_options *options, int dir_fd,
                          struct restore_result *result, struct err *err)
{
    const struct server_names *set = &options->names;
    struct volume_names names = {
        .dbfilename = set->dbfilename != NULL ? set->dbfilename : "dump.rdb",
        .appendfilename = set->appendfilename != NULL ? set->appendfilename : "appendonly.aof",
        .appenddirname = set->appenddirname != NULL ? set->appenddirname : "appendonlydir",
    };
    enum stage_found found = STAGE_NONE;
    bool go_on = false;

    if (stage_find(dir_fd, &found, err) != 0)
        return -1;
    if (found == STAGE_COMMITTED && !options->dry_run) {
        if (resume(options, dir_fd, result, err) != 0)
            return -1;
        if (result->restored && !options->force)
            return 0;
        result->restored = false; /* what is asked for now is still to be done */
        result->reason = NULL;
        free(TAKE_PTR(result->id));
    }
    if (found == STAGE_PARTIAL && !options->dry_run) {
        struct err ignored; /* who needs the room it takes tries again, and says so */
        (void)stage_discard(dir_fd, &ignored);
    }
    if (check_volume(options, &names, dir_fd, &go_on, result, err) != 0)
        return -1;
    return go_on ? restore_from_store(options, dir_fd, result, err) : 0;
}

int restore(const struct restore_options *options, struct restore_result *out, struct err *err)
{
    struct restore_result result = {.restored_to_ms = -1};
    int64_t began_ms = clock_mono_ms(options->clock);
    auto_close int dir_fd = -1;
    struct restore_options imagined = *options;
    int rc = catalog_check_instance(options->instance, err);

    if (rc == 0 && options->dry_run && options->create && access(options->dir, F_OK) != 0) {
        imagined.force = true; /* what the parent holds is in nobody's way */
        rc = open_parent(options, &dir_fd, err);
    } else if (rc == 0) {
        rc = open_target(options, &dir_fd, err);
    }
    if (rc == 0)
        rc = restore_locked(&imagined, dir_fd, &result, err);
    result.took_ms = clock_mono_ms(options->clock) - began_ms;
    *out = result;
    return rc;
}
