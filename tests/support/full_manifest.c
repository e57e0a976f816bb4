#include "support/full_manifest.h"

#include <check.h>
#include <string.h>

#include "base/mem.h"

#define SECOND INT64_C(1000)
#define NOON (INT64_C(1795176000) * SECOND) /* 2026-11-20T12:00:00Z */

static void add_file(struct manifest *to, const char *name, enum manifest_kind kind, uint64_t size)
{
    to->files = xreallocarray(to->files, to->file_count + 1, sizeof(*to->files));
    to->files[to->file_count++] = (struct manifest_file){
        .name = xstrdup(name), .kind = kind, .size = size, .crc64 = size * 0x9e3779b97f4a7c15};
}

static void add_db(struct manifest *to, uint64_t db, uint64_t keys, uint64_t expires)
{
    to->dbs = xreallocarray(to->dbs, to->db_count + 1, sizeof(*to->dbs));
    to->dbs[to->db_count++] = (struct manifest_db){.db = db, .keys = keys, .expires = expires};
}

/* Every field set, each to another value. */
void full_manifest(struct manifest *to)
{
    uint8_t digest[SHA256_BYTES];

    *to = (struct manifest){
        .id = xstrdup("20261120T120000Z-4f3a9c"),
        .instance = xstrdup("cache-0 \"\xc3\xa4\""),
        .asked_ms = NOON,
        .forked_ms = NOON + 2 * SECOND,
        .stored_ms = NOON + 63 * SECOND,
        .server = {REDIS_FLAVOUR_VALKEY, 9, 1, 2},
        .server_version = xstrdup("9.1.2"),
        .role = xstrdup("master"),
        .run_id = xstrdup("0123456789abcdef0123456789abcdef01234567"),
        .replid = xstrdup("89abcdef0123456789abcdef0123456789abcdef"),
        .repl_offset = 1234567890123,
        .rdb_magic = RDB_MAGIC_VALKEY,
        .rdb_version = 80,
        .unproven_why = xstrdup("dump.rdb: the server saves without a checksum (rdbchecksum no)"),
        .has_keys = true,
        .object = xstrdup("data.tar.zst"),
        .compression_level = 3,
        .appendonly = xstrdup("yes"),
        .dbfilename = xstrdup("d.rdb"),
        .appendfilename = xstrdup("a.aof"),
        .appenddirname = xstrdup("adir"),
        .save_ms = 1500,
        .pack_ms = 61250,
    };
    add_db(to, 0, 12, 3);
    add_db(to, 9, UINT64_C(1) << 52, 0);
    add_file(to, "d.rdb", MANIFEST_RDB, UINT64_C(5) << 40);
    to->files[0].rdb_crc64 = 0xfedcba9876543210;
    add_file(to, "adir/a.aof.1.base.rdb", MANIFEST_AOF_BASE, 1000);
    add_file(to, "adir/a.aof.1.incr.aof", MANIFEST_AOF_INCR, 0);
    add_file(to, "adir/a.aof.manifest", MANIFEST_AOF_MANIFEST, 99);
    add_file(to, "users.acl", MANIFEST_ACL, 7);
    add_file(to, "cluster/nodes.conf", MANIFEST_CLUSTER, 8);
    to->parts = (struct object_parts){.size = 2500, .part_bytes = 1000};
    for (size_t i = 0; i < 3; i++) {
        memset(digest, (int)(i + 0xa0), sizeof(digest));
        object_parts_push(&to->parts, digest);
    }
}

/* Nothing set that need not be. */
void bare_manifest(struct manifest *to)
{
    uint8_t digest[SHA256_BYTES] = {0};

    *to = (struct manifest){
        .id = xstrdup("x"),
        .instance = xstrdup("y"),
        .server_version = xstrdup(""),
        .repl_offset = -1,
        .rdb_magic = RDB_MAGIC_OPAQUE,
        .rdb_version = -1,
        .proven = true,
        .object = xstrdup("o"),
        .dbfilename = xstrdup("d"),
        .appendfilename = xstrdup("a"),
        .appenddirname = xstrdup("b"),
        .save_ms = -1,
        .pack_ms = -1,
    };
    add_file(to, "b/a.1.base.aof", MANIFEST_AOF_BASE, 0);
    to->parts = (struct object_parts){.size = 1, .part_bytes = 1};
    object_parts_push(&to->parts, digest);
}

char *full_manifest_text(void)
{
    auto_manifest struct manifest manifest = {0};

    full_manifest(&manifest);
    return manifest_format(&manifest);
}

void manifest_is_refused(const char *text, size_t len, enum err_kind kind, const char *why)
{
    struct manifest manifest = {0};
    struct err err = {0};

    ck_assert_msg(manifest_parse(text, len, "label", &manifest, &err) == -1, "%s: taken", why);
    ck_assert_msg(err.kind == kind, "%s: %s, %s", why, err_kind_name(err.kind), err.msg);
    ck_assert_msg(strstr(err.msg, "label") != NULL, "%s: %s", why, err.msg);
    ck_assert_ptr_null(manifest.id); /* nothing to release */
}
