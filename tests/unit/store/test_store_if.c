// link: -Wl,--wrap=write -Wl,--wrap=fsync -Wl,--wrap=renameat -Wl,--wrap=openat -Wl,--wrap=mkdirat
// link: -Wl,--wrap=pread -Wl,--wrap=flock
/*
 * Small puts on conditions in a directory, with processes that race, and in the store in memory
 * that other tests lean on.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/faults.h"
#include "support/store_conditions.h"
#include "support/tmpdir.h"

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

static void set_up_dir(void)
{
    root = tmpdir_new();
}

static void tear_down_dir(void)
{
    tmpdir_remove(root);
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

START_TEST(a_directory_keeps_conditions)
{
    auto_store struct store *a = open_dir(clock_system());
    auto_store struct store *b = open_dir(clock_system());
    unsigned descriptors = fd_count();

    store_conditions_hold(a, b);
    ck_assert_uint_eq(fd_count(), descriptors);
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

static Suite *store_if_suite(void)
{
    Suite *suite = suite_create("store_if");
    TCase *directory = tcase_create("directory");

    tcase_add_checked_fixture(directory, set_up_dir, tear_down_dir);
    tcase_add_test(directory, a_directory_keeps_conditions);
    tcase_add_test(directory, the_store_in_memory_keeps_conditions);
    tcase_add_test(directory, of_many_processes_that_race_in_a_directory_no_two_ever_win);
    tcase_add_test(directory, a_lock_that_is_never_given_back_is_told);
    tcase_add_test(directory, a_system_call_that_fails_leaves_what_was_there_or_nothing);
    tcase_add_test(directory, where_a_directory_cannot_be_locked_nothing_is_changed);
    tcase_add_test(directory, what_is_no_file_is_no_object_to_change);
    suite_add_tcase(suite, directory);

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
