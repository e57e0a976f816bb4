/*
 * Which backup, and the way of it into the staging directory.
 *
 *     store unreachable          ERR_STORE, whatever the flags say (INVARIANT 4)
 *     manifest or data corrupt   noted in skipped[], the next older one (INVARIANT 6)
 *     target too old             refused; an older backup would lose data silently
 *     somebody writes meanwhile  refused, whatever was fetched
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/catalog.h"
#include "backup/restore_job.h"
#include "backup/restore_stage.h"
#include "backup/shrink.h"
#include "base/cancel.h"
#include "base/mem.h"
#include "base/parse.h"

struct choice {
    const struct restore_job *job;
    struct store *store;
    const struct catalog *catalog;
};

static void skip(const struct restore_job *job, const char *id, const struct err *why)
{
    struct restore_result *result = job->result;

    result->skipped =
        xreallocarray(result->skipped, result->skipped_count + 1, sizeof(*result->skipped));
    result->skipped[result->skipped_count++] =
        (struct restore_skipped){.id = xstrdup(id), .why = xstrdup(why->msg)};
    restore_warn(job->options, err_problem(why), "backup %s cannot be used%s: %s", id,
                 job->options->backup_id == NULL ? ", looking for an older one" : "", why->msg);
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

static int owner_of(const struct restore_job *job, struct stage_owner *out, struct err *err)
{
    const struct restore_options *options = job->options;
    struct stat st;

    *out = (struct stage_owner){.uid = options->uid, .gid = options->gid};
    if (options->has_owner)
        return 0;
    if (fstat(job->dir_fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "look at %s", options->dir);
    *out = (struct stage_owner){.uid = st.st_uid, .gid = st.st_gid};
    if (geteuid() != 0) /* nobody else may give files away: they stay ours */
        *out = (struct stage_owner){.uid = (uid_t)-1, .gid = (gid_t)-1};
    return 0;
}

static int new_stage(const struct restore_job *job, struct stage **out, struct err *err)
{
    struct stage_owner owner;

    if (owner_of(job, &owner, err) != 0)
        return -1;
    if (stage_new(job->dir_fd, &owner, out, err) != 0)
        return err_wrap(err, "restore into %s", job->options->dir);
    return 0;
}

/* Room for the copy of the dump that takes the place of a link. */
static int check_copy(const struct restore_job *job, const struct manifest *manifest,
                      struct stage *stage, struct err *err)
{
    uint64_t bytes = restore_linked_bytes(job->options, manifest);
    bool links_work = true;

    if (bytes > 0 && stage_links_work(stage, &links_work, err) != 0)
        return err_wrap(err, "restore into %s", job->options->dir);
    return links_work ? 0 : restore_check_room(job, manifest, bytes, err);
}

/* An ACL file that is there already stays (stage.h), and is not to be reported as restored. */
static void leave_what_stands(const struct restore_job *job, const struct volume_names *names)
{
    struct restore_result *result = job->result;
    size_t dir_len = strlen(names->appenddirname);
    size_t kept = 0;

    for (size_t i = 0; i < result->file_count; i++) {
        char *place = result->files[i];
        bool in_aof_dir =
            strncmp(place, names->appenddirname, dir_len) == 0 && place[dir_len] == '/';
        struct stat st;

        if (in_aof_dir || fstatat(job->dir_fd, place, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            result->files[kept++] = place;
            continue;
        }
        restore_warn(job->options, PROBLEM_HOLDS_DATA,
                     "%s is there already and stays: that of the backup is left out", place);
        free(place);
    }
    result->file_count = kept;
}

static int stage_and_switch(const struct choice *choice, const struct manifest *manifest,
                            struct err *err)
{
    const struct restore_job *job = choice->job;
    const struct restore_options *options = job->options;
    struct volume_names names = restore_names(options, manifest);
    auto_stage struct stage *stage = NULL;

    if (restore_check_server(job, err) != 0 || new_stage(job, &stage, err) != 0 ||
        check_copy(job, manifest, stage, err) != 0 ||
        restore_fetch(options, choice->store, manifest, stage, err) != 0 ||
        cancel_check(err) != 0 || restore_check_again(job, &names, err) != 0)
        return -1;
    if (!manifest->proven)
        restore_warn(options, PROBLEM_BACKUP_UNPROVEN, "backup %s was never proven: %s",
                     manifest->id,
                     manifest->unproven_why != NULL ? manifest->unproven_why : "no reason given");
    if (!options->force)
        leave_what_stands(job, &names);
    free(
        TAKE_PTR(job->result->aside)); /* that of an interrupted restore which was finished first */
    if (stage_commit(stage, &names, options->force, &job->result->aside, err) != 0)
        return err_wrap(err, "restore into %s", options->dir);
    return 0;
}

/* What a dry run can know of the data without reading it. */
static int check_object(const struct choice *choice, const struct manifest *manifest,
                        struct err *err)
{
    auto_free char *key = catalog_key(manifest->instance, manifest->id, manifest->object);
    uint64_t stored = 0;

    if (store_head(choice->store, key, &stored, err) != 0) {
        if (err->kind == ERR_NOT_FOUND)
            err->kind = ERR_CORRUPT;
        return -1;
    }
    if (stored != manifest->parts.size)
        return err_set(err, ERR_CORRUPT, "%s has %" PRIu64 " bytes, its manifest says %" PRIu64,
                       key, stored, manifest->parts.size);
    return 0;
}

/* The newest that is pinned and older than id: the data collapsed after it, and nobody said that it
 * was meant. NULL. */
static const char *pinned_before(const struct catalog *catalog, const char *id)
{
    for (size_t i = catalog->pin_count; i-- > 0;)
        if (strcmp(catalog->pins[i], id) < 0)
            return catalog->pins[i];
    return NULL;
}

/* A backup that was not asked for by its id may hold what a FLUSHALL has left. */
static void warn_of_collapse(const struct choice *choice, const struct manifest *manifest)
{
    const struct restore_options *options = choice->job->options;
    const char *id = pinned_before(choice->catalog, manifest->id);
    auto_manifest struct manifest before = {0};
    struct err ignored; /* what cannot be read is no help to anybody */

    if (options->backup_id != NULL || options->shrink_percent == 0 || id == NULL ||
        catalog_read(choice->store, options->instance, id, &before, &ignored) != 0)
        return;
    auto_free char *how = shrink_describe(&before, manifest, options->shrink_percent);
    if (how != NULL)
        restore_warn(options, PROBLEM_SHRUNK,
                     "backup %s holds %s in backup %s, which is kept because the data shrank after "
                     "it. HINT: if that was not meant, restore the large one with --backup %s",
                     manifest->id, how, id, id);
}

/* ERR_CORRUPT means: try another. */
static int restore_this(const struct choice *choice, const struct manifest *manifest,
                        struct err *err)
{
    const struct restore_job *job = choice->job;
    const struct restore_options *options = job->options;
    struct restore_result *result = job->result;
    struct volume_names names = restore_names(options, manifest);
    bool go_on = false;

    if (restore_check_volume(job, &names, &go_on, err) != 0)
        return -1;
    if (!go_on) {
        free(TAKE_PTR(result->id)); /* that of one which was passed over */
        return 0;
    }
    if (describe(options, manifest, result, err) != 0 ||
        restore_check_target(options, manifest, err) != 0 ||
        restore_check_room(job, manifest, 0, err) != 0)
        return -1;
    warn_of_collapse(choice, manifest);
    if (options->dry_run) {
        result->reason = "dry-run";
        return check_object(choice, manifest, err);
    }
    if (stage_and_switch(choice, manifest, err) != 0) {
        if (err->kind == ERR_NOT_FOUND)
            err->kind = ERR_FAILED; /* something of the volume's: a backup was found */
        if (err->kind == ERR_HOLDS_DATA)
            result->reason = "volume-holds-data";
        return -1;
    }
    result->restored = true;
    result->reason = "restored";
    return 0;
}

/* One restore point; *out_passed: it is none, it has gone since the listing or is too young. */
static int try_one(const struct choice *choice, const char *id, bool *out_passed, struct err *err)
{
    const struct restore_options *options = choice->job->options;
    auto_manifest struct manifest manifest = {0};

    *out_passed = false;
    if (catalog_read(choice->store, options->instance, id, &manifest, err) != 0) {
        *out_passed = err->kind == ERR_NOT_FOUND;
        return *out_passed ? 0 : -1;
    }
    *out_passed = options->at_ms >= 0 && manifest.forked_ms > options->at_ms;
    return *out_passed ? 0 : restore_this(choice, &manifest, err);
}

static int nothing_found(const struct restore_options *options, const struct catalog *catalog,
                         struct store *store, struct err *err)
{
    if (options->backup_id != NULL)
        return err_set(err, ERR_NOT_FOUND,
                       "there is no backup %s of instance '%s'. HINT: `redkeep list` shows what "
                       "there is",
                       options->backup_id, options->instance);
    if (catalog->count > 0 && options->at_ms >= 0) {
        char time[32];
        char first[32];
        format_rfc3339(options->at_ms, time, sizeof(time));
        format_rfc3339(catalog_id_time(catalog->ids[0]), first, sizeof(first));
        return err_set(err, ERR_NOT_FOUND,
                       "no backup of instance '%s' reaches back to %s: the first one, %s, is of "
                       "%s. HINT: give a later time, or that one with --backup",
                       options->instance, time, catalog->ids[0], first);
    }
    auto_free char *others = catalog_other_instances(store, options->instance);
    if (others == NULL) /* else: a wrong instance name is the usual cause */
        return err_set(err, ERR_NOT_FOUND, "the repository has no backup of instance '%s'",
                       options->instance);
    return err_set(err, ERR_NOT_FOUND,
                   "the repository has no backup of instance '%s'. HINT: it has some of: %s; name "
                   "one with --instance",
                   options->instance, others);
}

bool restore_is_candidate(const struct restore_options *options, const char *id)
{
    char until[CATALOG_ID_SIZE];

    if (options->backup_id != NULL)
        return strcmp(options->backup_id, id) == 0;
    if (options->at_ms < 0)
        return true;
    catalog_make_id(options->at_ms, 0xffffff, until);
    return strcmp(id, until) <= 0;
}

static int nothing_helps(const struct restore_job *job, struct err *err)
{
    const char *why = job->result->skipped[0].why;

    if (job->options->backup_id != NULL)
        return err_set(
            err, ERR_CORRUPT,
            "%s; it was asked for by name, so no other was tried. HINT: without --backup "
            "the newest that is whole is restored",
            why);
    return err_set(err, ERR_CORRUPT,
                   "%s; nothing older can be used. HINT: `redkeep verify --all` shows the state of "
                   "every backup",
                   why);
}

/* *out_end: how many of the catalog, oldest first, may be restored. An id tells when a backup was
 * taken, and its data may be older: a dump that is stored after the server's end is what an idle
 * server held long before. So those behind the moment are read, up to the first with younger data.
 */
static int find_end(const struct choice *choice, size_t *out_end, struct err *err)
{
    const struct catalog *catalog = choice->catalog;
    const struct restore_options *options = choice->job->options;

    *out_end = catalog->count;
    if (options->backup_id != NULL || options->at_ms < 0)
        return 0;
    while (*out_end > 0 && !restore_is_candidate(options, catalog->ids[*out_end - 1]))
        (*out_end)--;
    for (size_t i = *out_end; i < catalog->count; i++) {
        auto_manifest struct manifest manifest = {0};

        if (catalog_read(choice->store, options->instance, catalog->ids[i], &manifest, err) != 0) {
            if (err->kind != ERR_NOT_FOUND && err->kind != ERR_CORRUPT && err->kind != ERR_TOO_NEW)
                return -1;
            continue; /* the next one tells */
        }
        if (manifest.forked_ms > options->at_ms)
            break;
        *out_end = i + 1;
    }
    return 0;
}

static int choose_and_restore(const struct choice *choice, struct err *err)
{
    const struct catalog *catalog = choice->catalog;
    const struct restore_options *options = choice->job->options;
    const struct restore_result *result = choice->job->result;
    size_t end;

    if (find_end(choice, &end, err) != 0)
        return -1;
    for (size_t i = end; i-- > 0;) {
        const char *id = catalog->ids[i];
        bool passed = false;

        if (options->backup_id != NULL && !restore_is_candidate(options, id))
            continue;
        if (try_one(choice, id, &passed, err) == 0) {
            if (passed)
                continue;
            return 0;
        }
        if (err->kind != ERR_CORRUPT)
            return -1;
        skip(choice->job, id, err);
    }
    if (result->skipped_count == 0)
        return nothing_found(options, catalog, choice->store, err);
    return nothing_helps(choice->job, err);
}

/* The very first start, or an instance that is called otherwise today. */
static void no_backup(const struct restore_job *job, struct store *store)
{
    const struct restore_options *options = job->options;
    struct restore_result *result = job->result;

    result->reason = "no-backup";
    result->other_instances = catalog_other_instances(store, options->instance);
    if (result->other_instances != NULL)
        restore_warn(options, PROBLEM_NO_BACKUP,
                     "the repository has no backup of instance '%s', but of others: %s. Is the "
                     "data of this server there? Then name it with --instance",
                     options->instance, result->other_instances);
}

int restore_from_store(const struct restore_job *job, struct err *err)
{
    const struct restore_options *options = job->options;
    auto_store struct store *store = NULL;
    auto_catalog struct catalog catalog = {0};

    if (restore_check_server(job, err) != 0 ||
        options->open_store(options->context, &store, err) != 0 ||
        catalog_list(store, options->instance, &catalog, err) != 0)
        return -1;
    if (catalog.count == 0 && options->if_backup_exists) {
        no_backup(job, store);
        return 0;
    }
    const struct choice choice = {.job = job, .store = store, .catalog = &catalog};
    if (choose_and_restore(&choice, err) == 0)
        return 0;
    free(TAKE_PTR(job->result->id)); /* what was described is not what was restored */
    return -1;
}
