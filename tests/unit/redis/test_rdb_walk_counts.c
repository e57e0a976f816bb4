/*
 * What a walk counts, up to the ceilings.
 */
#include "redis/rdb_walk_counts.h"

#include <check.h>
#include <stdlib.h>

START_TEST(keys_are_counted_by_database)
{
    struct rdb_counts counts = {0};

    counts.next_expires = true;
    rdb_counts_key(&counts);
    rdb_counts_key(&counts);
    ck_assert(rdb_counts_end_db(&counts));
    counts.db = (struct rdb_walk_db){.db = 5};
    ck_assert(rdb_counts_end_db(&counts)); /* empty: left away */
    counts.db = (struct rdb_walk_db){.db = 9};
    rdb_counts_slot(&counts, 4);
    rdb_counts_slot(&counts, 2);
    rdb_counts_key(&counts);
    rdb_counts_slot(&counts, 1);
    ck_assert(rdb_counts_end_db(&counts));
    ck_assert_uint_eq(counts.done_count, 2);
    ck_assert_uint_eq(counts.done[0].db, 0);
    ck_assert_uint_eq(counts.done[0].keys, 2);
    ck_assert_uint_eq(counts.done[0].expires, 1);
    ck_assert_uint_eq(counts.done[1].db, 9);
    ck_assert_uint_eq(counts.done[1].keys, 1);
    ck_assert_uint_eq(counts.done[1].left_out, 5);
    rdb_counts_release(&counts);
}
END_TEST

START_TEST(databases_have_a_ceiling)
{
    struct rdb_counts counts = {0};

    for (size_t i = 0; i < RDB_WALK_DBS_MAX; i++) {
        counts.db = (struct rdb_walk_db){.db = i, .keys = 1};
        ck_assert(rdb_counts_end_db(&counts));
    }
    ck_assert(!rdb_counts_end_db(&counts));
    ck_assert_uint_eq(counts.done_count, RDB_WALK_DBS_MAX);
    ck_assert_uint_eq(counts.done_room, RDB_WALK_DBS_MAX);
    rdb_counts_release(&counts);
}
END_TEST

START_TEST(templates_are_found_by_their_id)
{
    struct rdb_counts counts = {0};

    ck_assert_uint_eq(rdb_counts_fields(&counts, 0), 0);
    ck_assert(rdb_counts_define(&counts, 0, 3));
    ck_assert(rdb_counts_define(&counts, 40, UINT32_MAX));
    ck_assert(rdb_counts_define(&counts, RDB_WALK_TEMPLATES_MAX - 1, 1));
    ck_assert(!rdb_counts_define(&counts, RDB_WALK_TEMPLATES_MAX, 1));
    ck_assert(!rdb_counts_define(&counts, UINT64_MAX, 1));
    ck_assert(!rdb_counts_define(&counts, 1, (uint64_t)UINT32_MAX + 1));
    ck_assert_uint_eq(rdb_counts_fields(&counts, 0), 3);
    ck_assert_uint_eq(rdb_counts_fields(&counts, 1), 0);
    ck_assert_uint_eq(rdb_counts_fields(&counts, 40), UINT32_MAX);
    ck_assert_uint_eq(rdb_counts_fields(&counts, RDB_WALK_TEMPLATES_MAX), 0);
    ck_assert_uint_eq(rdb_counts_fields(&counts, UINT64_MAX), 0);
    ck_assert_uint_eq(counts.template_count, RDB_WALK_TEMPLATES_MAX);
    rdb_counts_release(&counts);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rdb_walk_counts");
    TCase *tcase = tcase_create("rdb_walk_counts");

    tcase_add_test(tcase, keys_are_counted_by_database);
    tcase_add_test(tcase, databases_have_a_ceiling);
    tcase_add_test(tcase, templates_are_found_by_their_id);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
