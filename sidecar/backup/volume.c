/*
 * The AOF of a first empty start is recognised by its content, never by its size alone: sequence
 * number 1, a base whose RDB holds neither key nor function nor module data (or an empty RESP
 * base), and incrs of 0 bytes. A server that was emptied on purpose and rewrote its AOF has a
 * higher number: that is data.
 */
#include "backup/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"
#include "redis/aof_manifest.h"
#include "redis/rdb_probe.h"

#define ENTRY_SHOWN 200

static void cleanup_dir(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir); /* only read from */
}

static void say_file(char what[VOLUME_WHAT_MAX], const char *name, uint64_t size)
{
    char human[32];

    format_size(size, human, sizeof(human));
    (void)snprintf(what, VOLUME_WHAT_MAX, "%.200s (%s)", name, human);
}

static bool ends_with(const char *text, const char *tail)
{
    size_t len = strlen(text);
    size_t tail_len = strlen(tail);

    return len >= tail_len && strcmp(text + len - tail_len, tail) == 0;
}

/* Is this file of an AOF set what an empty server writes? Unreadable means no. */
static bool is_empty_aof_file(int aof_fd, const struct aof_file *file)
{
    auto_close int fd = openat(aof_fd, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    struct rdb_ends rdb;
    struct err ignored;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || file->seq != 1)
        return false;
    if (st.st_size == 0)
        return true;
    return file->type == AOF_BASE && rdb_probe_fd(fd, file->name, &rdb, &ignored) == 0 &&
           rdb_is_empty(&rdb.head) && !rdb.head.has_functions && !rdb.head.has_module_aux;
}

static bool is_listed(const struct aof_manifest *manifest, const char *name)
{
    for (size_t i = 0; i < manifest->count; i++)
        if (strcmp(manifest->files[i].name, name) == 0)
            return true;
    return false;
}

/* Does the append-only directory hold what its manifest says of a first empty start, and nothing
 * else? */
static bool is_first_start(int aof_fd, const char *manifest_name, DIR *dir)
{
    auto_buf struct buf text = {0};
    auto_aof_manifest struct aof_manifest manifest = {0};
    struct err ignored;
    const struct dirent *entry;

    buf_init(&text, AOF_MANIFEST_MAX);
    if (fs_read_file(aof_fd, manifest_name, &text, &ignored) != 0 ||
        aof_manifest_parse(buf_text(&text), text.len, manifest_name, &manifest, &ignored) != 0)
        return false;
    for (size_t i = 0; i < manifest.count; i++)
        if (!is_empty_aof_file(aof_fd, &manifest.files[i]))
            return false;
    rewinddir(dir);
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        bool known = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                     strcmp(entry->d_name, manifest_name) == 0 ||
                     is_listed(&manifest, entry->d_name);
        if (!known)
            return false;
    }
    return errno == 0; /* what cannot be listed may hold anything */
}

/* The first entry of a directory, "" when it is empty. */
static int first_entry(DIR *dir, char out[ENTRY_SHOWN], const char *label, struct err *err)
{
    const struct dirent *entry;

    out[0] = '\0';
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(out, ENTRY_SHOWN, "%.190s", entry->d_name);
        return 0;
    }
    if (errno != 0) /* a listing cut short must not pass for an empty directory */
        return err_sys(err, ERR_FAILED, "list %s", label);
    return 0;
}

static int aof_dir_holds_data(int dir_fd, const char *name, const struct volume_names *names,
                              bool *out_holds, char what[VOLUME_WHAT_MAX], struct err *err)
{
    auto_close int aof_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_free char *manifest_name = xasprintf("%s.manifest", names->appendfilename);
    char first[ENTRY_SHOWN];

    if (aof_fd < 0)
        return err_sys(err, ERR_FAILED, "look into %s", name);
    int scan_fd = openat(aof_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_with(cleanup_dir) DIR *dir = scan_fd >= 0 ? fdopendir(scan_fd) : NULL;
    if (dir == NULL)
        return err_sys(err, ERR_FAILED, "look into %s", name);

    if (first_entry(dir, first, name, err) != 0)
        return -1;
    *out_holds = *first != '\0' && !is_first_start(aof_fd, manifest_name, dir);
    if (*out_holds)
        (void)snprintf(what, VOLUME_WHAT_MAX, "%.150s/ with %s in it", name, first);
    return 0;
}

/* What stands where the append-only directory belongs. A link to a directory is one; a file, or a
 * link to nowhere, is somebody's. */
static int aof_place_holds_data(int dir_fd, const char *name, const struct volume_names *names,
                                bool *out_holds, char what[VOLUME_WHAT_MAX], struct err *err)
{
    struct stat st;

    bool is_there = fstatat(dir_fd, name, &st, 0) == 0;
    if (!is_there && errno != ENOENT && errno != ELOOP)
        return err_sys(err, ERR_FAILED, "look at %s", name);
    if (is_there && S_ISDIR(st.st_mode))
        return aof_dir_holds_data(dir_fd, name, names, out_holds, what, err);
    *out_holds = true;
    (void)snprintf(what, VOLUME_WHAT_MAX, "%.200s, which is no directory", name);
    return 0;
}

int volume_entry_holds_data(int dir_fd, const char *entry, const struct volume_names *names,
                            bool *out_holds, char what[VOLUME_WHAT_MAX], struct err *err)
{
    struct stat st;
    bool is_dump = strcmp(entry, names->dbfilename) == 0 ||
                   (ends_with(entry, ".rdb") && strncmp(entry, "temp-", 5) != 0);
    bool is_old_aof = strcmp(entry, names->appendfilename) == 0;

    *out_holds = false;
    if (fstatat(dir_fd, entry, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return 0;
        return err_sys(err, ERR_FAILED, "look at %s", entry);
    }
    if (strcmp(entry, names->appenddirname) == 0)
        return aof_place_holds_data(dir_fd, entry, names, out_holds, what, err);
    if (S_ISDIR(st.st_mode) && strcmp(entry, names->dbfilename) == 0) {
        *out_holds = true; /* it stands where the dump belongs */
        (void)snprintf(what, VOLUME_WHAT_MAX, "%.200s, which is a directory", entry);
        return 0;
    }
    if (S_ISDIR(st.st_mode))
        return 0;
    /* A dump of 0 bytes loads nowhere, but somebody may want to know how it came about. */
    *out_holds = is_dump || (is_old_aof && st.st_size > 0);
    if (*out_holds)
        say_file(what, entry, (uint64_t)st.st_size);
    return 0;
}

int volume_holds_data(int dir_fd, const struct volume_names *names, bool *out_holds,
                      char what[VOLUME_WHAT_MAX], struct err *err)
{
    int scan_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_with(cleanup_dir) DIR *dir = scan_fd >= 0 ? fdopendir(scan_fd) : NULL;
    const struct dirent *entry;

    *out_holds = false;
    if (dir == NULL)
        return err_sys(err, ERR_FAILED, "look into the data directory");
    for (;;) {
        errno = 0;
        entry = readdir(dir);
        if (entry == NULL)
            break;
        if (volume_entry_holds_data(dir_fd, entry->d_name, names, out_holds, what, err) != 0)
            return -1;
        if (*out_holds)
            return 0;
    }
    if (errno != 0) /* a listing cut short must not pass for an empty volume */
        return err_sys(err, ERR_FAILED, "list the data directory");
    return 0;
}
