/*
 * Every shape of every version is one that the walk can follow.
 */
#include "redis/rdb_walk_shapes.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void must_be_followable(const char *shape, unsigned opcode)
{
    size_t depth = 0;
    bool has_count = false;

    for (const char *letter = shape; *letter != '\0'; letter++) {
        ck_assert_msg(strchr("sl148xdn()kmotihrDEFIzej", *letter) != NULL, "%u: %s", opcode, shape);
        has_count = has_count || *letter == 'n' || *letter == 'r';
        if (*letter == '(') {
            ck_assert_msg(has_count, "%u: a loop without a count: %s", opcode, shape);
            ck_assert_msg(letter[1] != ')', "%u: an empty loop: %s", opcode, shape);
            has_count = false;
            ck_assert_msg(++depth <= RDB_SHAPE_DEPTH, "%u: too deep: %s", opcode, shape);
        }
        if (*letter == ')')
            ck_assert_msg(depth-- > 0, "%u: unbalanced: %s", opcode, shape);
        /* after it, nothing of the item is looked at any more */
        ck_assert_msg(*letter != 'e' || letter[1] == '\0', "%u: %s", opcode, shape);
    }
    ck_assert_msg(depth == 0 && !has_count, "%u: unfinished: %s", opcode, shape);
}

START_TEST(every_shape_can_be_followed)
{
    for (int version = 0; version < 100; version++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            for (enum rdb_magic magic = RDB_MAGIC_REDIS; magic <= RDB_MAGIC_VALKEY; magic++) {
                const char *shape = rdb_shape(magic, version, (uint8_t)opcode);

                if (shape != NULL)
                    must_be_followable(shape, opcode);
            }
}
END_TEST

/* So that a loop over a count of a file takes at least as many bytes. */
START_TEST(every_value_of_a_module_and_an_array_takes_bytes_and_leads_back)
{
    for (uint64_t tag = 0; tag < 300; tag++) {
        const char *shapes[] = {rdb_shape_of_module_value(tag), rdb_shape_of_element(tag)};

        for (size_t i = 0; i < 2; i++)
            if (shapes[i] != NULL) {
                ck_assert_uint_eq(strlen(shapes[i]), 2);
                ck_assert_ptr_nonnull(strchr("s48l", shapes[i][0]));
                ck_assert_int_eq(shapes[i][1], 'j');
            }
    }
    ck_assert_ptr_null(rdb_shape_of_module_value(0));
    ck_assert_ptr_null(rdb_shape_of_module_value(UINT64_MAX));
    ck_assert_ptr_null(rdb_shape_of_element(4));
}
END_TEST

START_TEST(versions_are_known_as_far_as_they_are)
{
    static const struct {
        enum rdb_magic magic;
        int version;
        enum rdb_shapes_known known;
    } rows[] = {
        {RDB_MAGIC_REDIS, 4, RDB_SHAPES_NONE},     {RDB_MAGIC_REDIS, 5, RDB_SHAPES_FULLY},
        {RDB_MAGIC_REDIS, 13, RDB_SHAPES_FULLY},   {RDB_MAGIC_REDIS, 14, RDB_SHAPES_HEARSAY},
        {RDB_MAGIC_REDIS, 15, RDB_SHAPES_HEARSAY}, {RDB_MAGIC_REDIS, 16, RDB_SHAPES_NONE},
        {RDB_MAGIC_REDIS, 80, RDB_SHAPES_NONE},    {RDB_MAGIC_REDIS, -1, RDB_SHAPES_NONE},
        {RDB_MAGIC_VALKEY, 79, RDB_SHAPES_NONE},   {RDB_MAGIC_VALKEY, 80, RDB_SHAPES_FULLY},
        {RDB_MAGIC_VALKEY, 81, RDB_SHAPES_NONE},   {RDB_MAGIC_VALKEY, 11, RDB_SHAPES_NONE},
        {RDB_MAGIC_OPAQUE, 10, RDB_SHAPES_NONE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(rdb_shapes_known(rows[i].magic, rows[i].version) == rows[i].known, "row %zu",
                      i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rdb_walk_shapes");
    TCase *tcase = tcase_create("rdb_walk_shapes");

    tcase_add_test(tcase, every_shape_can_be_followed);
    tcase_add_test(tcase, every_value_of_a_module_and_an_array_takes_bytes_and_leads_back);
    tcase_add_test(tcase, versions_are_known_as_far_as_they_are);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
