/*
 * The manifest's text: what goes in comes out, and what was changed does not.
 */
#include "backup/manifest.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/backup_maker.h"
#include "support/scratch.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
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
static void fill(struct manifest *to)
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
static void fill_barely(struct manifest *to)
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

static char *full_text(void)
{
    auto_manifest struct manifest manifest = {0};

    fill(&manifest);
    return manifest_format(&manifest);
}

static void check_text(const char *a, const char *b)
{
    ck_assert(a == NULL ? b == NULL : b != NULL && strcmp(a, b) == 0);
}

static void check_equal(const struct manifest *a, const struct manifest *b)
{
    check_text(a->id, b->id);
    check_text(a->instance, b->instance);
    ck_assert_int_eq(a->asked_ms, b->asked_ms);
    ck_assert_int_eq(a->forked_ms, b->forked_ms);
    ck_assert_int_eq(a->stored_ms, b->stored_ms);
    ck_assert_mem_eq(&a->server, &b->server, sizeof(a->server));
    check_text(a->server_version, b->server_version);
    check_text(a->role, b->role);
    check_text(a->run_id, b->run_id);
    check_text(a->replid, b->replid);
    ck_assert_int_eq(a->repl_offset, b->repl_offset);
    ck_assert_int_eq(a->rdb_magic, b->rdb_magic);
    ck_assert_int_eq(a->rdb_version, b->rdb_version);
    ck_assert_int_eq(a->proven, b->proven);
    check_text(a->unproven_why, b->unproven_why);
    check_text(a->object, b->object);
    ck_assert_int_eq(a->compression_level, b->compression_level);
    check_text(a->appendonly, b->appendonly);
    check_text(a->dbfilename, b->dbfilename);
    check_text(a->appendfilename, b->appendfilename);
    check_text(a->appenddirname, b->appenddirname);
}

static void check_equal_lists(const struct manifest *a, const struct manifest *b)
{
    ck_assert_int_eq(a->has_keys, b->has_keys);
    ck_assert_uint_eq(a->db_count, b->db_count);
    if (a->db_count > 0)
        ck_assert_mem_eq(a->dbs, b->dbs, a->db_count * sizeof(*a->dbs));
    ck_assert_uint_eq(a->file_count, b->file_count);
    for (size_t i = 0; i < a->file_count; i++) {
        ck_assert_str_eq(a->files[i].name, b->files[i].name);
        ck_assert_int_eq(a->files[i].kind, b->files[i].kind);
        ck_assert_uint_eq(a->files[i].size, b->files[i].size);
        ck_assert_uint_eq(a->files[i].crc64, b->files[i].crc64);
    }
    ck_assert_uint_eq(a->parts.size, b->parts.size);
    ck_assert_uint_eq(a->parts.part_bytes, b->parts.part_bytes);
    ck_assert_uint_eq(a->parts.count, b->parts.count);
    ck_assert_mem_eq(a->parts.sha256, b->parts.sha256, a->parts.count * SHA256_BYTES);
}

START_TEST(every_field_survives)
{
    auto_manifest struct manifest before = {0};
    auto_manifest struct manifest after = {0};
    struct err err = {0};

    if (_i == 0)
        fill(&before);
    else
        fill_barely(&before);
    auto_free char *text = manifest_format(&before);
    ck_assert_msg(manifest_parse(text, strlen(text), "m", &after, &err) == 0, "%s", err.msg);
    check_equal(&before, &after);
    check_equal_lists(&before, &after);
    ck_assert_int_eq(after.save_ms, -1);
    ck_assert_int_eq(after.pack_ms, -1);
}
END_TEST

START_TEST(the_sums_are_those_of_the_lists)
{
    auto_manifest struct manifest manifest = {0};

    fill(&manifest);
    ck_assert_uint_eq(manifest_keys(&manifest), 12 + (UINT64_C(1) << 52));
    ck_assert_uint_eq(manifest_file_bytes(&manifest), (UINT64_C(5) << 40) + 1114);
    ck_assert_ptr_eq(manifest_find(&manifest, "users.acl"), &manifest.files[4]);
    ck_assert_ptr_null(manifest_find(&manifest, "users.ac"));
    ck_assert(manifest_has_kind(&manifest, MANIFEST_CLUSTER));
    manifest.file_count = 5;
    ck_assert(!manifest_has_kind(&manifest, MANIFEST_CLUSTER));
    free(manifest.files[5].name);
}
END_TEST

START_TEST(what_a_newer_redkeep_adds_is_passed_over)
{
    static const char *const added[] = {
        "{\n  \"brand_new\": {\"a\": [1, 2, null], \"b\": \"\\u00e4\"},\n",
        "{\n  \"brand_new\": null,\n",
        "{\n  \"brand_new\": [[[[]]]],\n",
    };
    auto_free char *text = full_text();
    auto_free char *newer = made_edit(text, "{\n", added[_i]);
    auto_manifest struct manifest manifest = {0};
    auto_manifest struct manifest before = {0};
    struct err err = {0};

    fill(&before);
    ck_assert_msg(manifest_parse(newer, strlen(newer), "m", &manifest, &err) == 0, "%s", err.msg);
    check_equal(&before, &manifest);
    check_equal_lists(&before, &manifest);
}
END_TEST

static void refuse(const char *text, size_t len, enum err_kind kind, const char *why)
{
    struct manifest manifest = {0};
    struct err err = {0};

    ck_assert_msg(manifest_parse(text, len, "label", &manifest, &err) == -1, "%s: taken", why);
    ck_assert_msg(err.kind == kind, "%s: %s, %s", why, err_kind_name(err.kind), err.msg);
    ck_assert_msg(strstr(err.msg, "label") != NULL, "%s: %s", why, err.msg);
    ck_assert_ptr_null(manifest.id); /* nothing to release */
}

START_TEST(every_flipped_bit_is_seen)
{
    auto_free char *text = full_text();
    size_t len = strlen(text);

    for (size_t i = 0; i < len * 8; i++) {
        text[i / 8] = (char)((unsigned char)text[i / 8] ^ 1U << i % 8);
        refuse(text, len, ERR_CORRUPT, "flipped");
        text[i / 8] = (char)((unsigned char)text[i / 8] ^ 1U << i % 8);
    }
}
END_TEST

START_TEST(every_cut_and_every_addition_is_seen)
{
    auto_free char *text = full_text();
    size_t len = strlen(text);
    auto_free char *longer = xasprintf("%s\n", text);
    auto_free char *twice = xasprintf("%s%s", text, text);
    auto_free char *shifted = xasprintf(" %s", text);

    for (size_t cut = 0; cut < len; cut++)
        refuse(text, cut, ERR_CORRUPT, "cut");
    refuse(longer, len + 1, ERR_CORRUPT, "a line more");
    refuse(twice, len * 2, ERR_CORRUPT, "twice");
    refuse(shifted, len + 1, ERR_CORRUPT, "shifted");
    refuse(text, len + 1, ERR_CORRUPT, "with its NUL");
}
END_TEST

START_TEST(a_shell_can_check_the_digest)
{
    auto_free char *text = full_text();
    auto_buf struct buf out = {0};
    struct scratch scratch;

    buf_init(&out, 4096);
    scratch_init(&scratch);
    scratch_write(&scratch, "backup.json", text, strlen(text));
    int status = scratch_run(&scratch, &out,
                             "sum=$(head -n -2 backup.json | sha256sum | cut -d ' ' -f 1) && "
                             "tail -n 2 backup.json | grep -q -F \"\\\"sha256:$sum\\\"\"");
    ck_assert_msg(status == 0, "%s", buf_text(&out));
    scratch_release(&scratch);
}
END_TEST

static const struct {
    const char *from;
    const char *to;
    enum err_kind kind;
} edits[] = {
    {"\"format\": 1", "\"format\": 2", ERR_TOO_NEW},
    {"\"format\": 1", "\"format\": 9007199254740992", ERR_TOO_NEW},
    {"\"kind\": \"acl\"", "\"kind\": \"stream\"", ERR_TOO_NEW},
    {"\"rdb_magic\": \"VALKEY\"", "\"rdb_magic\": \"ENVELOPE\"", ERR_TOO_NEW},
    {"\"encryption\": null", "\"encryption\": {\"method\": \"age\"}", ERR_TOO_NEW},
    {"\"format\": 1", "\"format\": 0", ERR_CORRUPT},
    {"\"format\": 1", "\"format\": -1", ERR_CORRUPT},
    {"\"format\": 1", "\"format\": 1.5", ERR_CORRUPT},
    {"\"format\": 1", "\"format\": \"1\"", ERR_CORRUPT},
    {"\"format\": 1", "\"format\": 1e999", ERR_CORRUPT},
    {"\"format\": 1,", "", ERR_CORRUPT},
    {"\"id\": \"2026", "\"no\": \"2026", ERR_CORRUPT},
    {"\"id\": \"2026", "\"id\": \"\\u00002026", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": \"../users.acl\"", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": \"a/../../users.acl\"", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": \"/etc/users.acl\"", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": \"\"", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": \"..\"", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": \"a\\nb\"", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": \"a\xff\"", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": \"d.rdb\"", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": null", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": [\"users.acl\"]", ERR_CORRUPT},
    {"\"size\": 99", "\"size\": -99", ERR_CORRUPT},
    {"\"size\": 99", "\"size\": 18446744073709551615", ERR_CORRUPT},
    {"\"size\": 99", "\"size\": 9007199254740992", ERR_CORRUPT}, /* with the others, too much */
    {"\"crc64\": \"", "\"crc64\": \"0", ERR_CORRUPT},
    {"\"crc64\": \"", "\"crc64\": \"\", \"x\": \"", ERR_CORRUPT},
    {"\"key\": \"data.tar.zst\"", "\"key\": \"../data.tar.zst\"", ERR_CORRUPT},
    {"\"key\": \"data.tar.zst\"", "\"key\": \"a/data.tar.zst\"", ERR_CORRUPT},
    {"\"key\": \"data.tar.zst\"", "\"key\": \"\"", ERR_CORRUPT},
    {"\"size\": 2500", "\"size\": 3001", ERR_CORRUPT},
    {"\"size\": 2500", "\"size\": 2000", ERR_CORRUPT},
    {"\"size\": 2500", "\"size\": 0", ERR_CORRUPT},
    {"\"size\": 2500", "\"size\": -1", ERR_CORRUPT},
    {"\"part_size\": 1000", "\"part_size\": 0", ERR_CORRUPT},
    {"\"part_size\": 1000", "\"part_size\": -1000", ERR_CORRUPT},
    {"\"part_size\": 1000", "\"part_size\": 833", ERR_CORRUPT},
    {"\"part_size\": 1000", "\"part_size\": 1250", ERR_CORRUPT},
    {"\"part_size\": 1000", "\"part_size\": 9007199254740992", ERR_CORRUPT},
    {"\"part_sha256\": [", "\"part_sha256\": [\"00\",", ERR_CORRUPT},
    {"\"part_sha256\": [", "\"part_sha256\": [], \"x\": [", ERR_CORRUPT},
    {"\"part_sha256\": [\n      \"a", "\"part_sha256\": [\n      \"g", ERR_CORRUPT},
    {"\"files\": [", "\"files\": [], \"x\": [", ERR_CORRUPT},
    {"\"files\": [", "\"files\": [7,", ERR_CORRUPT},
    {"\"files\": [", "\"files\": {}, \"x\": [", ERR_CORRUPT},
    {"\"databases\": [", "\"databases\": [null,", ERR_CORRUPT},
    {"\"databases\": [", "\"databases\": 3, \"x\": [", ERR_CORRUPT},
    {"\"keys\": 12,", "\"keys\": 9007199254740992,", ERR_CORRUPT},
    {"\"keys\": 12,", "\"keys\": -12,", ERR_CORRUPT},
    {"\"rdb_version\": 80", "\"rdb_version\": 4294967296", ERR_CORRUPT},
    {"\"rdb_version\": 80", "\"rdb_version\": -9007199254740992", ERR_CORRUPT},
    {"\"proven\": false", "\"proven\": 0", ERR_CORRUPT},
    {"\"forked_at\": \"2026-11-20", "\"forked_at\": \"2026-02-30", ERR_CORRUPT},
    {"\"forked_at\": \"2026-11-20", "\"forked_at\": \"1926-11-20", ERR_CORRUPT},
    {"\"dbfilename\": \"d.rdb\"", "\"dbfilename\": \"../d.rdb\"", ERR_CORRUPT},
    {"\"appenddirname\": \"adir\"", "\"appenddirname\": \"/adir\"", ERR_CORRUPT},
    {"\"appendfilename\": \"a.aof\"", "\"appendfilename\": \"a/a.aof\"", ERR_CORRUPT},
    {"\"settings\": {", "\"settings\": [], \"x\": {", ERR_CORRUPT},
    {"\"server\": {", "\"server\": null, \"x\": {", ERR_CORRUPT},
};

START_TEST(a_manifest_with_a_right_digest_is_trusted_no_more)
{
    auto_free char *text = full_text();
    auto_free char *edited = made_edit(text, edits[_i].from, edits[_i].to);

    refuse(edited, strlen(edited), edits[_i].kind, edits[_i].to);
}
END_TEST

/* text with `count` copies of row, %zu in it being its number, in front of what stands at `where`.
 */
static char *with_rows(const char *text, const char *where, const char *row, size_t count)
{
    auto_buf struct buf rows = {0};
    struct err err;

    buf_init(&rows, (size_t)64 << 20);
    ck_assert_int_eq(buf_append(&rows, where, strlen(where), &err), 0);
    for (size_t i = 0; i < count; i++) {
        const char *number = strchr(row, '#');
        ck_assert_int_eq(
            buf_printf(&rows, &err, "%.*s%zu%s", (int)(number - row), row, i, number + 1), 0);
    }
    return made_edit(text, where, buf_text(&rows));
}

START_TEST(lists_have_ceilings)
{
    static const char file[] =
        "{\"name\":\"f#\",\"kind\":\"acl\",\"size\":1,\"crc64\":\"0000000000000000\"},";
    static const char db[] = "{\"db\":#,\"keys\":1,\"expires\":0},";
    auto_manifest struct manifest manifest = {0};
    auto_free char *text = full_text();
    struct err err = {0};

    auto_free char *many_files = with_rows(text, "\"files\": [", file, MANIFEST_FILES_MAX - 6);
    ck_assert_msg(manifest_parse(many_files, strlen(many_files), "m", &manifest, &err) == 0, "%s",
                  err.msg);
    ck_assert_uint_eq(manifest.file_count, MANIFEST_FILES_MAX);
    auto_free char *files = with_rows(text, "\"files\": [", file, MANIFEST_FILES_MAX - 5);
    refuse(files, strlen(files), ERR_CORRUPT, "files");
    auto_free char *dbs = with_rows(text, "\"databases\": [", db, MANIFEST_DBS_MAX - 1);
    refuse(dbs, strlen(dbs), ERR_CORRUPT, "databases");
    auto_free char *deeper = with_rows(text, "{\n  \"format\": 1,\n", "\"x\": [[[[[[[#,", 100000);
    refuse(deeper, strlen(deeper), ERR_CORRUPT, "nesting");
}
END_TEST

START_TEST(part_counts_that_overflow_are_refused)
{
    static const char part[] = "\"0000000000000000000000000000000000000000000000000000000000000000";
    auto_free char *text = full_text();
    auto_buf struct buf parts = {0};
    struct err err;

    /* 2048 * 2^53 is 0 in 64 bits: one byte more would "fit" */
    buf_init(&parts, (size_t)1 << 20);
    ck_assert_int_eq(buf_printf(&parts, &err, "\"part_sha256\": ["), 0);
    for (size_t i = 0; i < 2049 - 3; i++)
        ck_assert_int_eq(buf_printf(&parts, &err, "%s\",", part), 0);
    auto_free char *many = made_edit(text, "\"part_sha256\": [", buf_text(&parts));
    auto_free char *huge =
        made_edit(many, "\"part_size\": 1000", "\"part_size\": 9007199254740992");
    refuse(huge, strlen(huge), ERR_CORRUPT, "overflow");

    buf_clear(&parts);
    ck_assert_int_eq(buf_printf(&parts, &err, "\"part_size\": 1, \"part_sha256\": ["), 0);
    for (size_t i = 0; i < MANIFEST_PARTS_MAX - 2; i++)
        ck_assert_int_eq(buf_printf(&parts, &err, "%s\",", part), 0);
    auto_free char *eleven =
        made_edit(text, "\"part_size\": 1000,\n    \"part_sha256\": [", buf_text(&parts));
    auto_free char *over = made_edit(eleven, "\"size\": 2500", "\"size\": 10001");
    refuse(over, strlen(over), ERR_CORRUPT, "10001 parts");
}
END_TEST

static const struct {
    const char *path;
    enum redis_flavour flavour;
    unsigned major;
    int rdb_version;
    uint64_t keys;
    size_t files;
    bool proven;
} goldens[] = {
    {"tests/data/manifest/redis-7.0.json", REDIS_FLAVOUR_REDIS, 7, 10, 17, 2, true},
    {"tests/data/manifest/redis-7.0-aof.json", REDIS_FLAVOUR_REDIS, 7, 10, 0, 3, true},
    {"tests/data/manifest/redis-7.0-unproven.json", REDIS_FLAVOUR_REDIS, 7, 10, 0, 1, false},
    {"tests/data/manifest/valkey-9.1.json", REDIS_FLAVOUR_VALKEY, 9, 80, 4503599627370508, 6,
     false},
};

START_TEST(manifests_that_were_once_written_stay_readable)
{
    auto_buf struct buf text = {0};
    auto_manifest struct manifest manifest = {0};
    struct err err = {0};

    buf_init(&text, MANIFEST_BYTES_MAX);
    ck_assert_int_eq(fs_read_file(AT_FDCWD, goldens[_i].path, &text, &err), 0);
    ck_assert_msg(manifest_parse(buf_text(&text), text.len, "m", &manifest, &err) == 0, "%s",
                  err.msg);
    ck_assert_int_eq(manifest.server.flavour, goldens[_i].flavour);
    ck_assert_uint_eq(manifest.server.major, goldens[_i].major);
    ck_assert_int_eq(manifest.rdb_version, goldens[_i].rdb_version);
    ck_assert_uint_eq(manifest_keys(&manifest), goldens[_i].keys);
    ck_assert_uint_eq(manifest.file_count, goldens[_i].files);
    ck_assert_int_eq(manifest.proven, goldens[_i].proven);
}
END_TEST

START_TEST(a_manifest_of_the_future_says_so)
{
    auto_buf struct buf text = {0};
    struct err err = {0};

    buf_init(&text, MANIFEST_BYTES_MAX);
    ck_assert_int_eq(fs_read_file(AT_FDCWD, "tests/data/manifest/future.json", &text, &err), 0);
    refuse(buf_text(&text), text.len, ERR_TOO_NEW, "future");
}
END_TEST

START_TEST(text_that_would_not_come_back_as_it_was_is_told)
{
    ck_assert(manifest_can_hold(""));
    ck_assert(manifest_can_hold("b\xc3\xa4r \"\\"));
    ck_assert(!manifest_can_hold("a\nb"));
    ck_assert(!manifest_can_hold("\x7f"));
    ck_assert(!manifest_can_hold("a\xff"));
    ck_assert(!manifest_can_hold("\xc3"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manifest");
    TCase *tcase = tcase_create("manifest");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(tcase, every_field_survives, 0, 2);
    tcase_add_test(tcase, the_sums_are_those_of_the_lists);
    tcase_add_loop_test(tcase, what_a_newer_redkeep_adds_is_passed_over, 0, 3);
    tcase_add_test(tcase, every_flipped_bit_is_seen);
    tcase_add_test(tcase, every_cut_and_every_addition_is_seen);
    tcase_add_test(tcase, a_shell_can_check_the_digest);
    tcase_add_loop_test(tcase, a_manifest_with_a_right_digest_is_trusted_no_more, 0, COUNT(edits));
    tcase_add_test(tcase, lists_have_ceilings);
    tcase_add_test(tcase, part_counts_that_overflow_are_refused);
    tcase_add_loop_test(tcase, manifests_that_were_once_written_stay_readable, 0, COUNT(goldens));
    tcase_add_test(tcase, a_manifest_of_the_future_says_so);
    tcase_add_test(tcase, text_that_would_not_come_back_as_it_was_is_told);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
