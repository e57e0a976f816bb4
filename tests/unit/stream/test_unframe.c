#include "stream/unframe.h"

#include <check.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "stream/frame.h"
#include "support/leaks.h"
#include "support/memory_source.h"
#include "support/sample.h"

#define STREAM_MAX ((size_t)64 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const unsigned worker_counts[] = {1, 2, 5};

static void append(struct buf *to, const void *data, size_t len)
{
    struct err err = {0};

    ck_assert_int_eq(buf_append(to, data, len, &err), 0);
}

/* Appends data as one frame to stream, and to plain what must come out of it. */
static void add_frame(struct buf *stream, struct buf *plain, int level, uint64_t seed, size_t len)
{
    auto_with(cleanup_frame_writer) struct frame_writer *writer = frame_writer_new(level);
    auto_free uint8_t *data = sample_bytes(seed, len);
    auto_free uint8_t *frame = xmalloc(frame_bound(len));
    struct err err = {0};
    size_t stored;

    ck_assert_int_eq(frame_compress(writer, data, len, frame, &stored, &err), 0);
    append(stream, frame, stored);
    append(plain, data, len);
}

static void add_skippable(struct buf *stream, const char *text)
{
    uint8_t head[8] = {0x5e, 0x2a, 0x4d, 0x18, (uint8_t)strlen(text)};

    append(stream, head, sizeof(head));
    append(stream, text, strlen(text));
}

/* Reads until the end or an error; what came is appended to out. */
static int drain(struct source *source, struct buf *out, struct err *err)
{
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;

        if (source_next(source, &data, &len, err) != 0)
            return -1;
        if (len == 0)
            return 0;
        append(out, data, len);
    }
}

static int unframe_all(struct memory_source *state, unsigned workers, struct buf *out,
                       struct err *err)
{
    auto_source struct source *blocks = NULL;

    int rc = unframe_new(memory_source_open(state), workers, &blocks, err);
    ck_assert_msg(rc == 0, "%s", err->msg);
    return drain(blocks, out, err);
}

static void assert_unframes(const struct buf *stream, const struct buf *plain, size_t chunk)
{
    for (size_t i = 0; i < COUNT(worker_counts); i++) {
        auto_buf struct buf out = {.max = STREAM_MAX};
        struct memory_source state = {.data = stream->data, .len = stream->len, .chunk = chunk};
        struct err err = {0};

        int rc = unframe_all(&state, worker_counts[i], &out, &err);
        ck_assert_msg(rc == 0, "chunk %zu: %s", chunk, err.msg);
        ck_assert_uint_eq(out.len, plain->len);
        ck_assert(out.len == 0 || memcmp(out.data, plain->data, out.len) == 0);
        ck_assert(state.freed);
    }
}

static void assert_corrupt(const struct buf *stream, unsigned workers, const char *what)
{
    auto_buf struct buf out = {.max = STREAM_MAX};
    struct memory_source state = {.data = stream->data, .len = stream->len, .chunk = 1000};
    struct err err = {0};

    int rc = unframe_all(&state, workers, &out, &err);
    ck_assert_msg(rc == -1 && err.kind == ERR_CORRUPT, "%s: %d: %s", what, rc, err.msg);
}

START_TEST(frames_come_out_in_order_however_they_are_cut)
{
    static const size_t chunks[] = {1, 7, 100, 4096, 0};
    auto_buf struct buf stream = {.max = STREAM_MAX};
    auto_buf struct buf plain = {.max = STREAM_MAX};

    for (size_t i = 0; i < 100; i++)
        add_frame(&stream, &plain, (int)(i % 2), i, 1 + i * 7 % 300);
    for (size_t i = 0; i < COUNT(chunks); i++)
        assert_unframes(&stream, &plain, chunks[i]);
}
END_TEST

START_TEST(large_frames_come_out_in_order_however_they_are_cut)
{
    static const size_t chunks[] = {4096, 100003, (size_t)5 << 20, 0};
    auto_buf struct buf stream = {.max = STREAM_MAX};
    auto_buf struct buf plain = {.max = STREAM_MAX};

    for (size_t i = 0; i < 12; i++)
        add_frame(&stream, &plain, (int)(i % 2), i, FRAME_TYPICAL + i);
    add_frame(&stream, &plain, 0, 42, FRAME_CONTENT_MAX);
    for (size_t i = 0; i < COUNT(chunks); i++)
        assert_unframes(&stream, &plain, chunks[i]);
}
END_TEST

START_TEST(an_empty_stream_is_the_end)
{
    auto_buf struct buf nothing = {.max = 1};

    assert_unframes(&nothing, &nothing, 0);
}
END_TEST

START_TEST(frames_that_hold_nothing_are_passed_over)
{
    static const size_t chunks[] = {1, 3, 0};
    auto_buf struct buf stream = {.max = STREAM_MAX};
    auto_buf struct buf plain = {.max = STREAM_MAX};

    for (size_t i = 0; i < COUNT(chunks); i++) {
        for (size_t j = 0; j < 20; j++) /* more in a row than there are blocks */
            add_skippable(&stream, j % 2 == 0 ? "{\"seq\":1}" : "");
        add_frame(&stream, &plain, 0, i, 0);
        add_frame(&stream, &plain, 1, i, 0);
        assert_unframes(&stream, &plain, chunks[i]);
        add_frame(&stream, &plain, 1, i, 1000);
        assert_unframes(&stream, &plain, chunks[i]);
    }
}
END_TEST

START_TEST(the_end_can_be_asked_for_again)
{
    auto_buf struct buf stream = {.max = STREAM_MAX};
    auto_buf struct buf plain = {.max = STREAM_MAX};
    auto_buf struct buf out = {.max = STREAM_MAX};
    auto_source struct source *blocks = NULL;
    struct err err = {0};

    add_frame(&stream, &plain, 1, 1, 100);
    struct memory_source state = {.data = stream.data, .len = stream.len};
    ck_assert_int_eq(unframe_new(memory_source_open(&state), 2, &blocks, &err), 0);
    ck_assert_int_eq(drain(blocks, &out, &err), 0);
    ck_assert_int_eq(drain(blocks, &out, &err), 0);
    ck_assert_uint_eq(out.len, 100);
}
END_TEST

START_TEST(an_error_stays)
{
    auto_buf struct buf stream = {.max = STREAM_MAX};
    auto_buf struct buf plain = {.max = STREAM_MAX};
    auto_buf struct buf out = {.max = STREAM_MAX};
    auto_source struct source *blocks = NULL;

    for (size_t i = 0; i < 4; i++)
        add_frame(&stream, &plain, 1, i, 100);
    append(&stream, "garbage", 7);
    struct memory_source state = {.data = stream.data, .len = stream.len};
    struct err err = {0};
    ck_assert_int_eq(unframe_new(memory_source_open(&state), 5, &blocks, &err), 0);
    for (size_t i = 0; i < 3; i++) {
        err.kind = ERR_NONE;
        ck_assert_int_eq(drain(blocks, &out, &err), -1);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
    }
    ck_assert_uint_le(out.len, plain.len);
}
END_TEST

START_TEST(bytes_that_are_no_frames_are_corrupt)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
    } rows[] = {
        {"one byte", "x", 1},
        {"text", "hello, world", 12},
        {"a magic alone", "\x28\xb5\x2f\xfd", 4},
        {"half a magic", "\x28\xb5", 2},
        {"zeros", "\0\0\0\0\0\0\0\0", 8},
        {"no content size", "\x28\xb5\x2f\xfd\0\x58\x01\0\0", 9},
        {"8 MiB", "\x28\xb5\x2f\xfd\xa0\0\0\x80\0\x01\0\0", 12},
        {"says none, holds three", "\x28\xb5\x2f\xfd\x20\0\x19\0\0abc", 12},
        {"says five, holds three", "\x28\xb5\x2f\xfd\x20\x05\x19\0\0abc", 12},
        {"a skippable frame cut short", "\x50\x2a\x4d\x18\x09\0\0\0abc", 11},
        {"a skippable frame of 4 GiB", "\x50\x2a\x4d\x18\xff\xff\xff\xff", 8},
    };

    for (size_t i = 0; i < COUNT(rows) * COUNT(worker_counts); i++) {
        unsigned workers = worker_counts[i % COUNT(worker_counts)];
        size_t row = i / COUNT(worker_counts);
        auto_buf struct buf stream = {.max = STREAM_MAX};
        auto_buf struct buf plain = {.max = STREAM_MAX};

        append(&stream, rows[row].bytes, rows[row].len);
        assert_corrupt(&stream, workers, rows[row].what);
        buf_clear(&stream);
        add_frame(&stream, &plain, 1, 1, 500);
        append(&stream, rows[row].bytes, rows[row].len);
        assert_corrupt(&stream, workers, rows[row].what);
    }
}
END_TEST

START_TEST(a_frame_that_never_ends_is_corrupt_and_not_collected)
{
    static const char *const heads[] = {"\x28\xb5\x2f\xfd\x20\0\0\0", "\x50\x2a\x4d\x18\0\0\0\x02"};
    auto_free uint8_t *zeros = xcalloc(1, STREAM_MAX / 2);

    for (size_t i = 0; i < COUNT(heads); i++) {
        memcpy(zeros, heads[i], 8);
        struct memory_source state = {.data = zeros, .len = STREAM_MAX / 2, .chunk = 1 << 16};
        auto_buf struct buf out = {.max = STREAM_MAX};
        struct err err = {0};
        ck_assert_int_eq(unframe_all(&state, 2, &out, &err), -1);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
        ck_assert_uint_le(state.given, 2 * FRAME_CONTENT_MAX);
    }
}
END_TEST

START_TEST(every_truncation_but_between_frames_is_corrupt)
{
    auto_buf struct buf stream = {.max = STREAM_MAX};
    auto_buf struct buf plain = {.max = STREAM_MAX};
    size_t ends[4];

    for (size_t i = 0; i < COUNT(ends); i++) {
        add_frame(&stream, &plain, (int)(i % 2), i, 150);
        ends[i] = stream.len;
    }
    for (size_t len = 1, next = 0; len < stream.len; len++) {
        struct memory_source state = {.data = stream.data, .len = len, .chunk = 64};
        auto_buf struct buf out = {.max = STREAM_MAX};
        struct err err = {0};
        bool is_between = len == ends[next];

        int rc = unframe_all(&state, 2, &out, &err);
        ck_assert_int_eq(rc, is_between ? 0 : -1);
        ck_assert_int_eq(err.kind, is_between ? ERR_NONE : ERR_CORRUPT);
        ck_assert_uint_le(out.len, (next + 1) * 150);
        next += is_between ? 1 : 0;
    }
}
END_TEST

START_TEST(every_flipped_byte_is_corrupt_or_other_bytes_but_never_a_hang)
{
    auto_buf struct buf stream = {.max = STREAM_MAX};
    auto_buf struct buf plain = {.max = STREAM_MAX};

    for (size_t i = 0; i < 4; i++)
        add_frame(&stream, &plain, (int)(i % 2), i, 150);
    for (size_t i = 0; i < stream.len; i++) {
        struct memory_source state = {.data = stream.data, .len = stream.len, .chunk = 100};
        auto_buf struct buf out = {.max = STREAM_MAX};
        struct err err = {0};

        stream.data[i] ^= 0xff;
        if (unframe_all(&state, worker_counts[i % COUNT(worker_counts)], &out, &err) != 0)
            ck_assert_msg(err.kind == ERR_CORRUPT, "byte %zu: %s", i, err.msg);
        ck_assert(state.freed);
        stream.data[i] ^= 0xff;
    }
}
END_TEST

START_TEST(a_reader_that_leaves_early_does_not_wait)
{
    struct leaks before = leaks_count();
    auto_buf struct buf stream = {.max = STREAM_MAX};
    auto_buf struct buf plain = {.max = STREAM_MAX};

    for (size_t i = 0; i < 40; i++)
        add_frame(&stream, &plain, 1, i, 1000);
    for (size_t taken = 0; taken <= 40; taken++) {
        unsigned workers = worker_counts[taken % COUNT(worker_counts)];
        struct memory_source state = {.data = stream.data, .len = stream.len, .chunk = 700};
        auto_source struct source *blocks = NULL;
        struct err err = {0};

        ck_assert_int_eq(unframe_new(memory_source_open(&state), workers, &blocks, &err), 0);
        for (size_t i = 0; i < taken; i++) {
            const uint8_t *data;
            size_t len;
            ck_assert_int_eq(source_next(blocks, &data, &len, &err), 0);
            ck_assert_uint_eq(len, 1000);
            ck_assert_mem_eq(data, plain.data + 1000 * i, 1000);
        }
        source_free(TAKE_PTR(blocks));
        ck_assert(state.freed);
        /* Fetching ahead is bounded: blocks in use and one frame in each worker's hands. */
        ck_assert_uint_le(state.given, (taken + 2 * workers + 4) * (1000 + 700));
    }
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(an_error_of_the_source_passes_through)
{
    auto_buf struct buf stream = {.max = STREAM_MAX};
    auto_buf struct buf plain = {.max = STREAM_MAX};
    struct leaks before = leaks_count();

    for (size_t i = 0; i < 10; i++)
        add_frame(&stream, &plain, 1, i, 300);
    for (size_t i = 0; i < COUNT(worker_counts); i++) {
        bool fired = true;
        for (unsigned n = 1; fired; n++) {
            struct memory_source state = {
                .data = stream.data, .len = stream.len, .chunk = 99, .fail_at = n};
            auto_buf struct buf out = {.max = STREAM_MAX};
            struct err err = {0};
            int rc = unframe_all(&state, worker_counts[i], &out, &err);
            fired = state.fired;
            ck_assert_int_eq(rc, fired ? -1 : 0);
            ck_assert_int_eq(err.kind, fired ? ERR_STORE : ERR_NONE);
            ck_assert(state.freed);
        }
    }
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(more_workers_than_there_is_sense_in_are_fine)
{
    auto_buf struct buf stream = {.max = STREAM_MAX};
    auto_buf struct buf plain = {.max = STREAM_MAX};
    auto_buf struct buf out = {.max = STREAM_MAX};
    struct err err = {0};

    add_frame(&stream, &plain, 1, 1, 300);
    struct memory_source state = {.data = stream.data, .len = stream.len};
    ck_assert_int_eq(unframe_all(&state, 1000, &out, &err), 0);
    ck_assert_uint_eq(out.len, 300);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unframe");
    TCase *tcase = tcase_create("unframe");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, frames_come_out_in_order_however_they_are_cut);
    tcase_add_test(tcase, large_frames_come_out_in_order_however_they_are_cut);
    tcase_add_test(tcase, an_empty_stream_is_the_end);
    tcase_add_test(tcase, frames_that_hold_nothing_are_passed_over);
    tcase_add_test(tcase, the_end_can_be_asked_for_again);
    tcase_add_test(tcase, an_error_stays);
    tcase_add_test(tcase, bytes_that_are_no_frames_are_corrupt);
    tcase_add_test(tcase, a_frame_that_never_ends_is_corrupt_and_not_collected);
    tcase_add_test(tcase, every_truncation_but_between_frames_is_corrupt);
    tcase_add_test(tcase, every_flipped_byte_is_corrupt_or_other_bytes_but_never_a_hang);
    tcase_add_test(tcase, a_reader_that_leaves_early_does_not_wait);
    tcase_add_test(tcase, an_error_of_the_source_passes_through);
    tcase_add_test(tcase, more_workers_than_there_is_sense_in_are_fine);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
