/* Each file's length is fixed when it is added; only reading its bytes tells its checksum. */
#include "backup/snapshot_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "stream/untar.h"

#define SMALL_FILE_MAX ((size_t)16 << 20) /* an ACL file or nodes.conf */

static void note_file(struct snapshot *snapshot, const char *name, enum manifest_kind kind,
                      uint64_t size)
{
    snapshot->files =
        xreallocarray(snapshot->files, snapshot->file_count + 1, sizeof(*snapshot->files));
    snapshot->files[snapshot->file_count++] =
        (struct manifest_file){.name = xstrdup(name), .kind = kind, .size = size};
}

static int check_name(const char *name, struct err *err)
{
    if (!untar_name_is_safe(name) || !manifest_can_hold(name))
        return err_set(err, ERR_CONFIG, "file name '%.200s' cannot be stored", name);
    return 0;
}

static int add_fd(struct snapshot *snapshot, const char *name, enum manifest_kind kind, int fd,
                  uint64_t size, struct err *err)
{
    struct stat st;

    if (check_name(name, err) != 0)
        return -1;
    if (fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "look at %s", name);
    struct bundle_file file = {.name = name,
                               .size = size,
                               .mode = st.st_mode & 07777,
                               .uid = st.st_uid,
                               .gid = st.st_gid,
                               .mtime_s = st.st_mtime};
    if (bundle_add_fd(snapshot->bundle, &file, fd, err) != 0)
        return -1;
    note_file(snapshot, name, kind, size);
    return 0;
}

int snapshot_add_rdb(struct snapshot *snapshot, const char *dbfilename, struct err *err)
{
    const struct redis_saved *saved = &snapshot->saved;

    if (add_fd(snapshot, dbfilename, MANIFEST_RDB, saved->fd, saved->rdb.size, err) != 0)
        return -1;
    if (saved->rdb.head.magic != RDB_MAGIC_OPAQUE) /* whose last bytes may be anything */
        snapshot->files[snapshot->file_count - 1].rdb_crc64 = saved->rdb.tail.crc;
    return 0;
}

int snapshot_pin_aof(const struct server_files *names, const struct snapshot_options *options,
                     struct snapshot *snapshot, struct err *err)
{
    auto_close int dir_fd = -1;
    struct aof_pin_options pin = {.dir = names->appenddirname,
                                  .appendfilename = names->appendfilename,
                                  .clock = options->clock};

    if (fs_open_dir(options->data_dir_fd, names->appenddirname, &dir_fd, err) != 0)
        return -1;
    pin.dir_fd = dir_fd;
    return aof_pin_open(&pin, &snapshot->aof, err);
}

/* By their first bytes: what could not be looked through proves nothing. */
static const char *doubt_of(const struct aof_pin *aof)
{
    for (size_t i = 0; i < aof->count; i++) {
        if (aof->files[i].content == AOF_CONTENT_RDB_AND_COMMANDS)
            return "the append-only base is an RDB with commands behind it, as servers before 7.0 "
                   "wrote it, and was not looked through. HINT: BGREWRITEAOF makes a new one";
        if (aof->files[i].content == AOF_CONTENT_UNKNOWN)
            return "the format of the append-only base is not known to this redkeep";
    }
    return NULL;
}

int snapshot_add_aof(const struct server_files *names, struct snapshot *snapshot, struct err *err)
{
    const struct aof_pin *aof = &snapshot->aof;

    for (size_t i = 0; i < aof->count; i++) {
        const struct aof_pin_file *from = &aof->files[i];
        auto_free char *name = xasprintf("%s/%s", names->appenddirname, from->name);
        enum manifest_kind kind = from->type == AOF_BASE ? MANIFEST_AOF_BASE : MANIFEST_AOF_INCR;

        if (add_fd(snapshot, name, kind, from->fd, from->length, err) != 0)
            return -1;
        if (from->content == AOF_CONTENT_RDB)
            snapshot->files[snapshot->file_count - 1].rdb_crc64 = from->rdb.tail.crc;
    }

    auto_free char *name = xasprintf("%s/%s", names->appenddirname, aof->manifest_name);
    struct bundle_file file = {.name = name, .size = aof->manifest_len, .mode = 0644};
    if (bundle_add_bytes(snapshot->bundle, &file, aof->manifest, err) != 0)
        return -1;
    note_file(snapshot, name, MANIFEST_AOF_MANIFEST, aof->manifest_len);
    if (snapshot->aof_doubt == NULL)
        snapshot->aof_doubt = doubt_of(aof);
    return 0;
}

/* A small file that may change while it is read is copied at once; its absence is no error. */
static int add_small(struct snapshot *snapshot, int dir_fd, const char *path, const char *name,
                     enum manifest_kind kind, struct err *err)
{
    auto_buf struct buf content = {0};
    struct stat st;

    if (check_name(name, err) != 0)
        return -1;
    if (fstatat(dir_fd, path, &st, 0) != 0) { /* a link into a mounted volume is followed */
        if (errno == ENOENT)
            return 0;
        return err_sys(err, ERR_FAILED, "include %s", path);
    }
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_FAILED, "include %s: it is not a regular file", path);
    buf_init(&content, SMALL_FILE_MAX);
    if (fs_read_file(dir_fd, path, &content, err) != 0) {
        if (err->kind == ERR_NOT_FOUND)
            return 0;
        return err_wrap(err, "include %s", path);
    }
    struct bundle_file file = {.name = name,
                               .size = content.len,
                               .mode = st.st_mode & 07777,
                               .uid = st.st_uid,
                               .gid = st.st_gid,
                               .mtime_s = st.st_mtime};
    if (bundle_add_bytes(snapshot->bundle, &file, content.data, err) != 0)
        return -1;
    note_file(snapshot, name, kind, content.len);
    return 0;
}

int snapshot_add_small_files(const struct server_files *names,
                             const struct snapshot_options *options, struct snapshot *snapshot,
                             struct err *err)
{
    int dir_fd = options->data_dir_fd;

    if (options->include_acl && names->aclfile != NULL &&
        add_small(snapshot, dir_fd, names->aclfile, names->aclfile, MANIFEST_ACL, err) != 0)
        return -1;
    if (options->include_cluster && add_small(snapshot, dir_fd, names->cluster_config,
                                              "cluster/nodes.conf", MANIFEST_CLUSTER, err) != 0)
        return -1;
    return 0;
}

/* A manifest has to give all of them back as they are. */
int snapshot_check_names(const struct server_files *names, const struct snapshot_options *options,
                         struct err *err)
{
    const char *all[] = {names->dbfilename, names->appendfilename, names->appenddirname};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (check_name(all[i], err) != 0)
            return -1;
    if (options->include_acl && names->aclfile != NULL && !manifest_is_acl_name(names->aclfile))
        return err_set(err, ERR_CONFIG,
                       "the ACL file is called '%.200s', as data is. HINT: call it users.acl, or "
                       "take acl out of backup-include",
                       names->aclfile);
    return 0;
}
