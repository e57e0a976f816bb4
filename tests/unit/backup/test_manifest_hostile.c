/*
 * Manifests with a right digest that no honest redkeep writes, and the ceilings of honest ones.
 */
#include "backup/manifest.h"

#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "support/backup_maker.h"
#include "support/full_manifest.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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
    {"\"rdb_crc64\": \"", "\"rdb_crc64\": \"0", ERR_CORRUPT},
    {"\"rdb_crc64\": \"", "\"rdb_crc64\": 1, \"x\": \"", ERR_CORRUPT},
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
    {"\"version\": \"9.1.2\"", "\"version\": \"9.1.2\\u001b[2J\"", ERR_CORRUPT},
    {"\"version\": \"9.1.2\"", "\"version\": \"9.1\xff\"", ERR_CORRUPT},
    {"\"role\": \"master\"", "\"role\": \"mas\\nter\"", ERR_CORRUPT},
    {"\"run_id\": \"01", "\"run_id\": \"\\u007f01", ERR_CORRUPT},
    {"\"replication_id\": \"89", "\"replication_id\": \"\\r89", ERR_CORRUPT},
    {"\"unproven_why\": \"dump", "\"unproven_why\": \"\\u001bdump", ERR_CORRUPT},
    {"\"appendonly\": \"yes\"", "\"appendonly\": \"\\u001b\"", ERR_CORRUPT},
    {"\"id\": \"2026", "\"id\": \"\\t2026", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": \"appendonly.aof\"", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": \"c/other.rdb\"", ERR_CORRUPT},
    {"\"name\": \"users.acl\"", "\"name\": \"adir/x.manifest\"", ERR_CORRUPT},
    {"\"kind\": \"cluster\"", "\"kind\": \"acl\"", ERR_CORRUPT},
    {"\"kind\": \"acl\"", "\"kind\": \"cluster\"", ERR_CORRUPT},
    {"\"kind\": \"acl\"", "\"kind\": \"rdb\"", ERR_CORRUPT},
    {"\"kind\": \"acl\"", "\"kind\": \"aof-base\"", ERR_CORRUPT},
};

START_TEST(a_manifest_with_a_right_digest_is_trusted_no_more)
{
    auto_free char *text = full_manifest_text();
    auto_free char *edited = made_edit(text, edits[_i].from, edits[_i].to);

    manifest_is_refused(edited, strlen(edited), edits[_i].kind, edits[_i].to);
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
        "{\"name\":\"f#\",\"kind\":\"aof-incr\",\"size\":1,\"crc64\":\"0000000000000000\"},";
    static const char db[] = "{\"db\":#,\"keys\":1,\"expires\":0},";
    auto_manifest struct manifest manifest = {0};
    auto_free char *text = full_manifest_text();
    struct err err = {0};

    auto_free char *many_files = with_rows(text, "\"files\": [", file, MANIFEST_FILES_MAX - 6);
    ck_assert_msg(manifest_parse(many_files, strlen(many_files), "m", &manifest, &err) == 0, "%s",
                  err.msg);
    ck_assert_uint_eq(manifest.file_count, MANIFEST_FILES_MAX);
    auto_free char *files = with_rows(text, "\"files\": [", file, MANIFEST_FILES_MAX - 5);
    manifest_is_refused(files, strlen(files), ERR_CORRUPT, "files");
    auto_free char *dbs = with_rows(text, "\"databases\": [", db, MANIFEST_DBS_MAX - 1);
    manifest_is_refused(dbs, strlen(dbs), ERR_CORRUPT, "databases");
    auto_free char *deeper = with_rows(text, "{\n  \"format\": 1,\n", "\"x\": [[[[[[[#,", 100000);
    manifest_is_refused(deeper, strlen(deeper), ERR_CORRUPT, "nesting");
}
END_TEST

START_TEST(part_counts_that_overflow_are_refused)
{
    static const char part[] = "\"0000000000000000000000000000000000000000000000000000000000000000";
    auto_free char *text = full_manifest_text();
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
    manifest_is_refused(huge, strlen(huge), ERR_CORRUPT, "overflow");

    buf_clear(&parts);
    ck_assert_int_eq(buf_printf(&parts, &err, "\"part_size\": 1, \"part_sha256\": ["), 0);
    for (size_t i = 0; i < MANIFEST_PARTS_MAX - 2; i++)
        ck_assert_int_eq(buf_printf(&parts, &err, "%s\",", part), 0);
    auto_free char *eleven =
        made_edit(text, "\"part_size\": 1000,\n    \"part_sha256\": [", buf_text(&parts));
    auto_free char *over = made_edit(eleven, "\"size\": 2500", "\"size\": 10001");
    manifest_is_refused(over, strlen(over), ERR_CORRUPT, "10001 parts");
}
END_TEST

START_TEST(parts_are_no_larger_than_what_is_read_in_one_piece)
{
    for (unsigned more = 0; more < 2; more++) {
        auto_manifest struct manifest before = {0};
        auto_manifest struct manifest after = {0};
        struct err err = {0};

        bare_manifest(&before);
        before.parts.part_bytes = ((uint64_t)1 << 30) + more;
        auto_free char *text = manifest_format(&before);
        if (more == 0)
            ck_assert_int_eq(manifest_parse(text, strlen(text), "m", &after, &err), 0);
        else
            manifest_is_refused(text, strlen(text), ERR_CORRUPT, "part size");
    }
}
END_TEST

START_TEST(a_server_with_every_database_fits)
{
    auto_manifest struct manifest manifest = {0};
    auto_manifest struct manifest after = {0};
    uint8_t digest[SHA256_BYTES] = {0};
    struct err err = {0};

    full_manifest(&manifest);
    manifest.dbs = xreallocarray(manifest.dbs, MANIFEST_DBS_MAX, sizeof(*manifest.dbs));
    manifest.db_count = MANIFEST_DBS_MAX;
    for (uint64_t i = 0; i < MANIFEST_DBS_MAX; i++)
        manifest.dbs[i] = (struct manifest_db){i, UINT64_C(1) << 36, UINT64_C(1) << 36};
    while (manifest.parts.count < MANIFEST_PARTS_MAX)
        object_parts_push(&manifest.parts, digest);
    manifest.parts.size = MANIFEST_PARTS_MAX * manifest.parts.part_bytes;
    auto_free char *text = manifest_format(&manifest);
    ck_assert_uint_le(strlen(text), MANIFEST_BYTES_MAX);
    ck_assert_int_eq(manifest_parse(text, strlen(text), "m", &after, &err), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manifest_hostile");
    TCase *tcase = tcase_create("manifest_hostile");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(tcase, a_manifest_with_a_right_digest_is_trusted_no_more, 0, COUNT(edits));
    tcase_add_test(tcase, lists_have_ceilings);
    tcase_add_test(tcase, part_counts_that_overflow_are_refused);
    tcase_add_test(tcase, parts_are_no_larger_than_what_is_read_in_one_piece);
    tcase_add_test(tcase, a_server_with_every_database_fits);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
