/*
 * What is laid out, from a backup that holds a dump and no append-only files:
 *
 *     dump.rdb                                    what appendonly no loads
 *     appendonlydir/appendonly.aof.1.base.rdb     the same inode: what appendonly yes loads
 *     appendonlydir/appendonly.aof.manifest
 *
 * The manifest's first line (VOLUME_MIRROR_LINE) tells a guard so, for as long as no server has run
 * on the set: it can make the base of a newer dump again.
 *
 * Servers never write into either file, they replace them, so one inode serves both. With
 * appendonly yes a lone dump.rdb is ignored and later overwritten (INVARIANT 5).
 */
#include "backup/restore_stage.h"

#include <string.h>

#include "backup/fetch.h"
#include "base/mem.h"
#include "base/progress.h"
#include "redis/aof_manifest.h"

struct staging {
    const struct restore_options *options;
    const struct manifest *manifest;
    struct volume_names names;
    struct stage *stage;
    mode_t file_mode; /* of the dump */
};

struct volume_names restore_names(const struct restore_options *options,
                                  const struct manifest *manifest)
{
    const struct server_names *set = &options->names;

    return (struct volume_names){
        .dbfilename = set->dbfilename != NULL ? set->dbfilename : manifest->dbfilename,
        .appendfilename =
            set->appendfilename != NULL ? set->appendfilename : manifest->appendfilename,
        .appenddirname = set->appenddirname != NULL ? set->appenddirname : manifest->appenddirname,
    };
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* Where a file of the backup goes, relative to the data directory; heap. */
static char *place_of(const struct manifest_file *file, const struct restore_options *options,
                      const struct volume_names *names)
{
    const char *acl = options->names.aclfile;

    switch (file->kind) {
    case MANIFEST_RDB:
        return xstrdup(names->dbfilename);
    case MANIFEST_AOF_BASE:
    case MANIFEST_AOF_INCR:
        return xasprintf("%s/%s", names->appenddirname, base_name(file->name));
    case MANIFEST_AOF_MANIFEST:
        return xasprintf("%s/%s.manifest", names->appenddirname, names->appendfilename);
    case MANIFEST_ACL:
        return xstrdup(acl != NULL ? acl : base_name(file->name));
    case MANIFEST_CLUSTER:
        return xstrdup(base_name(file->name));
    }
    return xstrdup(base_name(file->name));
}

static bool needs_base(const struct restore_options *options, const struct manifest *manifest)
{
    return options->appendonly != RESTORE_APPENDONLY_NO &&
           manifest_has_kind(manifest, MANIFEST_RDB) &&
           !manifest_has_kind(manifest, MANIFEST_AOF_MANIFEST);
}

uint64_t restore_linked_bytes(const struct restore_options *options,
                              const struct manifest *manifest)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < manifest->file_count && needs_base(options, manifest); i++)
        if (manifest->files[i].kind == MANIFEST_RDB)
            bytes += manifest->files[i].size;
    return bytes;
}

static char *base_file(const struct volume_names *names)
{
    return xasprintf("%s.1.base.rdb", names->appendfilename);
}

static void add_place(struct restore_result *result, char *place)
{
    result->files = xreallocarray(result->files, result->file_count + 1, sizeof(*result->files));
    result->files[result->file_count++] = place;
}

static int compare_places(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One is the other, or a directory that it is in. */
static bool is_or_holds(const char *place, const char *other)
{
    size_t len = strlen(place);

    return strncmp(place, other, len) == 0 && (other[len] == '\0' || other[len] == '/');
}

/* Only a manifest that we did not write, or settings that name two things alike, can make this
 * fail. Sorted by name with '/' lowest, whoever is in a directory would follow it at once; strcmp
 * has some characters below '/', so each is compared with all that begin like it. */
static int check_places(const struct restore_result *result, struct err *err)
{
    auto_free char **places = xreallocarray(NULL, result->file_count + 1, sizeof(*places));

    for (size_t i = 0; i < result->file_count; i++)
        places[i] = result->files[i];
    if (result->file_count > 1)
        qsort(places, result->file_count, sizeof(*places), compare_places);
    for (size_t i = 0; i < result->file_count; i++) {
        if (stage_is_own_name(places[i]))
            return err_set(err, ERR_CORRUPT, "'%.200s' cannot be restored: redkeep's own name",
                           places[i]);
        for (size_t k = i + 1;
             k < result->file_count && strncmp(places[i], places[k], strlen(places[i])) == 0; k++)
            if (is_or_holds(places[i], places[k]))
                return err_set(err, ERR_CORRUPT, "'%.200s' would be restored twice, or into a file",
                               places[k]);
    }
    return 0;
}

int restore_plan(const struct restore_options *options, const struct manifest *manifest,
                 struct restore_result *result, struct err *err)
{
    struct volume_names names = restore_names(options, manifest);

    for (size_t i = 0; i < result->file_count; i++)
        free(result->files[i]);
    result->file_count = 0;
    for (size_t i = 0; i < manifest->file_count; i++)
        add_place(result, place_of(&manifest->files[i], options, &names));
    if (needs_base(options, manifest)) {
        auto_free char *base = base_file(&names);
        add_place(result, xasprintf("%s/%s", names.appenddirname, base));
        add_place(result, xasprintf("%s/%s.manifest", names.appenddirname, names.appendfilename));
    }
    if (check_places(result, err) != 0)
        return err_wrap(err, "backup %s", manifest->id);
    return 0;
}

/* Whoever may read the files may look into their directory. */
static mode_t dir_mode(mode_t file_mode)
{
    return (file_mode | 0700 | (file_mode & 0444) >> 2) & 0777;
}

/* The directories above place. */
static int need_dirs(struct staging *staging, const char *place, mode_t file_mode, struct err *err)
{
    for (const char *at = strchr(place, '/'); at != NULL; at = strchr(at + 1, '/')) {
        auto_free char *dir = xstrndup(place, (size_t)(at - place));
        if (stage_add_dir(staging->stage, dir, dir_mode(file_mode), err) != 0)
            return -1;
    }
    return 0;
}

static int on_file(void *context, const struct manifest_file *file, const struct untar_entry *entry,
                   struct sink **out, struct err *err)
{
    struct staging *staging = context;
    auto_free char *place = place_of(file, staging->options, &staging->names);
    mode_t mode = (entry->mode | 0600) & 0666;

    if (file->kind == MANIFEST_RDB)
        staging->file_mode = mode;
    if (need_dirs(staging, place, mode, err) != 0)
        return -1;
    return stage_add_file(staging->stage, place, mode, out, err);
}

static int add_base(struct staging *staging, struct err *err)
{
    const struct volume_names *names = &staging->names;
    auto_free char *base = base_file(names);
    auto_free char *base_path = xasprintf("%s/%s", names->appenddirname, base);
    auto_free char *manifest_path =
        xasprintf("%s/%s.manifest", names->appenddirname, names->appendfilename);
    auto_buf struct buf text = {0};
    struct aof_file file = {.name = base, .seq = 1, .type = AOF_BASE};

    buf_init(&text, AOF_MANIFEST_MAX);
    if (buf_append(&text, VOLUME_MIRROR_LINE, strlen(VOLUME_MIRROR_LINE), err) != 0 ||
        need_dirs(staging, base_path, staging->file_mode, err) != 0 ||
        stage_add_link(staging->stage, names->dbfilename, base_path, err) != 0 ||
        aof_manifest_format(&file, 1, &text, err) != 0)
        return -1;
    return stage_add_bytes(staging->stage, manifest_path, staging->file_mode, buf_text(&text), err);
}

int restore_fetch(const struct restore_options *options, struct store *store,
                  const struct manifest *manifest, struct stage *stage, struct err *err)
{
    auto_free char *what = xasprintf("restore %s", manifest->id);
    auto_progress struct progress *progress =
        progress_new(what, manifest_file_bytes(manifest), options->clock);
    struct staging staging = {.options = options,
                              .manifest = manifest,
                              .names = restore_names(options, manifest),
                              .stage = stage};
    struct fetch_options fetch_options = {
        .workers = options->workers, .progress = progress, .on_file = on_file, .context = &staging};

    if (fetch(store, manifest, &fetch_options, err) != 0)
        return -1;
    if (needs_base(options, manifest) && add_base(&staging, err) != 0)
        return -1;
    return stage_note(stage, manifest->id, &staging.names, err);
}
