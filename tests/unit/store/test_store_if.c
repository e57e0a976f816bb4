// link: -Wl,--wrap=write -Wl,--wrap=fsync -Wl,--wrap=renameat -Wl,--wrap=openat -Wl,--wrap=mkdirat
// link: -Wl,--wrap=pread -Wl,--wrap=flock
/*
 * Small puts on conditions: a directory, with processes that race; a peer that answers in every way
 * that S3 servers do; the store in memory that other tests lean on.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/fs.h"
#include "base/mem.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/faults.h"
#include "support/s3_peer.h"
#include "support/s3_peer_env.h"
#include "support/store_conditions.h"
#include "support/tmpdir.h"

static struct s3_peer *peer;
static struct peer_env env;
static char *root;

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);

static int flock_errno;

int __wrap_flock(int fd, int operation)
{
    if (flock_errno == 0)
        return __real_flock(fd, operation);
    errno = flock_errno;
    return -1;
}

static void set_up_peer(void)
{
    cancel_init();
    peer = s3_peer_new();
    peer_env_init(&env, s3_peer_get_url(peer));
}

static void tear_down_peer(void)
{
    s3_peer_free(peer);
    peer_env_release(&env);
}

static void set_up_dir(void)
{
    root = tmpdir_new();
}

static void tear_down_dir(void)
{
    tmpdir_remove(root);
}

static struct store *open_peer(void)
{
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_msg(peer_env_open(&env, "bucket/p", NULL, &store, &err) == 0, "%s", err.msg);
    return store;
}

static struct store *open_dir(const struct clock *clock)
{
    auto_free char *url = xasprintf("file://%s", root);
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_msg(store_open(&(struct store_options){.url = url, .clock = clock}, &store, &err) ==
                      0,
                  "%s", err.msg);
    return store;
}

static int put_if(struct store *store, const char *text, const char *tag, char **out_tag,
                  struct err *err)
{
    return store_put_small_if(
        store, &(struct store_put_if){.key = "k", .data = text, .len = strlen(text), .tag = tag},
        out_tag, err);
}

static void rule(const char *match, enum s3_peer_fault fault, unsigned times, const char *text)
{
    s3_peer_add_rule(
        peer, &(struct s3_peer_rule){.match = match, .fault = fault, .times = times, .text = text});
}

/* ---- all of them ---- */

START_TEST(a_directory_keeps_conditions)
{
    auto_store struct store *a = open_dir(clock_system());
    auto_store struct store *b = open_dir(clock_system());
    unsigned descriptors = fd_count();

    store_conditions_hold(a, b);
    ck_assert_uint_eq(fd_count(), descriptors);
}
END_TEST

START_TEST(a_bucket_keeps_conditions)
{
    auto_store struct store *a = open_peer();
    auto_store struct store *b = open_peer();

    store_conditions_hold(a, b);
}
END_TEST

START_TEST(the_store_in_memory_keeps_conditions)
{
    struct fake_store fake;

    fake_store_init(&fake, 1000);
    store_conditions_hold(&fake.store, &fake.store);
    fake_store_release(&fake);
}
END_TEST

/* ---- a directory ---- */

START_TEST(of_many_processes_that_race_in_a_directory_no_two_ever_win)
{
    enum { RACERS = 12, TIMES = 15 };
    pid_t racers[RACERS];
    auto_store struct store *store = NULL;
    auto_free char *path = xasprintf("%s/leases", root);
    struct fs_list names = {0};
    struct err err = {0};

    for (int i = 0; i < RACERS; i++) {
        racers[i] = fork();
        ck_assert_int_ge(racers[i], 0);
        if (racers[i] == 0) {
            struct store *mine = open_dir(clock_system());

            (void)store_conditions_count(mine, "leases/x", TIMES);
            store_free(mine);
            _exit(0);
        }
    }
    for (int i = 0; i < RACERS; i++) {
        int status = -1;

        ck_assert_int_eq(waitpid(racers[i], &status, 0), racers[i]);
        ck_assert_int_eq(status, 0);
    }
    store = open_dir(clock_system());
    ck_assert_uint_eq(store_conditions_read(store, "leases/x"), RACERS * TIMES);
    ck_assert_int_eq(fs_list_dir(AT_FDCWD, path, &names, &err), 0);
    ck_assert_uint_eq(names.count, 1);
    fs_list_release(&names);
}
END_TEST

START_TEST(a_lock_that_is_never_given_back_is_told)
{
    struct fake_clock clock;
    auto_store struct store *store = NULL;
    auto_close int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *tag = NULL;
    struct err err = {0};

    fake_clock_init(&clock, 0);
    store = open_dir(&clock.clock);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    ck_assert_int_eq(put_if(store, "x", NULL, &tag, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "lock") != NULL, "%s", err.msg);
    ck_assert_int_ge(clock.slept_ms, 10000);
    ck_assert_int_eq(flock(fd, LOCK_UN), 0);
    ck_assert_msg(put_if(store, "x", NULL, &tag, &err) == 0, "%s", err.msg);
    free(tag);
}
END_TEST

START_TEST(a_system_call_that_fails_leaves_what_was_there_or_nothing)
{
    auto_store struct store *store = open_dir(clock_system());
    unsigned descriptors = fd_count();
    unsigned n = 1;

    for (bool fired = true; fired; n++) {
        auto_free char *tag = NULL;
        auto_free char *tag2 = NULL;
        struct fs_list names = {0};
        struct err err = {0};
        int rc;

        ck_assert_int_eq(store_remove(store, "k", &err), 0);
        ck_assert_msg(put_if(store, "old", NULL, &tag, &err) == 0, "%s", err.msg);
        faults_arm(n, EIO);
        rc = put_if(store, "new", tag, &tag2, &err);
        fired = faults_fired() > 0;
        faults_disarm();
        ck_assert_msg(rc == (fired ? -1 : 0), "call %u: %s", n, err.msg);
        ck_assert(!fired || (err.kind != ERR_BUSY && err.kind != ERR_NOT_FOUND && tag2 == NULL));
        ck_assert_int_eq(fs_list_dir(AT_FDCWD, root, &names, &err), 0);
        ck_assert_uint_le(names.count, 1);
        fs_list_release(&names);
        ck_assert_uint_eq(fd_count(), descriptors);
    }
    ck_assert_uint_ge(n, 6);
}
END_TEST

START_TEST(where_a_directory_cannot_be_locked_nothing_is_changed)
{
    auto_store struct store *store = open_dir(clock_system());
    char *tag = NULL;
    struct err err = {0};

    flock_errno = ENOLCK;
    ck_assert_int_eq(put_if(store, "x", NULL, &tag, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "cannot lock") != NULL, "%s", err.msg);
    flock_errno = EIO;
    ck_assert_int_eq(put_if(store, "x", NULL, &tag, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE && err.code == EIO, "%s", err.msg);
    flock_errno = 0;
    ck_assert_int_eq(store_head(store, "k", &(uint64_t){0}, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
}
END_TEST

START_TEST(what_is_no_file_is_no_object_to_change)
{
    auto_store struct store *store = open_dir(clock_system());
    auto_free char *path = xasprintf("%s/k", root);
    char *tag = NULL;
    struct err err = {0};

    ck_assert_int_eq(symlink("/etc/passwd", path), 0);
    ck_assert_int_eq(put_if(store, "x", NULL, &tag, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* ---- a bucket ---- */

START_TEST(conditions_are_sent_and_signed)
{
    auto_store struct store *store = open_peer();
    auto_free char *tag = NULL;
    auto_free char *tag2 = NULL;
    auto_free char *head = NULL;
    auto_free char *head2 = NULL;
    auto_free char *wanted = NULL;
    struct err err = {0};

    ck_assert_msg(put_if(store, "one", NULL, &tag, &err) == 0, "%s", err.msg);
    head = s3_peer_copy_head(peer, "PUT ");
    ck_assert_msg(strstr(head, "\r\nif-none-match: *\r\n") != NULL, "%s", head);
    ck_assert_msg(strstr(head, "SignedHeaders=host;if-none-match;x-amz-") != NULL, "%s", head);
    ck_assert_ptr_null(strstr(head, "if-match"));

    ck_assert_msg(put_if(store, "two", tag, &tag2, &err) == 0, "%s", err.msg);
    head2 = s3_peer_copy_head(peer, "PUT ");
    wanted = xasprintf("\r\nif-match: %s\r\n", tag);
    ck_assert_msg(strstr(head2, wanted) != NULL, "%s", head2);
    ck_assert_msg(strstr(head2, "SignedHeaders=host;if-match;x-amz-") != NULL, "%s", head2);
    ck_assert_uint_eq(s3_peer_count(peer, "GET /bucket/"), 0); /* no question more than needed */
}
END_TEST

START_TEST(every_answer_is_told_for_what_it_is)
{
    static const struct {
        const char *tag, *code;
        int status;
        enum err_kind kind;
        const char *words;
    } rows[] = {
        {NULL, "PreconditionFailed", 412, ERR_BUSY, "there already"},
        {"\"t\"", "PreconditionFailed", 412, ERR_BUSY, "changed meanwhile"},
        {NULL, "ConditionalRequestConflict", 409, ERR_BUSY, "there already"},
        {"\"t\"", "ConditionalRequestConflict", 409, ERR_BUSY, "changed meanwhile"},
        {"\"t\"", "NoSuchKey", 404, ERR_BUSY, "changed meanwhile"},
        {"\"t\"", "NoSuchBucket", 404, ERR_STORE, "NoSuchBucket"},
        {NULL, "NotImplemented", 501, ERR_STORE, "this store knows no conditional writes"},
        {"\"t\"", "NotImplemented", 501, ERR_STORE, "this store knows no conditional writes"},
        {NULL, "AccessDenied", 403, ERR_STORE, "HINT"},
        {NULL, "BucketAlreadyExists", 409, ERR_STORE, "HTTP 409"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *answer = s3_peer_format_error(rows[i].status, rows[i].code, "");
        auto_store struct store *store = open_peer();
        char *tag = NULL;
        struct err err = {0};

        s3_peer_clear_rules(peer);
        s3_peer_put(peer, "/bucket/p/k", "somebody's", 10);
        rule("PUT ", PEER_ANSWER, 0, answer);
        ck_assert_int_eq(put_if(store, "mine", rows[i].tag, &tag, &err), -1);
        ck_assert_msg(err.kind == rows[i].kind && strstr(err.msg, rows[i].words) != NULL,
                      "row %zu: kind %d: %s", i, (int)err.kind, err.msg);
        ck_assert_ptr_null(tag);
        ck_assert_uint_eq(s3_peer_count(peer, "PUT "), i + 1); /* none of them is tried again */
        ck_assert(s3_peer_has(peer, "/bucket/p/k", "somebody's", 10));
    }
}
END_TEST

START_TEST(what_was_done_is_done_though_its_answer_was_lost)
{
    static const enum s3_peer_fault faults[] = {PEER_LOSE, PEER_RESET_ANSWER, PEER_CUT};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        auto_store struct store *store = open_peer();
        auto_free char *text = xasprintf("text %zu", i);
        auto_free char *tag = NULL;
        auto_free char *tag2 = NULL;
        struct err err = {0};

        s3_peer_clear_rules(peer);
        ck_assert_int_eq(store_remove(store, "k", &err), 0);
        rule("PUT ", faults[i], 1, NULL);
        ck_assert_msg(put_if(store, text, NULL, &tag, &err) == 0, "%s", err.msg);
        ck_assert(s3_peer_has(peer, "/bucket/p/k", text, strlen(text)));
        s3_peer_clear_rules(peer);
        rule("PUT ", faults[i], 1, NULL);
        ck_assert_msg(put_if(store, "next", tag, &tag2, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(s3_peer_count_faults(peer), 1);
        ck_assert(s3_peer_has(peer, "/bucket/p/k", "next", 4));
    }
}
END_TEST

START_TEST(an_attempt_that_was_overloaded_is_made_again)
{
    auto_store struct store *store = open_peer();
    auto_free char *tag = NULL;
    struct err err = {0};

    rule("PUT ", PEER_ANSWER, 2, PEER_SLOW_DOWN);
    ck_assert_msg(put_if(store, "one", NULL, &tag, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(s3_peer_count(peer, "PUT "), 3);
}
END_TEST

START_TEST(who_cannot_find_out_whether_it_was_stored_says_so)
{
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    auto_store struct store *store = open_peer();
    char *tag = NULL;
    struct err err = {0};

    s3_peer_put(peer, "/bucket/p/k", "x", 1);
    rule("GET /bucket/p/k", PEER_ANSWER, 0, denied);
    ck_assert_int_eq(put_if(store, "mine", NULL, &tag, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "find out whether k was") != NULL, "%s",
                  err.msg);

    s3_peer_clear_rules(peer); /* refused, and gone when it is looked at */
    auto_free char *refused = s3_peer_format_error(412, "PreconditionFailed", "");
    rule("PUT ", PEER_ANSWER, 0, refused);
    ck_assert_int_eq(store_remove(store, "k", &err), 0);
    ck_assert_int_eq(put_if(store, "mine", NULL, &tag, &err), -1);
    ck_assert_msg(err.kind == ERR_BUSY && strstr(err.msg, "removed") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(a_store_without_tags_knows_no_conditions)
{
    auto_free char *much = xcalloc(1, 301);
    auto_free char *cut = NULL;
    const char *headers[] = {"", "ETag: \r\n", "ETag: W/\"abc\"\r\n", NULL};

    memset(much, 'e', 300);
    cut = xasprintf("ETag: \"%s\"\r\n", much);
    headers[3] = cut;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        auto_free char *stored = s3_peer_format_answer(200, headers[i], "");
        auto_free char *read = s3_peer_format_answer(200, headers[i], "mine");
        auto_store struct store *store = open_peer();
        auto_buf struct buf bytes;
        char *tag = NULL;
        struct err err = {0};

        buf_init(&bytes, 1000);
        s3_peer_clear_rules(peer);
        rule("PUT ", PEER_ANSWER, 0, stored);
        rule("GET /bucket/p/k", PEER_ANSWER, 0, read);
        ck_assert_int_eq(put_if(store, "mine", NULL, &tag, &err), -1);
        ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "no conditional writes") != NULL,
                      "%s", err.msg);
        ck_assert_int_eq(store_get_small_tagged(store, "k", &bytes, &tag, &err), -1);
        ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "ETag") != NULL, "%s", err.msg);
        ck_assert_ptr_null(tag);
        ck_assert_uint_eq(bytes.len, 0);
    }
}
END_TEST

START_TEST(a_tag_is_sent_back_as_it_came)
{
    static const char *const tags[] = {"\"quoted\"", "unquoted", "\"odd ,;= text\"", "x"};

    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        auto_free char *header = xasprintf("ETag: %s\r\n", tags[i]);
        auto_free char *answer = s3_peer_format_answer(200, header, "mine");
        auto_free char *wanted = xasprintf("\r\nif-match: %s\r\n", tags[i]);
        auto_store struct store *store = open_peer();
        auto_free char *tag = NULL;
        auto_free char *tag2 = NULL;
        auto_free char *head = NULL;
        struct err err = {0};

        s3_peer_clear_rules(peer);
        rule("PUT ", PEER_ANSWER, 0, answer);
        ck_assert_msg(put_if(store, "mine", NULL, &tag, &err) == 0, "%s", err.msg);
        ck_assert_str_eq(tag, tags[i]);
        ck_assert_int_eq(put_if(store, "mine too", tag, &tag2, &err), 0);
        head = s3_peer_copy_head(peer, "PUT ");
        ck_assert_msg(strstr(head, wanted) != NULL, "%s", head);
    }
}
END_TEST

START_TEST(a_store_that_refuses_what_holds_knows_no_conditions)
{
    auto_free char *refused = s3_peer_format_error(412, "PreconditionFailed", "");
    auto_store struct store *store = open_peer();
    auto_free char *tag = NULL;
    auto_free char *head = NULL;
    char *tag2 = NULL;
    struct err err = {0};

    ck_assert_int_eq(put_if(store, "one", NULL, &tag, &err), 0);
    rule("PUT ", PEER_ANSWER, 0, refused);
    ck_assert_int_eq(put_if(store, "two", tag, &tag2, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "no conditional writes") != NULL, "%s",
                  err.msg);
    head = s3_peer_copy_head(peer, "PUT ");
    ck_assert_msg(strstr(head, "\r\nif-match: etag-1\r\n") != NULL, "%s", head);
    ck_assert_uint_eq(s3_peer_count(peer, "PUT "), 3);
}
END_TEST

START_TEST(a_store_that_matches_tags_without_their_quotes_is_known_from_then_on)
{
    auto_free char *refused = s3_peer_format_error(412, "PreconditionFailed", "");
    auto_free char *stored = s3_peer_format_answer(200, "ETag: \"etag-1\"\r\n", "");
    auto_store struct store *store = open_peer();
    auto_free char *tag = NULL;
    auto_free char *head = NULL;
    struct err err = {0};

    ck_assert_int_eq(put_if(store, "one", NULL, &tag, &err), 0);
    rule("PUT ", PEER_ANSWER, 1, refused);
    rule("PUT ", PEER_ANSWER, 0, stored);
    for (unsigned i = 0; i < 3; i++) {
        auto_free char *tag2 = NULL;

        ck_assert_msg(put_if(store, "two", tag, &tag2, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(s3_peer_count(peer, "PUT "), 3 + i);
    }
    head = s3_peer_copy_head(peer, "PUT ");
    ck_assert_msg(strstr(head, "\r\nif-match: etag-1\r\n") != NULL, "%s", head);
}
END_TEST

START_TEST(only_what_may_go_on_goes_on_after_a_stop)
{
    env.stall_s = 1;
    auto_store struct store *store = open_peer();
    struct store_put_if put = {.key = "k", .data = "last", .len = 4};
    auto_free char *tag = NULL;
    struct err err = {0};

    ck_assert_int_eq(raise(SIGTERM), 0);
    rule("PUT ", PEER_ANSWER, 2, PEER_SLOW_DOWN);
    ck_assert_int_eq(store_put_small_if(store, &put, &tag, &err), -1);
    ck_assert_msg(strstr(err.msg, "interrupted") != NULL, "%s", err.msg);
    put.even_if_stopped = true;
    ck_assert_msg(store_put_small_if(store, &put, &tag, &err) == 0, "%s", err.msg);
    ck_assert(s3_peer_has(peer, "/bucket/p/k", "last", 4));
    ck_assert_uint_eq(s3_peer_count_faults(peer), 2);

    put.tag = tag; /* and gives up soon when nobody answers */
    rule("PUT ", PEER_STALL, 0, NULL);
    char *tag2 = NULL;
    ck_assert_int_eq(store_put_small_if(store, &put, &tag2, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_uint_le(s3_peer_count(peer, "PUT "), 3 + 2);
}
END_TEST

static Suite *store_if_suite(void)
{
    Suite *suite = suite_create("store_if");
    TCase *directory = tcase_create("directory");
    TCase *bucket = tcase_create("bucket");

    tcase_add_checked_fixture(directory, set_up_dir, tear_down_dir);
    tcase_add_test(directory, a_directory_keeps_conditions);
    tcase_add_test(directory, the_store_in_memory_keeps_conditions);
    tcase_add_test(directory, of_many_processes_that_race_in_a_directory_no_two_ever_win);
    tcase_add_test(directory, a_lock_that_is_never_given_back_is_told);
    tcase_add_test(directory, a_system_call_that_fails_leaves_what_was_there_or_nothing);
    tcase_add_test(directory, where_a_directory_cannot_be_locked_nothing_is_changed);
    tcase_add_test(directory, what_is_no_file_is_no_object_to_change);
    suite_add_tcase(suite, directory);

    tcase_add_checked_fixture(bucket, set_up_peer, tear_down_peer);
    tcase_add_test(bucket, a_bucket_keeps_conditions);
    tcase_add_test(bucket, conditions_are_sent_and_signed);
    tcase_add_test(bucket, every_answer_is_told_for_what_it_is);
    tcase_add_test(bucket, what_was_done_is_done_though_its_answer_was_lost);
    tcase_add_test(bucket, an_attempt_that_was_overloaded_is_made_again);
    tcase_add_test(bucket, who_cannot_find_out_whether_it_was_stored_says_so);
    tcase_add_test(bucket, a_store_without_tags_knows_no_conditions);
    tcase_add_test(bucket, a_tag_is_sent_back_as_it_came);
    tcase_add_test(bucket, a_store_that_refuses_what_holds_knows_no_conditions);
    tcase_add_test(bucket, a_store_that_matches_tags_without_their_quotes_is_known_from_then_on);
    tcase_add_test(bucket, only_what_may_go_on_goes_on_after_a_stop);
    suite_add_tcase(suite, bucket);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_if_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
