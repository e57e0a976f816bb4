/* Some of the parts: how many, which ones, and what a sample sees. */
#include "backup/verify_sample.h"

#include <check.h>
#include <string.h>

#include "backup/catalog.h"
#include "backup/verify.h"
#include "base/mem.h"
#include "support/backup_maker.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/leaks.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID "20261120T120000Z-000001"
#define DATA "me/backups/" ID "/data.tar.zst"
#define MANIFEST "me/backups/" ID "/backup.json"
#define PART 10
#define PARTS_MAX 64

static struct fake_store fake;
static struct fake_clock fake_time;
static struct leaks held;
static size_t parts; /* of the backup */
static size_t size;

/* Knuth's MMIX. */
static uint32_t pseudo_random(void *context)
{
    uint64_t *seed = context;

    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 32);
}

static void begin(void)
{
    static const struct made_file file = {
        "users.acl", MANIFEST_ACL, "user default on nopass ~* &* +@all and a bit more", 49, 0};
    const struct made_backup made = {.id = ID, .instance = "me", .files = &file, .count = 1};

    held = leaks_count();
    fake_store_init(&fake, PART);
    fake_clock_init(&fake_time, 0);
    backup_make(&fake, &made);
    size = fake_store_find(&fake, DATA)->len;
    parts = (size + PART - 1) / PART;
    ck_assert_uint_gt(parts, 8);
    ck_assert_uint_lt(parts, PARTS_MAX);
}

static void end(void)
{
    ck_assert_uint_eq(fake.open_sources, 0);
    fake_store_release(&fake);
    ck_assert(leaks_none(&held));
}

static struct verify_result sample(unsigned percent, uint64_t seed)
{
    const struct verify_options options = {.instance = "me",
                                           .workers = 1,
                                           .clock = &fake_time.clock,
                                           .percent = percent,
                                           .random = pseudo_random,
                                           .random_context = &seed};
    struct verify_result result = {0};
    struct err err = {0};

    fake_store_arm(&fake, 0, FAKE_FAILS);
    ck_assert_msg(verify(&fake.store, ID, &options, &result, &err) == 0, "%s", err.msg);
    ck_assert(result.sampled);
    ck_assert(!result.walked);
    return result;
}

/* Is a damaged part i in the sample of that seed? */
static bool sees(size_t i, unsigned percent, uint64_t seed)
{
    uint8_t *byte = &fake_store_find(&fake, DATA)->data[i * PART];

    *byte ^= 1;
    struct verify_result result = sample(percent, seed);
    bool ok = result.ok;
    verify_result_release(&result);
    *byte ^= 1;
    return !ok;
}

START_TEST(as_many_parts_are_read_as_were_asked_for)
{
    for (unsigned percent = 1; percent <= 100; percent++) {
        size_t wanted = (parts * percent + 99) / 100;
        struct verify_result result = sample(percent, percent);
        auto_free char *why = xasprintf("not walked: %zu of %zu parts were read", wanted, parts);

        ck_assert(result.ok);
        ck_assert_str_eq(result.why, why);
        ck_assert_uint_eq(fake_store_asked(&fake, "next"), wanted); /* all that the store gave */
        ck_assert_uint_le(result.checked_bytes, wanted * PART);
        ck_assert_uint_gt(result.checked_bytes, (wanted - 1) * PART);
        if (percent == 100)
            ck_assert_uint_eq(result.checked_bytes, size);
        ck_assert(!result.has_keys || result.keys == 4);
        verify_result_release(&result);
    }
}
END_TEST

START_TEST(all_of_them_see_every_flipped_byte)
{
    struct buf *object = fake_store_find(&fake, DATA);

    for (size_t at = 0; at < object->len; at++) {
        object->data[at] ^= 0x10;
        struct verify_result result = sample(100, 1);
        auto_free char *part = xasprintf("part %zu of %zu", at / PART + 1, parts);
        ck_assert(!result.ok);
        ck_assert_ptr_nonnull(strstr(result.why, part));
        ck_assert_uint_eq(result.checked_bytes, at / PART * PART); /* as far as it came */
        verify_result_release(&result);
        object->data[at] ^= 0x10;
    }
}
END_TEST

START_TEST(each_part_has_its_turn)
{
    unsigned seen[PARTS_MAX] = {0};
    size_t sets = 0;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        size_t in_sample = 0;

        for (size_t i = 0; i < parts; i++)
            if (sees(i, 20, seed)) {
                seen[i]++;
                in_sample++;
            }
        ck_assert_uint_eq(in_sample, (parts * 20 + 99) / 100);
        sets += sees(0, 20, seed) != sees(0, 20, seed + 1);
    }
    ck_assert_uint_gt(sets, 20); /* the sample differs from one to the next */
    for (size_t i = 0; i < parts; i++)
        ck_assert_msg(seen[i] > 20 && seen[i] < 90, "part %zu: %u of 200", i, seen[i]);
}
END_TEST

START_TEST(an_object_of_another_size_is_seen_whatever_is_read)
{
    struct buf *object = fake_store_find(&fake, DATA);

    object->len--;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct verify_result result = sample(1, seed);
        ck_assert(!result.ok);
        ck_assert_ptr_nonnull(strstr(result.why, "bytes, the manifest says"));
        verify_result_release(&result);
    }
    fake_store_drop(&fake, DATA);
    struct verify_result result = sample(1, 1);
    ck_assert(!result.ok);
    verify_result_release(&result);
}
END_TEST

START_TEST(the_manifest_is_always_read_whole)
{
    struct buf *object = fake_store_find(&fake, MANIFEST);

    for (size_t at = 0; at < object->len; at++) {
        object->data[at] ^= 1;
        struct verify_result result = sample(1, at);
        ck_assert(!result.ok);
        verify_result_release(&result);
        object->data[at] ^= 1;
    }
}
END_TEST

static void drop_all(struct fake_store *store, const char *operation, const char *key)
{
    (void)key;
    if (strcmp(operation, "next") != 0)
        return;
    store->hook = NULL;
    fake_store_drop(store, MANIFEST);
    fake_store_drop(store, DATA);
}

START_TEST(one_that_is_removed_meanwhile_is_no_damage)
{
    uint64_t seed = 1;
    const struct verify_options options = {.instance = "me",
                                           .clock = &fake_time.clock,
                                           .percent = 50,
                                           .random = pseudo_random,
                                           .random_context = &seed};
    struct verify_result result = {0};
    struct err err = {0};

    fake.hook = drop_all;
    ck_assert_int_eq(verify(&fake.store, ID, &options, &result, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_store_that_fails_says_nothing_of_the_backup)
{
    bool fired = true;

    for (unsigned n = 1; fired; n++) {
        uint64_t seed = 1;
        const struct verify_options options = {.instance = "me",
                                               .clock = &fake_time.clock,
                                               .percent = 50,
                                               .random = pseudo_random,
                                               .random_context = &seed};
        struct verify_result result = {0};
        struct err err = {0};

        fake_store_arm(&fake, n, FAKE_FAILS);
        int rc = verify(&fake.store, ID, &options, &result, &err);
        fired = fake.fired > 0;
        ck_assert_int_eq(rc, fired ? -1 : 0);
        ck_assert(!fired || err.kind == ERR_STORE);
        verify_result_release(&result);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify_sample");
    TCase *tcase = tcase_create("sample");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, as_many_parts_are_read_as_were_asked_for);
    tcase_add_test(tcase, all_of_them_see_every_flipped_byte);
    tcase_add_test(tcase, each_part_has_its_turn);
    tcase_add_test(tcase, an_object_of_another_size_is_seen_whatever_is_read);
    tcase_add_test(tcase, the_manifest_is_always_read_whole);
    tcase_add_test(tcase, one_that_is_removed_meanwhile_is_no_damage);
    tcase_add_test(tcase, a_store_that_fails_says_nothing_of_the_backup);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
