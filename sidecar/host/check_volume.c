/*
 * The checks of the volume that the server saves to: what check_read.h has seen of the directory,
 * beside what the server says that it needs. Names of files and file systems are foreign text; a
 * line to paste into a shell holds only names that need no quoting.
 */
#include "host/check_volume.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/parse.h"
#include "host/check_server.h"
#include "redis/server_version.h"
#include "redis/temp_file.h"

#define INODES_NEEDED 16 /* a save and a rewrite at once make six files */
#define INODES_WANTED 1000
#define FSYNC_LIMIT_US 100000
#define FSYNC_ALWAYS_LIMIT_US 10000
#define IMAGE_UID 999 /* of the official images, Debian's and Alpine's */
#define NAMES_SHOWN 5

static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What the append-only file still grows before it is rewritten. */
static int64_t aof_growth(const struct check_facts *facts)
{
    int64_t base = max_i64(check_info_or(facts, "aof_base_size", 0), 0);
    int64_t current = max_i64(check_info_or(facts, "aof_current_size", 0), 0);
    int64_t percentage = 100;
    int64_t min_bytes = INT64_C(64) << 20;

    if (check_aof_is_on(facts) != 1)
        return 0;
    (void)pairs_i64(facts->config, "auto-aof-rewrite-percentage", &percentage);
    (void)pairs_i64(facts->config, "auto-aof-rewrite-min-size", &min_bytes);
    int64_t grown = check_add(base, check_times(base / 100, max_i64(percentage, 0)));
    return max_i64(max_i64(grown, min_bytes) - current, 0);
}

/* A save and a rewrite write a whole new file beside the old one. The figures are those of the
 * proven save: a dump is 0.6 of used_memory where the values do not compress. */
static void look_free_space(const struct check_facts *facts, struct check_result *result)
{
    const struct check_volume *volume = &facts->volume;
    int64_t used_memory = 0;
    char free_text[16];
    char need_text[16];

    if (!check_has_volume(facts, result) ||
        !check_has_seen(volume->free_bytes >= 0 && volume->total_bytes >= 0, "the size", result) ||
        !check_info_count(facts, "used_memory", &used_memory, result))
        return;
    int64_t base = max_i64(check_info_or(facts, "aof_base_size", 0), 0);
    int64_t need = max_i64(used_memory / 10 * 6, base);
    int64_t wanted = check_add(check_add(need, need / 2), aof_growth(facts));

    format_size((uint64_t)volume->free_bytes, free_text, sizeof(free_text));
    format_size((uint64_t)need, need_text, sizeof(need_text));
    if (volume->free_bytes >= wanted) {
        check_ok(result, "%s free, the next save needs about %s", free_text, need_text);
        return;
    }
    check_bad(result, volume->free_bytes < need ? CHECK_FAIL : CHECK_WARN,
              "%s free, the next save needs about %s", free_text, need_text);
    format_size((uint64_t)wanted, need_text, sizeof(need_text));
    check_wants(result, "%s free", need_text);
    int64_t more = wanted - volume->free_bytes;
    check_fix_by(result, "storage: %" PRId64 "Gi",
                 check_add(volume->total_bytes, more) / (INT64_C(1) << 30) + 1);
}

static void look_inodes(const struct check_facts *facts, struct check_result *result)
{
    const struct check_volume *volume = &facts->volume;

    if (!check_has_volume(facts, result) ||
        !check_has_seen(volume->total_inodes >= 0 && volume->free_inodes >= 0, "the inodes",
                        result))
        return;
    if (volume->total_inodes == 0) {
        check_ok(result, "made as they are needed");
        return;
    }
    if (volume->free_inodes >= INODES_WANTED) {
        check_ok(result, "%" PRId64 " free", volume->free_inodes);
        return;
    }
    check_bad(result, volume->free_inodes < INODES_NEEDED ? CHECK_FAIL : CHECK_WARN,
              "%" PRId64 " of %" PRId64 " free", volume->free_inodes, volume->total_inodes);
    check_wants(result, "%d free", INODES_WANTED);
    check_fix_by(result, "find %s -xdev -printf '%%h\\n' | sort | uniq -c | sort -n | tail",
                 check_shell_path(facts));
}

static const char in_memory[] = "memory: gone with the pod, or with the node";
static const char in_layer[] = "the container's own layer: gone with the container";
static const char over_network[] = "over the network: every sync waits for it, and locks can lie";
static const char by_others[] = "a sync is what the program behind it makes of it";
static const char no_journal[] = "without a journal";

static const struct kind {
    const char *name; /* up to a dot */
    enum check_status status;
    const char *means;
} kinds[] = {
    {"ext3", CHECK_OK, NULL},
    {"ext4", CHECK_OK, NULL},
    {"xfs", CHECK_OK, NULL},
    {"btrfs", CHECK_OK, NULL},
    {"zfs", CHECK_OK, NULL},
    {"f2fs", CHECK_OK, NULL},
    {"bcachefs", CHECK_OK, NULL},
    {"tmpfs", CHECK_FAIL, in_memory},
    {"ramfs", CHECK_FAIL, in_memory},
    {"overlay", CHECK_FAIL, in_layer},
    {"aufs", CHECK_FAIL, in_layer},
    {"nfs", CHECK_WARN, over_network},
    {"nfs4", CHECK_WARN, over_network},
    {"cifs", CHECK_WARN, over_network},
    {"smb3", CHECK_WARN, over_network},
    {"glusterfs", CHECK_WARN, over_network},
    {"ceph", CHECK_WARN, over_network},
    {"lustre", CHECK_WARN, over_network},
    {"fuse", CHECK_WARN, by_others},
    {"9p", CHECK_WARN, by_others},
    {"virtiofs", CHECK_WARN, by_others},
    {"ext2", CHECK_WARN, no_journal},
    {"vfat", CHECK_WARN, no_journal},
    {"exfat", CHECK_WARN, no_journal},
};

static const struct kind *find_kind(const char *name)
{
    size_t len = strcspn(name, "."); /* fuse.s3fs is a fuse */

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strncmp(kinds[i].name, name, len) == 0 && kinds[i].name[len] == '\0')
            return &kinds[i];
    }
    return NULL;
}

static void look_file_system(const struct check_facts *facts, struct check_result *result)
{
    const char *name = facts->volume.file_system;

    if (!check_has_volume(facts, result) ||
        !check_has_seen(name != NULL, "the file system", result))
        return;
    const struct kind *kind = find_kind(name);
    if (kind == NULL) {
        check_unknown(result, "redkeep knows nothing of the file system %.*s", CHECK_TEXT_MAX,
                      name);
        return;
    }
    if (kind->status == CHECK_OK || check_is_bare_cache(facts)) {
        check_ok(result, "%s%s", kind->name,
                 kind->status == CHECK_OK ? "" : "; of a cache, which keeps nothing there");
        return;
    }
    check_bad(result, kind->status, "%.*s: %s", CHECK_TEXT_MAX, name, kind->means);
    check_wants(result, "a volume with ext4 or xfs");
    if (kind->status == CHECK_FAIL)
        check_fix_by(result, "volumes: [\"redis-data:%s\"]",
                     check_is_plain(facts->volume.path) ? facts->volume.path : "/data");
    else
        check_fix_by(result, "storageClassName: <one of local or block storage>");
}

bool check_server_writes(const struct check_facts *facts)
{
    if (check_aof_is_on(facts) == 1)
        return pairs_is(facts->info, "aof_last_write_status", "ok");
    return pairs_is(facts->info, "rdb_last_bgsave_status", "ok") &&
           check_info_or(facts, "rdb_last_bgsave_time_sec", -1) >= 0;
}

static void look_read_only(const struct check_facts *facts, struct check_result *result)
{
    if (!check_has_volume(facts, result) ||
        !check_has_seen(facts->volume.is_read_only >= 0, "the mount", result))
        return;
    if (facts->volume.is_read_only == 0) {
        check_ok(result, "writable");
        return;
    }
    if (check_server_writes(facts)) /* then only this mount is read-only */
        check_bad(result, CHECK_WARN, "read-only from here; the server writes");
    else
        check_bad(result, CHECK_FAIL, "read-only");
    check_wants(result, "writable");
    check_fix_by(result, "readOnly: false");
}

static void look_fsync(const struct check_facts *facts, struct check_result *result)
{
    int64_t fsync_us = facts->volume.fsync_us;
    bool is_each = check_aof_is_on(facts) == 1 && pairs_is(facts->config, "appendfsync", "always");
    int64_t limit_us = is_each ? FSYNC_ALWAYS_LIMIT_US : FSYNC_LIMIT_US;

    if (!check_has_volume(facts, result))
        return;
    if (fsync_us < 0) {
        check_unknown(result, "measuring needs a file of its own in data-dir, which must be "
                              "writable and of a file system that has O_TMPFILE");
        return;
    }
    if (fsync_us < limit_us) {
        check_ok(result, "%" PRId64 ".%" PRId64 " ms", fsync_us / 1000, fsync_us % 1000 / 100);
        return;
    }
    check_bad(result, CHECK_WARN, "%" PRId64 " ms", fsync_us / 1000);
    check_wants(result, "less than %" PRId64 " ms%s", limit_us / 1000,
                is_each ? " with appendfsync always" : "");
    check_fix_by(result, "storageClassName: <one of faster disks>");
}

/* The first few names, "a, b and 3 more"; the caller frees. */
static char *names_shown(const char *const *names, size_t count)
{
    auto_buf struct buf text;
    struct err ignored; /* shorter than its ceiling */

    buf_init(&text, NAMES_SHOWN * (CHECK_TEXT_MAX + 2) + 64);
    for (size_t i = 0; i < count && i < NAMES_SHOWN; i++)
        (void)buf_printf(&text, &ignored, "%s%.*s", i == 0 ? "" : ", ", CHECK_TEXT_MAX, names[i]);
    if (count > NAMES_SHOWN)
        (void)buf_printf(&text, &ignored, " and %zu more", count - NAMES_SHOWN);
    return buf_take(&text);
}

static void look_leftovers(const struct check_facts *facts, struct check_result *result)
{
    const char *const *names = facts->volume.old_temp_files;
    size_t count = 0;
    bool are_plain = true;

    if (!check_has_volume(facts, result) ||
        !check_has_seen(facts->volume.entries != NULL && names != NULL, "the files", result))
        return;
    for (; names[count] != NULL; count++)
        are_plain = are_plain && check_is_plain(names[count]);
    if (count == 0) {
        check_ok(result, "none");
        return;
    }
    auto_free char *shown = names_shown(names, count);
    check_bad(result, CHECK_WARN, "%s", shown);
    check_wants(result, "none");
    if (are_plain && count <= NAMES_SHOWN) {
        auto_buf struct buf line;
        struct err ignored; /* shorter than its ceiling, or cut */

        buf_init(&line, 4096);
        for (size_t i = 0; i < count; i++)
            (void)buf_printf(&line, &ignored, " %s", names[i]);
        check_fix_by(result, "cd %s && rm --%s", check_shell_path(facts), buf_text(&line));
    } else {
        check_fix_by(result, "find %s -maxdepth 1 -type f " TEMP_FILE_FIND " -mtime +0 -delete",
                     check_shell_path(facts));
    }
}

/* What the official image of Redis 8 takes for its own. */
static bool is_known_entry(const char *name)
{
    size_t len = strlen(name);

    return strcmp(name, "appendonlydir") == 0 || (len >= 4 && strcmp(name + len - 4, ".rdb") == 0);
}

/* Images of Valkey and of older versions of Redis own whatever is there. */
static bool has_other_image(const struct check_facts *facts)
{
    struct server_version version = {0};
    struct err ignored; /* an unknown one may be of the kind that minds */
    const char *text = pairs_get(facts->info, "redis_version");

    if (pairs_get(facts->info, "valkey_version") != NULL)
        return true;
    return text != NULL && server_version_parse(text, &version, &ignored) == 0 && version.major < 8;
}

static void look_entries(const struct check_facts *facts, struct check_result *result)
{
    const char *const *entries = facts->volume.entries;
    const char *unknown[NAMES_SHOWN] = {NULL};
    size_t count = 0;

    if (!check_has_volume(facts, result) || !check_has_seen(entries != NULL, "the files", result))
        return;
    for (size_t i = 0; entries[i] != NULL; i++) {
        if (is_known_entry(entries[i]))
            continue;
        if (count < NAMES_SHOWN)
            unknown[count] = entries[i];
        count++;
    }
    if (count == 0) {
        check_ok(result, "none");
        return;
    }
    auto_free char *shown = names_shown(unknown, count);
    if (has_other_image(facts) || facts->volume.owner_uid == IMAGE_UID) {
        check_ok(result, "%s; %s", shown,
                 has_other_image(facts) ? "this server's image does not mind"
                                        : "the directory is the image's user's already");
        return;
    }
    check_bad(result, CHECK_WARN, "%s", shown);
    check_wants(result, "only *.rdb and appendonlydir, or files that are the server's already");
    if (count == 1 && strcmp(unknown[0], "lost+found") == 0)
        check_fix_by(result, "subPath: redis");
    else
        check_fix_by(result, "chown -R %d:%d %s", IMAGE_UID, IMAGE_UID, check_shell_path(facts));
}

static void look_shared(const struct check_facts *facts, struct check_result *result)
{
    if (!facts->backup.has_repository) {
        check_unknown(result, "this needs the setting repository");
        return;
    }
    if (!check_has_volume(facts, result) ||
        !check_has_seen(facts->volume.repository_is_inside >= 0, "the device", result))
        return;
    if (facts->volume.repository_is_inside == 0) {
        check_ok(result, "the repository is elsewhere");
        return;
    }
    check_bad(result, CHECK_WARN, "the repository is on the same volume");
    check_wants(result, "a repository that outlives the volume");
    check_fix_by(result, "repository s3://<bucket>/redis");
}

const struct check_row check_volume_rows[] = {
    {"free-space", CHECK_VOLUME,
     "A save that finds no room fails, and then the server refuses every write.", look_free_space},
    {"inodes", CHECK_VOLUME, "Without a free inode no save can begin, whatever room there is.",
     look_inodes},
    {"file-system", CHECK_VOLUME,
     "What a save means, and what outlives the container, is what the file system makes of it.",
     look_file_system},
    {"read-only", CHECK_VOLUME, "On a read-only volume nothing can be saved, restored or mended.",
     look_read_only},
    {"ownership", CHECK_VOLUME,
     "A server that may not write to its directory fails every save, or does not start.",
     check_look_ownership},
    {"fsync-latency", CHECK_VOLUME,
     "Every write that waits for a slow disk makes clients wait, and widens what a crash costs.",
     look_fsync},
    {"leftover-temp-files", CHECK_VOLUME,
     "Saves that died left files behind which nobody else removes, and they fill the volume.",
     look_leftovers},
    {"unknown-entries", CHECK_VOLUME,
     "The official image of Redis 8 mends no owners where it finds a file that it does not know, "
     "and then the server cannot save.",
     look_entries},
    {"shared-with-repository", CHECK_VOLUME,
     "When the volume is lost, the backups on it are lost with it.", look_shared},
    {.id = NULL},
};
