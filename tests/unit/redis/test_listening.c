/*
 * Whether anybody listens, by what the name service and the address say. The name service is ours.
 */
// link: -Wl,--wrap=getaddrinfo
#include "redis/listening.h"

#include <arpa/inet.h>
#include <check.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { TIMEOUT_MS = 5000 };

extern __typeof__(getaddrinfo) __real_getaddrinfo;
extern __typeof__(getaddrinfo) __wrap_getaddrinfo;

static int answer; /* of the name service; 0: its own */

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *wanted,
                       struct addrinfo **out)
{
    return answer != 0 ? answer : __real_getaddrinfo(host, port, wanted, out);
}

/* A socket on the loopback that listens, or holds its port without. */
static int open_port(bool listens, struct listening_peer *out)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
    ck_assert(!listens || listen(fd, 8) == 0);
    *out = (struct listening_peer){.len = sizeof(out->address)};
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&out->address, &out->len), 0);
    return fd;
}

static enum listening look(const char *host, const struct listening_peer *peer)
{
    auto_redis_address struct redis_address address = {0};
    struct sockaddr_in at = {0};
    struct err err;
    char url[64];

    memcpy(&at, &peer->address, sizeof(at));
    (void)snprintf(url, sizeof(url), "redis://%s:%u", host, (unsigned)ntohs(at.sin_port));
    ck_assert_int_eq(redis_url_parse(url, &address, &err), 0);
    return listening_at(&address, peer, TIMEOUT_MS);
}

START_TEST(a_port_is_refused_or_taken)
{
    struct listening_peer peer;
    auto_close int fd = open_port(_i == 1, &peer);

    ck_assert_int_ge(fd, 0);
    answer = 0;
    ck_assert_int_eq(look("127.0.0.1", &peer), _i == 1 ? LISTENING_SOMEBODY : LISTENING_NOBODY);
}
END_TEST

START_TEST(a_name_that_is_none_has_nobody)
{
    static const int answers[] = {EAI_NONAME, EAI_NODATA};
    struct listening_peer peer;
    auto_close int fd = open_port(true, &peer);

    ck_assert_int_ge(fd, 0);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        answer = answers[i];
        ck_assert_int_eq(look("cache-0", &peer), LISTENING_NOBODY);
    }
}
END_TEST

START_TEST(a_name_service_that_fails_says_nothing)
{
    static const int answers[] = {EAI_AGAIN, EAI_FAIL, EAI_SYSTEM, EAI_MEMORY};
    struct listening_peer peer;
    struct listening_peer nowhere;
    auto_close int fd = open_port(_i == 1, &peer);

    ck_assert_int_ge(fd, 0);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        answer = answers[i];
        ck_assert_int_eq(look("cache-0", &peer), _i == 1 ? LISTENING_SOMEBODY : LISTENING_NOBODY);
        nowhere = peer;
        nowhere.len = 0;
        ck_assert_int_eq(look("cache-0", &nowhere), LISTENING_UNKNOWN);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listening");
    TCase *tcase = tcase_create("listening");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(tcase, a_port_is_refused_or_taken, 0, 2);
    tcase_add_test(tcase, a_name_that_is_none_has_nobody);
    tcase_add_loop_test(tcase, a_name_service_that_fails_says_nothing, 0, 2);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
