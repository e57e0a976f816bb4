/*
 * The CRC64 of parts, however the bytes are sliced on their way.
 */
#include "stream/sink_part_crcs.h"

#include <check.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/crc64.h"
#include "support/memory_sink.h"
#include "support/sample.h"

#define TOTAL 1000

static const size_t slices[] = {1, 2, 7, 99, 100, 101, 300, 999, 1000};

static void check_parts(const uint8_t *data, size_t len, size_t slice, size_t part)
{
    struct memory_sink state;
    struct part_crcs crcs;
    struct err err = {0};

    memory_sink_init(&state, 0);
    struct sink *sink = sink_part_crcs_new(memory_sink_open(&state), part, &crcs);
    for (size_t at = 0; at < len; at += slice)
        ck_assert_int_eq(sink_write(sink, data + at, len - at < slice ? len - at : slice, &err), 0);
    ck_assert_int_eq(sink_finish(sink, &err), 0);
    ck_assert_uint_eq(crcs.count, (len + part - 1) / part);
    for (size_t i = 0; i < crcs.count; i++) {
        size_t left = len - i * part;
        ck_assert_uint_eq(crcs.crc64[i], crc64(0, data + i * part, left < part ? left : part));
    }
    ck_assert_uint_eq(state.bytes.len, len);
    if (len > 0)
        ck_assert_mem_eq(state.bytes.data, data, len);
    sink_free(sink);
    free(crcs.crc64);
    memory_sink_release(&state);
}

START_TEST(parts_are_cut_where_they_end_whatever_the_writes)
{
    auto_free uint8_t *data = sample_bytes(3, TOTAL);
    size_t count = sizeof slices / sizeof slices[0];

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            check_parts(data, TOTAL, slices[i], slices[j]);
    check_parts(data, 0, 1, 10);
    check_parts(data, 1, 1, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink_part_crcs");
    TCase *tcase = tcase_create("sink_part_crcs");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, parts_are_cut_where_they_end_whatever_the_writes);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
