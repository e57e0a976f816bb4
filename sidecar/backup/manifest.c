/* Formatting, and what both directions share; manifest_parse.c reads. */
#include "backup/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backup/manifest_words.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

const char *const manifest_kind_words[MANIFEST_KIND_COUNT] = {
    [MANIFEST_RDB] = "rdb",           [MANIFEST_AOF_BASE] = "aof-base",
    [MANIFEST_AOF_INCR] = "aof-incr", [MANIFEST_AOF_MANIFEST] = "aof-manifest",
    [MANIFEST_ACL] = "acl",           [MANIFEST_CLUSTER] = "cluster",
};

const char *const manifest_magic_words[MANIFEST_MAGIC_COUNT] = {
    [RDB_MAGIC_REDIS] = "REDIS",
    [RDB_MAGIC_VALKEY] = "VALKEY",
    [RDB_MAGIC_OPAQUE] = "opaque",
};

void manifest_release(struct manifest *manifest)
{
    char *texts[] = {manifest->id,         manifest->instance,       manifest->server_version,
                     manifest->role,       manifest->run_id,         manifest->replid,
                     manifest->object,     manifest->unproven_why,   manifest->appendonly,
                     manifest->dbfilename, manifest->appendfilename, manifest->appenddirname};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    for (size_t i = 0; i < manifest->file_count; i++)
        free(manifest->files[i].name);
    free(manifest->files);
    free(manifest->dbs);
    object_parts_release(&manifest->parts);
    free(manifest->part_crcs.crc64);
    *manifest = (struct manifest){0};
}

uint64_t manifest_keys(const struct manifest *manifest)
{
    uint64_t keys = 0;

    for (size_t i = 0; i < manifest->db_count; i++)
        keys += manifest->dbs[i].keys;
    return keys;
}

uint64_t manifest_file_bytes(const struct manifest *manifest)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < manifest->file_count; i++)
        bytes += manifest->files[i].size;
    return bytes;
}

const struct manifest_file *manifest_find(const struct manifest *manifest, const char *name)
{
    for (size_t i = 0; i < manifest->file_count; i++)
        if (strcmp(manifest->files[i].name, name) == 0)
            return &manifest->files[i];
    return NULL;
}

bool manifest_has_kind(const struct manifest *manifest, enum manifest_kind kind)
{
    for (size_t i = 0; i < manifest->file_count; i++)
        if (manifest->files[i].kind == kind)
            return true;
    return false;
}

bool manifest_can_hold(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len;) {
        uint32_t character = 0;
        size_t bytes = text_utf8_next(text + i, len - i, &character);

        if (bytes == 0 || character < 0x20 || character == 0x7f)
            return false;
        i += bytes;
    }
    return true;
}

bool manifest_is_acl_name(const char *name)
{
    static const char *const data[] = {".rdb", ".aof", ".manifest"};
    size_t len = strlen(name);

    for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
        size_t end = strlen(data[i]);
        if (len >= end && strcmp(name + len - end, data[i]) == 0)
            return false;
    }
    return true;
}

static void set_number_or_null(struct json *object, const char *key, int64_t value)
{
    if (value < 0)
        json_set_null(object, key);
    else
        json_set_i64(object, key, value);
}

static void set_seconds_or_null(struct json *object, const char *key, int64_t ms)
{
    if (ms < 0)
        json_set_null(object, key);
    else
        json_set_double(object, key, (double)ms / 1000.0);
}

static struct json *server_to_json(const struct manifest *manifest)
{
    struct json *server = json_object();

    json_set_string(server, "name", server_flavour_name(manifest->server.flavour));
    json_set_string(server, "version", manifest->server_version);
    json_set_string(server, "role", manifest->role);
    json_set_string(server, "run_id", manifest->run_id);
    json_set_string(server, "replication_id", manifest->replid);
    set_number_or_null(server, "replication_offset", manifest->repl_offset);
    return server;
}

static struct json *dbs_to_json(const struct manifest *manifest)
{
    struct json *dbs = json_array();

    for (size_t i = 0; i < manifest->db_count; i++) {
        struct json *db = json_object();
        json_set_u64(db, "db", manifest->dbs[i].db);
        json_set_u64(db, "keys", manifest->dbs[i].keys);
        json_set_u64(db, "expires", manifest->dbs[i].expires);
        json_push(dbs, db);
    }
    return dbs;
}

static void set_crc64(struct json *object, const char *key, uint64_t crc64)
{
    char hex[17];

    (void)snprintf(hex, sizeof(hex), "%016" PRIx64, crc64);
    json_set_string(object, key, hex);
}

static struct json *files_to_json(const struct manifest *manifest)
{
    struct json *files = json_array();

    for (size_t i = 0; i < manifest->file_count; i++) {
        const struct manifest_file *from = &manifest->files[i];
        struct json *file = json_object();

        json_set_string(file, "name", from->name);
        json_set_string(file, "kind", manifest_kind_words[from->kind]);
        json_set_u64(file, "size", from->size);
        set_crc64(file, "crc64", from->crc64);
        if (from->rdb_crc64 != 0)
            set_crc64(file, "rdb_crc64", from->rdb_crc64);
        json_push(files, file);
    }
    return files;
}

static struct json *part_crcs_to_json(const struct part_crcs *crcs)
{
    struct json *array = json_array();

    for (size_t i = 0; i < crcs->count; i++) {
        char crc[17];
        (void)snprintf(crc, sizeof(crc), "%016" PRIx64, crcs->crc64[i]);
        json_push_string(array, crc);
    }
    return array;
}

static struct json *object_to_json(const struct manifest *manifest)
{
    struct json *object = json_object();
    struct json *digests = json_array();

    json_set_string(object, "key", manifest->object);
    json_set_u64(object, "size", manifest->parts.size);
    json_set_u64(object, "part_size", manifest->parts.part_bytes);
    for (size_t i = 0; i < manifest->parts.count; i++) {
        char hex[SHA256_HEX_SIZE];
        hex_encode(manifest->parts.sha256[i], SHA256_BYTES, hex);
        json_push_string(digests, hex);
    }
    json_set(object, "part_sha256", digests);
    if (manifest->part_crcs.count > 0)
        json_set(object, "part_crc64", part_crcs_to_json(&manifest->part_crcs));
    return object;
}

static struct json *settings_to_object(const struct manifest *manifest)
{
    struct json *settings = json_object();

    json_set_string(settings, "appendonly", manifest->appendonly);
    json_set_string(settings, "appenddirname", manifest->appenddirname);
    json_set_string(settings, "appendfilename", manifest->appendfilename);
    json_set_string(settings, "dbfilename", manifest->dbfilename);
    return settings;
}

static struct json *to_json(const struct manifest *manifest)
{
    struct json *root = json_object();
    struct json *compression = json_object();
    struct json *timings = json_object();

    json_set_u64(root, "format", MANIFEST_FORMAT);
    json_set_string(root, "redkeep", REDKEEP_VERSION);
    json_set_string(root, "id", manifest->id);
    json_set_string(root, "instance", manifest->instance);
    json_set_time(root, "created_at", manifest->forked_ms);
    json_set_time(root, "asked_at", manifest->asked_ms);
    json_set_time(root, "forked_at", manifest->forked_ms);
    json_set_time(root, "stored_at", manifest->stored_ms);
    json_set(root, "server", server_to_json(manifest));
    if (manifest->rdb_version < 0 && !manifest_has_kind(manifest, MANIFEST_RDB))
        json_set_null(root, "rdb_magic");
    else
        json_set_string(root, "rdb_magic", manifest_magic_words[manifest->rdb_magic]);
    set_number_or_null(root, "rdb_version", manifest->rdb_version);
    json_set_bool(root, "proven", manifest->proven);
    json_set_string(root, "unproven_why", manifest->unproven_why);
    if (manifest->has_keys) {
        json_set_u64(root, "keys", manifest_keys(manifest));
        json_set(root, "databases", dbs_to_json(manifest));
    } else {
        json_set_null(root, "keys");
        json_set_null(root, "databases");
    }
    json_set_u64(root, "size_bytes", manifest_file_bytes(manifest));
    json_set_u64(root, "stored_bytes", manifest->parts.size);
    json_set(root, "files", files_to_json(manifest));
    json_set(root, "object", object_to_json(manifest));
    json_set_string(compression, "method", "zstd");
    json_set_i64(compression, "level", manifest->compression_level);
    json_set(root, "compression", compression);
    json_set_null(root, "encryption");
    json_set(root, "settings", settings_to_object(manifest));
    set_seconds_or_null(timings, "save_seconds", manifest->save_ms);
    set_seconds_or_null(timings, "pack_seconds", manifest->pack_ms);
    json_set(root, "timings", timings);
    return root;
}

char *manifest_format(const struct manifest *manifest)
{
    auto_json struct json *root = to_json(manifest);
    auto_free char *text = json_print(root, true);
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];
    size_t len = strlen(text);

    /* "...last member\n}" becomes "...last member,\n" + the digest of just that + the end. */
    while (len > 0 && text[len - 1] != '\n')
        len--;
    auto_free char *covered = xasprintf("%.*s,\n", (int)(len - 1), text);
    sha256_of(covered, strlen(covered), digest);
    hex_encode(digest, SHA256_BYTES, hex);
    return xasprintf("%s  \"digest\": \"sha256:%s\"\n}\n", covered, hex);
}
