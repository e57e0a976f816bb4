/*
 * The S3 store against a real S3 server: Ceph's radosgw, started for this test alone. What it
 * checks is honest: signatures, payload digests, part sizes, listing order, sessions.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/s3_call.h"
#include "store/s3_xml_uploads.h"
#include "store/store.h"
#include "support/rgw.h"
#include "support/s3_peer_env.h"

#define MIB ((size_t)1024 * 1024)
#define BUCKET "redkeep-tests"

static struct rgw rgw;
static struct peer_env settings;

static void start_rgw(void)
{
    peer_env_init(&settings, NULL);
    rgw_start(&rgw, BUCKET, NULL, NULL, &settings);
}

static void stop_rgw(void)
{
    rgw_stop(&rgw);
    peer_env_release(&settings);
}

static int try_open(struct peer_env *env, const char *place, struct store **out, struct err *err)
{
    return peer_env_open(env, place, &(struct store_options){.clock = clock_system()}, out, err);
}

static struct store *open_store(const char *place)
{
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_msg(try_open(&settings, place, &store, &err) == 0, "%s", err.msg);
    return store;
}

static void check_digests(const struct object_parts *parts, const uint8_t *data, size_t len)
{
    ck_assert_uint_eq(parts->size, len);
    ck_assert_uint_eq(parts->count, (len + parts->part_bytes - 1) / parts->part_bytes);
    for (size_t i = 0; i < parts->count; i++) {
        size_t at = i * (size_t)parts->part_bytes;
        size_t left = len - at;
        uint8_t digest[SHA256_BYTES];

        sha256_of(data + at, left < parts->part_bytes ? left : (size_t)parts->part_bytes, digest);
        ck_assert_mem_eq(digest, parts->sha256[i], SHA256_BYTES);
    }
}

static void put_object(struct store *store, const char *key, const uint8_t *data, size_t len)
{
    struct object_parts parts = {0};
    auto_sink struct sink *sink = NULL;
    struct err err = {0};

    ck_assert_msg(store_put(store, key, len, &parts, &sink, &err) == 0, "%s", err.msg);
    for (size_t at = 0; at < len; at += 1000003) {
        size_t n = len - at < 1000003 ? len - at : 1000003;

        ck_assert_msg(sink_write(sink, data + at, n, &err) == 0, "%s", err.msg);
    }
    ck_assert_msg(sink_finish(sink, &err) == 0, "%s", err.msg);
    check_digests(&parts, data, len);
    object_parts_release(&parts);
}

static void expect_range(struct store *store, const struct store_get_request *request,
                         const uint8_t *data)
{
    auto_source struct source *source = NULL;
    struct err err = {0};
    uint64_t at = request->offset;
    const uint8_t *chunk;
    size_t len;

    ck_assert_msg(store_get(store, request, &source, &err) == 0, "%s", err.msg);
    for (;;) {
        ck_assert_msg(source_next(source, &chunk, &len, &err) == 0, "%s", err.msg);
        if (len == 0)
            break;
        ck_assert_mem_eq(chunk, data + at, len);
        at += len;
    }
    ck_assert_uint_eq(at, request->offset + request->size);
}

START_TEST(objects_of_all_sizes_come_back_as_they_were)
{
    static const size_t sizes[] = {0,           1,        1000,     5 * MIB - 1, 5 * MIB,
                                   5 * MIB + 1, 10 * MIB, 40 * MIB, 40 * MIB + 7};
    auto_store struct store *store = open_store(BUCKET "/sizes");
    auto_free uint8_t *data = xmalloc(41 * MIB);

    peer_fill(data, 41 * MIB, 7);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct err err = {0};
        uint64_t size = 1;

        put_object(store, "object", data, sizes[i]);
        ck_assert_msg(store_head(store, "object", &size, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(size, sizes[i]);
        if (sizes[i] > 0)
            expect_range(store,
                         &(struct store_get_request){
                             .key = "object", .size = sizes[i], .chunk_bytes = 3 * MIB},
                         data);
    }
}
END_TEST

START_TEST(ranges_are_exact_and_a_short_object_is_corrupt)
{
    static const struct {
        uint64_t offset, size, chunk_bytes;
    } rows[] = {{0, 1, 1}, {1, 1, 100}, {999999, 1, 1}, {5, 999995, 77777}, {123456, 500000, 1000}};
    auto_store struct store *store = open_store(BUCKET "/ranges");
    auto_free uint8_t *data = xmalloc(1000000);
    auto_source struct source *source = NULL;
    struct err err = {0};
    const uint8_t *chunk;
    size_t len;

    peer_fill(data, 1000000, 1);
    put_object(store, "object", data, 1000000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_range(store,
                     &(struct store_get_request){.key = "object",
                                                 .offset = rows[i].offset,
                                                 .size = rows[i].size,
                                                 .chunk_bytes = rows[i].chunk_bytes},
                     data);

    ck_assert_int_eq(
        store_get(store,
                  &(struct store_get_request){
                      .key = "object", .offset = 999990, .size = 11, .chunk_bytes = 100},
                  &source, &err),
        0);
    ck_assert_int_eq(source_next(source, &chunk, &len, &err), -1);
    ck_assert_msg(err.kind == ERR_CORRUPT, "%s", err.msg);
}
END_TEST

struct keys {
    char *items[2048];
    size_t count;
};

static int keep_key(void *context, const struct store_entry *entry, struct err *err)
{
    struct keys *keys = context;

    (void)err;
    ck_assert_uint_lt(keys->count, 2048);
    keys->items[keys->count++] = xstrdup(entry->key);
    return 0;
}

static void release_keys(struct keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        free(keys->items[i]);
    keys->count = 0;
}

START_TEST(a_long_listing_is_complete_and_in_order)
{
    auto_store struct store *store = open_store(BUCKET "/long");
    struct keys keys = {.count = 0};
    struct err err = {0};

    for (int i = 0; i < 1100; i++) {
        auto_free char *key = xasprintf("%s/%04d", i % 2 == 0 ? "even" : "odd", i);

        ck_assert_msg(store_put_small(store, key, "x", 1, &err) == 0, "%s", err.msg);
    }
    ck_assert_msg(store_put_small(store, "even-more", "x", 1, &err) == 0, "%s", err.msg);

    ck_assert_msg(store_list(store, "", '\0', keep_key, &keys, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(keys.count, 1101);
    for (size_t i = 1; i < keys.count; i++)
        ck_assert_int_lt(strcmp(keys.items[i - 1], keys.items[i]), 0);
    release_keys(&keys);

    ck_assert_msg(store_list(store, "", '/', keep_key, &keys, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(keys.count, 3);
    ck_assert_str_eq(keys.items[0], "even-more");
    ck_assert_str_eq(keys.items[1], "even/");
    ck_assert_str_eq(keys.items[2], "odd/");
    release_keys(&keys);

    ck_assert_msg(store_list(store, "odd/", '/', keep_key, &keys, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(keys.count, 550);
    ck_assert_str_eq(keys.items[0], "odd/0001");
    release_keys(&keys);

    ck_assert_int_eq(store_list(store, "none/", '\0', keep_key, &keys, &err), 0);
    ck_assert_uint_eq(keys.count, 0);
}
END_TEST

START_TEST(keys_may_hold_any_byte)
{
    static const char *const odd[] = {
        "a b",    "a+b",      "100%",      "%41",      "a%2Fb",    "a&b=c?d#e", "a;b,c:d@e$f",
        "q'\"<>", "back\\sl", "tab\there", "nl\nhere", "\x01\x1f", "~-._!*()",  "\xc3\xa9t\xc3\xa9",
        "日本語", "a b/c+d",  "{[|]}^`",   "...",      "..a",
    };
    auto_store struct store *store = open_store(BUCKET "/odd prefix+%41");
    struct err err = {0};

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        auto_buf struct buf back;
        struct keys keys = {.count = 0};

        buf_init(&back, 100);
        ck_assert_msg(store_put_small(store, odd[i], odd[i], strlen(odd[i]), &err) == 0, "%s",
                      err.msg);
        ck_assert_msg(store_list(store, "", '\0', keep_key, &keys, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(keys.count, 1);
        ck_assert_str_eq(keys.items[0], odd[i]);
        release_keys(&keys);
        ck_assert_msg(store_get_small(store, odd[i], &back, &err) == 0, "%s", err.msg);
        ck_assert_str_eq(buf_text(&back), odd[i]);
        ck_assert_msg(store_remove(store, odd[i], &err) == 0, "%s", err.msg);
        ck_assert_int_eq(store_get_small(store, odd[i], &back, &err), -1);
        ck_assert_msg(err.kind == ERR_NOT_FOUND, "%s", err.msg);
    }
}
END_TEST

START_TEST(what_is_not_there_is_not_found_and_removing_it_succeeds)
{
    auto_store struct store *store = open_store(BUCKET);
    auto_buf struct buf out;
    struct err err = {0};
    uint64_t size;

    buf_init(&out, 10);
    ck_assert_int_eq(store_head(store, "nothing/here", &size, &err), -1);
    ck_assert_msg(err.kind == ERR_NOT_FOUND, "%s", err.msg);
    ck_assert_int_eq(store_get_small(store, "nothing/here", &out, &err), -1);
    ck_assert_msg(err.kind == ERR_NOT_FOUND, "%s", err.msg);
    ck_assert_int_eq(store_remove(store, "nothing/here", &err), 0);
    ck_assert_int_eq(store_put_small(store, "eleven", "hello world", 11, &err), 0);
    ck_assert_int_eq(store_get_small(store, "eleven", &out, &err), -1);
    ck_assert_msg(err.kind == ERR_CORRUPT, "%s", err.msg);
}
END_TEST

static void expect_refusal(const char *name, const char *value, const char *place,
                           const char *words)
{
    struct peer_env changed;
    auto_store struct store *store = NULL;
    struct err err = {0};

    peer_env_init(&changed, NULL);
    for (size_t i = 0; i < settings.count; i++)
        peer_env_set(&changed, settings.names[i], settings.values[i]);
    if (name != NULL)
        peer_env_set(&changed, name, value);
    ck_assert_int_eq(try_open(&changed, place, &store, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    ck_assert_msg(strstr(err.msg, words) != NULL, "%s", err.msg);
    ck_assert_msg(strstr(err.msg, "HINT: ") != NULL, "%s", err.msg);
    ck_assert_ptr_null(strstr(err.msg, "rgwTestSecretKey"));
    peer_env_release(&changed);
}

START_TEST(wrong_keys_and_buckets_are_refused_with_a_reason)
{
    expect_refusal("AWS_SECRET_ACCESS_KEY", "wrong", BUCKET, "HTTP 403");
    expect_refusal("AWS_ACCESS_KEY_ID", "NOSUCHKEY", BUCKET, "HTTP 403");
    expect_refusal("AWS_SESSION_TOKEN", "nonsense", BUCKET, "HTTP 403");
    expect_refusal(NULL, NULL, "no-such-bucket", "NoSuchBucket");
    expect_refusal("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1", BUCKET, "127.0.0.1");
}
END_TEST

START_TEST(a_bucket_that_went_away_is_not_a_missing_object)
{
    auto_store struct store *store = NULL;
    struct err err = {0};
    uint64_t size;
    auto_buf struct buf out;

    rgw_make_bucket(&rgw, "going-away");
    store = open_store("going-away");
    buf_init(&out, 10);
    rgw_remove_bucket(&rgw, "going-away");
    ck_assert_int_eq(store_head(store, "key", &size, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    ck_assert_int_eq(store_get_small(store, "key", &out, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    ck_assert_int_eq(store_remove(store, "key", &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
}
END_TEST

static int count_upload(void *context, const struct s3_xml_upload *upload, struct err *err)
{
    (void)upload;
    (void)err;
    (*(size_t *)context)++;
    return 0;
}

static size_t count_open_uploads(struct store *store)
{
    struct s3 *s3 = (struct s3 *)(void *)((char *)store + sizeof(struct store));
    const struct s3_call_request request = {.doing = "list the uploads of",
                                            .method = "GET",
                                            .query = {{"uploads", NULL}},
                                            .query_count = 1};
    auto_s3_call struct s3_call *call = NULL;
    struct err err = {0};
    size_t count = 0;

    ck_assert_msg(s3_call_run(s3, &request, &call, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(
        s3_xml_parse_uploads(&s3_call_get_answer(call)->body, count_upload, &count, NULL, &err), 0);
    return count;
}

START_TEST(an_abandoned_upload_leaves_nothing)
{
    auto_store struct store *store = open_store(BUCKET "/abandoned");
    auto_free uint8_t *data = xcalloc(1, 22 * MIB);
    struct object_parts parts = {0};
    struct sink *sink = NULL;
    struct err err = {0};
    uint64_t size;

    ck_assert_int_eq(store_put(store, "object", 100 * MIB, &parts, &sink, &err), 0);
    ck_assert_msg(sink_write(sink, data, 22 * MIB, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(count_open_uploads(store), 1);
    sink_free(sink);
    object_parts_release(&parts);
    ck_assert_uint_eq(count_open_uploads(store), 0);
    ck_assert_int_eq(store_head(store, "object", &size, &err), -1);
    ck_assert_msg(err.kind == ERR_NOT_FOUND, "%s", err.msg);
}
END_TEST

/* Never finished, as by a process that was killed: only the store's own memory of it is lost. */
static char *begin_upload(struct store *store, const char *key)
{
    struct s3 *s3 = (struct s3 *)(void *)((char *)store + sizeof(struct store));
    const struct s3_call_request request = {.doing = "begin the upload of",
                                            .method = "POST",
                                            .key = key,
                                            .query = {{"uploads", NULL}},
                                            .query_count = 1};
    auto_s3_call struct s3_call *call = NULL;
    struct err err = {0};
    char *id = NULL;

    ck_assert_msg(s3_call_run(s3, &request, &call, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(s3_xml_parse_upload_id(&s3_call_get_answer(call)->body, &id, &err), 0);
    return id;
}

static bool is_any(const char *key)
{
    (void)key;
    return true;
}

START_TEST(uploads_that_were_never_finished_are_swept)
{
    static const int64_t hour_ms = INT64_C(60) * 60 * 1000;
    auto_store struct store *store = open_store(BUCKET "/swept");
    struct store_sweep sweep = {.prefix = "db-0/", .is_ours = is_any, .confirm = true};
    struct err err = {0};

    for (unsigned i = 0; i < 12; i++) {
        auto_free char *key = xasprintf("%s/backups/%u/data.tar.zst", i < 10 ? "db-0" : "db-00", i);
        free(begin_upload(store, key));
    }
    for (int64_t hours = -1; hours <= 1; hours += 2) { /* begun after that, before it */
        struct store_swept swept = {0};

        sweep.before_ms = clock_wall_ms(clock_system()) + hours * hour_ms;
        ck_assert_msg(store_sweep(store, &sweep, &swept, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(swept.count, hours < 0 ? 0 : 10);
        ck_assert_uint_eq(count_open_uploads(store), hours < 0 ? 12 : 2);
    }
    struct store_swept swept = {0};
    sweep.prefix = "db-00/";
    ck_assert_int_eq(store_sweep(store, &sweep, &swept, &err), 0);
    ck_assert_uint_eq(swept.count, 2);
    ck_assert_uint_eq(count_open_uploads(store), 0);
}
END_TEST

START_TEST(session_tokens_are_accepted)
{
    rgw_make_bucket(&rgw, "session-tests");
    rgw_start_session(&rgw, &settings); /* each test has a process, and so settings, of its own */
    {
        auto_store struct store *store = open_store("session-tests/by token");
        uint8_t data[1000];

        peer_fill(data, sizeof(data), 3);
        put_object(store, "object", data, sizeof(data));
        expect_range(store,
                     &(struct store_get_request){.key = "object", .size = 1000, .chunk_bytes = 100},
                     data);
    }
}
END_TEST

static Suite *store_rgw_suite(void)
{
    Suite *suite = suite_create("store_rgw");
    TCase *tc = tcase_create("rgw");

    tcase_set_timeout(tc, 120);
    tcase_add_unchecked_fixture(tc, start_rgw, stop_rgw);
    tcase_add_test(tc, objects_of_all_sizes_come_back_as_they_were);
    tcase_add_test(tc, ranges_are_exact_and_a_short_object_is_corrupt);
    tcase_add_test(tc, a_long_listing_is_complete_and_in_order);
    tcase_add_test(tc, keys_may_hold_any_byte);
    tcase_add_test(tc, what_is_not_there_is_not_found_and_removing_it_succeeds);
    tcase_add_test(tc, wrong_keys_and_buckets_are_refused_with_a_reason);
    tcase_add_test(tc, a_bucket_that_went_away_is_not_a_missing_object);
    tcase_add_test(tc, an_abandoned_upload_leaves_nothing);
    tcase_add_test(tc, uploads_that_were_never_finished_are_swept);
    tcase_add_test(tc, session_tokens_are_accepted);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_rgw_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
