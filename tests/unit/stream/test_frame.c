#include "stream/frame.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "support/sample.h"
#include "support/scratch.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

static const size_t sizes[] = {
    0, 1, 127 * KIB, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1, 256 * KIB, MIB, FRAME_CONTENT_MAX};
static const int levels[] = {0, 1, 3, 19};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* data as one frame of its own allocation, so that a sanitizer sees a byte too much. */
static uint8_t *compress(int level, const uint8_t *data, size_t len, size_t *out_len)
{
    auto_with(cleanup_frame_writer) struct frame_writer *writer = frame_writer_new(level);
    auto_free uint8_t *room = xmalloc(frame_bound(len));
    struct err err = {0};

    int rc = frame_compress(writer, data, len, room, out_len, &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
    ck_assert_uint_le(*out_len, frame_bound(len));
    uint8_t *frame = xmalloc(*out_len);
    memcpy(frame, room, *out_len);
    return frame;
}

static void assert_round_trip(int level, const uint8_t *data, size_t len)
{
    auto_with(cleanup_frame_reader) struct frame_reader *reader = frame_reader_new();
    auto_free uint8_t *back = xmalloc(len + 1);
    struct err err = {0};
    size_t stored;
    size_t measured;
    size_t content;
    auto_free uint8_t *frame = compress(level, data, len, &stored);

    ck_assert_int_eq(frame_measure(frame, stored, &measured, &content), FRAME_WHOLE);
    ck_assert_uint_eq(measured, stored);
    ck_assert_uint_eq(content, len);
    int rc = frame_decompress(reader, frame, stored, back, content, &err);
    ck_assert_msg(rc == 0, "level %d, %zu bytes: %s", level, len, err.msg);
    ck_assert_msg(memcmp(back, data, len) == 0, "level %d, %zu bytes", level, len);
}

START_TEST(what_was_compressed_comes_back_at_every_size_and_level)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        auto_free uint8_t *data = sample_bytes(i, sizes[i]);
        for (size_t j = 0; j < COUNT(levels); j++)
            assert_round_trip(levels[j], data, sizes[i]);
    }
}
END_TEST

START_TEST(noise_and_zeros_stay_within_the_bound)
{
    auto_free uint8_t *noise = xmalloc(FRAME_CONTENT_MAX);
    auto_free uint8_t *zeros = xcalloc(1, FRAME_CONTENT_MAX);
    uint32_t state = 1;

    for (size_t i = 0; i < FRAME_CONTENT_MAX; i++) {
        state = state * 1664525 + 1013904223;
        noise[i] = (uint8_t)(state >> 24);
    }
    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (size_t j = 0; j < COUNT(levels) - 1; j++) {
            assert_round_trip(levels[j], noise, sizes[i]);
            assert_round_trip(levels[j], zeros, sizes[i]);
        }
    }
}
END_TEST

START_TEST(one_writer_and_one_reader_serve_many_frames)
{
    auto_with(cleanup_frame_writer) struct frame_writer *writer = frame_writer_new(1);
    auto_with(cleanup_frame_reader) struct frame_reader *reader = frame_reader_new();
    uint8_t room[4 * KIB];
    uint8_t back[1 * KIB];
    struct err err = {0};

    for (size_t len = 0; len < sizeof(back); len += 37) {
        auto_free uint8_t *data = sample_bytes(len, len);
        size_t stored;
        ck_assert_int_eq(frame_compress(writer, data, len, room, &stored, &err), 0);
        ck_assert_int_eq(frame_decompress(reader, room, stored, back, len, &err), 0);
        ck_assert_mem_eq(back, data, len);
    }
}
END_TEST

START_TEST(the_zstd_command_reads_frames_of_every_level)
{
    for (size_t j = 0; j < COUNT(levels); j++) {
        struct scratch scratch;
        auto_buf struct buf told = {.max = MIB};
        auto_buf struct buf back = {.max = 8 * MIB};
        auto_buf struct buf all = {.max = 8 * MIB};
        auto_buf struct buf stream = {.max = 8 * MIB};
        struct err err = {0};

        for (size_t i = 0; i < COUNT(sizes) - 1; i++) {
            auto_free uint8_t *data = sample_bytes(i, sizes[i]);
            size_t stored;
            auto_free uint8_t *frame = compress(levels[j], data, sizes[i], &stored);
            ck_assert_int_eq(buf_append(&stream, frame, stored, &err), 0);
            ck_assert_int_eq(buf_append(&all, data, sizes[i], &err), 0);
        }
        scratch_init(&scratch);
        scratch_write(&scratch, "frames.zst", stream.data, stream.len);
        int status = scratch_run(&scratch, &told, "zstd -q -d frames.zst -o frames");
        ck_assert_msg(status == 0, "level %d: %s", levels[j], buf_text(&told));
        scratch_read(&scratch, "frames", &back);
        ck_assert_uint_eq(back.len, all.len);
        ck_assert(memcmp(back.data, all.data, all.len) == 0);
        scratch_release(&scratch);
    }
}
END_TEST

/* Every prefix in an allocation of its own size. */
static void assert_partial_until_whole(const uint8_t *frame, size_t stored)
{
    size_t measured;
    size_t content;

    for (size_t len = 0; len < stored; len++) {
        auto_free uint8_t *prefix = xmalloc(len + (len == 0));
        memcpy(prefix, frame, len);
        enum frame_state state = frame_measure(prefix, len, &measured, &content);
        ck_assert_msg(state == FRAME_PARTIAL, "%zu of %zu bytes: state %d", len, stored, state);
    }
    ck_assert_int_eq(frame_measure(frame, stored, &measured, &content), FRAME_WHOLE);
    ck_assert_uint_eq(measured, stored);
}

START_TEST(a_frame_is_partial_at_every_truncation)
{
    for (size_t j = 0; j < COUNT(levels); j++) {
        auto_free uint8_t *data = sample_bytes(j, 1500);
        size_t stored;
        auto_free uint8_t *frame = compress(levels[j], data, 1500, &stored);
        assert_partial_until_whole(frame, stored);
    }
}
END_TEST

START_TEST(bytes_behind_a_frame_are_not_measured)
{
    auto_free uint8_t *data = sample_bytes(1, 1000);
    uint8_t room[4 * KIB];
    size_t stored;
    size_t measured;
    size_t content;
    auto_free uint8_t *frame = compress(1, data, 1000, &stored);

    memset(room, 0xee, sizeof(room));
    memcpy(room, frame, stored);
    ck_assert_int_eq(frame_measure(room, sizeof(room), &measured, &content), FRAME_WHOLE);
    ck_assert_uint_eq(measured, stored);
    ck_assert_uint_eq(content, 1000);
}
END_TEST

START_TEST(a_skippable_frame_is_measured_and_holds_nothing)
{
    static const uint8_t frame[] = "\x5f\x2a\x4d\x18\x05\0\0\0hello";
    auto_with(cleanup_frame_reader) struct frame_reader *reader = frame_reader_new();
    size_t measured;
    size_t content = 1;
    uint8_t out[1];
    struct err err = {0};

    assert_partial_until_whole(frame, sizeof(frame) - 1);
    (void)frame_measure(frame, sizeof(frame) - 1, &measured, &content);
    ck_assert_uint_eq(content, 0);
    ck_assert_int_eq(frame_decompress(reader, frame, measured, out, 0, &err), 0);
}
END_TEST

START_TEST(bytes_that_are_no_frame_are_malformed)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
    } rows[] = {
        {"zeros", "\0\0\0\0", 4},
        {"text", "hello", 5},
        {"gzip", "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10},
        {"a magic off by one", "\x29\xb5\x2f\xfd\x20\0\x01\0\0", 9},
        {"a legacy frame, version 0.7", "\x27\xb5\x2f\xfd\x20\0\x01\0\0", 9},
        {"behind the skippable magics", "\x60\x2a\x4d\x18\0\0\0\0", 8},
        {"a reserved bit in the descriptor", "\x28\xb5\x2f\xfd\x28\0\x01\0\0", 9},
        {"a reserved block type", "\x28\xb5\x2f\xfd\x20\0\x07\0\0", 9},
        {"no content size", "\x28\xb5\x2f\xfd\0\x58\x01\0\0", 9},
        {"content size 4 MiB + 1, cut", "\x28\xb5\x2f\xfd\xa0\x01\0\x40\0\x01\0\0", 9},
        {"content size of 8 bytes, cut", "\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x80", 13},
        {"a skippable frame of 4 GiB", "\x50\x2a\x4d\x18\xff\xff\xff\xff", 8},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t stored;
        size_t content;
        enum frame_state state =
            frame_measure((const uint8_t *)rows[i].bytes, rows[i].len, &stored, &content);
        ck_assert_msg(state == FRAME_MALFORMED, "%s: %d", rows[i].what, state);
    }
}
END_TEST

/* zstd's own streaming, which does not know the size when it writes the header. */
static size_t compress_unsized(const uint8_t *data, size_t len, uint8_t *out, size_t out_size)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_inBuffer in = {.src = data, .size = len};
    ZSTD_outBuffer to = {.dst = out, .size = out_size};
    size_t left = ZSTD_compressStream2(context, &to, &in, ZSTD_e_flush);

    ck_assert(!ZSTD_isError(left));
    left = ZSTD_compressStream2(context, &to, &in, ZSTD_e_end);
    ck_assert_uint_eq(left, 0);
    (void)ZSTD_freeCCtx(context);
    return to.pos;
}

START_TEST(a_frame_without_its_content_size_is_malformed)
{
    auto_free uint8_t *data = sample_bytes(1, 1000);
    uint8_t frame[4 * KIB];
    size_t len = compress_unsized(data, 1000, frame, sizeof(frame));
    size_t stored;
    size_t content;

    ck_assert_uint_eq(ZSTD_getFrameContentSize(frame, len), ZSTD_CONTENTSIZE_UNKNOWN);
    ck_assert_int_eq(frame_measure(frame, len, &stored, &content), FRAME_MALFORMED);
}
END_TEST

START_TEST(a_frame_above_the_ceiling_is_malformed)
{
    static const size_t above[] = {FRAME_CONTENT_MAX + 1, 2 * FRAME_CONTENT_MAX};

    for (size_t i = 0; i < COUNT(above); i++) {
        auto_free uint8_t *data = xcalloc(1, above[i]);
        size_t room = ZSTD_compressBound(above[i]);
        auto_free uint8_t *frame = xmalloc(room);
        size_t len = ZSTD_compress(frame, room, data, above[i], 1);
        size_t stored;
        size_t content;
        ck_assert(!ZSTD_isError(len));
        ck_assert_int_eq(frame_measure(frame, len, &stored, &content), FRAME_MALFORMED);
    }
}
END_TEST

START_TEST(a_frame_that_does_not_end_is_malformed_at_the_bound)
{
    static const char *const heads[] = {
        "\x28\xb5\x2f\xfd\x20\0\0\0", /* goes on with empty blocks */
        "\x50\x2a\x4d\x18\0\0\0\x01", /* skippable, 16 MiB */
    };
    size_t bound = frame_bound(FRAME_CONTENT_MAX);

    for (size_t i = 0; i < COUNT(heads); i++) {
        auto_free uint8_t *frame = xcalloc(1, bound);
        size_t stored;
        size_t content;
        memcpy(frame, heads[i], 8);
        ck_assert_int_eq(frame_measure(frame, bound - 1, &stored, &content), FRAME_PARTIAL);
        ck_assert_int_eq(frame_measure(frame, bound, &stored, &content), FRAME_MALFORMED);
    }
}
END_TEST

START_TEST(a_frame_that_is_not_as_its_header_says_is_corrupt)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
    } rows[] = {
        {"holds less than it says", "\x28\xb5\x2f\xfd\x20\x05\x19\0\0abc", 12},
        {"holds more than it says", "\x28\xb5\x2f\xfd\x20\x02\x19\0\0abc", 12},
        {"holds bytes where it says none", "\x28\xb5\x2f\xfd\x20\0\x19\0\0abc", 12},
        {"a compressed block of noise", "\x28\xb5\x2f\xfd\x20\x03\x1d\0\0abc", 12},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_with(cleanup_frame_reader) struct frame_reader *reader = frame_reader_new();
        const uint8_t *frame = (const uint8_t *)rows[i].bytes;
        uint8_t out[16];
        size_t stored;
        size_t content;
        struct err err = {0};

        enum frame_state state = frame_measure(frame, rows[i].len, &stored, &content);
        ck_assert_msg(state == FRAME_WHOLE, "%s: %d", rows[i].what, state);
        int rc = frame_decompress(reader, frame, stored, out, content, &err);
        ck_assert_msg(rc == -1 && err.kind == ERR_CORRUPT, "%s", rows[i].what);
    }
}
END_TEST

START_TEST(every_flipped_bit_is_an_error_or_other_bytes_of_the_same_size)
{
    for (size_t j = 0; j < 2; j++) {
        auto_with(cleanup_frame_reader) struct frame_reader *reader = frame_reader_new();
        auto_free uint8_t *data = sample_bytes(j, 300);
        size_t stored;
        auto_free uint8_t *frame = compress(levels[j], data, 300, &stored);

        for (size_t bit = 0; bit < stored * 8; bit++) {
            size_t measured;
            size_t content;
            struct err err = {0};

            frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (frame_measure(frame, stored, &measured, &content) == FRAME_WHOLE) {
                ck_assert_uint_le(measured, stored);
                ck_assert_uint_le(content, FRAME_CONTENT_MAX);
                auto_free uint8_t *out = xmalloc(content + 1);
                if (frame_decompress(reader, frame, measured, out, content, &err) != 0)
                    ck_assert_int_eq(err.kind, ERR_CORRUPT);
            }
            frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        ck_assert_msg(stored > 0, "level %d", levels[j]);
    }
}
END_TEST

START_TEST(freeing_nothing_is_fine)
{
    frame_writer_free(NULL);
    frame_reader_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tcase = tcase_create("frame");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, what_was_compressed_comes_back_at_every_size_and_level);
    tcase_add_test(tcase, noise_and_zeros_stay_within_the_bound);
    tcase_add_test(tcase, one_writer_and_one_reader_serve_many_frames);
    tcase_add_test(tcase, the_zstd_command_reads_frames_of_every_level);
    tcase_add_test(tcase, a_frame_is_partial_at_every_truncation);
    tcase_add_test(tcase, bytes_behind_a_frame_are_not_measured);
    tcase_add_test(tcase, a_skippable_frame_is_measured_and_holds_nothing);
    tcase_add_test(tcase, bytes_that_are_no_frame_are_malformed);
    tcase_add_test(tcase, a_frame_without_its_content_size_is_malformed);
    tcase_add_test(tcase, a_frame_above_the_ceiling_is_malformed);
    tcase_add_test(tcase, a_frame_that_does_not_end_is_malformed_at_the_bound);
    tcase_add_test(tcase, a_frame_that_is_not_as_its_header_says_is_corrupt);
    tcase_add_test(tcase, every_flipped_bit_is_an_error_or_other_bytes_of_the_same_size);
    tcase_add_test(tcase, freeing_nothing_is_fine);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
