/*
 * Texts of a server that means harm, or of none: whatever INFO, CONFIG GET and the names of files
 * hold, every row answers in few printable words. check_case_look proves that of each.
 */
#include "host/check_server.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/check_case.h"

#define MUTATIONS 400
#define TEXT_MAX 100000

static const struct check_row *const tables[] = {check_volume_rows, check_server_rows,
                                                 check_backup_rows};

static void look_at_all(struct check_case *c)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct check_row *row = tables[i]; row->id != NULL; row++)
            (void)check_case_look(c, row->id);
    }
}

static void set_all(struct pairs *pairs, const char *value)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->values[i]);
        pairs->values[i] = xstrdup(value);
    }
}

START_TEST(hostile_values_do_no_harm)
{
    static const char *const values[] = {"",
                                         "-1",
                                         "0",
                                         "1",
                                         "yes",
                                         "9223372036854775807",
                                         "-9223372036854775808",
                                         "18446744073709551616",
                                         "1e9",
                                         " 1",
                                         "%n%s%s",
                                         "\x1b[31m\r\n\x07",
                                         "\xff\xfe\xc3",
                                         "3600 1 300",
                                         "err"};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct check_case c;

        check_case_init(&c, "aof");
        set_all(&c.config, values[i]);
        look_at_all(&c);
        set_all(&c.info, values[i]);
        look_at_all(&c);
        check_case_release(&c);
    }
}
END_TEST

START_TEST(a_huge_value_is_cut)
{
    struct check_case c;
    auto_free char *huge = xmalloc(TEXT_MAX + 1);

    memset(huge, 'A', TEXT_MAX);
    huge[TEXT_MAX] = '\0';
    check_case_init(&c, "aof");
    set_all(&c.config, huge);
    look_at_all(&c);
    set_all(&c.info, huge);
    look_at_all(&c);
    check_case_release(&c);
}
END_TEST

/* Without that one line. */
static void look_without(const char *kind, size_t i, bool of_info)
{
    struct check_case c;

    check_case_init(&c, kind);
    struct pairs *pairs = of_info ? &c.info : &c.config;
    free(pairs->names[i]);
    pairs->names[i] = xstrdup("?");
    look_at_all(&c);
    check_case_release(&c);
}

START_TEST(any_line_may_be_missing)
{
    struct check_case c;

    check_case_init(&c, "aof");
    size_t info_count = c.info.count;
    size_t config_count = c.config.count;
    check_case_release(&c);
    for (size_t i = 0; i < info_count; i++)
        look_without("aof", i, true);
    for (size_t i = 0; i < config_count; i++)
        look_without("aof", i, false);
}
END_TEST

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

START_TEST(flipped_bytes_do_no_harm)
{
    uint32_t state = 5;

    for (unsigned round = 0; round < MUTATIONS; round++) {
        struct check_case c;

        check_case_init(&c, round % 2 == 0 ? "aof" : "rdb");
        for (unsigned i = 0; i < 100; i++) {
            struct pairs *pairs = next(&state) % 2 == 0 ? &c.info : &c.config;
            char *value = pairs->values[next(&state) % pairs->count];
            size_t len = strlen(value);

            if (len > 0)
                value[next(&state) % len] = (char)(1 + next(&state) % 255);
        }
        look_at_all(&c);
        check_case_release(&c);
    }
}
END_TEST

START_TEST(what_cannot_be_asked_says_what_it_needs)
{
    struct check_case c;
    int64_t count = 0;
    struct check_result *r = &c.result;

    check_case_init(&c, "rdb");
    ck_assert(check_info_count(&c.facts, "rdb_saves", &count, r));
    ck_assert_int_eq(count, 1);
    ck_assert(check_config_count(&c.facts, "maxclients", &count, r));
    ck_assert_int_eq(count, 10000);
    ck_assert(!check_info_count(&c.facts, "redis_mode", &count, r));
    ck_assert_ptr_nonnull(strstr(r->value, "standalone"));
    ck_assert(!check_config_count(&c.facts, "nonsense", &count, r));
    ck_assert_ptr_nonnull(strstr(r->value, "nonsense"));
    ck_assert_int_eq(count, 10000);
    ck_assert_int_eq(check_info_or(&c.facts, "nonsense", 7), 7);
    ck_assert_int_eq(check_aof_is_on(&c.facts), 0);
    ck_assert_int_eq(check_has_saves(&c.facts), 1);
    c.facts.info = NULL;
    ck_assert_int_eq(check_aof_is_on(&c.facts), 0); /* CONFIG's appendonly */
    c.facts.config = NULL;
    ck_assert_int_eq(check_aof_is_on(&c.facts), -1);
    ck_assert_int_eq(check_has_saves(&c.facts), -1);
    check_case_release(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_server_ask");
    TCase *tcase = tcase_create("hostile");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, hostile_values_do_no_harm);
    tcase_add_test(tcase, a_huge_value_is_cut);
    tcase_add_test(tcase, any_line_may_be_missing);
    tcase_add_test(tcase, flipped_bytes_do_no_harm);
    tcase_add_test(tcase, what_cannot_be_asked_says_what_it_needs);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
