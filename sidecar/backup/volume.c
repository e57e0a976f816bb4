/*
 * The AOF of a first empty start is recognised by its content, never by its size alone: sequence
 * number 1, a base whose RDB holds neither key nor function nor module data (or an empty RESP
 * base), and incrs of 0 bytes. A server that was emptied on purpose and rewrote its AOF has a
 * higher number: that is data. (One that was told to append while it ran and held nothing writes
 * the same; it holds no data either.)
 */
#include "backup/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/stage.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"
#include "redis/aof_manifest.h"
#include "redis/rdb_probe.h"
#include "redis/temp_file.h"

struct volume_names volume_names_of(const struct server_names *set)
{
    return (struct volume_names){
        .dbfilename = set->dbfilename != NULL ? set->dbfilename : "dump.rdb",
        .appendfilename = set->appendfilename != NULL ? set->appendfilename : "appendonly.aof",
        .appenddirname = set->appenddirname != NULL ? set->appenddirname : "appendonlydir",
    };
}

#define LONE_TIME_MAX 32 /* "#TS:", a number, CRLF */

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

/* All that a base of commands holds whose server writes times, but had no key: one of them. */
static bool is_lone_time(int fd, const struct stat *st)
{
    char text[LONE_TIME_MAX + 1] = "";
    struct err ignored;

    return st->st_size <= LONE_TIME_MAX &&
           fs_pread_all(fd, text, (size_t)st->st_size, 0, "", &ignored) == 0 &&
           strncmp(text, "#TS:", 4) == 0 && strcspn(text, "\n") + 1 == (size_t)st->st_size;
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
    if (file->type == AOF_BASE && is_lone_time(fd, &st))
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
static bool is_first_start(int aof_fd, const char *manifest_name, const struct fs_list *entries)
{
    auto_buf struct buf text = {0};
    auto_aof_manifest struct aof_manifest manifest = {0};
    struct err ignored;

    buf_init(&text, AOF_MANIFEST_MAX);
    if (fs_read_file(aof_fd, manifest_name, &text, &ignored) != 0 ||
        aof_manifest_parse(buf_text(&text), text.len, manifest_name, &manifest, &ignored) != 0)
        return false;
    for (size_t i = 0; i < manifest.count; i++)
        if (!is_empty_aof_file(aof_fd, &manifest.files[i]))
            return false;
    for (size_t i = 0; i < entries->count; i++)
        if (strcmp(entries->names[i], manifest_name) != 0 &&
            !is_listed(&manifest, entries->names[i]))
            return false;
    return true;
}

static int aof_dir_holds_data(int dir_fd, const char *name, const struct volume_names *names,
                              bool *out_holds, char what[VOLUME_WHAT_MAX], struct err *err)
{
    auto_close int aof_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_free char *manifest_name = xasprintf("%s.manifest", names->appendfilename);
    auto_fs_list struct fs_list entries = {0};

    if (aof_fd < 0)
        return err_sys(err, ERR_FAILED, "look into %s", name);
    if (fs_list_dir(aof_fd, ".", &entries, err) != 0)
        return err_wrap(err, "look into %s", name);
    *out_holds = entries.count > 0 && !is_first_start(aof_fd, manifest_name, &entries);
    if (*out_holds)
        (void)snprintf(what, VOLUME_WHAT_MAX, "%.150s/ with %.190s in it", name, entries.names[0]);
    return 0;
}

/* A dump, or an append-only file of a server before 7.0. */
static bool is_file_of_a_server(const char *name)
{
    return (ends_with(name, ".rdb") || ends_with(name, ".aof")) && !temp_file_is_name(name);
}

/* Any other directory: one that a server under other names may have written, or in which somebody
 * keeps copies. What we may not look into, a server of our own user cannot have written. */
static int other_dir_holds_data(int dir_fd, const char *name, bool *out_holds,
                                char what[VOLUME_WHAT_MAX], struct err *err)
{
    auto_fs_list struct fs_list entries = {0};

    if (stage_is_own_name(name) ||
        strncmp(name, VOLUME_ASIDE_PREFIX, strlen(VOLUME_ASIDE_PREFIX)) == 0)
        return 0;
    if (fs_list_dir(dir_fd, name, &entries, err) != 0)
        return err->kind == ERR_NOT_FOUND || err->code == EACCES ? 0 : -1;
    for (size_t i = 0; i < entries.count && !*out_holds; i++) {
        *out_holds =
            is_file_of_a_server(entries.names[i]) || ends_with(entries.names[i], ".manifest");
        if (*out_holds)
            (void)snprintf(what, VOLUME_WHAT_MAX, "%.150s/ with %.190s in it", name,
                           entries.names[i]);
    }
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
    bool is_dump = strcmp(entry, names->dbfilename) == 0 ||
                   (is_file_of_a_server(entry) && ends_with(entry, ".rdb"));
    bool is_old_aof = strcmp(entry, names->appendfilename) == 0 ||
                      (is_file_of_a_server(entry) && ends_with(entry, ".aof"));
    struct stat st;

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
        return other_dir_holds_data(dir_fd, entry, out_holds, what, err);
    /* A dump of 0 bytes loads nowhere, but somebody may want to know how it came about. */
    *out_holds = is_dump || (is_old_aof && st.st_size > 0);
    if (*out_holds)
        say_file(what, entry, (uint64_t)st.st_size);
    return 0;
}

int volume_holds_data(int dir_fd, const struct volume_names *names, bool *out_holds,
                      char what[VOLUME_WHAT_MAX], struct err *err)
{
    auto_fs_list struct fs_list entries = {0};

    *out_holds = false;
    if (fs_list_dir(dir_fd, ".", &entries, err) != 0) {
        err->kind = ERR_FAILED;
        return err_wrap(err, "look into the data directory");
    }
    for (size_t i = 0; i < entries.count && !*out_holds; i++)
        if (volume_entry_holds_data(dir_fd, entries.names[i], names, out_holds, what, err) != 0)
            return -1;
    return 0;
}
