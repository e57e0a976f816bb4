/*
 * Who the server runs as, and the open-file limit. What only root can is in entrypoint.bats.
 */
#include "entrypoint/server_user.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "entrypoint/nofile.h"

static char *passwd_of(const char *text)
{
    char *path = xstrdup("/tmp/test-server-user-XXXXXX");
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    return path;
}

static const char users[] = "root:x:0:0:root:/root:/bin/sh\n"
                            "valkey:x:998:997::/data:/bin/false\n"
                            "other:x:5:6::/:\n"
                            "redis:x:999:1000::/data:/bin/false\n";

static const struct {
    const char *text; /* NULL: users */
    const char *wanted;
    bool found;
    uid_t uid;
    gid_t gid;
} good[] = {
    {NULL, NULL, true, 999, 1000},
    {"valkey:x:998:997::/data:/bin/false\n", NULL, true, 998, 997},
    {"root:x:0:0:root:/root:/bin/sh\n", NULL, false, 0, 0},
    {"", NULL, false, 0, 0},
    {NULL, "other", true, 5, 6},
    {NULL, "root", true, 0, 0},
    {NULL, "1234", true, 1234, 1234},
    {"", "1234:5", true, 1234, 5},
    {"", "0", true, 0, 0},
};

START_TEST(a_user_is_found_by_name_or_is_a_number)
{
    char *path = passwd_of(good[_i].text != NULL ? good[_i].text : users);
    struct server_user user;
    bool found;
    struct err err;

    ck_assert_msg(server_user_find(path, good[_i].wanted, &user, &found, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(found, good[_i].found);
    ck_assert_uint_eq(user.uid, good[_i].uid);
    ck_assert_uint_eq(user.gid, good[_i].gid);
    (void)unlink(path);
    free(path);
}
END_TEST

static const char *const bad[] = {
    "nobody-here", "redi", "1x", "1:", "1:x", "4294967295", "1:2:3", "redis:redis"};

START_TEST(a_user_that_is_not_there_is_refused)
{
    char *path = passwd_of(users);
    struct server_user user = {.uid = 7};
    bool found;
    struct err err;

    ck_assert_int_eq(server_user_find(path, bad[_i], &user, &found, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "server-user"));
    ck_assert_uint_eq(user.uid, 7);
    (void)unlink(path);
    free(path);
}
END_TEST

START_TEST(without_a_passwd_file_nobody_is_there)
{
    struct server_user user;
    bool found = true;
    struct err err;

    ck_assert_int_eq(server_user_find("/nonexistent", NULL, &user, &found, &err), 0);
    ck_assert(!found);
}
END_TEST

START_TEST(the_limit_is_raised_to_what_is_needed_and_never_lowered)
{
    struct rlimit low = {.rlim_cur = 64, .rlim_max = 4096};
    struct nofile limit;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    nofile_raise(100, &limit);
    ck_assert_uint_eq(limit.before, 64);
    ck_assert_uint_eq(limit.now, 100);
    ck_assert_uint_eq(limit.wanted, 100);
    nofile_raise(50, &limit);
    ck_assert_uint_eq(limit.before, 100);
    ck_assert_uint_eq(limit.now, 100);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &low), 0);
    ck_assert_uint_eq(low.rlim_cur, 100);
    ck_assert_uint_eq(low.rlim_max, 4096);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server_user");
    TCase *tcase = tcase_create("server_user");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, a_user_is_found_by_name_or_is_a_number, 0,
                        sizeof good / sizeof good[0]);
    tcase_add_loop_test(tcase, a_user_that_is_not_there_is_refused, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tcase, without_a_passwd_file_nobody_is_there);
    tcase_add_test(tcase, the_limit_is_raised_to_what_is_needed_and_never_lowered);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
