/*
 * What one backup is: written last, deleted first, so that a backup exists if and only if its
 * manifest does. Pure: struct <-> the text of backup.json.
 *
 * The text is pretty-printed JSON whose last key is "digest": the SHA-256 of every byte before that
 * line, so that `head -n -2 backup.json | sha256sum` checks it. FORMAT.md has the fields.
 */
#ifndef BACKUP_MANIFEST_H
#define BACKUP_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "redis/rdb_probe.h"
#include "redis/server_version.h"
#include "store/store.h"
#include "stream/sink_part_crcs.h"

#define MANIFEST_FORMAT 1
#define MANIFEST_BYTES_MAX ((size_t)16 << 20) /* 65536 databases, 10000 parts, 10000 files */
#define MANIFEST_FILES_MAX 10000
#define MANIFEST_PARTS_MAX 10000                    /* S3's own limits */
#define MANIFEST_PART_BYTES_MAX ((uint64_t)1 << 30) /* a part is read in one piece of memory */
#define MANIFEST_DBS_MAX 65536
#define MANIFEST_SUM_MAX ((uint64_t)1 << 53) /* of keys, of bytes: what JSON holds exactly */

enum manifest_kind {
    MANIFEST_RDB,      /* the dump */
    MANIFEST_AOF_BASE, /* files of the append-only directory */
    MANIFEST_AOF_INCR,
    MANIFEST_AOF_MANIFEST,
    MANIFEST_ACL,
    MANIFEST_CLUSTER,
};

struct manifest_file {
    char *name; /* inside the tar */
    enum manifest_kind kind;
    uint64_t size;
    uint64_t crc64;     /* of all its bytes */
    uint64_t rdb_crc64; /* that an RDB ends with, which tells it from others; 0: not known */
};

struct manifest_db {
    uint64_t db;
    uint64_t keys;
    uint64_t expires;
};

struct manifest { /* text may be NULL where it says "or NULL"; unknown numbers are -1 */
    char *id;
    char *instance;
    int64_t asked_ms;
    int64_t forked_ms; /* the moment that the data shows: created_at */
    int64_t stored_ms;

    struct server_version server;
    char *server_version; /* as the server says it */
    char *role;
    char *run_id;
    char *replid;
    int64_t repl_offset;

    enum rdb_magic rdb_magic;
    int rdb_version; /* -1: the backup holds no RDB, or an opaque one */
    bool proven;
    char *unproven_why; /* NULL when proven */

    bool has_keys; /* the counts below are those of the data itself */
    struct manifest_db *dbs;
    size_t db_count;
    struct manifest_file *files;
    size_t file_count;

    char *object; /* key of the data inside the backup's folder: "data.tar.zst" */
    struct object_parts parts;
    struct part_crcs part_crcs; /* of the same parts, for a quick proof; none: not recorded */
    int64_t compression_level;

    char *appendonly; /* "yes", "no", or NULL */
    char *dbfilename;
    char *appendfilename;
    char *appenddirname;

    int64_t save_ms; /* timings, for people alone; -1 where there was none */
    int64_t pack_ms;
};

void manifest_release(struct manifest *manifest);

uint64_t manifest_keys(const struct manifest *manifest);
uint64_t manifest_file_bytes(const struct manifest *manifest);
const struct manifest_file *manifest_find(const struct manifest *manifest, const char *name);
bool manifest_has_kind(const struct manifest *manifest, enum manifest_kind kind);

/* Does a manifest give text back as it was: UTF-8 without control characters? Pure. */
bool manifest_can_hold(const char *text);
/* Can an ACL file be called so? Not as the data is: a server would load it. Pure. */
bool manifest_is_acl_name(const char *name);

/* The whole text of backup.json, heap, NUL-terminated. */
char *manifest_format(const struct manifest *manifest);

/* Proves the digest, then reads. ERR_CORRUPT when a byte is not as it was written; ERR_TOO_NEW when
 * a newer redkeep wrote it. label names it in messages. The caller releases *out; on failure there
 * is nothing to release. */
int manifest_parse(const char *text, size_t len, const char *label, struct manifest *out,
                   struct err *err);

static inline void cleanup_manifest(struct manifest *manifest)
{
    manifest_release(manifest);
}
/* Only for a variable that is zero-initialised or filled by manifest_parse. */
#define auto_manifest auto_with(cleanup_manifest)

#endif
