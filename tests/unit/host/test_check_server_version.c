/*
 * Which versions lose data, and when: each way and its absence.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support/check_case.h"

#define TORN "torn a transaction"
#define HOLE "leaves a hole"
#define CUT "not the last one"
#define DROPPED "turns the user default off"
#define UNSEEN "needs ACL GETUSER (ACL: +acl|getuser)"
#define SLOTS "the keys of slots"
#define MOVES "with appendonly no it would start empty"

#define REDIS(version) "info:redis_version=" version
#define WHOLE "default-whole" /* the user default */
#define LIMITED "default-limited"

#define VALKEY(version) "info:valkey_version=" version

static const struct {
    const char *kind;
    const char *edits[CHECK_FINDING_EDITS];
    const char *says[8]; /* these, and no other */
} cases[] = {
    {"rdb", {REDIS("7.0.15")}, {NULL}},
    {"aof", {REDIS("7.0.15"), LIMITED}, {TORN, HOLE, CUT, DROPPED}},
    {"aof", {REDIS("8.0.6"), LIMITED}, {TORN, HOLE, CUT, DROPPED}},
    {"aof", {REDIS("8.6.0"), LIMITED}, {TORN, HOLE, CUT}},
    {"aof", {REDIS("8.6.0")}, {TORN, HOLE, CUT}},
    {"aof", {VALKEY("8.1.1"), LIMITED}, {TORN, HOLE, CUT, DROPPED}},
    {"aof", {VALKEY("9.1.1"), LIMITED}, {TORN, HOLE, CUT, DROPPED}},
    {"aof", {VALKEY("9.1.2"), LIMITED}, {HOLE, CUT}},
    {"aof", {VALKEY("9.1.2")}, {HOLE, CUT}},
    {"aof", {VALKEY("9.2.0")}, {HOLE, CUT}},
    /* what makes them bite */
    {"aof", {REDIS("8.0.6"), "default-user"}, {TORN, HOLE, CUT}},
    {"aof", {REDIS("8.0.6"), "default-user", LIMITED}, {TORN, HOLE, CUT, DROPPED}},
    {"aof", {REDIS("8.0.6"), WHOLE}, {TORN, HOLE, CUT}},
    {"aof", {VALKEY("9.1.1"), WHOLE}, {TORN, HOLE, CUT}},
    {"aof", {REDIS("8.0.6"), WHOLE, "prepared"}, {NULL}},
    {"aof", {REDIS("8.0.6")}, {TORN, HOLE, CUT, UNSEEN}},
    {"aof", {VALKEY("9.1.1")}, {TORN, HOLE, CUT, UNSEEN}},
    {"aof", {REDIS("5.0.14")}, {TORN, HOLE, CUT}},
    {"aof", {REDIS("8.6.3"), "config:appendfsync=always"}, {TORN, CUT}},
    {"aof", {REDIS("8.6.3"), "config:aof-load-truncated=no"}, {TORN, HOLE}},
    {"aof", {REDIS("8.6.3"), "prepared"}, {NULL}},
    {"aof", {REDIS("8.0.6"), "prepared", LIMITED}, {DROPPED}},
    {"rdb", {REDIS("8.6.0"), "info:cluster_enabled=1"}, {SLOTS}},
    {"rdb", {REDIS("8.0.6"), "info:cluster_enabled=1"}, {NULL}},
    {"rdb", {VALKEY("9.1.2"), "info:cluster_enabled=1"}, {NULL}},
    {"rdb", {REDIS("8.6.0"), "info:cluster_enabled=1", "cluster-kept"}, {NULL}},
    {"aof", {VALKEY("9.1.0"), "info:role=slave", "default-user"}, {TORN, HOLE, CUT, MOVES}},
    {"aof", {VALKEY("9.1.2"), "info:role=slave", "prepared"}, {MOVES}},
    {"aof", {VALKEY("8.1.1"), "info:role=slave", "prepared", "default-user"}, {NULL}},
    {"rdb", {VALKEY("9.1.2"), "info:role=slave"}, {NULL}},
};

static const char *const ways[] = {TORN, HOLE, CUT, DROPPED, UNSEEN, SLOTS, MOVES};

static bool is_expected(size_t i, const char *way)
{
    for (size_t j = 0; cases[i].says[j] != NULL; j++) {
        if (strcmp(cases[i].says[j], way) == 0)
            return true;
    }
    return false;
}

START_TEST(a_version_has_its_own_ways_to_lose_data)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_fine = cases[i].says[0] == NULL || strcmp(cases[i].says[0], MOVES) == 0;
        struct check_finding finding = {.id = "version",
                                        .kind = cases[i].kind,
                                        .status = is_fine ? CHECK_OK : CHECK_WARN,
                                        .says = ""};
        struct check_case c;

        memcpy(finding.edits, cases[i].edits, sizeof(finding.edits));
        check_case_prove(&finding);
        check_case_init(&c, cases[i].kind);
        check_case_edit(&c, cases[i].edits);
        const struct check_result *r = check_case_look(&c, "version");
        for (size_t j = 0; j < sizeof(ways) / sizeof(ways[0]); j++)
            ck_assert_msg((strstr(r->value, ways[j]) != NULL) == is_expected(i, ways[j]),
                          "%zu: %s: %s", i, ways[j], r->value);
        check_case_release(&c);
    }
}
END_TEST

START_TEST(each_remedy_is_named_once)
{
    struct check_case c;

    check_case_init(&c, "aof");
    c.facts.default_user = CHECK_DEFAULT_USER_LIMITED;
    const struct check_result *r = check_case_look(&c, "version");
    ck_assert_str_eq(r->wanted, "`redkeep prepare` before each start, a user default that may do "
                                "everything, with a password that nobody knows");
    const char *second = strchr(r->fix, '\n');
    ck_assert_ptr_nonnull(second);
    ck_assert_int_eq(strncmp(r->fix, "redkeep prepare ", 16), 0);
    ck_assert_int_eq(strncmp(second, "\nuser default on ", 17), 0);
    ck_assert_ptr_null(strchr(second + 1, '\n'));
    check_case_release(&c);
}
END_TEST

START_TEST(what_is_no_version_or_no_answer_is_unknown)
{
    static const struct check_finding findings[] = {
        {.id = "version",
         .kind = "aof",
         .edits = {REDIS("seven")},
         .status = CHECK_UNKNOWN,
         .says = "seven"},
        {.id = "version",
         .kind = "aof",
         .edits = {"info:redis_version"},
         .status = CHECK_UNKNOWN,
         .says = "redis_version"},
        {.id = "version",
         .kind = "aof",
         .edits = {"info:aof_enabled", "config"},
         .status = CHECK_UNKNOWN,
         .says = "aof_enabled"},
        {.id = "version",
         .kind = "aof",
         .edits = {"prepared", REDIS("8.0.6")},
         .status = CHECK_UNKNOWN,
         .says = UNSEEN},
        {.id = "version",
         .kind = "aof",
         .edits = {"prepared", REDIS("8.6.3")},
         .status = CHECK_OK,
         .says = "Redis 8.6.3, whose append-only file `redkeep prepare` mends before a start"},
    };

    for (size_t i = 0; i < sizeof(findings) / sizeof(findings[0]); i++)
        check_case_prove(&findings[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_server_version");
    TCase *tcase = tcase_create("version");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, a_version_has_its_own_ways_to_lose_data);
    tcase_add_test(tcase, each_remedy_is_named_once);
    tcase_add_test(tcase, what_is_no_version_or_no_answer_is_unknown);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
