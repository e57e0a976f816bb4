// link: -Wl,--wrap=flock
/*
 * Locks where the file system has none.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fs.h"

int __wrap_flock(int fd, int operation);

static int flock_errno;
static int interruptions;
static bool is_locked;

int __wrap_flock(int fd, int operation)
{
    ck_assert_int_eq(operation, LOCK_EX | LOCK_NB);
    (void)fd;
    errno = interruptions-- > 0 ? EINTR : flock_errno;
    return errno != 0 ? -1 : 0;
}

static int lock_a_directory(int code, struct err *err)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    flock_errno = code;
    rc = fs_try_lock(fd, "the directory", &is_locked, err);
    if (rc == 0)
        ck_assert_int_eq(fs_lock(fd, "the directory", err), 0);
    ck_assert_int_eq(close(fd), 0);
    return rc;
}

START_TEST(a_file_system_without_locks_is_no_obstacle)
{
    static const int codes[] = {ENOLCK, EOPNOTSUPP, ENOSYS, EBADF};
    struct err err;

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        ck_assert_msg(lock_a_directory(codes[i], &err) == 0, "errno %d", codes[i]);
    ck_assert(!is_locked);
    ck_assert_int_eq(lock_a_directory(0, &err), 0);
    ck_assert(is_locked);
}
END_TEST

START_TEST(other_failures_are_failures)
{
    struct err err;

    ck_assert_int_eq(lock_a_directory(EIO, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
    ck_assert_int_eq(lock_a_directory(EWOULDBLOCK, &err), -1);
    ck_assert_int_eq(err.kind, ERR_BUSY);
    flock_errno = EBADF;
    ck_assert_int_eq(fs_lock(-1, "nothing", &err), -1);
}
END_TEST

START_TEST(an_interruption_is_tried_again)
{
    struct err err;

    interruptions = 3;
    ck_assert_int_eq(lock_a_directory(0, &err), 0);
    ck_assert_int_lt(interruptions, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fs_lock");
    TCase *tcase = tcase_create("fs_lock");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, a_file_system_without_locks_is_no_obstacle);
    tcase_add_test(tcase, other_failures_are_failures);
    tcase_add_test(tcase, an_interruption_is_tried_again);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
