/*
 * The configuration that a server will have, from its arguments and files.
 */
#include "entrypoint/server_conf.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/tmpdir.h"

#define WORDS_MAX 12

static char *write_file(const char *dir, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

static int read_list(const char *const *list, const char *cwd, struct server_conf *out,
                     struct err *err)
{
    struct server_words words = {.list = (char *const *)(uintptr_t)list};

    while (words.count < WORDS_MAX && list[words.count] != NULL)
        words.count++;
    return server_conf_read(&words, cwd, out, err);
}

/* All directives as "name=value|value;". */
static char *shown(const struct server_conf *conf)
{
    static char text[1024];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < conf->count; i++) {
        const struct server_directive *directive = &conf->directives[i];

        len += (size_t)snprintf(text + len, sizeof text - len, "%s=", directive->name);
        for (size_t j = 0; j < directive->value_count; j++)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", j > 0 ? "|" : "",
                                    directive->values[j]);
        len += (size_t)snprintf(text + len, sizeof text - len, ";");
    }
    return text;
}

static const struct {
    const char *words[WORDS_MAX];
    const char *expected;
} arguments[] = {
    {{"redis-server"}, ""},
    {{"redis-server", "--port", "6380"}, "port=6380;"},
    {{"redis-server", "--PORT", "6380"}, "port=6380;"},
    {{"redis-server", "--port 6380"}, "port=6380;"},
    {{"redis-server", "--port 6380", "--dir", "/x"}, "port=6380;dir=/x;"},
    {{"redis-server", "--save", "900", "1", "--save", "60", "5"}, "save=900|1;save=60|5;"},
    {{"redis-server", "--save", "900 1 60 5"}, "save=900 1 60 5;"},
    {{"redis-server", "--save", ""}, "save=;"},
    {{"redis-server", "--save"}, "save=;"},
    {{"redis-server", "--save", "--appendonly", "yes"}, "save=;appendonly=yes;"},
    {{"redis-server", "--requirepass", "a \"b\" \\"}, "requirepass=a \"b\" \\;"},
    {{"redis-server", "--requirepass", "--x"}, "requirepass=--x;"},
    {{"redis-server", "--dir", "a\nb"}, "dir=a\nb;"},
    {{"redis-server", "--user", "a", "on", ">p w", "+@all"}, "user=a|on|>p w|+@all;"},
};

START_TEST(arguments_mean_what_they_mean_to_a_server)
{
    struct server_conf conf;
    struct err err;

    ck_assert_int_eq(read_list(arguments[_i].words, "/data", &conf, &err), 0);
    ck_assert_str_eq(shown(&conf), arguments[_i].expected);
    ck_assert(!conf.has_file && !conf.needs_none);
    server_conf_release(&conf);
}
END_TEST

static const struct {
    const char *text;
    const char *expected;
} files[] = {
    {"", ""},
    {"# no\n\n \t\r\n", ""},
    {"port 1", "port=1;"},
    {"  Port\t1 \r\n", "port=1;"},
    {"save 900 1\nsave 60 5\n", "save=900|1;save=60|5;"},
    {"save \"\"", "save=;"},
    {"a \"b\\x41\\n\\\"c\" 'd\\'e' f", "a=bA\n\"c|d'e|f;"},
    {"a b\"c d\"", "a=bc d;"},
    {"a # b", "a=#|b;"},
    {"alone", "alone=;"},
};

START_TEST(lines_mean_what_they_mean_to_a_server)
{
    struct server_conf conf = {.dir = xstrdup("/")};
    struct err err;

    ck_assert_int_eq(server_conf_add_text(&conf, files[_i].text, "f", &err), 0);
    ck_assert_str_eq(shown(&conf), files[_i].expected);
    server_conf_release(&conf);
}
END_TEST

static const char *const bad_lines[] = {"a \"b", "a 'b", "a \"b\"c", "a 'b'c", "\"", "x\na \"\\"};

START_TEST(a_line_that_a_server_refuses_is_refused_without_its_words)
{
    struct server_conf conf = {.dir = xstrdup("/")};
    struct err err;

    ck_assert_int_eq(server_conf_add_text(&conf, bad_lines[_i], "the-file", &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "the-file:"));
    ck_assert_ptr_null(strstr(err.msg, "\""));
    server_conf_release(&conf);
}
END_TEST

START_TEST(a_text_cut_anywhere_is_split_or_refused)
{
    static const char text[] = "dir \"/a b\"\nsave 'x' \"\\x41\\\"\" y\ninclude\n";

    for (size_t len = 0; len < sizeof text; len++) {
        struct server_conf conf = {.dir = xstrdup("/")};
        struct err err;
        char *cut = xstrndup(text, len);

        (void)server_conf_add_text(&conf, cut, "f", &err);
        server_conf_release(&conf);
        free(cut);
    }
}
END_TEST

START_TEST(a_file_comes_before_the_arguments_and_the_last_counts)
{
    char *dir = tmpdir_new();
    char *file = write_file(dir, "redis.conf", "appendonly no\nport 1\n");
    const char *words[] = {"redis-server", file, "--appendonly", "yes", NULL};
    struct server_conf conf;
    struct err err;

    ck_assert_int_eq(read_list(words, "/data", &conf, &err), 0);
    ck_assert(conf.has_file);
    ck_assert_str_eq(server_conf_get(&conf, "appendonly", "?"), "yes");
    ck_assert_str_eq(server_conf_find(&conf, "appendonly")->from, "argument");
    ck_assert_str_eq(server_conf_get(&conf, "port", "?"), "1");
    char *from = xasprintf("%s:2", file);
    ck_assert_str_eq(server_conf_find(&conf, "port")->from, from);
    ck_assert_str_eq(server_conf_get(&conf, "dbfilename", "dump.rdb"), "dump.rdb");
    ck_assert_ptr_null(server_conf_find(&conf, "dbfilename"));
    ck_assert_str_eq(conf.dir, "/data");
    server_conf_release(&conf);
    free(from);
    free(file);
    tmpdir_remove(dir);
}
END_TEST

START_TEST(includes_stand_where_they_are_and_follow_dir)
{
    char *dir = tmpdir_new();
    char *sub = xasprintf("%s/sub", dir);
    struct server_conf conf;
    struct err err;

    ck_assert_int_eq(mkdir(sub, 0700), 0);
    free(write_file(sub, "more.conf", "b 1\ndir deeper\n"));
    free(write_file(sub, "z1.inc", "c 1\n"));
    free(write_file(sub, "z2.inc", "c 2\n"));
    free(
        write_file(dir, "redis.conf",
                   "a 1\ndir sub\ninclude more.conf\na 2\ninclude none-*.conf\ninclude ../z*.inc"));
    const char *words[] = {"redis-server", "redis.conf", NULL};
    ck_assert_int_eq(read_list(words, dir, &conf, &err), 0);
    ck_assert_str_eq(shown(&conf), "a=1;dir=sub;include=more.conf;b=1;dir=deeper;a=2;"
                                   "include=none-*.conf;include=../z*.inc;");
    server_conf_release(&conf);

    /* the server goes there as it reads, so the pattern is looked for from there */
    char *deeper = xasprintf("%s/deeper", sub);
    ck_assert_int_eq(mkdir(deeper, 0700), 0);
    ck_assert_int_eq(read_list(words, dir, &conf, &err), 0);
    ck_assert_str_eq(server_conf_get(&conf, "c", "?"), "2");
    ck_assert_str_eq(conf.dir, deeper);
    server_conf_release(&conf);
    free(deeper);
    free(sub);
    tmpdir_remove(dir);
}
END_TEST

START_TEST(what_cannot_be_read_is_refused)
{
    char *dir = tmpdir_new();
    char *loop = xasprintf("%s/loop.conf", dir);
    char *fifo = xasprintf("%s/fifo", dir);
    char *line = xasprintf("include %s\n", loop);
    const char *cases[][3] = {{"redis-server", "/nonexistent/redis.conf", NULL},
                              {"redis-server", dir, NULL},
                              {"redis-server", loop, NULL},
                              {"redis-server", "/dev/zero", NULL},
                              {"redis-server", fifo, NULL},
                              {"redis-server", "-", NULL},
                              {"redis-server", "--include /nonexistent", NULL}};

    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    free(write_file(dir, "loop.conf", line));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server_conf conf = {0};
        struct err err;

        ck_assert_int_eq(read_list(cases[i], "/", &conf, &err), -1);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_uint_eq(conf.count, 0);
    }
    free(line);
    free(fifo);
    free(loop);
    tmpdir_remove(dir);
}
END_TEST

static const struct {
    const char *words[WORDS_MAX];
    bool needs_none;
} starts[] = {
    {{"redis-server", "--version"}, true},
    {{"redis-server", "-v"}, true},
    {{"/usr/bin/redis-server", "--help"}, true},
    {{"redis-server", "--test-memory", "1"}, true},
    {{"redis-server", "--check-system"}, true},
    {{"redis-sentinel", "/nonexistent.conf"}, true},
    {{"valkey-server", "/nonexistent.conf", "--sentinel"}, true},
    {{"valkey-check-rdb", "dump.rdb"}, true},
    {{"valkey-server", "--port", "1"}, false},
    {{"/opt/anything", "--appendonly", "yes"}, false},
};

START_TEST(what_loads_no_data_is_known)
{
    struct server_conf conf;
    struct err err;

    ck_assert_int_eq(read_list(starts[_i].words, "/", &conf, &err), 0);
    ck_assert_int_eq(conf.needs_none, starts[_i].needs_none);
    server_conf_release(&conf);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server_conf");
    TCase *tcase = tcase_create("server_conf");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, arguments_mean_what_they_mean_to_a_server, 0,
                        sizeof arguments / sizeof arguments[0]);
    tcase_add_loop_test(tcase, lines_mean_what_they_mean_to_a_server, 0,
                        sizeof files / sizeof files[0]);
    tcase_add_loop_test(tcase, a_line_that_a_server_refuses_is_refused_without_its_words, 0,
                        sizeof bad_lines / sizeof bad_lines[0]);
    tcase_add_test(tcase, a_text_cut_anywhere_is_split_or_refused);
    tcase_add_test(tcase, a_file_comes_before_the_arguments_and_the_last_counts);
    tcase_add_test(tcase, includes_stand_where_they_are_and_follow_dir);
    tcase_add_test(tcase, what_cannot_be_read_is_refused);
    tcase_add_loop_test(tcase, what_loads_no_data_is_known, 0, sizeof starts / sizeof starts[0]);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
