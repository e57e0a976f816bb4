/* By the product's own pack and manifest, so that only what a test makes wrong is wrong. */
#include "support/backup_maker.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "backup/catalog.h"
#include "base/crc64.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/parse.h"
#include "stream/bundle.h"
#include "stream/frame.h"
#include "stream/pack.h"

#define OBJECT "data.tar.zst"

static void must(int rc, const struct err *err)
{
    if (rc != 0)
        (void)fprintf(stderr, "%s\n", err->msg);
    assert(rc == 0);
}

char *made_manifest_key(const struct made_backup *made)
{
    return catalog_key(made->instance, made->id, "backup.json");
}

char *made_data_key(const struct made_backup *made)
{
    return catalog_key(made->instance, made->id, OBJECT);
}

static int64_t time_of(const char *id)
{
    char text[32];
    int64_t time_ms = 0;
    struct err err = {0};

    (void)snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", id, id + 4, id + 6, id + 9,
                   id + 11, id + 13);
    must(parse_rfc3339(text, &time_ms, &err), &err);
    return time_ms;
}

static void describe(const struct made_backup *made, struct manifest *to)
{
    to->id = xstrdup(made->id);
    to->instance = xstrdup(made->instance);
    to->asked_ms = to->forked_ms = to->stored_ms = time_of(made->id);
    to->server = (struct server_version){REDIS_FLAVOUR_REDIS, 7, 0, 15};
    to->server_version = xstrdup("7.0.15");
    to->repl_offset = to->save_ms = to->pack_ms = -1;
    to->rdb_magic = RDB_MAGIC_REDIS;
    to->rdb_version = 10;
    to->proven = true;
    to->has_keys = true;
    to->dbs = xcalloc(1, sizeof(*to->dbs));
    to->dbs[0] = (struct manifest_db){.db = 0, .keys = 4, .expires = 1};
    to->db_count = 1;
    to->object = xstrdup(OBJECT);
    to->compression_level = 1;
    to->dbfilename = xstrdup("dump.rdb");
    to->appendfilename = xstrdup("appendonly.aof");
    to->appenddirname = xstrdup("appendonlydir");
    to->files = xcalloc(made->count + 1, sizeof(*to->files));
    to->file_count = made->count;
    for (size_t i = 0; i < made->count; i++)
        to->files[i] =
            (struct manifest_file){.name = xstrdup(made->files[i].name),
                                   .kind = made->files[i].kind,
                                   .size = made->files[i].len,
                                   .crc64 = crc64(0, made->files[i].data, made->files[i].len)};
}

static void write_tar(const struct buf *tar, struct sink *out)
{
    struct frame_writer *writer = frame_writer_new(1);
    auto_free uint8_t *frame = xmalloc(frame_bound(tar->len));
    size_t len = 0;
    struct err err = {0};

    must(frame_compress(writer, tar->data, tar->len, frame, &len, &err), &err);
    must(sink_write(out, frame, len, &err), &err);
    frame_writer_free(writer);
}

static void write_files(const struct made_backup *made, struct sink *out)
{
    auto_bundle struct bundle *bundle = bundle_new();
    auto_free uint64_t *crc = xcalloc(made->count + 1, sizeof(*crc));
    struct pack_options options = {.workers = 1, .level = 1};
    struct err err = {0};

    for (size_t i = 0; i < made->count; i++) {
        struct bundle_file file = {.name = made->files[i].name,
                                   .size = made->files[i].len,
                                   .mode = made->files[i].mode != 0 ? made->files[i].mode : 0644};
        must(bundle_add_bytes(bundle, &file, made->files[i].data, &err), &err);
    }
    must(pack_bundle(bundle, &options, out, crc, &err), &err);
}

void backup_make(struct fake_store *fake, const struct made_backup *made)
{
    auto_manifest struct manifest manifest = {0};
    auto_free char *key = made_manifest_key(made);
    auto_free char *data_key = made_data_key(made);
    struct err err = {0};

    fake_store_arm(fake, 0, FAKE_FAILS);
    fake_store_drop(fake, key);
    fake_store_drop(fake, data_key);
    describe(made, &manifest);

    auto_sink struct sink *out = NULL;
    must(store_put(&fake->store, data_key, UINT64_MAX, &manifest.parts, &out, &err), &err);
    if (made->tar != NULL)
        write_tar(made->tar, out);
    else
        write_files(made, out);
    must(sink_finish(out, &err), &err);
    if (made->edit != NULL)
        made->edit(&manifest);
    auto_free char *text = manifest_format(&manifest);
    fake_store_set(fake, key, text, strlen(text));
    fake_store_arm(fake, 0, FAKE_FAILS);
}

char *made_seal(const char *covered, size_t len)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];

    sha256_of(covered, len, digest);
    hex_encode(digest, SHA256_BYTES, hex);
    return xasprintf("%.*s  \"digest\": \"sha256:%s\"\n}\n", (int)len, covered, hex);
}

char *made_edit(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    const char *digest = strstr(text, "  \"digest\": \"sha256:");

    assert(at != NULL && digest != NULL && at < digest);
    auto_free char *covered = xasprintf("%.*s%s%.*s", (int)(at - text), text, to,
                                        (int)(digest - at) - (int)strlen(from), at + strlen(from));
    return made_seal(covered, strlen(covered));
}
