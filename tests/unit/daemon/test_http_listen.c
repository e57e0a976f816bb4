// link: -Wl,--wrap=socket
/*
 * Addresses to listen at: which are none, what they mean, and what happens when one cannot be had.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "daemon/http.h"

static bool has_no_ipv6;

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);

int __wrap_socket(int family, int type, int protocol)
{
    if (has_no_ipv6 && family == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return __real_socket(family, type, protocol);
}

START_TEST(an_address_is_a_host_and_a_port)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
        const char *url; /* NULL: none */
    } rows[] = {
        {"0.0.0.0:9742", "0.0.0.0", 9742, "http://127.0.0.1:9742"},
        {":9742", "", 9742, "http://127.0.0.1:9742"},
        {"[::]:80", "::", 80, "http://[::1]:80"},
        {"[::1]:0", "::1", 0, NULL},
        {"[fe80::1]:65535", "fe80::1", 65535, "http://[fe80::1]:65535"},
        {"127.0.0.1:00080", "127.0.0.1", 80, "http://127.0.0.1:80"},
        {"localhost:1", "localhost", 1, "http://localhost:1"},
        {"redis-0.redis_x.default.svc:9742", "redis-0.redis_x.default.svc", 9742,
         "http://redis-0.redis_x.default.svc:9742"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_free char *host = NULL;
        auto_free char *url = NULL;
        uint16_t port = 1;
        struct err err = {0};

        ck_assert_msg(http_listen_parse(rows[i].text, &host, &port, &err) == 0, "%s", err.msg);
        ck_assert_str_eq(host, rows[i].host);
        ck_assert_uint_eq(port, rows[i].port);
        ck_assert_int_eq(http_listen_url(rows[i].text, &url, &err), rows[i].url != NULL ? 0 : -1);
        if (rows[i].url != NULL)
            ck_assert_str_eq(url, rows[i].url);
        else
            ck_assert_int_eq(err.kind, ERR_CONFIG);
    }
}
END_TEST

START_TEST(what_is_no_address_is_refused_with_the_reason)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {"", "the port is missing"},
        {"9742", "the port is missing"},
        {"0.0.0.0", "the port is missing"},
        {"0.0.0.0:", "the port is not a number"},
        {"0.0.0.0:65536", "the port is not a number"},
        {"0.0.0.0:-1", "the port is not a number"},
        {"0.0.0.0:+1", "the port is not a number"},
        {"0.0.0.0: 1", "the port is not a number"},
        {"0.0.0.0:http", "the port is not a number"},
        {"0.0.0.0:9742/status", "the port is not a number"},
        {"0.0.0.0:000080", "the port is not a number"},
        {"http://0.0.0.0:9742", "it is a URL"},
        {"::1:9742", "an IPv6 address stands in brackets"},
        {":::9742", "an IPv6 address stands in brackets"},
        {"a:b:1", "too many colons"},
        {"[::1]", "the port is not a number"},
        {"[::1]9742", "the port is not a number"},
        {"[::1:9742", "the port does not follow the closing bracket"},
        {"[:9742", "the port does not follow the closing bracket"},
        {"[]:9742", "no IPv6 address"},
        {"[127.0.0.1]:9742", "no IPv6 address"},
        {"[::g]:9742", "no IPv6 address"},
        {"127.1:9742", "no IPv4 address"},
        {"300.1.1.1:9742", "no IPv4 address"},
        {"1:9742", "no IPv4 address"},
        {"*:9742", "a character that no name has"},
        {"0.0.0.0 :9742", "a character that no name has"},
        {"caf\xc3\xa9:9742", "a character that no name has"},
        {"-x:9742", "the host is no name"},
        {".x:9742", "the host is no name"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *host = NULL;
        uint16_t port = 7;
        struct err err = {0};

        ck_assert_msg(http_listen_parse(rows[i].text, &host, &port, &err) == -1, "%s",
                      rows[i].text);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, rows[i].why) != NULL, "%s: %s", rows[i].text, err.msg);
        ck_assert_ptr_null(host);
        ck_assert_uint_eq(port, 7);
    }
}
END_TEST

START_TEST(a_host_name_of_any_length_is_read_or_refused)
{
    for (size_t len = 1; len < 1000; len++) {
        auto_free char *text = xmalloc(len + 3);
        auto_free char *host = NULL;
        uint16_t port = 0;
        struct err err = {0};

        memset(text, 'a', len);
        memcpy(text + len, ":1", 3);
        ck_assert_int_eq(http_listen_parse(text, &host, &port, &err), len <= 253 ? 0 : -1);
    }
}
END_TEST

/* Returns the address that was opened, or NULL with *err filled; the socket is closed again. */
static char *try_open(const char *text, struct err *err)
{
    char *address = NULL;
    auto_close int fd = -1;

    *err = (struct err){0};
    return http_listen_open(text, &fd, &address, err) == 0 ? address : NULL;
}

START_TEST(the_port_of_the_kernel_s_choice_is_told)
{
    static const struct {
        const char *text;
        const char *begins;
    } rows[] = {
        {"127.0.0.1:0", "127.0.0.1:"},
        {"localhost:0", ""},
        {"[::1]:0", "[::1]:"},
        {":0", "[::]:"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err;
        auto_free char *address = try_open(rows[i].text, &err);
        auto_free char *host = NULL;
        uint16_t port = 0;

        ck_assert_msg(address != NULL, "%s", err.msg);
        ck_assert_int_eq(strncmp(address, rows[i].begins, strlen(rows[i].begins)), 0);
        ck_assert_int_eq(http_listen_parse(address, &host, &port, &err), 0);
        ck_assert_uint_ne(port, 0);
    }
}
END_TEST

START_TEST(without_ipv6_all_addresses_are_those_of_ipv4)
{
    auto_free char *address = NULL;
    auto_free char *other = NULL;
    struct err err;

    has_no_ipv6 = true;
    address = try_open(":0", &err);
    ck_assert_msg(address != NULL, "%s", err.msg);
    ck_assert_int_eq(strncmp(address, "0.0.0.0:", 8), 0);
    other = try_open("[::1]:0", &err);
    has_no_ipv6 = false;
    ck_assert_ptr_null(other);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

START_TEST(an_address_that_cannot_be_had_is_a_matter_of_configuration)
{
    auto_free char *taken = NULL;
    auto_close int fd = -1;
    char *none = NULL;
    char name[80];
    struct err err = {0};

    ck_assert_int_eq(http_listen_open("127.0.0.1:0", &fd, &taken, &err), 0);
    none = try_open(taken, &err);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, "the port is taken") != NULL, "%s", err.msg);

    none = try_open("192.0.2.1:0", &err); /* an address of documentation: nobody's */
    ck_assert_ptr_null(none);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, "no such address") != NULL, "%s", err.msg);

    memset(name, 'a', sizeof(name)); /* longer than a label of DNS: nobody has to be asked */
    memcpy(name + sizeof(name) - 3, ":0", 3);
    none = try_open(name, &err);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, "listen at aaaa") != NULL, "%s", err.msg);
}
END_TEST

static Suite *http_listen_suite(void)
{
    Suite *suite = suite_create("http_listen");
    TCase *tc = tcase_create("listen");

    tcase_add_test(tc, an_address_is_a_host_and_a_port);
    tcase_add_test(tc, what_is_no_address_is_refused_with_the_reason);
    tcase_add_test(tc, a_host_name_of_any_length_is_read_or_refused);
    tcase_add_test(tc, the_port_of_the_kernel_s_choice_is_told);
    tcase_add_test(tc, without_ipv6_all_addresses_are_those_of_ipv4);
    tcase_add_test(tc, an_address_that_cannot_be_had_is_a_matter_of_configuration);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(http_listen_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
