/*
 * A store that fails at its n-th operation, one that refuses to delete, and two who prune at once:
 * what is listed is always whole, what must stay is always there, and the next run ends the work.
 */
#include <check.h>
#include <string.h>

#include "backup/prune.h"
#include "base/mem.h"
#include "support/leaks.h"
#include "support/pruning.h"

#define A "20261116T120000Z-000000"
#define B "20261117T120000Z-000000"
#define C "20261118T120000Z-000000"
#define D "20261119T120000Z-000000"
#define E "20261120T110000Z-000000"
#define ORPHAN "20261110T120000Z-000000"

static struct pruning run;
static struct leaks held;

static void begin(void)
{
    held = leaks_count();
    pruning_begin(&run);
}

static void end(void)
{
    pruning_end(&run);
    ck_assert(leaks_none(&held));
}

static void unproven(struct manifest *to)
{
    to->proven = false;
    to->unproven_why = xstrdup("the server saves without a checksum");
}

/* A and B go, and an orphan; C is the newest proven, D and E are the last two. A is a pin that is
 * to be released. */
static void fill(void)
{
    while (run.fake.count > 0)
        fake_store_drop(&run.fake, run.fake.objects[0].key);
    pruning_make(&run, A, NULL);
    pruning_make(&run, B, NULL);
    pruning_make(&run, C, NULL);
    pruning_make(&run, D, unproven);
    pruning_make(&run, E, unproven);
    pruning_put(&run, A, "pinned.json", 0);
    pruning_put(&run, B, "verified-20261118T000000Z-ok.json", 0);
    pruning_put(&run, C, "verified-20261118T130000Z-ok.json", 0);
    pruning_put(&run, C, "verified-20261118T123000Z-ok.json", 0); /* goes */
    pruning_put(&run, ORPHAN, "data.tar.zst", 48);
    for (size_t i = 0; i < run.fake.count; i++)
        run.fake.objects[i].modified_ms = 0;
    run.options.accept_shrink = true;
}

/* Nobody who must stay has lost anything, and whatever is listed is whole. */
static void nothing_is_lost(void)
{
    static const char *const ids[] = {C, D, E};

    for (size_t i = 0; i < 3; i++) {
        ck_assert_ptr_nonnull(pruning_find(&run, ids[i], "backup.json"));
        ck_assert_ptr_nonnull(pruning_find(&run, ids[i], "data.tar.zst"));
    }
    ck_assert_uint_ge(pruning_check_all(&run), 3);
}

static void is_done(void)
{
    nothing_is_lost();
    ck_assert_uint_eq(run.fake.count, 7);
}

START_TEST(a_store_that_fails_loses_nothing_and_the_next_run_ends_it)
{
    bool fired = true;
    unsigned n = 0;

    while (fired) {
        fill();
        fake_store_arm(&run.fake, ++n, (enum fake_fault)_i);
        int rc = pruning_run(&run);
        fired = run.fake.fired > 0;
        ck_assert_int_eq(rc, fired ? -1 : 0);
        ck_assert(rc == 0 || run.err.kind == ERR_STORE);
        ck_assert_uint_eq(run.result.refused, 0);
        nothing_is_lost();
        ck_assert_msg(pruning_run(&run) == 0, "%s", run.err.msg);
        is_done();
    }
    ck_assert_uint_gt(n, 12);
}
END_TEST

/* Killed anywhere is failed everywhere from there on, without a last word: the same sweep, and what
 * was killed in the middle of a folder is an orphan that is old enough. */
START_TEST(what_a_killed_run_has_left_is_an_orphan)
{
    fill();
    fake_store_drop(&run.fake, PRUNING_INSTANCE "/backups/" B "/backup.json");
    ck_assert_int_eq(pruning_run(&run), 0);
    is_done();
}
END_TEST

static struct pruning *first; /* who is interrupted, at which operation */
static unsigned interrupted_at;

static void run_another(struct fake_store *fake, const char *operation, const char *key)
{
    struct prune_result result = {0};
    struct err err = {0};

    (void)operation;
    (void)key;
    if (fake->operations != interrupted_at)
        return;
    fake->hook = NULL;
    ck_assert_msg(prune(&fake->store, &first->options, &result, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(result.refused, 0);
    prune_result_release(&result);
}

START_TEST(two_at_once_do_no_harm)
{
    first = &run;
    for (interrupted_at = 1;; interrupted_at++) {
        fill();
        fake_store_arm(&run.fake, 0, FAKE_FAILS);
        run.fake.hook = run_another;
        ck_assert_msg(pruning_run(&run) == 0, "%s", run.err.msg);
        ck_assert_uint_eq(run.result.refused, 0);
        bool was_interrupted = run.fake.hook == NULL;
        run.fake.hook = NULL;
        is_done();
        if (!was_interrupted)
            break;
    }
    ck_assert_uint_gt(interrupted_at, 12);
}
END_TEST

/* ---- a store that refuses ---- */

static const struct store_ops *real_ops;
static const char *refused_key; /* what must be in the key; NULL: nothing is refused */
static int refused_code;

static int refuse(struct store *store, const char *key, struct err *err)
{
    if (refused_key == NULL || strstr(key, refused_key) == NULL)
        return real_ops->remove(store, key, err);
    (void)err_set(err, ERR_STORE, "remove %s: refused", key);
    err->code = refused_code;
    return -1;
}

static void refusing(const char *key, int code)
{
    static struct store_ops ops;

    real_ops = run.fake.store.ops;
    ops = *real_ops;
    ops.remove = refuse;
    run.fake.store.ops = &ops;
    refused_key = key;
    refused_code = code;
}

static const struct {
    const char *key;
    const char *id; /* whose folder it is */
    size_t left;    /* objects, in all */
    size_t listed;  /* backups */
} refusals[] = {
    {"/" A "/pinned.json", A, 7 + 3, 4}, /* cannot be released, so it stays as it is */
    {"/" A "/backup.json", A, 7 + 2, 4},
    {"/" A "/data.tar.zst", A, 7 + 1, 3}, /* an orphan from now on */
    {"/" B "/verified-", B, 7 + 1, 3},
    {"/" ORPHAN "/", ORPHAN, 7 + 1, 3},
    {"/" C "/verified-", NULL, 7 + 1, 3},
};

START_TEST(what_is_refused_is_named_and_the_rest_is_done)
{
    static const int codes[] = {403, 405, 409, 13 /* EACCES */, 1 /* EPERM */, 30 /* EROFS */};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        fill();
        refusing(refusals[_i].key, codes[i]);
        ck_assert_msg(pruning_run(&run) == 0, "%s", run.err.msg);
        run.fake.store.ops = real_ops;
        ck_assert_uint_eq(run.result.refused, 1);
        ck_assert_int_eq(run.result.refusal.kind, ERR_STORE);
        if (refusals[_i].id != NULL) {
            ck_assert_int_eq(pruning_fate(&run, refusals[_i].id), PRUNE_REFUSED);
            ck_assert_ptr_nonnull(strstr(pruning_because(&run, refusals[_i].id), "refused"));
        }
        ck_assert_uint_eq(run.fake.count, refusals[_i].left);
        for (size_t k = 0; k < run.result.count; k++)
            ck_assert(!run.result.rows[k].is_released || _i > 0);
        nothing_is_lost();
        ck_assert_uint_eq(pruning_check_all(&run), refusals[_i].listed);
        ck_assert_int_eq(pruning_run(&run), 0);
        is_done();
    }
}
END_TEST

START_TEST(where_nothing_may_be_deleted_nothing_is)
{
    size_t before;

    fill();
    before = run.fake.count;
    refusing("", 403);
    ck_assert_int_eq(pruning_run(&run), 0);
    run.fake.store.ops = real_ops;
    ck_assert_uint_eq(run.result.refused, 4);
    ck_assert_uint_eq(run.result.freed_bytes, 0);
    ck_assert_uint_eq(run.fake.count, before);
    ck_assert_uint_eq(pruning_check_all(&run), 5);
}
END_TEST

/* What says nothing of one object alone ends the run: the others would fare no better. */
START_TEST(a_store_that_is_gone_is_not_asked_a_thousand_times)
{
    static const int codes[] = {0, 401, 404, 503, 5 /* EIO */};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        fill();
        refusing("/" A "/backup.json", codes[i]);
        ck_assert_int_eq(pruning_run(&run), -1);
        run.fake.store.ops = real_ops;
        ck_assert_int_eq(run.err.kind, ERR_STORE);
        ck_assert_uint_eq(run.result.refused, 0);
        ck_assert_int_eq(pruning_fate(&run, B), PRUNE_PLANNED);
        nothing_is_lost();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prune_faults");
    TCase *tcase = tcase_create("faults");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_store_that_fails_loses_nothing_and_the_next_run_ends_it,
                        FAKE_FAILS, FAKE_LOST_LATER + 1);
    tcase_add_test(tcase, what_a_killed_run_has_left_is_an_orphan);
    tcase_add_test(tcase, two_at_once_do_no_harm);
    tcase_add_loop_test(tcase, what_is_refused_is_named_and_the_rest_is_done, 0,
                        (int)(sizeof(refusals) / sizeof(refusals[0])));
    tcase_add_test(tcase, where_nothing_may_be_deleted_nothing_is);
    tcase_add_test(tcase, a_store_that_is_gone_is_not_asked_a_thousand_times);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
