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
#include "support/full_manifest.h"
#include "support/scratch.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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
        ck_assert_uint_eq(a->files[i].rdb_crc64, b->files[i].rdb_crc64);
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
        full_manifest(&before);
    else
        bare_manifest(&before);
    auto_free char *text = manifest_format(&before);
    ck_assert_msg(manifest_parse(text, strlen(text), "m", &after, &err) == 0, "%s", err.msg);
    check_equal(&before, &after);
    check_equal_lists(&before, &after);
    ck_assert_int_eq(after.save_ms, before.save_ms);
    ck_assert_int_eq(after.pack_ms, before.pack_ms);
}
END_TEST

START_TEST(the_sums_are_those_of_the_lists)
{
    auto_manifest struct manifest manifest = {0};

    full_manifest(&manifest);
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
    auto_free char *text = full_manifest_text();
    auto_free char *newer = made_edit(text, "{\n", added[_i]);
    auto_manifest struct manifest manifest = {0};
    auto_manifest struct manifest before = {0};
    struct err err = {0};

    full_manifest(&before);
    ck_assert_msg(manifest_parse(newer, strlen(newer), "m", &manifest, &err) == 0, "%s", err.msg);
    check_equal(&before, &manifest);
    check_equal_lists(&before, &manifest);
}
END_TEST

START_TEST(every_flipped_bit_is_seen)
{
    auto_free char *text = full_manifest_text();
    size_t len = strlen(text);

    for (size_t i = 0; i < len * 8; i++) {
        text[i / 8] = (char)((unsigned char)text[i / 8] ^ 1U << i % 8);
        manifest_is_refused(text, len, ERR_CORRUPT, "flipped");
        text[i / 8] = (char)((unsigned char)text[i / 8] ^ 1U << i % 8);
    }
}
END_TEST

START_TEST(every_cut_and_every_addition_is_seen)
{
    auto_free char *text = full_manifest_text();
    size_t len = strlen(text);
    auto_free char *longer = xasprintf("%s\n", text);
    auto_free char *twice = xasprintf("%s%s", text, text);
    auto_free char *shifted = xasprintf(" %s", text);

    for (size_t cut = 0; cut < len; cut++)
        manifest_is_refused(text, cut, ERR_CORRUPT, "cut");
    manifest_is_refused(longer, len + 1, ERR_CORRUPT, "a line more");
    manifest_is_refused(twice, len * 2, ERR_CORRUPT, "twice");
    manifest_is_refused(shifted, len + 1, ERR_CORRUPT, "shifted");
    manifest_is_refused(text, len + 1, ERR_CORRUPT, "with its NUL");
}
END_TEST

START_TEST(a_shell_can_check_the_digest)
{
    auto_free char *text = full_manifest_text();
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
    manifest_is_refused(buf_text(&text), text.len, ERR_TOO_NEW, "future");
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
    tcase_add_loop_test(tcase, manifests_that_were_once_written_stay_readable, 0, COUNT(goldens));
    tcase_add_test(tcase, a_manifest_of_the_future_says_so);
    tcase_add_test(tcase, text_that_would_not_come_back_as_it_was_is_told);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
