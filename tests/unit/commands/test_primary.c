/*
 * The primary of a set: who is it, and who replicates it? The interfaces are ours.
 */
// link: -Wl,--wrap=getifaddrs -Wl,--wrap=freeifaddrs
#include "commands/primary.h"

#include <arpa/inet.h>
#include <check.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "commands/process.h"

int __wrap_getifaddrs(struct ifaddrs **out);
void __wrap_freeifaddrs(struct ifaddrs *list);

int __wrap_getifaddrs(struct ifaddrs **out)
{
    static struct sockaddr_in v4 = {.sin_family = AF_INET};
    static struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    static struct sockaddr packet = {.sa_family = AF_PACKET};
    static struct ifaddrs list[] = {
        {.ifa_next = &list[1]},
        {.ifa_next = &list[2], .ifa_addr = &packet},
        {.ifa_next = &list[3], .ifa_addr = (void *)&v4},
        {.ifa_addr = (void *)&v6},
    };

    ck_assert_int_eq(inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr), 1);
    ck_assert_int_eq(inet_pton(AF_INET6, "2001:db8::7", &v6.sin6_addr), 1);
    *out = list;
    return 0;
}

void __wrap_freeifaddrs(struct ifaddrs *list)
{
    (void)list;
}

/* Is the address, with %s for this host's name, another server's? */
static bool is_other(const char *prefix, const char *suffix)
{
    auto_free char *own = process_host_name();
    auto_free char *address = xasprintf("%s%.*s%s", prefix, (int)strcspn(own, "."), own, suffix);
    struct settings settings = {.primary = address};
    auto_free char *host = NULL;
    uint16_t port = 0;
    struct err err;

    ck_assert_msg(primary_find(&settings, &host, &port, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(port, 6380);
    return host != NULL;
}

START_TEST(the_host_that_it_names_is_the_primary_by_whatever_domain)
{
    ck_assert(!is_other("", ":6380"));
    ck_assert(!is_other("", ".redis:6380"));
    ck_assert(!is_other("", ".redis.default.svc.cluster.local:6380"));
    ck_assert(is_other("x", ".redis:6380"));
    ck_assert(is_other("", "x.redis:6380"));
}
END_TEST

START_TEST(so_is_the_one_whose_address_it_is)
{
    static const struct {
        const char *address;
        const char *host; /* that is replicated; NULL: none, this is it */
    } rows[] = {
        {"192.0.2.7:6379", NULL},
        {"[2001:db8::7]:6379", NULL},
        {"[::ffff:192.0.2.7]:6379", NULL},
        {"192.0.2.8:6379", "192.0.2.8"},
        {"[2001:db8::8]:6379", "2001:db8::8"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct settings settings = {.primary = (char *)(uintptr_t)rows[i].address};
        auto_free char *host = NULL;
        uint16_t port = 0;
        struct err err;

        ck_assert_int_eq(primary_find(&settings, &host, &port, &err), 0);
        ck_assert_str_eq(host != NULL ? host : "(this one)",
                         rows[i].host != NULL ? rows[i].host : "(this one)");
    }
}
END_TEST

START_TEST(any_other_replicates_it)
{
    struct settings settings = {.primary = (char *)(uintptr_t) "192.0.2.1:6379"};
    auto_free char *host = NULL;
    uint16_t port = 0;
    struct err err;

    ck_assert_int_eq(primary_find(&settings, &host, &port, &err), 0);
    ck_assert_str_eq(host, "192.0.2.1");
    ck_assert_uint_eq(port, 6379);
}
END_TEST

START_TEST(none_is_named_or_every_host_itself)
{
    static const char *const refused[] = {
        ":6379",          "redis-0:0",
        "127.0.0.1:6379", "127.9.9.9:6379",
        "[::1]:6379",     "[::ffff:127.0.0.1]:6379",
        "0.0.0.0:6379",   "[::]:6379",
        "localhost:6379", "LocalHost.localdomain:6379",
    };
    struct settings settings = {0};
    char *host = NULL;
    uint16_t port = 0;
    struct err err;

    ck_assert_int_eq(primary_find(&settings, &host, &port, &err), 0);
    ck_assert_ptr_null(host);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        settings.primary = (char *)(uintptr_t)refused[i];
        ck_assert_int_eq(primary_find(&settings, &host, &port, &err), -1);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_ptr_null(host);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("primary");
    SRunner *runner = srunner_create(suite);
    TCase *tcase = tcase_create("primary");
    int failed;

    tcase_add_test(tcase, the_host_that_it_names_is_the_primary_by_whatever_domain);
    tcase_add_test(tcase, so_is_the_one_whose_address_it_is);
    tcase_add_test(tcase, any_other_replicates_it);
    tcase_add_test(tcase, none_is_named_or_every_host_itself);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
