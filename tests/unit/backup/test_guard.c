/*
 * Traps, by table: each is found and nothing is changed; each that can be mended is mended and not
 * found again; each call of a fix fails once, and the next run still comes to the same end.
 */
// link: -Wl,--wrap=openat -Wl,--wrap=mkdirat -Wl,--wrap=fsync -Wl,--wrap=renameat
// link: -Wl,--wrap=renameat2 -Wl,--wrap=linkat -Wl,--wrap=fchown -Wl,--wrap=fchmod
// link: -Wl,--wrap=unlinkat -Wl,--wrap=write
#include "backup/guard.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "support/fake_clock.h"
#include "support/faults.h"
#include "support/tmpdir.h"
#include "support/traps.h"
#include "support/tree.h"

static struct fake_clock fake;
static char *path;
static int dir_fd;
static unsigned checks;      /* how often it was asked whether a server runs */
static unsigned server_from; /* from which on one does; 0: none */

static void setup(void)
{
    fake_clock_init(&fake, (int64_t)TRAP_NOW_S * 1000);
    path = tmpdir_new();
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(dir_fd, 0);
    checks = server_from = 0;
}

static void teardown(void)
{
    (void)close(dir_fd);
    tmpdir_remove(path);
}

static void renew(void)
{
    teardown();
    setup();
}

static int check_server(void *context, struct err *err)
{
    (void)context;
    checks++;
    if (server_from == 0 || checks < server_from)
        return 0;
    return err_set(err, ERR_HOLDS_DATA, "a server is running");
}

static int run(enum restore_appendonly appendonly, bool fix, struct guard_result *out,
               struct err *err)
{
    struct guard_options options = {.dir = path,
                                    .appendonly = appendonly,
                                    .fix = fix,
                                    .clock = &fake.clock,
                                    .check_server = check_server};

    return guard(&options, out, err);
}

static const struct guard_finding *find(const struct guard_result *result, const char *id)
{
    for (size_t i = 0; i < result->count; i++)
        if (strcmp(result->findings[i].id, id) == 0)
            return &result->findings[i];
    return NULL;
}

static const struct guard_finding *must_find(const struct guard_result *result, const char *id)
{
    const struct guard_finding *finding = find(result, id);

    if (finding == NULL) {
        ck_abort_msg("%s is not found", id);
        abort();
    }
    return finding;
}

/* What is there, without the bytes that fixes have kept. */
static char *tree(void)
{
    auto_free char *text = tree_text_but_rubbish(dir_fd);
    char *kept = xstrdup("");
    char *rest = text;
    char *line;

    while ((line = strsep(&rest, "\n")) != NULL) {
        if (*line == '\0' || strstr(line, "redkeep-kept.") != NULL ||
            strstr(line, "redkeep-new.") != NULL)
            continue;
        char *longer = xasprintf("%s%s\n", kept, line);
        free(kept);
        kept = longer;
    }
    return kept;
}

START_TEST(a_trap_is_found_and_nothing_changed)
{
    const struct trap *row = &traps[_i];
    auto_guard_result struct guard_result result = {0};
    struct err err = {0};

    trap_build(dir_fd, row);
    auto_free char *before = tree_text(dir_fd);
    ck_assert_msg(run(row->appendonly, false, &result, &err) == 0, "row %d: %s", _i, err.msg);
    auto_free char *after = tree_text(dir_fd);
    ck_assert_str_eq(before, after);
    if (row->id == NULL) {
        ck_assert_msg(result.count == 0, "row %d: %s", _i,
                      result.count > 0 ? result.findings[0].id : "");
        ck_assert_int_eq(guard_judge(&result, path, &err), 0);
        return;
    }
    const struct guard_finding *finding = must_find(&result, row->id);
    ck_assert_msg(finding->loses == row->loses, "row %d: loses", _i);
    ck_assert_msg(finding->fixable == row->fixable, "row %d: fixable: %s", _i, finding->why);
    ck_assert(!finding->fixed && finding->why[0] != '\0' && finding->fix[0] != '\0');
    ck_assert_int_eq(guard_judge(&result, path, &err) == 0, !row->loses);
    ck_assert(!row->loses || err.kind == ERR_CORRUPT);
}
END_TEST

static bool all_fixable(const struct trap *row)
{
    return row->id == NULL || row->fixable || !row->loses;
}

START_TEST(a_trap_is_mended_or_left_alone)
{
    const struct trap *row = &traps[_i];
    auto_guard_result struct guard_result result = {0};
    auto_guard_result struct guard_result again = {0};
    struct err err = {0};

    trap_build(dir_fd, row);
    auto_free char *before = tree_text(dir_fd);
    ck_assert_msg(run(row->appendonly, true, &result, &err) == 0, "row %d: %s", _i, err.msg);
    auto_free char *after = tree_text(dir_fd);
    const struct guard_finding *finding = row->id != NULL ? must_find(&result, row->id) : NULL;
    ck_assert_msg(finding == NULL || finding->fixed == row->fixable, "row %d: fixed", _i);
    if (row->id == NULL || !row->fixable)
        ck_assert_str_eq(before, after);
    ck_assert_int_eq(guard_judge(&result, path, &err) == 0, all_fixable(row));

    ck_assert_int_eq(run(row->appendonly, true, &again, &err), 0);
    for (size_t i = 0; i < again.count; i++)
        ck_assert_msg(!again.findings[i].fixable, "row %d: %s is left", _i, again.findings[i].id);
    auto_free char *at_last = tree_text(dir_fd);
    ck_assert_str_eq(after, at_last);
}
END_TEST

START_TEST(a_fix_that_fails_is_begun_again_by_the_next)
{
    static const int codes[] = {EIO, ENOSPC, EACCES};
    const struct trap *row = &traps[_i];
    struct err err = {0};

    if (!row->fixable || row->id == NULL)
        return;
    auto_free char *mended = NULL;
    trap_build(dir_fd, row);
    auto_guard_result struct guard_result first = {0};
    ck_assert_int_eq(run(row->appendonly, true, &first, &err), 0);
    mended = tree();

    bool fired = true;
    for (unsigned n = 1; fired; n++) {
        struct guard_result result = {0};
        struct guard_result after = {0};

        renew();
        trap_build(dir_fd, row);
        faults_arm(n, codes[n % 3]);
        int rc = run(row->appendonly, true, &result, &err);
        fired = faults_fired() > 0;
        faults_disarm();
        (void)rc; /* some calls are only tried: the room of links, a leftover */
        guard_result_release(&result);
        ck_assert_msg(run(row->appendonly, true, &after, &err) == 0, "row %d, call %u: %s", _i, n,
                      err.msg);
        auto_free char *now = tree();
        ck_assert_msg(strcmp(now, mended) == 0, "row %d, call %u:\n%s\nbut\n%s", _i, n, now,
                      mended);
        guard_result_release(&after);
    }
}
END_TEST

START_TEST(what_was_taken_out_is_kept)
{
    static const char incr[] = DB0 SET "\0\0\0\0" SET MULTI SET "*3\r\n";
    const struct trap row = {.pieces = {WITH_INCR(DB0 SET "\0\0\0\0" SET MULTI SET "*3\r\n")}};
    auto_guard_result struct guard_result result = {0};
    auto_buf struct buf kept = {0};
    struct err err = {0};

    trap_build(dir_fd, &row);
    ck_assert_int_eq(run(YES, true, &result, &err), 0);
    buf_init(&kept, 1 << 20);
    const struct guard_finding *run_of_nuls = must_find(&result, "nul-run");
    const struct guard_finding *tail = must_find(&result, "torn-transaction");
    ck_assert_str_eq(run_of_nuls->kept, DIR "redkeep-kept.appendonly.aof.1.incr.aof");
    ck_assert_int_eq(fs_read_file(dir_fd, run_of_nuls->kept, &kept, &err), 0);
    ck_assert_uint_eq(kept.len, sizeof(incr) - 1);
    ck_assert_mem_eq(kept.data, incr, kept.len);
    ck_assert_str_eq(tail->kept, DIR "redkeep-kept.appendonly.aof.1.incr.aof.from-77");
    buf_clear(&kept);
    ck_assert_int_eq(fs_read_file(dir_fd, tail->kept, &kept, &err), 0);
    ck_assert_str_eq(buf_text(&kept), MULTI SET "*3\r\n");

    /* a second one of that name */
    trap_put(dir_fd, &row.pieces[1]);
    guard_result_release(&result);
    ck_assert_int_eq(run(YES, true, &result, &err), 0);
    ck_assert_str_eq(must_find(&result, "nul-run")->kept,
                     DIR "redkeep-kept.appendonly.aof.1.incr.aof.2");
    guard_forget_kept(dir_fd, "appendonlydir", 1000);
    ck_assert(tree_has(dir_fd, DIR "redkeep-kept.appendonly.aof.1.incr.aof"));
    guard_forget_kept(dir_fd, "appendonlydir", INT64_MAX);
    ck_assert(!tree_has(dir_fd, DIR "redkeep-kept.appendonly.aof.1.incr.aof"));
    ck_assert(!tree_has(dir_fd, DIR "redkeep-kept.appendonly.aof.1.incr.aof.2"));
    ck_assert(tree_has(dir_fd, INCR));
    guard_forget_kept(dir_fd, "nowhere", INT64_MAX);
}
END_TEST

START_TEST(every_cut_of_the_last_file_is_mended)
{
    static const char incr[] = DB0 SET MULTI SET SET EXEC SET;

    for (size_t len = 0; len < sizeof(incr); len++) {
        const struct trap row = {.pieces = {{BASE, RDB, NULL, 0, 0},
                                            {INCR, TEXT, incr, len, 0},
                                            {MANIFEST, BYTES(LINES), 0}}};
        auto_guard_result struct guard_result result = {0};
        auto_guard_result struct guard_result again = {0};
        struct err err = {0};

        renew();
        trap_build(dir_fd, &row);
        ck_assert_int_eq(run(YES, true, &result, &err), 0);
        ck_assert_int_eq(run(YES, false, &again, &err), 0);
        ck_assert_msg(again.count == 0, "cut at %zu: %s", len, again.findings[0].id);
    }
}
END_TEST

START_TEST(a_server_that_runs_keeps_every_fix_away)
{
    const struct trap row = {.pieces = {WITH_INCR(DB0 SET "\0\0\0\0" SET MULTI SET "*3\r\n")}};

    trap_build(dir_fd, &row);
    auto_free char *before = tree_text(dir_fd);
    for (server_from = 1; server_from <= 2; server_from++) {
        auto_guard_result struct guard_result result = {0};
        struct err err = {0};

        checks = 0;
        ck_assert_int_eq(run(YES, true, &result, &err), -1);
        ck_assert_int_eq(err.kind, ERR_HOLDS_DATA);
        auto_free char *after = tree_text(dir_fd);
        ck_assert_str_eq(before, after);
    }
}
END_TEST

START_TEST(a_version_that_the_target_cannot_load_is_found)
{
    const struct trap row = {.pieces = {{"dump.rdb", RDB, NULL, 0, 0}}};
    struct server_version old = {.flavour = REDIS_FLAVOUR_REDIS, .major = 6, .minor = 2};
    struct guard_options options = {.dir = path,
                                    .appendonly = NO,
                                    .clock = &fake.clock,
                                    .target = &old,
                                    .target_from = "Redis 6.2"};
    auto_guard_result struct guard_result result = {0};
    struct err err = {0};

    trap_build(dir_fd, &row);
    ck_assert_int_eq(guard(&options, &result, &err), 0);
    const struct guard_finding *finding = find(&result, "version-too-new");
    ck_assert(finding == NULL || (finding->loses && !finding->fixable));
    old = (struct server_version){.flavour = REDIS_FLAVOUR_REDIS, .major = 7};
    guard_result_release(&result);
    ck_assert_int_eq(guard(&options, &result, &err), 0);
    ck_assert_uint_eq(result.count, 0);
}
END_TEST

START_TEST(auto_judges_by_what_lies_there)
{
    static const struct {
        struct trap row;
        const char *appendonly;
        const char *when;
    } cases[] = {
        {{.pieces = {WHOLE_SET}}, "yes", NULL},
        {{.pieces = {WITH_INCR(SET "x"), {"dump.rdb", RDB, NULL, 0, 0}}}, "yes", NULL},
        {{.pieces = {{"dump.rdb", RDB, NULL, 0, 0}}}, "auto", "appendonly yes"},
        {{.pieces = {{"dump.rdb", RDB_HALF, NULL, 0, 0}}}, "auto", "appendonly yes"},
        {{.pieces = {{MANIFEST, BYTES("x"), 0}, {"dump.rdb", RDB, NULL, 0, 0}}}, "yes", NULL},
        {{.pieces = {{BASE, RDB, NULL, 0, 0}, {"dump.rdb", RDB, NULL, 0, 0}}},
         "auto",
         "appendonly yes"},
        {{.pieces = {{OLD, BYTES("x"), 0}}}, "yes", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_guard_result struct guard_result result = {0};
        struct err err = {0};

        renew();
        trap_build(dir_fd, &cases[i].row);
        ck_assert_int_eq(run(AUTO, false, &result, &err), 0);
        ck_assert_str_eq(result.appendonly, cases[i].appendonly);
        ck_assert_msg(cases[i].when == NULL || result.count > 0, "case %zu", i);
        if (cases[i].when != NULL)
            ck_assert_str_eq(result.findings[0].when, cases[i].when);
        else if (result.count > 0)
            ck_assert_ptr_null(result.findings[0].when);
    }
}
END_TEST

START_TEST(a_dump_behind_a_symbolic_link_is_not_made_a_base)
{
    const struct trap row = {.pieces = {{"elsewhere/dump", RDB, NULL, 0, 0}}};
    auto_guard_result struct guard_result result = {0};
    struct err err = {0};

    trap_build(dir_fd, &row);
    ck_assert_int_eq(symlinkat("elsewhere/dump", dir_fd, "dump.rdb"), 0);
    ck_assert_int_eq(run(YES, true, &result, &err), 0);
    const struct guard_finding *finding = must_find(&result, "dump-without-aof");
    ck_assert(finding->loses && !finding->fixable);
    ck_assert(!tree_has(dir_fd, "appendonlydir"));
}
END_TEST

START_TEST(an_empty_start_beside_a_dump_is_made_good_only_with_a_proven_dump)
{
    const struct trap whole = {.pieces = {{"dump.rdb", RDB, NULL, 0, 0},
                                          {BASE, RDB_EMPTY, NULL, 0, 0},
                                          {INCR, BYTES(""), 0},
                                          {MANIFEST, BYTES(LINES), 0}}};
    const struct trap half = {.pieces = {{"dump.rdb", RDB_HALF, NULL, 0, 0},
                                         {BASE, RDB_EMPTY, NULL, 0, 0},
                                         {INCR, BYTES(""), 0},
                                         {MANIFEST, BYTES(LINES), 0}}};
    auto_guard_result struct guard_result first = {0};
    auto_guard_result struct guard_result again = {0};
    auto_guard_result struct guard_result unproven = {0};
    struct err err = {0};

    trap_build(dir_fd, &whole);
    ck_assert_int_eq(run(YES, true, &first, &err), 0);
    ck_assert(must_find(&first, "empty-aof-beside-dump")->fixed);
    ck_assert(!tree_has(dir_fd, INCR));
    ck_assert_int_eq(run(YES, false, &again, &err), 0);
    ck_assert_uint_eq(again.count, 0);
    renew();
    trap_build(dir_fd, &half);
    ck_assert_int_eq(run(YES, true, &unproven, &err), 0);
    const struct guard_finding *finding = must_find(&unproven, "empty-aof-beside-dump");
    ck_assert(finding->loses && !finding->fixable);
}
END_TEST

START_TEST(what_cannot_be_looked_at_is_an_error)
{
    auto_guard_result struct guard_result result = {0};
    struct err err = {0};
    struct guard_options options = {.dir = "/nowhere/at/all", .clock = &fake.clock};

    ck_assert_int_eq(guard(&options, &result, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
    ck_assert_int_eq(mkdirat(dir_fd, "dump.rdb", 0755), 0);
    ck_assert_int_eq(run(NO, true, &result, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
}
END_TEST

START_TEST(a_dump_on_a_volume_that_is_not_mounted_is_an_error)
{
    static const enum restore_appendonly all[] = {YES, NO, AUTO};

    ck_assert_int_eq(symlinkat("/nowhere/at/all/dump.rdb", dir_fd, "dump.rdb"), 0);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        auto_guard_result struct guard_result result = {0};
        struct err err = {0};

        ck_assert_int_eq(run(all[i], true, &result, &err), -1);
        ck_assert_int_eq(err.kind, ERR_FAILED);
        ck_assert_ptr_nonnull(strstr(err.msg, "a file that is not there"));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("guard");
    TCase *tcase = tcase_create("guard");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_trap_is_found_and_nothing_changed, 0, (int)trap_count);
    tcase_add_loop_test(tcase, a_trap_is_mended_or_left_alone, 0, (int)trap_count);
    tcase_add_loop_test(tcase, a_fix_that_fails_is_begun_again_by_the_next, 0, (int)trap_count);
    tcase_add_test(tcase, what_was_taken_out_is_kept);
    tcase_add_test(tcase, every_cut_of_the_last_file_is_mended);
    tcase_add_test(tcase, a_server_that_runs_keeps_every_fix_away);
    tcase_add_test(tcase, a_version_that_the_target_cannot_load_is_found);
    tcase_add_test(tcase, auto_judges_by_what_lies_there);
    tcase_add_test(tcase, a_dump_behind_a_symbolic_link_is_not_made_a_base);
    tcase_add_test(tcase, an_empty_start_beside_a_dump_is_made_good_only_with_a_proven_dump);
    tcase_add_test(tcase, what_cannot_be_looked_at_is_an_error);
    tcase_add_test(tcase, a_dump_on_a_volume_that_is_not_mounted_is_an_error);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
