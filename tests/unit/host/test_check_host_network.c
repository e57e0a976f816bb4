/*
 * Whose network namespace it is, where no process tells.
 */
#include "host/check_host_network.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support/host_case.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Num RefCount Protocol Flags Type St Inode Path */
#define LISTENS "0000000000000000: 00000002 00000000 00010000 0001 01 9 "
#define CONNECTED "0000000000000000: 00000003 00000000 00000000 0001 03 9 "

START_TEST(a_socket_of_our_network_is_one_that_the_kernel_lists)
{
    static const struct {
        const char *sockets; /* NULL: cannot be read */
        const char *path;    /* the setting unixsocket */
        enum check_status status;
    } cases[] = {
        {LISTENS "/run/redis.sock\n", "/run/redis.sock", CHECK_OK},
        {"Num Path\n" LISTENS "/a\n" CONNECTED "/run/redis.sock\n" LISTENS "/run/redis.sock",
         "/run/redis.sock", CHECK_OK},
        {CONNECTED "/run/redis.sock\n", "/run/redis.sock", CHECK_UNKNOWN},
        {LISTENS "/other/run/redis.sock\n", "/run/redis.sock", CHECK_UNKNOWN},
        {LISTENS "/run/redis.sock2\n", "/run/redis.sock", CHECK_UNKNOWN},
        {LISTENS "\n", "", CHECK_UNKNOWN},
        {LISTENS "redis.sock\n", "redis.sock", CHECK_UNKNOWN},
        {"", "/run/redis.sock", CHECK_UNKNOWN},
        {NULL, "/run/redis.sock", CHECK_UNKNOWN},
        {LISTENS "/run/redis.sock\n", NULL, CHECK_UNKNOWN},
    };

    for (int i = 0; i < COUNT(cases); i++) {
        struct host_case c;

        host_case_open(&c, "kubernetes");
        host_case_write(&c, "proc/7/ns/net", NULL);
        host_case_set(&c.config, "unixsocket", cases[i].path);
        if (cases[i].sockets != NULL)
            host_case_write(&c, "proc/net/unix", cases[i].sockets);
        struct check_result result = host_case_look(&c, check_host_rows, "tcp-backlog");
        ck_assert_msg(result.status == cases[i].status, "%d: %s", i, result.value);
        host_case_forget(&result);
        host_case_close(&c);
    }
}
END_TEST

START_TEST(a_process_in_another_network_is_believed_more_than_a_socket)
{
    struct host_case c;

    host_case_open(&c, "docker-v1"); /* whose namespaces differ */
    host_case_set(&c.config, "unixsocket", "/run/redis.sock");
    host_case_write(&c, "proc/net/unix", LISTENS "/run/redis.sock\n");
    struct check_result result = host_case_look(&c, check_host_rows, "tcp-backlog");
    ck_assert_int_eq(result.status, CHECK_UNKNOWN);
    ck_assert_ptr_nonnull(strstr(result.value, "network namespace"));
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

START_TEST(of_a_server_that_is_down_no_namespace_would_tell)
{
    struct host_case c;

    host_case_open(&c, NULL);
    host_case_write(&c, "proc/sys/net/core/somaxconn", "4096\n");
    for (int i = 0; i < 2; i++) {
        c.facts.is_same_network = i == 1;
        struct check_result result = host_case_look(&c, check_host_rows, "tcp-backlog");
        ck_assert_str_eq(result.value, "unknown: this needs the server: connection refused");
        host_case_forget(&result);
    }
    host_case_close(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_host_network");
    TCase *tcase = tcase_create("network");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, a_socket_of_our_network_is_one_that_the_kernel_lists);
    tcase_add_test(tcase, a_process_in_another_network_is_believed_more_than_a_socket);
    tcase_add_test(tcase, of_a_server_that_is_down_no_namespace_would_tell);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
