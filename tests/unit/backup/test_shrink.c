/*
 * When the data has collapsed: what counts as that, and what happens then, with a real server whose
 * data goes and a store that fails at its n-th operation.
 */
#include "backup/shrink.h"

#include <check.h>
#include <string.h>

#include "backup/catalog.h"
#include "base/json.h"
#include "base/mem.h"
#include "support/backing_up.h"
#include "support/leaks.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NONE UINT64_MAX

struct sides { /* before, after; NONE: there is no such thing */
    uint64_t keys[2];
    uint64_t rdb[2];
    uint64_t base[2];
    uint64_t incr[2];
};

static void add_file(struct manifest *to, enum manifest_kind kind, uint64_t size)
{
    if (size != NONE)
        to->files[to->file_count++] = (struct manifest_file){.kind = kind, .size = size};
}

static const struct {
    struct sides sides;
    unsigned percent;
    const char *how;
} rows[] = {
    {{{1000, 500}, {9, 9}, {NONE, NONE}, {NONE, NONE}}, 50, "500 keys instead of 1000"},
    {{{1000, 501}, {9, 9}, {NONE, NONE}, {NONE, NONE}}, 50, NULL},
    {{{1000, 0}, {9, 9}, {NONE, NONE}, {NONE, NONE}}, 50, "0 keys instead of 1000"},
    {{{1000, 0}, {9, 9}, {NONE, NONE}, {NONE, NONE}}, 0, NULL},
    {{{1000, 1}, {9, 9}, {NONE, NONE}, {NONE, NONE}}, 100, NULL},
    {{{1000, 0}, {9, 9}, {NONE, NONE}, {NONE, NONE}}, 100, "0 keys instead of 1000"},
    {{{1000, 999}, {9, 9}, {NONE, NONE}, {NONE, NONE}}, 1, NULL},
    {{{1000, 990}, {9, 9}, {NONE, NONE}, {NONE, NONE}}, 1, "990 keys instead of 1000"},
    {{{0, 0}, {9, 9}, {NONE, NONE}, {NONE, NONE}}, 50, NULL},
    {{{0, 1000}, {9, 9}, {NONE, NONE}, {NONE, NONE}}, 50, NULL},
    {{{UINT64_C(1) << 53, UINT64_C(1) << 52}, {9, 9}, {NONE, NONE}, {NONE, NONE}},
     50,
     "4503599627370496 keys instead of 9007199254740992"},
    /* bytes, whatever the keys say; other files than before are no loss */
    {{{5, 5}, {2000, 1000}, {NONE, NONE}, {NONE, NONE}}, 50, "1.0 kB instead of 2.0 kB"},
    {{{5, 5}, {2000, 1001}, {NONE, NONE}, {NONE, NONE}}, 50, NULL},
    {{{NONE, 5}, {2000, 1000}, {NONE, NONE}, {NONE, NONE}}, 50, "1.0 kB instead of 2.0 kB"},
    {{{5, NONE}, {2000, 2000}, {NONE, NONE}, {NONE, NONE}}, 50, NULL},
    {{{5, 5}, {2000, 2000}, {9000, NONE}, {9000, NONE}}, 50, NULL},
    {{{5, 5}, {2000, 2000}, {9000, 90}, {9000, 0}}, 50, NULL},
    {{{NONE, NONE}, {NONE, NONE}, {2000, 2000}, {9000, 0}}, 50, NULL},
    {{{NONE, NONE}, {NONE, NONE}, {2000, 90}, {0, 9000}}, 50, "90 B instead of 2.0 kB"},
    {{{NONE, NONE}, {2000, NONE}, {2000, 90}, {0, 0}}, 50, "90 B instead of 2.0 kB"},
    {{{NONE, NONE}, {2000, NONE}, {NONE, 90}, {NONE, 0}}, 50, NULL},
    {{{NONE, NONE}, {NONE, NONE}, {NONE, NONE}, {NONE, NONE}}, 50, NULL},
};

START_TEST(a_collapse_is_told_from_a_change)
{
    struct manifest_db dbs[2][1] = {0};
    struct manifest_file files[2][3];
    struct manifest manifests[2] = {0};
    const struct sides *sides = &rows[_i].sides;

    for (size_t side = 0; side < 2; side++) {
        dbs[side][0].keys = sides->keys[side];
        manifests[side] = (struct manifest){.has_keys = sides->keys[side] != NONE,
                                            .dbs = dbs[side],
                                            .db_count = sides->keys[side] != NONE ? 1 : 0,
                                            .files = files[side]};
        add_file(&manifests[side], MANIFEST_AOF_INCR, sides->incr[side]);
        add_file(&manifests[side], MANIFEST_AOF_BASE, sides->base[side]);
        add_file(&manifests[side], MANIFEST_RDB, sides->rdb[side]);
    }
    auto_free char *how = shrink_describe(&manifests[0], &manifests[1], rows[_i].percent);
    ck_assert_pstr_eq(how, rows[_i].how);
}
END_TEST

static struct backing_up run;
static struct leaks held;
static char first_id[CATALOG_ID_SIZE];

static void begin(void)
{
    held = leaks_count();
    backing_up_begin(&run, NULL);
    run.options.shrink_percent = 50;
    backing_up_fill(&run);
    backing_up_must_succeed(&run);
    ck_assert_str_eq(buf_text(&run.warnings), "");
    memcpy(first_id, run.manifest.id, sizeof(first_id));
}

static void end(void)
{
    backing_up_end(&run);
    ck_assert(leaks_none(&held));
}

static bool is_pinned(const char *id)
{
    auto_free char *tail = xasprintf("/%s/pinned.json", id);

    return fake_store_count(&run.fake, tail) == 1;
}

static bool was_warned(const char *text)
{
    return strstr(buf_text(&run.warnings), text) != NULL;
}

START_TEST(what_was_there_before_a_flush_is_pinned)
{
    char second_id[CATALOG_ID_SIZE];

    redis_server_do(&run.server, "FLUSHALL");
    backing_up_must_succeed(&run);
    memcpy(second_id, run.manifest.id, sizeof(second_id));
    ck_assert(is_pinned(first_id));
    ck_assert(was_warned("SHRUNK: "));
    ck_assert(was_warned("holds 0 keys instead of 15 in backup"));

    auto_json struct json *pin = NULL;
    const struct buf *text = fake_store_only(&run.fake, "/pinned.json");
    const char *value = NULL;
    int64_t time_ms = 0;
    struct err err = {0};
    ck_assert_int_eq(json_parse(buf_text(text), text->len, &pin, &err), 0);
    ck_assert_int_eq(json_get_string(pin, "next", &value, &err), 0);
    ck_assert_str_eq(value, second_id);
    ck_assert_int_eq(json_get_string(pin, "why", &value, &err), 0);
    ck_assert_str_eq(value, "the backup after it holds 0 keys instead of 15");
    ck_assert_int_eq(json_get_time(pin, "pinned_at", &time_ms, &err), 0);

    /* the next one, as small as this, is no news; and one manifest is all that is read */
    fake_store_arm(&run.fake, 0, FAKE_FAILS);
    ck_assert_int_eq(backing_up_run(&run), 0);
    ck_assert_str_eq(buf_text(&run.warnings), "");
    ck_assert_uint_eq(fake_store_asked(&run.fake, "get_small"), 1);
    ck_assert_uint_eq(fake_store_asked(&run.fake, "list"), 1);
    ck_assert(!is_pinned(second_id));
}
END_TEST

/* Whoever sees the small one must see the pin. */
static void check_order(struct fake_store *fake, const char *operation, const char *key)
{
    (void)fake;
    if (strcmp(operation, "put_small") == 0 && strstr(key, "/backup.json") != NULL)
        ck_assert(is_pinned(first_id));
}

START_TEST(the_pin_is_there_before_the_small_backup)
{
    redis_server_do(&run.server, "FLUSHALL");
    run.fake.hook = check_order;
    backing_up_must_succeed(&run);
    ck_assert(is_pinned(first_id));
}
END_TEST

START_TEST(without_the_alarm_nothing_is_read)
{
    run.options.shrink_percent = 0;
    redis_server_do(&run.server, "FLUSHALL");
    fake_store_arm(&run.fake, 0, FAKE_FAILS);
    ck_assert_int_eq(backing_up_run(&run), 0);
    ck_assert_uint_eq(fake_store_asked(&run.fake, "get_small"), 0);
    ck_assert_uint_eq(fake_store_count(&run.fake, "/pinned.json"), 0);
}
END_TEST

static void forget(struct fake_store *fake, const char *operation, const char *key)
{
    (void)key;
    if (strcmp(operation, "finish") == 0) {
        auto_free char *manifest = catalog_key(BACKING_UP_INSTANCE, first_id, "backup.json");
        fake_store_drop(fake, manifest);
    }
}

START_TEST(one_that_was_removed_meanwhile_is_no_loss)
{
    redis_server_do(&run.server, "FLUSHALL");
    run.fake.hook = forget;
    ck_assert_int_eq(backing_up_run(&run), 0);
    ck_assert_str_eq(buf_text(&run.warnings), "");
    ck_assert_uint_eq(fake_store_count(&run.fake, "/pinned.json"), 0);
}
END_TEST

START_TEST(one_that_cannot_be_read_is_a_warning)
{
    fake_store_only(&run.fake, "/backup.json")->data[10] ^= 1;
    redis_server_do(&run.server, "FLUSHALL");
    ck_assert_int_eq(backing_up_run(&run), 0);
    ck_assert(was_warned("BACKUP_CORRUPT: "));
    ck_assert(was_warned("is not compared with the one before it"));
    ck_assert_uint_eq(fake_store_count(&run.fake, "/backup.json"), 2);
    ck_assert_uint_eq(fake_store_count(&run.fake, "/pinned.json"), 0);
}
END_TEST

static const char *failing;

/* Hooks are called when the operation has been judged: what comes next fails. */
static void fail_behind(struct fake_store *fake, const char *operation, const char *key)
{
    (void)key;
    if (strcmp(operation, failing) == 0)
        fake_store_arm(fake, 1, FAKE_FAILS);
}

START_TEST(no_backup_is_lost_for_a_pin)
{
    static const struct {
        const char *behind; /* the operation that fails is the one behind it */
        const char *warning;
    } faults[] = {
        {"finish", "is not compared with the one before it"},
        {"get_small", "could not be pinned, so that retention may remove it in time"},
        {"head", "could not be pinned, so that retention may remove it in time"},
    };

    redis_server_do(&run.server, "FLUSHALL");
    failing = faults[_i].behind;
    run.fake.hook = fail_behind;
    ck_assert_msg(backing_up_run(&run) == 0, "%s", run.err.msg);
    run.fake.hook = NULL;
    ck_assert(was_warned(faults[_i].warning));
    ck_assert(was_warned("STORE_UNREACHABLE: "));
    ck_assert_uint_eq(fake_store_count(&run.fake, "/pinned.json"), 0);
    ck_assert_uint_eq(backing_up_check_all(&run), 2);
}
END_TEST

/* The pin is there, the small backup is not: the next try finds it pinned, and says so again. */
START_TEST(a_backup_that_fails_behind_its_pin_is_tried_again)
{
    redis_server_do(&run.server, "FLUSHALL");
    fake_store_arm(&run.fake, 0, FAKE_FAILS);
    failing = "put_small"; /* of the pin */
    run.fake.hook = fail_behind;
    ck_assert_int_eq(backing_up_run(&run), -1);
    run.fake.hook = NULL;
    ck_assert(is_pinned(first_id));
    ck_assert_uint_eq(backing_up_check_all(&run), 1);
    backing_up_must_succeed(&run);
    ck_assert(was_warned("SHRUNK: "));
    ck_assert_uint_eq(fake_store_count(&run.fake, "/pinned.json"), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shrink");
    TCase *pure = tcase_create("pure");
    TCase *real = tcase_create("real");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(pure, a_collapse_is_told_from_a_change, 0, (int)COUNT(rows));
    suite_add_tcase(suite, pure);
    tcase_add_checked_fixture(real, begin, end);
    tcase_set_timeout(real, 60);
    tcase_add_test(real, what_was_there_before_a_flush_is_pinned);
    tcase_add_test(real, the_pin_is_there_before_the_small_backup);
    tcase_add_test(real, without_the_alarm_nothing_is_read);
    tcase_add_test(real, one_that_was_removed_meanwhile_is_no_loss);
    tcase_add_test(real, one_that_cannot_be_read_is_a_warning);
    tcase_add_loop_test(real, no_backup_is_lost_for_a_pin, 0, 3);
    tcase_add_test(real, a_backup_that_fails_behind_its_pin_is_tried_again);
    suite_add_tcase(suite, real);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
