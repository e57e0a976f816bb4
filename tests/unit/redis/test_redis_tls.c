/*
 * TLS with those that a real server is not: names of every kind, silence, and what is no TLS.
 */
#include "redis/redis_tls.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "redis/redis_conn.h"
#include "support/leaks.h"
#include "support/tls_certs.h"
#include "support/tls_peer.h"
#include "support/tmpdir.h"

#define PATIENCE_MS 60000 /* where an answer comes */
#define DRIPS_MS 8000     /* where it does not, behind a handshake that has to be in time */

static char *dir;
static char *ca_file;
static struct tls_ca *ca;

static void set_up(void)
{
    dir = tmpdir_new();
    ca_file = xasprintf("%s/ca.crt", dir);
    ca = tls_ca_new("The CA");
    tls_ca_write(ca, dir, "ca");
    tls_ca_issue(ca, &(struct tls_issue){.ip = "127.0.0.1"}, dir, "good");
    (void)signal(SIGPIPE, SIG_IGN); /* of the peer */
}

static void tear_down(void)
{
    tls_ca_free(ca);
    free(ca_file);
    tmpdir_remove(dir);
}

/* Connects to one that follows the script; *out is NULL when that failed. */
static struct tls_peer *meet(const struct tls_peer_script *script, const char *server_name,
                             int timeout_ms, struct redis **out, struct err *err)
{
    struct tls_peer *peer = tls_peer_start(script);
    auto_free char *url = xasprintf("rediss://127.0.0.1:%d", tls_peer_port(peer));
    const struct redis_options options = {
        .url = url,
        .tls = {.ca_file = ca_file, .server_name = server_name},
        .timeout_ms = timeout_ms,
    };

    *out = NULL;
    *err = (struct err){0};
    (void)redis_connect(&options, out, err);
    return peer;
}

/* No connection comes about, and the message says so. */
static void check_refused(const struct tls_peer_script *script, int timeout_ms, const char *says)
{
    struct leaks before = leaks_count();
    struct redis *redis = NULL;
    struct err err;
    struct tls_peer *peer = meet(script, NULL, timeout_ms, &redis, &err);

    ck_assert_ptr_null(redis);
    ck_assert_int_eq(err.kind, ERR_SERVER);
    ck_assert_int_eq(err.code, EIO);
    ck_assert_msg(strstr(err.msg, says) != NULL, "%s\nhas no: %s", err.msg, says);
    ck_assert_msg(strncmp(err.msg, "rediss://127.0.0.1:", 19) == 0, "%s", err.msg);
    tls_peer_stop(peer);
    ck_assert(leaks_none(&before));
}

static const struct {
    struct tls_issue issue;
    const char *meant; /* NULL: 127.0.0.1, where it is */
    bool is_good;
} names[] = {
    {{.ip = "127.0.0.1"}, NULL, true},
    {{.ip = "127.0.0.2"}, NULL, false},
    {{.dns = "127.0.0.1"}, NULL, false}, /* a name that looks like an address */
    {{.common_name = "127.0.0.1"}, NULL, false},
    {{.ip = "::1"}, "::1", true},
    {{.ip = "127.0.0.1"}, "redis.test", false},
    {{.dns = "redis.test"}, NULL, false},
    {{.dns = "redis.test"}, "redis.test", true},
    {{.dns = "redis.test"}, "Redis.TEST", true},
    {{.dns = "redis.test"}, "redis.test.evil", false},
    {{.dns = "redis.test"}, "a.redis.test", false},
    {{.dns = "*.redis.test"}, "a.redis.test", true},
    {{.dns = "*.redis.test"}, "redis.test", false},
    {{.dns = "*.redis.test"}, "a.b.redis.test", false},
    {{.dns = "r*.redis.test"}, "rx.redis.test", false},
    {{.common_name = "redis.test"}, "redis.test", true},
    {{.common_name = "redis.test", .dns = "other.test"}, "redis.test", false},
};

START_TEST(the_certificate_has_to_be_for_who_was_meant)
{
    const struct tls_peer_script script = {.dir = dir, .name = "odd", .answers = {"+OK\r\n", NULL}};
    struct redis *redis = NULL;
    struct err err;

    tls_ca_issue(ca, &names[_i].issue, dir, "odd");
    struct tls_peer *peer = meet(&script, names[_i].meant, PATIENCE_MS, &redis, &err);
    ck_assert_msg((redis != NULL) == names[_i].is_good, "%s", err.msg);
    if (!names[_i].is_good)
        ck_assert_msg(strstr(err.msg, " and not for ") != NULL, "%s", err.msg);
    redis_free(redis);
    tls_peer_stop(peer);
}
END_TEST

START_TEST(an_address_as_the_name_of_a_host_is_told)
{
    static const struct {
        struct tls_issue issue;
        const char *says;
    } rows[] = {
        {{.common_name = "127.0.0.1"}, "subjectAltName, as IP:127.0.0.1"},
        {{.dns = "127.0.0.10,DNS:127.0.0.1,DNS:b"}, "subjectAltName, as IP:127.0.0.1"},
        {{.dns = "127.0.0.10,DNS:a127.0.0.1"}, "set redis-tls-server-name"},
    };
    const struct tls_peer_script script = {.dir = dir, .name = "odd"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        tls_ca_issue(ca, &rows[i].issue, dir, "odd");
        check_refused(&script, PATIENCE_MS, rows[i].says);
    }
}
END_TEST

START_TEST(a_certificate_has_its_time)
{
    const struct tls_peer_script script = {.dir = dir, .name = "odd"};

    tls_ca_issue(ca, &(struct tls_issue){.ip = "127.0.0.1", .from_s = 3600, .until_s = 7200}, dir,
                 "odd");
    check_refused(&script, PATIENCE_MS, "is not valid before 2");
    tls_ca_issue(ca, &(struct tls_issue){.ip = "127.0.0.1", .from_s = -7200, .until_s = -3600}, dir,
                 "odd");
    check_refused(&script, PATIENCE_MS, "has expired on 2");
}
END_TEST

START_TEST(what_is_no_tls_is_told_by_its_words)
{
    static const char record[] = "\x16\x03\x03\x40\x00 and so on, a byte now and then, for ever";

    check_refused(&(struct tls_peer_script){.raw = "HTTP/1.1 400 Bad Request\r\n", .raw_len = 26},
                  PATIENCE_MS, "no TLS is spoken there: it said \"HTTP/1.1 400 Bad Request\"");
    check_refused(&(struct tls_peer_script){.raw = "\0\x7f\n", .raw_len = 3, .hang_up = 1},
                  PATIENCE_MS, "no TLS is spoken there: it said \"\\x00\\x7f\\n\"");
    check_refused(&(struct tls_peer_script){.raw = "", .hang_up = 1}, PATIENCE_MS,
                  "closed without a word of TLS");
    check_refused(&(struct tls_peer_script){.raw = ""}, 100,
                  "no answer within 1 s in the TLS handshake");
    check_refused(
        &(struct tls_peer_script){.raw = record, .raw_len = sizeof(record) - 1, .drip_ms = 20}, 200,
        "no answer within 1 s in the TLS handshake");
}
END_TEST

START_TEST(alerts_are_put_into_words)
{
    static const struct {
        char number;
        const char *says;
    } rows[] = {
        {40, "alert \"handshake failure\""},
        {42, "does not accept our certificate: bad certificate"},
        {45, "does not accept our certificate: it has expired"},
        {48, "does not accept our certificate: it does not know the CA"},
        {49, "access denied"},
        {70, "no TLS 1.2 and nothing newer"},
        {71, "none that are safe"},
        {80, "alert \"internal error\""},
        {112, "does not know that name"},
        {116, "wants a client's certificate, and none is set"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char alert[] = {0x15, 0x03, 0x03, 0, 2, 2, rows[i].number};

        check_refused(
            &(struct tls_peer_script){.raw = alert, .raw_len = sizeof(alert), .hang_up = 1},
            PATIENCE_MS, rows[i].says);
    }
}
END_TEST

START_TEST(old_versions_are_not_spoken)
{
    check_refused(
        &(struct tls_peer_script){.dir = dir, .name = "good", .max_version = TLS1_1_VERSION},
        PATIENCE_MS, "no TLS 1.2 and nothing newer");
}
END_TEST

START_TEST(a_long_answer_comes_whole)
{
    enum { LENGTH = 1000000 };
    auto_free char *answer = xasprintf("$%d\r\n%*s\r\n", LENGTH, LENGTH, "end");
    const struct tls_peer_script script = {
        .dir = dir, .name = "good", .answers = {"+OK\r\n", answer, NULL}};
    struct redis *redis = NULL;
    auto_buf struct buf text = {0};
    struct err err;
    struct tls_peer *peer = meet(&script, NULL, PATIENCE_MS, &redis, &err);
    struct redis_tls_validity validity;

    ck_assert_msg(redis != NULL, "%s", err.msg);
    buf_init(&text, REDIS_INFO_MAX);
    ck_assert_msg(redis_info(redis, NULL, &text, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(text.len, LENGTH);
    ck_assert_str_eq(buf_text(&text) + LENGTH - 4, " end");
    ck_assert(redis_validity(redis, &validity));
    ck_assert(!validity.is_ours);
    ck_assert_int_eq(validity.until_ms - validity.from_ms, 2 * 3600 * 1000);
    redis_free(redis);
    tls_peer_stop(peer);
}
END_TEST

/* An answer that ends too early, and one that never ends; afterwards the connection is of no use.
 */
START_TEST(an_answer_that_is_cut_or_drips_breaks_the_connection)
{
    static char drops[10000];
    static const char *const says[] = {"Server closed the connection", "no answer within 8 s"};
    const struct tls_peer_script scripts[] = {
        {.dir = dir, .name = "good", .hang_up = 1, .answers = {"+OK\r\n", "$5\r\nhel", NULL}},
        {.dir = dir, .name = "good", .drip_ms = 20, .answers = {"+OK\r\n", drops, NULL}},
    };

    (void)snprintf(drops, sizeof(drops), "$9000\r\n%9000s", "x");
    for (size_t i = 0; i < 2; i++) {
        struct redis *redis = NULL;
        auto_buf struct buf text = {0};
        struct err err;
        struct tls_peer *peer =
            meet(&scripts[i], NULL, i == 0 ? PATIENCE_MS : DRIPS_MS, &redis, &err);

        ck_assert_msg(redis != NULL, "%s", err.msg);
        buf_init(&text, REDIS_INFO_MAX);
        for (int again = 0; again < 2; again++) {
            ck_assert_int_eq(redis_info(redis, NULL, &text, &err), -1);
            ck_assert_int_eq(err.code, EIO);
            ck_assert_uint_eq(text.len, 0);
            if (again == 0)
                ck_assert_msg(strstr(err.msg, says[i]) != NULL, "%s", err.msg);
        }
        redis_free(redis);
        tls_peer_stop(peer);
    }
}
END_TEST

START_TEST(nothing_is_read_when_the_time_is_over)
{
    const struct tls_peer_script script = {
        .dir = dir, .name = "good", .answers = {"+OK\r\n", NULL}};
    const struct redis_tls_options options = {.ca_file = ca_file};
    struct tls_peer *peer = tls_peer_start(&script);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)tls_peer_port(peer)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int64_t end_ms = clock_mono_ms(clock_system()) + PATIENCE_MS;
    struct redis_tls *tls = NULL;
    char text[8];
    struct err err = {0};

    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_msg(redis_tls_open(fd, "127.0.0.1", &options, PATIENCE_MS, &tls, &err) == 0, "%s",
                  err.msg);
    ck_assert_int_eq(redis_tls_send(tls, "PING\r\n", 6, end_ms, &err), 0);
    ck_assert_int_eq(redis_tls_read(tls, text, 1, end_ms, &err), 1); /* the others are there now */
    ck_assert_int_eq(redis_tls_read(tls, text, sizeof(text), 0, &err), -1);
    ck_assert_int_eq(err.code, ETIMEDOUT);
    redis_tls_free(tls);
    cleanup_close(&fd);
    fd = -1;
    tls_peer_stop(peer);
}
END_TEST

START_TEST(files_for_a_way_without_tls_are_refused)
{
    static const char *const urls[] = {"redis://127.0.0.1:1", "unix:///nowhere"};

    for (size_t i = 0; i < 2; i++) {
        const struct redis_options options = {.url = urls[i], .tls = {.server_name = "x"}};
        struct redis *redis = NULL;
        struct err err = {0};

        ck_assert_int_eq(redis_connect(&options, &redis, &err), -1);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_ptr_nonnull(strstr(err.msg, "redis-tls-server-name is set"));
    }
}
END_TEST

START_TEST(a_domain_is_no_name)
{
    const struct redis_options options = {.url = "rediss://127.0.0.1:1",
                                          .tls = {.server_name = ".test"}};
    struct redis *redis = NULL;
    struct err err = {0};

    ck_assert_int_eq(redis_connect(&options, &redis, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "redis-tls-server-name .test begins with a dot"));
}
END_TEST

START_TEST(a_name_that_a_certificate_is_for_is_found)
{
    static const struct {
        struct tls_issue issue;
        const char *name;
    } rows[] = {
        {{.dns = "redis.test"}, "redis.test"},
        {{.dns = "redis.test", .ip = "127.0.0.1"}, "127.0.0.1"},
        {{.dns = "*.redis.test"}, "redkeep.redis.test"},
        {{.ip = "::1"}, "::1"},
        {{.dns = "redis.test,DNS:127.0.0.1"}, "redis.test"}, /* a name that looks like an address */
        {{.dns = "127.0.0.1,DNS:redis.test"}, "redis.test"},
        {{.common_name = "The server"}, "The server"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct tls_peer_script script = {
            .dir = dir, .name = "odd", .answers = {"+OK\r\n", NULL}};
        auto_free char *path = xasprintf("%s/odd.crt", dir);
        struct redis *redis = NULL;
        struct err err;

        tls_ca_issue(ca, &rows[i].issue, dir, "odd");
        auto_free char *name = redis_tls_name_in(path, "127.0.0.1");
        ck_assert_str_eq(name, rows[i].name);
        struct tls_peer *peer = meet(&script, name, PATIENCE_MS, &redis, &err);
        ck_assert_msg(redis != NULL, "%s", err.msg); /* and with it the certificate is taken */
        redis_free(redis);
        tls_peer_stop(peer);
    }
    ck_assert_ptr_null(redis_tls_name_in("/dev/null", "127.0.0.1"));
    ck_assert_ptr_null(redis_tls_name_in("/nonexistent", "127.0.0.1"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_tls");
    TCase *tcase = tcase_create("redis_tls");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, the_certificate_has_to_be_for_who_was_meant, 0,
                        sizeof(names) / sizeof(names[0]));
    tcase_add_test(tcase, an_address_as_the_name_of_a_host_is_told);
    tcase_add_test(tcase, a_certificate_has_its_time);
    tcase_add_test(tcase, what_is_no_tls_is_told_by_its_words);
    tcase_add_test(tcase, alerts_are_put_into_words);
    tcase_add_test(tcase, old_versions_are_not_spoken);
    tcase_add_test(tcase, a_long_answer_comes_whole);
    tcase_add_test(tcase, an_answer_that_is_cut_or_drips_breaks_the_connection);
    tcase_add_test(tcase, nothing_is_read_when_the_time_is_over);
    tcase_add_test(tcase, files_for_a_way_without_tls_are_refused);
    tcase_add_test(tcase, a_domain_is_no_name);
    tcase_add_test(tcase, a_name_that_a_certificate_is_for_is_found);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
