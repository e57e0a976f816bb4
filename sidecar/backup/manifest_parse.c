/*
 * The digest is proven over the raw bytes before anything is parsed. The rest trusts nothing all
 * the same: who can write to the bucket can also compute a digest.
 */
#include <string.h>

#include "backup/manifest_words.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "stream/untar.h"

#define DIGEST_KEY "  \"digest\": \"sha256:"
#define DIGEST_END "\"\n}\n"

/* Where the covered bytes end, 0 when the text does not end as a manifest does. */
static size_t covered_len(const char *text, size_t len)
{
    size_t tail = strlen(DIGEST_KEY) + SHA256_HEX_SIZE - 1 + strlen(DIGEST_END);

    if (len <= tail || memcmp(text + len - tail, DIGEST_KEY, strlen(DIGEST_KEY)) != 0 ||
        memcmp(text + len - strlen(DIGEST_END), DIGEST_END, strlen(DIGEST_END)) != 0)
        return 0;
    return len - tail;
}

static int prove_digest(const char *text, size_t len, struct err *err)
{
    size_t covered = covered_len(text, len);
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];

    if (covered == 0)
        return err_set(err, ERR_CORRUPT, "it is cut off or was changed: its digest is not there");
    sha256_of(text, covered, digest);
    hex_encode(digest, SHA256_BYTES, hex);
    if (memcmp(text + covered + strlen(DIGEST_KEY), hex, SHA256_HEX_SIZE - 1) != 0)
        return err_set(err, ERR_CORRUPT, "its bytes do not match its digest");
    return 0;
}

static int take_string(const struct json *object, const char *key, char **out, struct err *err)
{
    const char *text = NULL;

    if (json_get_string(object, key, &text, err) != 0)
        return -1;
    if (!manifest_can_hold(text)) /* people see it on their terminals */
        return err_set(err, ERR_CORRUPT, "its '%s' holds control characters", key);
    *out = xstrdup(text);
    return 0;
}

static int take_optional(const struct json *object, const char *key, char **out, struct err *err)
{
    return json_has(object, key) ? take_string(object, key, out, err) : 0;
}

static int take_word(const char *word, const char *const *words, size_t count, unsigned *out,
                     struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0) {
            *out = (unsigned)i;
            return 0;
        }
    return err_set(err, ERR_TOO_NEW,
                   "it says '%.64s', which this redkeep does not know. HINT: restore with the "
                   "redkeep version that wrote it, or a newer one",
                   word);
}

static int parse_server(const struct json *root, struct manifest *out, struct err *err)
{
    const struct json *server = NULL;
    const char *name = NULL;

    if (json_get(root, "server", &server, err) != 0 ||
        json_get_string(server, "name", &name, err) != 0 ||
        take_string(server, "version", &out->server_version, err) != 0 ||
        take_optional(server, "role", &out->role, err) != 0 ||
        take_optional(server, "run_id", &out->run_id, err) != 0 ||
        take_optional(server, "replication_id", &out->replid, err) != 0)
        return -1;
    out->repl_offset = -1;
    if (json_has(server, "replication_offset") &&
        json_get_i64(server, "replication_offset", &out->repl_offset, err) != 0)
        return -1;

    auto_free char *full = xasprintf("%s %s", name, out->server_version);
    struct err ignored;
    /* a version that cannot be read guards nothing, but the RDB version still does */
    (void)server_version_parse(full, &out->server, &ignored);
    return 0;
}

static int parse_dbs(const struct json *root, struct manifest *out, struct err *err)
{
    const struct json *dbs = NULL;
    uint64_t keys = 0;

    out->has_keys = json_has(root, "databases");
    if (!out->has_keys)
        return 0;
    if (json_get(root, "databases", &dbs, err) != 0)
        return -1;
    if (json_size(dbs) > MANIFEST_DBS_MAX)
        return err_set(err, ERR_CORRUPT, "it lists more than %d databases", MANIFEST_DBS_MAX);
    out->dbs = xcalloc(json_size(dbs) + 1, sizeof(*out->dbs));
    for (const struct json *from = json_first(dbs); from != NULL; from = json_next(from)) {
        struct manifest_db *db = &out->dbs[out->db_count];

        if (json_get_u64(from, "db", &db->db, err) != 0 ||
            json_get_u64(from, "keys", &db->keys, err) != 0 ||
            json_get_u64(from, "expires", &db->expires, err) != 0)
            return -1;
        keys += db->keys; /* each is at most 2^53, as every number in JSON */
        if (keys > MANIFEST_SUM_MAX)
            return err_set(err, ERR_CORRUPT, "its numbers of keys cannot be");
        out->db_count++;
    }
    return 0;
}

static int parse_crc64(const char *hex, uint64_t *out, struct err *err)
{
    uint8_t bytes[8];
    uint64_t crc = 0;

    if (hex_decode(hex != NULL ? hex : "", bytes, sizeof(bytes), err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(bytes); i++)
        crc = crc << 8 | bytes[i];
    *out = crc;
    return 0;
}

static int parse_file(const struct json *from, struct manifest *out, struct err *err)
{
    struct manifest_file *file = &out->files[out->file_count];
    const char *kind = NULL;
    const char *crc = NULL;
    const char *rdb_crc = NULL;
    const char *name = NULL;
    unsigned kind_index = 0;

    if (json_get_string(from, "name", &name, err) != 0 ||
        json_get_string(from, "kind", &kind, err) != 0 ||
        take_word(kind, manifest_kind_words, MANIFEST_KIND_COUNT, &kind_index, err) != 0 ||
        json_get_u64(from, "size", &file->size, err) != 0 ||
        json_get_string(from, "crc64", &crc, err) != 0 || parse_crc64(crc, &file->crc64, err) != 0)
        return -1;
    if (json_has(from, "rdb_crc64") && (json_get_string(from, "rdb_crc64", &rdb_crc, err) != 0 ||
                                        parse_crc64(rdb_crc, &file->rdb_crc64, err) != 0))
        return -1;
    if (!untar_name_is_safe(name) || !manifest_can_hold(name) || manifest_find(out, name) != NULL)
        return err_set(err, ERR_CORRUPT, "it names a file outside its place, or twice: '%.200s'",
                       name);
    file->kind = (enum manifest_kind)kind_index;
    file->name = xstrdup(name);
    out->file_count++;
    return 0;
}

/* Only the increments of an append-only file may be several. */
static int check_file_kinds(const struct manifest *manifest, struct err *err)
{
    bool seen[MANIFEST_KIND_COUNT] = {false};

    for (size_t i = 0; i < manifest->file_count; i++) {
        const struct manifest_file *file = &manifest->files[i];

        if (seen[file->kind] && file->kind != MANIFEST_AOF_INCR)
            return err_set(err, ERR_CORRUPT, "it lists more than one file of kind %s",
                           manifest_kind_words[file->kind]);
        if (file->kind == MANIFEST_ACL && !manifest_is_acl_name(file->name))
            return err_set(err, ERR_CORRUPT, "it calls '%.200s' an ACL file", file->name);
        seen[file->kind] = true;
    }
    return 0;
}

static int parse_files(const struct json *root, struct manifest *out, struct err *err)
{
    const struct json *files = NULL;
    uint64_t bytes = 0;

    if (json_get(root, "files", &files, err) != 0)
        return -1;
    if (json_size(files) == 0 || json_size(files) > MANIFEST_FILES_MAX)
        return err_set(err, ERR_CORRUPT, "it lists no file, or more than %d", MANIFEST_FILES_MAX);
    out->files = xcalloc(json_size(files), sizeof(*out->files));
    for (const struct json *from = json_first(files); from != NULL; from = json_next(from)) {
        if (parse_file(from, out, err) != 0)
            return -1;
        bytes += out->files[out->file_count - 1].size;
        if (bytes > MANIFEST_SUM_MAX)
            return err_set(err, ERR_CORRUPT, "its files are larger than can be");
    }
    return check_file_kinds(out, err);
}

/* Do the parts make up the object? Sizes are at most 2^53 here. */
static bool parts_fit(const struct object_parts *parts, size_t count)
{
    uint64_t before_last = 0;

    if (count == 0 || count > MANIFEST_PARTS_MAX || parts->part_bytes == 0 ||
        parts->part_bytes > MANIFEST_PART_BYTES_MAX)
        return false;
    before_last = (count - 1) * parts->part_bytes;
    return parts->size > before_last && parts->size - before_last <= parts->part_bytes;
}

static int parse_part_crcs(const struct json *object, size_t count, struct part_crcs *out,
                           struct err *err)
{
    const struct json *crcs = NULL;

    if (!json_has(object, "part_crc64"))
        return 0;
    if (json_get(object, "part_crc64", &crcs, err) != 0)
        return -1;
    if (json_size(crcs) != count)
        return err_set(err, ERR_CORRUPT, "its parts and their CRC64s do not fit together");
    out->crc64 = xcalloc(count, sizeof(*out->crc64));
    out->count = count;
    const struct json *from = json_first(crcs);
    for (size_t i = 0; i < count; i++, from = json_next(from))
        if (parse_crc64(json_text(from), &out->crc64[i], err) != 0)
            return -1;
    return 0;
}

static int parse_object(const struct json *root, struct manifest *out, struct err *err)
{
    const struct json *object = NULL;
    const struct json *digests = NULL;
    struct object_parts *parts = &out->parts;

    if (json_get(root, "object", &object, err) != 0 ||
        take_string(object, "key", &out->object, err) != 0 ||
        json_get_u64(object, "size", &parts->size, err) != 0 ||
        json_get_u64(object, "part_size", &parts->part_bytes, err) != 0 ||
        json_get(object, "part_sha256", &digests, err) != 0)
        return -1;

    size_t count = json_size(digests);
    if (!parts_fit(parts, count) || !untar_name_is_safe(out->object) ||
        strchr(out->object, '/') != NULL)
        return err_set(err, ERR_CORRUPT, "its sizes and parts do not fit together");
    parts->sha256 = xcalloc(count, sizeof(*parts->sha256));
    parts->count = count;
    const struct json *from = json_first(digests);
    for (size_t i = 0; i < count; i++, from = json_next(from)) {
        const char *hex = json_text(from);
        if (hex_decode(hex != NULL ? hex : "", parts->sha256[i], SHA256_BYTES, err) != 0)
            return -1;
    }
    return parse_part_crcs(object, count, &out->part_crcs, err);
}

static int parse_rdb(const struct json *root, struct manifest *out, struct err *err)
{
    const char *magic = NULL;
    unsigned magic_index = RDB_MAGIC_OPAQUE;
    int64_t version = -1;

    if (json_has(root, "rdb_magic") &&
        (json_get_string(root, "rdb_magic", &magic, err) != 0 ||
         take_word(magic, manifest_magic_words, MANIFEST_MAGIC_COUNT, &magic_index, err) != 0))
        return -1;
    if (json_has(root, "rdb_version") && json_get_i64(root, "rdb_version", &version, err) != 0)
        return -1;
    if (version < -1 || version > INT32_MAX)
        return err_set(err, ERR_CORRUPT, "its rdb_version cannot be");
    out->rdb_magic = (enum rdb_magic)magic_index;
    out->rdb_version = (int)version;
    if (json_get_bool(root, "proven", &out->proven, err) != 0)
        return -1;
    return take_optional(root, "unproven_why", &out->unproven_why, err);
}

static int parse_settings(const struct json *root, struct manifest *out, struct err *err)
{
    const struct json *settings = NULL;
    const struct json *compression = NULL;

    if (json_get(root, "settings", &settings, err) != 0 ||
        take_optional(settings, "appendonly", &out->appendonly, err) != 0 ||
        take_string(settings, "dbfilename", &out->dbfilename, err) != 0 ||
        take_string(settings, "appendfilename", &out->appendfilename, err) != 0 ||
        take_string(settings, "appenddirname", &out->appenddirname, err) != 0 ||
        json_get(root, "compression", &compression, err) != 0 ||
        json_get_i64(compression, "level", &out->compression_level, err) != 0)
        return -1;
    const char *names[] = {out->dbfilename, out->appendfilename, out->appenddirname};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!untar_name_is_safe(names[i]) || strchr(names[i], '/') != NULL)
            return err_set(err, ERR_CORRUPT, "it names a file outside its place: '%.200s'",
                           names[i]);
    return 0;
}

static int parse_times(const struct json *root, struct manifest *out, struct err *err)
{
    if (json_get_time(root, "asked_at", &out->asked_ms, err) != 0 ||
        json_get_time(root, "forked_at", &out->forked_ms, err) != 0)
        return -1;
    return json_get_time(root, "stored_at", &out->stored_ms, err);
}

static int parse_format(const struct json *root, struct err *err)
{
    uint64_t format = 0;

    if (json_get_u64(root, "format", &format, err) != 0)
        return -1;
    if (format == 0)
        return err_set(err, ERR_CORRUPT, "it has format 0, which never was");
    if (format > MANIFEST_FORMAT)
        return err_set(err, ERR_TOO_NEW,
                       "it has format %llu, this redkeep reads up to %d. HINT: use the redkeep "
                       "version that wrote it, or a newer one",
                       (unsigned long long)format, MANIFEST_FORMAT);
    if (json_has(root, "encryption"))
        return err_set(err, ERR_TOO_NEW,
                       "it is encrypted, which this redkeep cannot read. HINT: use the redkeep "
                       "version that wrote it, or a newer one");
    return 0;
}

/* For people alone: a manifest without them is whole. */
static void parse_timings(const struct json *root, struct manifest *out)
{
    const struct json *timings;
    struct err ignored;

    if (json_get(root, "timings", &timings, &ignored) != 0)
        return;
    out->save_ms = json_get_duration_ms(timings, "save_seconds");
    out->pack_ms = json_get_duration_ms(timings, "pack_seconds");
}

static int parse_all(const char *text, size_t len, struct manifest *out, struct err *err)
{
    auto_json struct json *root = NULL;

    if (prove_digest(text, len, err) != 0 || json_parse(text, len, &root, err) != 0 ||
        parse_format(root, err) != 0 || take_string(root, "id", &out->id, err) != 0 ||
        take_string(root, "instance", &out->instance, err) != 0 ||
        parse_times(root, out, err) != 0 || parse_server(root, out, err) != 0 ||
        parse_rdb(root, out, err) != 0 || parse_dbs(root, out, err) != 0 ||
        parse_files(root, out, err) != 0 || parse_object(root, out, err) != 0)
        return -1;
    parse_timings(root, out);
    return parse_settings(root, out, err);
}

int manifest_parse(const char *text, size_t len, const char *label, struct manifest *out,
                   struct err *err)
{
    auto_manifest struct manifest manifest = {.save_ms = -1, .pack_ms = -1};

    if (parse_all(text, len, &manifest, err) != 0)
        return err_wrap(err, "manifest %s", label);
    *out = manifest;
    manifest = (struct manifest){0};
    return 0;
}
