#include "stream/source_proven.h"

#include <check.h>
#include <string.h>

#include "base/crc64.h"
#include "support/memory_source.h"
#include "support/sample.h"

#define PART ((size_t)100)
#define PARTS 5
#define LAST 37
#define TOTAL (4 * PART + LAST)

static void digest_parts(const uint8_t *data, uint8_t out[PARTS][SHA256_BYTES])
{
    for (size_t i = 0; i < PARTS; i++)
        sha256_of(data + i * PART, i + 1 < PARTS ? PART : LAST, out[i]);
}

static struct source *prove(struct memory_source *state, uint8_t (*digests)[SHA256_BYTES],
                            size_t count)
{
    /* C17 does not add const below an array by itself */
    const struct source_proof proof = {.count = count,
                                       .sha256 = (const uint8_t(*)[SHA256_BYTES])digests};

    return source_proven_new(memory_source_open(state), &proof);
}

/* Reads it all; the number of bytes that came through before the end or the error. */
static size_t drain(struct source *source, const uint8_t *expected, int *out_rc, struct err *err)
{
    size_t got = 0;

    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;

        *out_rc = source_next(source, &data, &len, err);
        if (*out_rc != 0 || len == 0)
            return got;
        ck_assert_mem_eq(data, expected + got, len);
        got += len;
    }
}

START_TEST(proven_parts_come_through_unchanged)
{
    auto_free uint8_t *data = sample_bytes(1, TOTAL);
    uint8_t digests[PARTS][SHA256_BYTES];
    struct memory_source state = {.data = data, .len = TOTAL, .chunk = PART};
    struct err err = {0};
    int rc;

    digest_parts(data, digests);
    struct source *proven = prove(&state, digests, PARTS);
    ck_assert_uint_eq(drain(proven, data, &rc, &err), TOTAL);
    ck_assert_int_eq(rc, 0);
    ck_assert(!state.freed);
    source_free(proven);
    ck_assert(state.freed);
}
END_TEST

START_TEST(every_flipped_byte_is_corrupt_and_its_part_never_handed_on)
{
    auto_free uint8_t *good = sample_bytes(1, TOTAL);
    auto_free uint8_t *data = sample_bytes(1, TOTAL);
    uint8_t digests[PARTS][SHA256_BYTES];

    digest_parts(good, digests);
    for (size_t i = 0; i < TOTAL; i++) {
        struct memory_source state = {.data = data, .len = TOTAL, .chunk = PART};
        struct err err = {0};
        int rc;

        data[i] ^= 1;
        auto_source struct source *proven = prove(&state, digests, PARTS);
        ck_assert_uint_eq(drain(proven, good, &rc, &err), i / PART * PART);
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
        data[i] ^= 1;
    }
}
END_TEST

START_TEST(a_flipped_digest_is_corrupt)
{
    auto_free uint8_t *data = sample_bytes(1, TOTAL);
    uint8_t digests[PARTS][SHA256_BYTES];

    digest_parts(data, digests);
    for (size_t i = 0; i < sizeof(digests); i++) {
        struct memory_source state = {.data = data, .len = TOTAL, .chunk = PART};
        struct err err = {0};
        int rc;

        digests[i / SHA256_BYTES][i % SHA256_BYTES] ^= 0x80;
        auto_source struct source *proven = prove(&state, digests, PARTS);
        ck_assert_uint_eq(drain(proven, data, &rc, &err), i / SHA256_BYTES * PART);
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
        digests[i / SHA256_BYTES][i % SHA256_BYTES] ^= 0x80;
    }
}
END_TEST

START_TEST(every_truncation_is_corrupt)
{
    auto_free uint8_t *data = sample_bytes(1, TOTAL);
    uint8_t digests[PARTS][SHA256_BYTES];

    digest_parts(data, digests);
    for (size_t len = 0; len < TOTAL; len++) {
        struct memory_source state = {.data = data, .len = len, .chunk = PART};
        struct err err = {0};
        int rc;

        auto_source struct source *proven = prove(&state, digests, PARTS);
        ck_assert_uint_eq(drain(proven, data, &rc, &err), len / PART * PART);
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
    }
}
END_TEST

START_TEST(more_parts_than_digests_is_corrupt)
{
    auto_free uint8_t *data = sample_bytes(1, TOTAL);
    uint8_t digests[PARTS][SHA256_BYTES];

    digest_parts(data, digests);
    for (size_t count = 0; count < PARTS; count++) {
        struct memory_source state = {.data = data, .len = TOTAL, .chunk = PART};
        struct err err = {0};
        int rc;

        auto_source struct source *proven = prove(&state, digests, count);
        ck_assert_uint_eq(drain(proven, data, &rc, &err), count * PART);
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
    }
}
END_TEST

START_TEST(nothing_with_no_digests_is_the_end)
{
    struct memory_source state = {0};
    uint8_t digests[1][SHA256_BYTES];
    struct err err = {0};
    int rc;

    auto_source struct source *proven = prove(&state, digests, 0);
    ck_assert_uint_eq(drain(proven, NULL, &rc, &err), 0);
    ck_assert_int_eq(rc, 0);
}
END_TEST

START_TEST(an_error_of_the_inner_source_passes_through)
{
    auto_free uint8_t *data = sample_bytes(1, TOTAL);
    uint8_t digests[PARTS][SHA256_BYTES];

    digest_parts(data, digests);
    for (unsigned n = 1; n <= PARTS + 1; n++) {
        struct memory_source state = {.data = data, .len = TOTAL, .chunk = PART, .fail_at = n};
        struct err err = {0};
        int rc;

        auto_source struct source *proven = prove(&state, digests, PARTS);
        (void)drain(proven, data, &rc, &err);
        ck_assert(state.fired);
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(err.kind, ERR_STORE);
    }
}
END_TEST

static void crc_parts(const uint8_t *data, uint64_t out[PARTS])
{
    for (size_t i = 0; i < PARTS; i++)
        out[i] = crc64(0, data + i * PART, i + 1 < PARTS ? PART : LAST);
}

START_TEST(a_crc_alone_finds_every_flipped_byte)
{
    auto_free uint8_t *good = sample_bytes(1, TOTAL);
    auto_free uint8_t *data = sample_bytes(1, TOTAL);
    uint64_t crcs[PARTS];
    const struct source_proof proof = {.count = PARTS, .crc64 = crcs};

    crc_parts(good, crcs);
    for (size_t i = 0; i <= TOTAL; i++) {
        struct memory_source state = {.data = data, .len = TOTAL, .chunk = PART};
        struct err err = {0};
        bool is_flipped = i < TOTAL;
        int rc;

        if (is_flipped)
            data[i] ^= 0x40;
        auto_source struct source *proven = source_proven_new(memory_source_open(&state), &proof);
        ck_assert_uint_eq(drain(proven, good, &rc, &err), is_flipped ? i / PART * PART : TOTAL);
        ck_assert_int_eq(rc, is_flipped ? -1 : 0);
        ck_assert_int_eq(err.kind, is_flipped ? ERR_CORRUPT : ERR_NONE);
        if (is_flipped)
            data[i] ^= 0x40;
    }
}
END_TEST

START_TEST(where_both_are_given_both_must_fit)
{
    auto_free uint8_t *data = sample_bytes(1, TOTAL);
    uint8_t digests[PARTS][SHA256_BYTES];
    uint64_t crcs[PARTS];

    for (int wrong = 0; wrong < 3; wrong++) {
        const struct source_proof proof = {
            .count = PARTS, .sha256 = (const uint8_t(*)[SHA256_BYTES])digests, .crc64 = crcs};
        struct memory_source state = {.data = data, .len = TOTAL, .chunk = PART};
        struct err err = {0};
        int rc;

        digest_parts(data, digests);
        crc_parts(data, crcs);
        if (wrong == 1)
            digests[PARTS - 1][0] ^= 1;
        if (wrong == 2)
            crcs[PARTS - 1] ^= 1;
        auto_source struct source *proven = source_proven_new(memory_source_open(&state), &proof);
        (void)drain(proven, data, &rc, &err);
        ck_assert_int_eq(rc, wrong == 0 ? 0 : -1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("source_proven");
    TCase *tcase = tcase_create("source_proven");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, proven_parts_come_through_unchanged);
    tcase_add_test(tcase, every_flipped_byte_is_corrupt_and_its_part_never_handed_on);
    tcase_add_test(tcase, a_flipped_digest_is_corrupt);
    tcase_add_test(tcase, every_truncation_is_corrupt);
    tcase_add_test(tcase, more_parts_than_digests_is_corrupt);
    tcase_add_test(tcase, nothing_with_no_digests_is_the_end);
    tcase_add_test(tcase, a_crc_alone_finds_every_flipped_byte);
    tcase_add_test(tcase, where_both_are_given_both_must_fit);
    tcase_add_test(tcase, an_error_of_the_inner_source_passes_through);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
