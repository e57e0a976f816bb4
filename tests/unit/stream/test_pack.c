/* Files through pack_bundle, unframe and untar, and back. */
#include "stream/pack.h"

#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cancel.h"
#include "base/crc64.h"
#include "base/mem.h"
#include "stream/source_proven.h"
#include "stream/unframe.h"
#include "stream/untar.h"
#include "support/leaks.h"
#include "support/memory_sink.h"
#include "support/memory_source.h"
#include "support/sample.h"
#include "support/scratch.h"

#define MIB ((size_t)1 << 20)
#define FILES_MAX 16
#define PARTS_MAX 4096
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const unsigned worker_counts[] = {1, 2, 5};

/* Files named by their index, of given sizes, and a directory behind them. */
struct set {
    const size_t *sizes;
    size_t count;
};

static const size_t small_sizes[] = {300, 0, 1, 700};
static const struct set small = {small_sizes, COUNT(small_sizes)};
static const size_t large_sizes[] = {0, 1, 511, 512, 513, MIB - 1, MIB, MIB + 1, 5 * MIB + 7};
static const struct set large = {large_sizes, COUNT(large_sizes)};
static const size_t pieces_sizes[] = {3 * MIB + 1, 10, 2 * MIB};
static const struct set pieces = {pieces_sizes, COUNT(pieces_sizes)};

static struct bundle *bundle_of(const struct set *set)
{
    struct bundle *bundle = bundle_new();
    struct bundle_file dir = {.name = "dir", .mode = S_IFDIR | 0755};
    struct err err = {0};

    for (size_t i = 0; i < set->count; i++) {
        auto_free uint8_t *data = sample_bytes(i, set->sizes[i]);
        auto_free char *name = xasprintf("file-%zu", i);
        struct bundle_file file = {.name = name, .size = set->sizes[i], .mode = 0644};
        ck_assert_int_eq(bundle_add_bytes(bundle, &file, data, &err), 0);
    }
    ck_assert_int_eq(bundle_add_fd(bundle, &dir, -1, &err), 0);
    return bundle;
}

/* Packs a whole set; what was stored is appended to out. */
static void pack_set(const struct set *set, unsigned workers, int level, struct buf *out)
{
    struct pack_options options = {.workers = workers, .level = level};
    auto_bundle struct bundle *bundle = bundle_of(set);
    auto_memory_sink struct memory_sink state;
    uint64_t crc[FILES_MAX];
    struct err err = {0};

    memory_sink_init(&state, 0);
    auto_sink struct sink *sink = memory_sink_open(&state);
    int rc = pack_bundle(bundle, &options, sink, crc, &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
    ck_assert(!sink->finished);
    ck_assert_uint_le(state.bytes.len, pack_bound(bundle));
    for (size_t i = 0; i < set->count; i++) {
        auto_free uint8_t *data = sample_bytes(i, set->sizes[i]);
        ck_assert_uint_eq(crc[i], crc64(0, data, set->sizes[i]));
    }
    ck_assert_uint_eq(crc[set->count], 0);
    ck_assert_int_eq(buf_append(out, state.bytes.data, state.bytes.len, &err), 0);
}

/* Takes the files of a set out of a tar stream and compares. */
struct taker {
    const struct set *set;
    size_t count;
    struct memory_sink sinks[FILES_MAX];
    bool is_exact; /* whatever comes is as it was packed, else anything may come */
};

static int on_entry(void *context, const struct untar_entry *entry, struct sink **out,
                    struct err *err)
{
    struct taker *taker = context;
    size_t i = taker->count;

    if (i == FILES_MAX)
        return err_set(err, ERR_CORRUPT, "more files than were packed");
    taker->count++;
    memory_sink_init(&taker->sinks[i], 0);
    if (taker->is_exact && i < taker->set->count) {
        auto_free char *name = xasprintf("file-%zu", i);
        ck_assert_str_eq(entry->name, name);
        ck_assert_uint_eq(entry->size, taker->set->sizes[i]);
        ck_assert(!entry->is_dir);
    } else if (taker->is_exact) {
        ck_assert_str_eq(entry->name, "dir");
        ck_assert(entry->is_dir);
    }
    if (!entry->is_dir)
        *out = memory_sink_open(&taker->sinks[i]);
    return 0;
}

static void taker_release(struct taker *taker)
{
    for (size_t i = 0; i < taker->count; i++)
        memory_sink_release(&taker->sinks[i]);
}

static void assert_taken_all(const struct taker *taker)
{
    ck_assert_uint_eq(taker->count, taker->set->count + 1);
    for (size_t i = 0; i < taker->set->count; i++) {
        auto_free uint8_t *data = sample_bytes(i, taker->set->sizes[i]);
        ck_assert(taker->sinks[i].finished && taker->sinks[i].freed);
        ck_assert_uint_eq(taker->sinks[i].bytes.len, taker->set->sizes[i]);
        ck_assert(taker->set->sizes[i] == 0 ||
                  memcmp(taker->sinks[i].bytes.data, data, taker->set->sizes[i]) == 0);
    }
}

/* Unpacks what compressed gives (and frees it). */
static int unpack(struct source *compressed, unsigned workers, struct taker *taker, struct err *err)
{
    struct untar_handler handler = {.entry = on_entry, .context = taker};
    auto_source struct source *blocks = NULL;

    if (unframe_new(compressed, workers, &blocks, err) != 0)
        return -1;
    return untar(blocks, &handler, err);
}

static void assert_round_trips(const struct set *set, const size_t *chunks, size_t chunk_count)
{
    for (int level = 0; level <= 1; level++) {
        auto_buf struct buf first = {.max = 64 * MIB};

        for (size_t i = 0; i < COUNT(worker_counts); i++) {
            auto_buf struct buf stored = {.max = 64 * MIB};

            pack_set(set, worker_counts[i], level, &stored);
            if (i == 0)
                pack_set(set, worker_counts[i], level, &first);
            ck_assert_uint_eq(stored.len, first.len); /* whatever the number of workers */
            ck_assert(memcmp(stored.data, first.data, first.len) == 0);
            for (size_t j = 0; j < chunk_count; j++) {
                struct memory_source state = {
                    .data = stored.data, .len = stored.len, .chunk = chunks[j]};
                struct taker taker = {.set = set, .is_exact = true};
                struct err err = {0};
                int rc = unpack(memory_source_open(&state), worker_counts[i], &taker, &err);
                ck_assert_msg(rc == 0, "level %d, chunk %zu: %s", level, chunks[j], err.msg);
                ck_assert(state.freed);
                assert_taken_all(&taker);
                taker_release(&taker);
            }
        }
    }
}

START_TEST(small_files_come_back_however_the_stream_is_cut)
{
    static const size_t chunks[] = {1, 7, 4096, 0};

    assert_round_trips(&small, chunks, COUNT(chunks));
}
END_TEST

START_TEST(large_files_come_back_however_the_stream_is_cut)
{
    static const size_t chunks[] = {4096, 5 * MIB, 0};

    assert_round_trips(&large, chunks, COUNT(chunks));
}
END_TEST

START_TEST(no_files_at_all_come_back)
{
    static const size_t chunks[] = {1, 0};
    static const struct set none = {small_sizes, 0};

    assert_round_trips(&none, chunks, COUNT(chunks));
}
END_TEST

START_TEST(an_empty_bundle_is_an_empty_archive)
{
    struct pack_options options = {.workers = 2, .level = 1};
    auto_bundle struct bundle *bundle = bundle_new();
    auto_memory_sink struct memory_sink state;
    uint64_t crc[1] = {42};
    struct err err = {0};

    memory_sink_init(&state, 0);
    auto_sink struct sink *sink = memory_sink_open(&state);
    ck_assert_int_eq(pack_bundle(bundle, &options, sink, crc, &err), 0);
    ck_assert_uint_eq(crc[0], 42);
    ck_assert_uint_le(state.bytes.len, pack_bound(bundle));

    struct memory_source source = {.data = state.bytes.data, .len = state.bytes.len};
    struct taker taker = {.set = &small};
    ck_assert_int_eq(unpack(memory_source_open(&source), 2, &taker, &err), 0);
    ck_assert_uint_eq(taker.count, 0);
}
END_TEST

START_TEST(the_bound_holds_for_noise_and_for_very_many_files)
{
    for (int level = 0; level <= 1; level++) {
        struct pack_options options = {.workers = 2, .level = level};
        auto_bundle struct bundle *bundle = bundle_new();
        auto_memory_sink struct memory_sink state;
        auto_free uint8_t *noise = xmalloc(3 * MIB);
        uint64_t crc[512];
        struct err err = {0};
        uint32_t random = 1;

        for (size_t i = 0; i < 3 * MIB; i++) {
            random = random * 1664525 + 1013904223;
            noise[i] = (uint8_t)(random >> 24);
        }
        for (size_t i = 0; i < COUNT(crc); i++) {
            size_t size = i % 100 == 0 ? 3 * MIB - i : 1 + i;
            struct bundle_file file = {.name = "noise", .size = size, .mode = 0644};
            ck_assert_int_eq(bundle_add_bytes(bundle, &file, noise, &err), 0);
        }
        memory_sink_init(&state, 0);
        auto_sink struct sink *sink = memory_sink_open(&state);
        ck_assert_int_eq(pack_bundle(bundle, &options, sink, crc, &err), 0);
        ck_assert_uint_le(state.bytes.len, pack_bound(bundle));
    }
}
END_TEST

START_TEST(the_zstd_and_tar_commands_read_what_was_packed)
{
    auto_buf struct buf stored = {.max = 64 * MIB};
    auto_buf struct buf told = {.max = MIB};
    struct scratch scratch;

    pack_set(&large, 2, 1, &stored);
    scratch_init(&scratch);
    scratch_write(&scratch, "data.tar.zst", stored.data, stored.len);
    int status = scratch_run(&scratch, &told, "zstd -q -d data.tar.zst && tar -xf data.tar");
    ck_assert_msg(status == 0, "%s", buf_text(&told));
    for (size_t i = 0; i < large.count; i++) {
        auto_free uint8_t *data = sample_bytes(i, large.sizes[i]);
        auto_free char *name = xasprintf("file-%zu", i);
        auto_buf struct buf file = {.max = 64 * MIB};
        scratch_read(&scratch, name, &file);
        ck_assert_uint_eq(file.len, large.sizes[i]);
        ck_assert(file.len == 0 || memcmp(file.data, data, file.len) == 0);
    }
    scratch_release(&scratch);
}
END_TEST

START_TEST(an_error_of_the_sink_passes_through_and_nothing_is_left)
{
    struct leaks before = leaks_count();
    auto_bundle struct bundle *bundle = bundle_of(&pieces);

    for (size_t i = 0; i < COUNT(worker_counts); i++) {
        bool fired = true;
        for (unsigned n = 1; fired; n++) {
            struct pack_options options = {.workers = worker_counts[i]};
            auto_memory_sink struct memory_sink state;
            uint64_t crc[FILES_MAX];
            struct err err = {0};

            memory_sink_init(&state, n);
            auto_sink struct sink *sink = memory_sink_open(&state);
            int rc = pack_bundle(bundle, &options, sink, crc, &err);
            fired = state.fired;
            ck_assert_int_eq(rc, fired ? -1 : 0);
            ck_assert_int_eq(err.kind, fired ? ERR_STORE : ERR_NONE);
            ck_assert(fired || n == 9); /* 4 + 1 + 2 + 1 pieces, and then no more */
        }
    }
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(a_file_that_became_shorter_is_corrupt_and_nothing_is_left)
{
    struct leaks before = leaks_count();
    auto_free uint8_t *data = sample_bytes(1, 4 * MIB);
    struct scratch scratch;

    scratch_init(&scratch);
    for (size_t len = 0; len < 4 * MIB; len += MIB - 1) {
        struct pack_options options = {.workers = 2, .level = 1};
        struct bundle_file file = {.name = "file", .size = 4 * MIB, .mode = 0644};
        auto_bundle struct bundle *bundle = bundle_new();
        auto_free char *name = xasprintf("file-%zu", len);
        auto_close int fd = scratch_file(&scratch, name, data, 4 * MIB);
        auto_memory_sink struct memory_sink state;
        uint64_t crc[1];
        struct err err = {0};

        ck_assert_int_eq(bundle_add_fd(bundle, &file, fd, &err), 0);
        ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
        memory_sink_init(&state, 0);
        auto_sink struct sink *sink = memory_sink_open(&state);
        ck_assert_int_eq(pack_bundle(bundle, &options, sink, crc, &err), -1);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
    }
    scratch_release(&scratch);
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(every_truncation_is_corrupt)
{
    for (int level = 0; level <= 1; level++) {
        auto_buf struct buf stored = {.max = MIB};

        pack_set(&small, 2, level, &stored);
        for (size_t len = 0; len < stored.len; len++) {
            struct memory_source state = {.data = stored.data, .len = len, .chunk = 500};
            struct taker taker = {.set = &small, .is_exact = true};
            struct err err = {0};
            int rc = unpack(memory_source_open(&state), 2, &taker, &err);
            ck_assert_msg(rc == -1 && err.kind == ERR_CORRUPT, "%zu bytes: %d %s", len, rc,
                          err.msg);
            ck_assert(state.freed);
            taker_release(&taker);
        }
    }
}
END_TEST

START_TEST(every_flipped_byte_is_corrupt_or_other_bytes_but_never_a_hang)
{
    struct leaks before = leaks_count();

    for (int level = 0; level <= 1; level++) {
        auto_buf struct buf stored = {.max = MIB};

        pack_set(&small, 2, level, &stored);
        for (size_t i = 0; i < stored.len; i++) {
            struct memory_source state = {.data = stored.data, .len = stored.len, .chunk = 500};
            struct taker taker = {.set = &small};
            struct err err = {0};
            stored.data[i] ^= 0x11;
            if (unpack(memory_source_open(&state), 2, &taker, &err) != 0)
                ck_assert_msg(err.kind == ERR_CORRUPT, "byte %zu: %s", i, err.msg);
            ck_assert(state.freed);
            taker_release(&taker);
            stored.data[i] ^= 0x11;
        }
    }
    ck_assert(leaks_none(&before));
}
END_TEST

START_TEST(every_flipped_byte_is_corrupt_when_parts_are_proven)
{
    static uint8_t digests[PARTS_MAX][SHA256_BYTES];
    const size_t part = 100;

    for (int level = 0; level <= 1; level++) {
        auto_buf struct buf stored = {.max = MIB};

        pack_set(&small, 2, level, &stored);
        size_t parts = (stored.len + part - 1) / part;
        ck_assert_uint_le(parts, PARTS_MAX);
        for (size_t i = 0; i < parts; i++) {
            size_t left = stored.len - i * part;
            sha256_of(stored.data + i * part, left < part ? left : part, digests[i]);
        }
        for (size_t i = 0; i <= stored.len; i++) {
            struct memory_source state = {.data = stored.data, .len = stored.len, .chunk = part};
            struct taker taker = {.set = &small, .is_exact = true};
            struct err err = {0};
            bool is_flipped = i < stored.len; /* and once it is not */
            if (is_flipped)
                stored.data[i] ^= 0x11;
            /* C17 does not add const below an array by itself */
            const struct source_proof proof = {.count = parts,
                                               .sha256 = (const uint8_t(*)[SHA256_BYTES])digests};
            struct source *proven = source_proven_new(memory_source_open(&state), &proof);
            int rc = unpack(proven, 2, &taker, &err);
            ck_assert_int_eq(rc, is_flipped ? -1 : 0);
            ck_assert_int_eq(err.kind, is_flipped ? ERR_CORRUPT : ERR_NONE);
            taker_release(&taker);
            if (is_flipped)
                stored.data[i] ^= 0x11;
        }
    }
}
END_TEST

START_TEST(workers_that_cannot_be_started_are_an_error)
{
    struct pack_options options = {.workers = 0};
    auto_bundle struct bundle *bundle = bundle_of(&small);
    auto_memory_sink struct memory_sink state;
    uint64_t crc[FILES_MAX];
    struct err err = {0};

    memory_sink_init(&state, 0);
    auto_sink struct sink *sink = memory_sink_open(&state);
    ck_assert_int_eq(pack_bundle(bundle, &options, sink, crc, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
}
END_TEST

/* A sink that raises SIGTERM at its third write. */
struct interrupting {
    struct sink base;
    unsigned writes;
};

static int interrupting_write(struct sink *sink, const void *data, size_t len, struct err *err)
{
    struct interrupting *self = (struct interrupting *)(void *)sink;

    (void)data;
    (void)len;
    (void)err;
    return ++self->writes == 3 ? raise(SIGTERM) : 0;
}

static const struct sink_ops interrupting_ops = {.write = interrupting_write};

/* In a process of its own, since the signal stays pending. Returns the number of writes it took to
 * end with ERR_FAILED, 100 when it ended otherwise. */
static int writes_until_cancelled(bool is_pending_before)
{
    struct interrupting sink = {.base.ops = &interrupting_ops};
    struct pack_options options = {.workers = 2};
    int status = 0;

    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct bundle *bundle = bundle_of(&pieces);
        uint64_t crc[FILES_MAX];
        struct err err = {0};
        cancel_init();
        if (is_pending_before)
            (void)raise(SIGTERM); /* blocked, so it waits */
        int rc = pack_bundle(bundle, &options, &sink.base, crc, &err);
        _exit(rc == -1 && err.kind == ERR_FAILED ? (int)sink.writes : 100);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(a_signal_that_arrived_before_ends_it)
{
    ck_assert_int_le(writes_until_cancelled(true), 1);
}
END_TEST

START_TEST(a_signal_that_arrives_in_between_ends_it)
{
    ck_assert_int_eq(writes_until_cancelled(false), 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pack");
    TCase *tcase = tcase_create("pack");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, small_files_come_back_however_the_stream_is_cut);
    tcase_add_test(tcase, large_files_come_back_however_the_stream_is_cut);
    tcase_add_test(tcase, no_files_at_all_come_back);
    tcase_add_test(tcase, an_empty_bundle_is_an_empty_archive);
    tcase_add_test(tcase, the_bound_holds_for_noise_and_for_very_many_files);
    tcase_add_test(tcase, the_zstd_and_tar_commands_read_what_was_packed);
    tcase_add_test(tcase, an_error_of_the_sink_passes_through_and_nothing_is_left);
    tcase_add_test(tcase, a_file_that_became_shorter_is_corrupt_and_nothing_is_left);
    tcase_add_test(tcase, every_truncation_is_corrupt);
    tcase_add_test(tcase, every_flipped_byte_is_corrupt_or_other_bytes_but_never_a_hang);
    tcase_add_test(tcase, every_flipped_byte_is_corrupt_when_parts_are_proven);
    tcase_add_test(tcase, workers_that_cannot_be_started_are_an_error);
    tcase_add_test(tcase, a_signal_that_arrived_before_ends_it);
    tcase_add_test(tcase, a_signal_that_arrives_in_between_ends_it);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
