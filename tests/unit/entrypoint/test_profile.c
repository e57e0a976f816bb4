/*
 * Profiles, and the command line that they make with the user's own arguments.
 */
#include "entrypoint/profile.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "entrypoint/server_line.h"

#define WORDS_MAX 12

static const enum profile all[] = {PROFILE_CACHE, PROFILE_RDB, PROFILE_AOF, PROFILE_HYBRID,
                                   PROFILE_DURABLE};

START_TEST(every_profile_has_a_name_that_is_understood)
{
    enum profile profile = PROFILE_NONE;
    struct err err;

    ck_assert_int_eq(profile_parse(profile_name(all[_i]), &profile, &err), 0);
    ck_assert_int_eq(profile, all[_i]);
    ck_assert_uint_gt(strlen(profile_purpose(profile)), 10);
}
END_TEST

START_TEST(another_name_is_refused_with_those_there_are)
{
    static const char *const names[] = {"", "none", "Hybrid", "hybri", "hybrid "};
    enum profile profile = PROFILE_NONE;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct err err;

        ck_assert_int_eq(profile_parse(names[i], &profile, &err), -1);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_ptr_nonnull(strstr(err.msg, "durable"));
        ck_assert_int_eq(profile, PROFILE_NONE);
    }
}
END_TEST

/* A second `save` is added to the first, a second of any other wins: neither is meant. */
START_TEST(a_profile_sets_a_directive_once_and_says_what_it_rests_on)
{
    static const char *const rests_on[] = {"save", "appendonly", "stop-writes-on-bgsave-error"};

    for (size_t i = 0; i < profile_table_count; i++) {
        ck_assert_uint_gt(strlen(profile_table[i].why), 10);
        ck_assert_uint_ne(profile_table[i].profiles, 0);
        ck_assert(!profile_has(PROFILE_NONE, &profile_table[i]));
        for (size_t j = 0; j < i; j++)
            ck_assert(strcmp(profile_table[i].name, profile_table[j].name) != 0 ||
                      (profile_table[i].profiles & profile_table[j].profiles) == 0);
    }
    for (size_t i = 0; i < 3; i++) {
        unsigned found = 0;

        if (i == 2 && all[_i] == PROFILE_AOF)
            continue; /* there are no snapshots that could fail */
        for (size_t j = 0; j < profile_table_count; j++)
            found += profile_has(all[_i], &profile_table[j]) &&
                     strcmp(profile_table[j].name, rests_on[i]) == 0;
        ck_assert_uint_eq(found, 1);
    }
}
END_TEST

static struct server_words words_of(const char *const *list)
{
    struct server_words words = {.list = (char *const *)(uintptr_t)list};

    while (words.count < WORDS_MAX && list[words.count] != NULL)
        words.count++;
    return words;
}

static char *line_of(const char *const *list, struct server_additions additions)
{
    struct server_words words = words_of(list);
    struct server_conf own;
    struct server_line line;
    struct err err;

    ck_assert_msg(server_conf_read(&words, "/data", &own, &err) == 0, "%s", err.msg);
    server_line_make(&words, &own, &additions, &line);
    ck_assert_ptr_null(line.words[line.count]);
    char *text = server_line_format(&line);
    server_line_release(&line);
    server_conf_release(&own);
    return text;
}

static const struct {
    const char *words[WORDS_MAX];
    struct server_additions additions;
    const char *expected;
} lines[] = {
    {{"redis-server", "--port", "1"}, {.profile = PROFILE_NONE}, "redis-server --port 1"},
    {{"redis-server"},
     {.profile = PROFILE_CACHE},
     "redis-server --save '' --appendonly no --stop-writes-on-bgsave-error no "
     "--maxmemory-policy allkeys-lru"},
    {{"redis-server", "--port", "1"},
     {.profile = PROFILE_RDB},
     "redis-server --save 3600 1 300 100 60 10000 --appendonly no --rdbcompression yes "
     "--rdbchecksum yes --stop-writes-on-bgsave-error yes --port 1"},
    {{"redis-server", "/dev/null", "--save 60 1", "--APPENDONLY", "no", "--rdbcompression", "no"},
     {.profile = PROFILE_RDB},
     "redis-server /dev/null --rdbchecksum yes --stop-writes-on-bgsave-error yes '--save 60 1' "
     "--APPENDONLY no --rdbcompression no"},
    {{"redis-server", "--version"}, {.profile = PROFILE_DURABLE}, "redis-server --version"},
    {{"redis-server", "--requirepass", "a b", "--masterauth secret", "--user", "x", ">y", "--port",
      "1"},
     {.profile = PROFILE_NONE},
     "redis-server --requirepass *** --masterauth *** --user *** *** --port 1"},
    {{"redis-server", "--requirepass", "--hidden", "--masterauth \t", "--hidden", "--port", "1",
      "--tls-key-file-pass x", "--port", "2"},
     {.profile = PROFILE_NONE},
     "redis-server --requirepass *** --masterauth *** *** --port 1 --tls-key-file-pass *** "
     "--port 2"},
    {{"redis-server", "--sentinel", "--port", "1"},
     {.profile = PROFILE_NONE},
     "redis-server --sentinel --port 1"},
    {{"redis-server", "--dir", "/it's here", "--logfile", ""},
     {.profile = PROFILE_NONE},
     "redis-server --dir '/it'\\''s here' --logfile ''"},
    {{"redis-server", "/dev/null", "--port", "1"},
     {.primary = "redis-0.redis", .primary_port = 6380},
     "redis-server /dev/null --replicaof redis-0.redis 6380 --port 1"},
    {{"redis-server", "--replicaof", "no", "one"}, /* it has been promoted */
     {.primary = "redis-0.redis", .primary_port = 6380},
     "redis-server --replicaof no one"},
    {{"redis-server", "--slaveof other 1"},
     {.profile = PROFILE_CACHE, .primary = "redis-0.redis", .primary_port = 6380},
     "redis-server --save '' --appendonly no --stop-writes-on-bgsave-error no "
     "--maxmemory-policy allkeys-lru '--slaveof other 1'"},
    {{"redis-server", "--sentinel"},
     {.primary = "a", .primary_port = 1},
     "redis-server --sentinel"},
    {{"redis-server", "/dev/null", "--port", "1"},
     {.wrapper = "/usr/local/bin/docker-entrypoint.sh", .primary = "redis-0", .primary_port = 1},
     "/usr/local/bin/docker-entrypoint.sh redis-server /dev/null --replicaof redis-0 1 --port 1"},
};

START_TEST(the_profile_stands_before_what_is_the_users_and_never_against_it)
{
    char *text = line_of(lines[_i].words, lines[_i].additions);

    ck_assert_str_eq(text, lines[_i].expected);
    free(text);
}
END_TEST

START_TEST(the_official_images_own_entrypoint_is_known_by_its_name)
{
    ck_assert(server_line_is_wrapper("docker-entrypoint.sh"));
    ck_assert(server_line_is_wrapper("/usr/local/bin/docker-entrypoint.sh"));
    ck_assert(!server_line_is_wrapper("redis-server"));
    ck_assert(!server_line_is_wrapper("my-docker-entrypoint.sh"));
    ck_assert(!server_line_is_wrapper("/docker-entrypoint.sh/redis-server"));
    ck_assert(!server_line_is_wrapper(""));
}
END_TEST

START_TEST(what_a_line_means_is_the_users_wherever_they_have_said_something)
{
    static const char *const list[] = {"redis-server", "--appendonly", "no", NULL};
    struct server_words words = words_of(list);
    struct server_conf own;
    struct server_conf merged;
    struct server_line line;
    struct err err;

    ck_assert_int_eq(server_conf_read(&words, "/data", &own, &err), 0);
    server_line_make(&words, &own, &(struct server_additions){.profile = all[_i]}, &line);
    words = (struct server_words){.list = line.words, .count = line.count};
    ck_assert_int_eq(server_conf_read(&words, "/data", &merged, &err), 0);
    for (size_t i = 0; i < profile_table_count; i++) {
        const struct profile_setting *setting = &profile_table[i];

        if (!profile_has(all[_i], setting))
            continue;
        const struct server_directive *found = server_conf_find(&merged, setting->name);
        char **values;
        size_t count;

        ck_assert_ptr_nonnull(found);
        if (strcmp(setting->name, "appendonly") == 0) {
            ck_assert_str_eq(found->values[0], "no");
            continue;
        }
        ck_assert(server_conf_split(setting->value, &values, &count));
        ck_assert_uint_eq(found->value_count, count);
        for (size_t j = 0; j < count; j++)
            ck_assert_str_eq(found->values[j], values[j]);
        server_conf_free_words(values, count);
    }
    server_conf_release(&merged);
    server_conf_release(&own);
    server_line_release(&line);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("profile");
    TCase *tcase = tcase_create("profile");
    SRunner *runner = srunner_create(suite);
    const int profiles = sizeof all / sizeof all[0];
    int failed;

    tcase_add_loop_test(tcase, every_profile_has_a_name_that_is_understood, 0, profiles);
    tcase_add_test(tcase, another_name_is_refused_with_those_there_are);
    tcase_add_loop_test(tcase, a_profile_sets_a_directive_once_and_says_what_it_rests_on, 0,
                        profiles);
    tcase_add_loop_test(tcase, the_profile_stands_before_what_is_the_users_and_never_against_it, 0,
                        sizeof lines / sizeof lines[0]);
    tcase_add_test(tcase, the_official_images_own_entrypoint_is_known_by_its_name);
    tcase_add_loop_test(tcase, what_a_line_means_is_the_users_wherever_they_have_said_something, 0,
                        profiles);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
