/*
 * The primary of a set: who is it, and who replicates it?
 */
#include "commands/primary.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "commands/process.h"

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

START_TEST(any_other_replicates_it)
{
    struct settings settings = {.primary = (char *)(uintptr_t) "10.0.0.1:6379"};
    auto_free char *host = NULL;
    uint16_t port = 0;
    struct err err;

    ck_assert_int_eq(primary_find(&settings, &host, &port, &err), 0);
    ck_assert_str_eq(host, "10.0.0.1");
    ck_assert_uint_eq(port, 6379);
}
END_TEST

START_TEST(none_is_named)
{
    static const char *const refused[] = {":6379", "redis-0:0"};
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
    tcase_add_test(tcase, any_other_replicates_it);
    tcase_add_test(tcase, none_is_named);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
