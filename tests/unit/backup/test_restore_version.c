/*
 * What a restore does when the server that will load it is older than the one that wrote the
 * backup, in the ways that the RDB's version does not tell.
 */
#include "backup/restore.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/restoring.h"
#include "support/tmpdir.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NEW RESTORING_NEW

static struct restoring run;
static unsigned fds;

static void begin(void)
{
    fds = fd_count();
    restoring_begin(&run);
}

static void end(void)
{
    restoring_end(&run);
    ck_assert_uint_eq(fd_count(), fds);
}

static const struct {
    struct server_version target;
    enum restore_appendonly appendonly;
    bool is_refused;
} targets[] = {
    {{REDIS_FLAVOUR_REDIS, 6, 2, 14}, RESTORE_APPENDONLY_AUTO, true},
    {{REDIS_FLAVOUR_REDIS, 6, 2, 14}, RESTORE_APPENDONLY_YES, true},
    {{REDIS_FLAVOUR_REDIS, 6, 2, 14}, RESTORE_APPENDONLY_NO, false},
    {{REDIS_FLAVOUR_REDIS, 7, 0, 0}, RESTORE_APPENDONLY_AUTO, false},
    {{REDIS_FLAVOUR_VALKEY, 7, 2, 5}, RESTORE_APPENDONLY_AUTO, false},
};

static void with_old_dump(struct manifest *to)
{
    to->rdb_version = 9;
}

START_TEST(a_server_before_multi_part_gets_none)
{
    restoring_add(&run, NEW, with_old_dump);
    run.options.target = &targets[_i].target;
    run.options.target_from = "the setting server-version";
    run.options.appendonly = targets[_i].appendonly;
    if (!targets[_i].is_refused) {
        restoring_must_restore(&run, NEW);
        return;
    }
    restoring_must_fail(&run, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(run.err.msg, "7.0"));
    ck_assert_ptr_nonnull(strstr(run.err.msg, "HINT"));
}
END_TEST

static void by_a_newer_server(struct manifest *to)
{
    to->server = (struct server_version){REDIS_FLAVOUR_REDIS, 8, 0, 6};
    free(to->server_version);
    to->server_version = xstrdup("8.0.6");
    to->rdb_version = 12;
}

START_TEST(what_may_not_load_though_the_rdb_version_does_is_a_warning)
{
    const struct server_version older = {REDIS_FLAVOUR_REDIS, 8, 0, 2};
    const struct server_version same = {REDIS_FLAVOUR_REDIS, 8, 0, 6};

    restoring_add(&run, NEW, by_a_newer_server);
    run.options.target = &same;
    run.options.target_from = "the setting server-version";
    restoring_must_restore(&run, NEW);
    ck_assert_ptr_null(strstr(buf_text(&run.events), "warning: "));

    restoring_new_dir(&run);
    run.options.target = &older;
    restoring_must_restore(&run, NEW);
    ck_assert_ptr_nonnull(
        strstr(buf_text(&run.events), "does not load vector sets that Redis 8.0.6"));
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), "[BACKUP_TOO_NEW]"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore_version");
    TCase *tcase = tcase_create("restore_version");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_loop_test(tcase, a_server_before_multi_part_gets_none, 0, COUNT(targets));
    tcase_add_test(tcase, what_may_not_load_though_the_rdb_version_does_is_a_warning);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
