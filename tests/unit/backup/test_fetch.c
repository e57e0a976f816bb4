/*
 * Where the bytes of a backup go, and what stops them on the way. Foreign archives are in
 * test_restore_layout.c, flipped bytes in test_restore_faults.c and test_verify.c.
 */
#include "backup/fetch.h"

#include <check.h>
#include <string.h>

#include "backup/catalog.h"
#include "base/mem.h"
#include "support/backup_maker.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/leaks.h"
#include "support/memory_sink.h"
#include "support/sample.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID "20261120T120000Z-000001"
#define LARGE ((size_t)5 << 20) /* several frames */

static struct fake_store fake;
static struct leaks held;
static uint8_t *large;

static void begin(void)
{
    held = leaks_count();
    large = sample_bytes(7, LARGE);
    fake_store_init(&fake, (uint64_t)300 << 10);
}

static void end(void)
{
    ck_assert_uint_eq(fake.open_sources, 0);
    fake_store_release(&fake);
    free(large);
    ck_assert(leaks_none(&held));
}

struct taken { /* what came of each file */
    struct memory_sink sinks[3];
    size_t count;
    const char *names[3];
    mode_t modes[3];
    size_t pass_over; /* this one gets no sink; SIZE_MAX: none */
    int refuse_at;    /* on_file fails at this one; -1: none */
};

static int on_file(void *context, const struct manifest_file *file, const struct untar_entry *entry,
                   struct sink **out, struct err *err)
{
    struct taken *taken = context;
    size_t at = taken->count++;

    ck_assert_uint_lt(at, COUNT(taken->sinks));
    if (taken->refuse_at == (int)at)
        return err_set(err, ERR_BUSY, "not now");
    taken->names[at] = file->name;
    taken->modes[at] = entry->mode;
    if (at != taken->pass_over)
        *out = memory_sink_open(&taken->sinks[at]);
    return 0;
}

static void make(void)
{
    const struct made_file files[] = {
        {"dump.rdb", MANIFEST_RDB, large, LARGE, 0640},
        {"empty", MANIFEST_AOF_INCR, "", 0, 0600},
        {"users.acl", MANIFEST_ACL, "user default on", 15, 0},
    };
    const struct made_backup made = {.id = ID, .instance = "me", .files = files, .count = 3};

    backup_make(&fake, &made);
}

static int run(struct taken *taken, unsigned workers, struct err *err)
{
    auto_manifest struct manifest manifest = {0};
    struct fetch_options options = {.workers = workers, .on_file = on_file, .context = taken};

    ck_assert_int_eq(catalog_read(&fake.store, "me", ID, &manifest, err), 0);
    return fetch(&fake.store, &manifest, &options, err);
}

static void taken_init(struct taken *taken)
{
    *taken = (struct taken){.pass_over = SIZE_MAX, .refuse_at = -1};
    for (size_t i = 0; i < COUNT(taken->sinks); i++)
        memory_sink_init(&taken->sinks[i], 0);
}

static void taken_release(struct taken *taken)
{
    for (size_t i = 0; i < COUNT(taken->sinks); i++)
        memory_sink_release(&taken->sinks[i]);
}

START_TEST(every_file_gets_its_bytes)
{
    struct taken taken;
    struct err err = {0};

    make();
    taken_init(&taken);
    ck_assert_msg(run(&taken, (unsigned)_i, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(taken.count, 3);
    ck_assert_uint_eq(taken.sinks[0].bytes.len, LARGE);
    ck_assert_mem_eq(taken.sinks[0].bytes.data, large, LARGE);
    ck_assert_uint_eq(taken.sinks[1].bytes.len, 0);
    ck_assert_mem_eq(taken.sinks[2].bytes.data, "user default on", 15);
    ck_assert_uint_eq(taken.modes[0], 0640);
    ck_assert_uint_eq(taken.modes[1], 0600);
    for (size_t i = 0; i < 3; i++)
        ck_assert(taken.sinks[i].finished && taken.sinks[i].freed);
    taken_release(&taken);
}
END_TEST

START_TEST(a_file_without_a_sink_is_proven_all_the_same)
{
    struct taken taken;
    struct err err = {0};

    make();
    taken_init(&taken);
    taken.pass_over = 0;
    ck_assert_int_eq(run(&taken, 2, &err), 0);
    ck_assert_uint_eq(taken.count, 3);
    ck_assert_uint_eq(taken.sinks[0].calls, 0);
    taken_release(&taken);
}
END_TEST

START_TEST(a_sink_that_fails_ends_it_with_its_own_error)
{
    bool fired = true;

    make();
    for (unsigned n = 1; fired; n++) {
        struct taken taken;
        struct err err = {0};

        taken_init(&taken);
        taken.sinks[0].fail_at = n;
        int rc = run(&taken, 2, &err);
        fired = taken.sinks[0].fired;
        ck_assert_int_eq(rc, fired ? -1 : 0);
        ck_assert(!fired || err.kind == ERR_STORE);
        ck_assert(!fired || strstr(err.msg, ID) != NULL);
        ck_assert(taken.sinks[0].freed);
        taken_release(&taken);
    }
}
END_TEST

START_TEST(a_refused_file_ends_it)
{
    make();
    for (int at = 0; at < 3; at++) {
        struct taken taken;
        struct err err = {0};

        taken_init(&taken);
        taken.refuse_at = at;
        ck_assert_int_eq(run(&taken, 2, &err), -1);
        ck_assert_int_eq(err.kind, ERR_BUSY);
        ck_assert_uint_eq(taken.count, (size_t)at + 1);
        taken_release(&taken);
    }
}
END_TEST

static void wrong_crc(struct manifest *to)
{
    to->files[0].crc64 ^= 1;
}

static void wrong_size(struct manifest *to)
{
    to->files[0].size++;
}

static void wrong_name(struct manifest *to)
{
    free(to->files[0].name);
    to->files[0].name = xstrdup("another");
}

static void one_more(struct manifest *to)
{
    to->files = xreallocarray(to->files, to->file_count + 1, sizeof(*to->files));
    to->files[to->file_count++] =
        (struct manifest_file){.name = xstrdup("missing"), .kind = MANIFEST_AOF_INCR};
}

static void one_part_more(struct manifest *to)
{
    uint8_t digest[SHA256_BYTES] = {0};

    object_parts_push(&to->parts, digest);
    to->parts.size = (to->parts.count - 1) * to->parts.part_bytes + 1;
}

static void (*const edits[])(struct manifest *to) = {wrong_crc, wrong_size, wrong_name, one_more,
                                                     one_part_more};

START_TEST(data_that_is_not_what_the_manifest_says_is_corrupt)
{
    const struct made_file file = {"dump.rdb", MANIFEST_RDB, "some bytes", 10, 0};
    const struct made_backup made = {
        .id = ID, .instance = "me", .files = &file, .count = 1, .edit = edits[_i]};
    struct taken taken;
    struct err err = {0};

    backup_make(&fake, &made);
    taken_init(&taken);
    ck_assert_int_eq(run(&taken, 2, &err), -1);
    ck_assert_msg(err.kind == ERR_CORRUPT, "%s", err.msg);
    ck_assert(!taken.sinks[0].finished || _i >= 3); /* a file is not complete before it is proven */
    taken_release(&taken);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fetch");
    TCase *tcase = tcase_create("fetch");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(tcase, every_file_gets_its_bytes, 1, 5);
    tcase_add_test(tcase, a_file_without_a_sink_is_proven_all_the_same);
    tcase_add_test(tcase, a_sink_that_fails_ends_it_with_its_own_error);
    tcase_add_test(tcase, a_refused_file_ends_it);
    tcase_add_loop_test(tcase, data_that_is_not_what_the_manifest_says_is_corrupt, 0, COUNT(edits));

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
