/*
 * Manifests by the servers' own rules: what they write, what they accept, what they refuse.
 */
#include "redis/aof_manifest.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"

struct row {
    const char *text;
    const char *want; /* name/seq/type of each file, joined by blanks */
};

static char *describe(const struct aof_manifest *manifest)
{
    char *all = xstrdup("");

    for (size_t i = 0; i < manifest->count; i++) {
        const struct aof_file *file = &manifest->files[i];
        char *longer = xasprintf("%s%s%s/%llu/%c", all, i == 0 ? "" : " ", file->name,
                                 (unsigned long long)file->seq, (char)file->type);
        free(all);
        all = longer;
    }
    return all;
}

static const struct row good[] = {
    {"file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n",
     "a.1.base.rdb/1/b a.1.incr.aof/1/i"},
    {"file a seq 1 type b\r\nfile b seq 1 type i\r\n", "a/1/b b/1/i"},
    {"file b seq 2 type b\nfile a seq 1 type h\nfile x seq 1 type h\nfile c seq 2 type i\n",
     "b/2/b a/1/h x/1/h c/2/i"},
    {"file a seq 1 type i\nfile b seq 2 type i\nfile c seq 9 type i\n", "a/1/i b/2/i c/9/i"},
    /* Redis 8.0 and newer */
    {"file a seq 1 type i startoffset 0 endoffset 17\n", "a/1/i"},
    {"# made by somebody\nfile dump.rdb seq 7 type b\n# end", "dump.rdb/7/b"},
    {"# nothing else\n", ""},
    {"type b seq 3 file a\n", "a/3/b"},
    {"FILE a SEQ 3 Type base\n", "a/3/b"},
    {"file a seq 3 type b future thing\n", "a/3/b"},
    {"  file\ta  seq 3 type b  \n", "a/3/b"},
    {"file \"a b\" seq 3 type b\n", "a b/3/b"},
    {"file 'a b' seq 3 type b\n", "a b/3/b"},
    {"file 'it\\'s' seq 3 type b\n", "it's/3/b"},
    {"file \"q\\\"\\x41\\t\\q\" seq 3 type b\n", "q\"A\tq/3/b"},
    {"file a file b seq 3 type b\n", "b/3/b"},
    {"file ..a seq 3 type b\n", "..a/3/b"},
};

START_TEST(what_servers_load_is_read)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        auto_aof_manifest struct aof_manifest got = {0};
        struct err err = {0};

        ck_assert_msg(aof_manifest_parse(good[i].text, strlen(good[i].text), "m", &got, &err) == 0,
                      "%s: %s", good[i].text, err.msg);
        auto_free char *text = describe(&got);
        ck_assert_str_eq(text, good[i].want);
    }
}
END_TEST

START_TEST(what_servers_refuse_is_corrupt)
{
    static const struct {
        const char *text;
        unsigned line;
    } bad[] = {
        {"file a seq 1 type b", 1}, /* no newline at the end */
        {"file a seq 1 type b\nfile b seq 1 type i", 2},
        {"\n", 1},
        {"file a seq 1 type b\n\n", 2},
        {"   \r\n", 1},
        {"file a seq 1\n", 1},
        {"file a seq 1 type\n", 1},
        {"file a seq 1 type b extra\n", 1},
        {"name a seq 1 type b\n", 1},
        {"file a seq 1 kind b\n", 1},
        {"file a num 1 type b\n", 1},
        {"file a seq 0 type b\n", 1},
        {"file a seq -1 type b\n", 1},
        {"file a seq x type b\n", 1},
        {"file a seq 9999999999999999999 type b\n", 1},
        {"file a seq 1 type x\n", 1},
        {"file /etc/passwd seq 1 type b\n", 1},
        {"file ../a seq 1 type b\n", 1},
        {"file .. seq 1 type b\n", 1},
        {"file . seq 1 type b\n", 1},
        {"file a\\b seq 1 type b\n", 1},
        {"file \"\" seq 1 type b\n", 1},
        {"file \"a\\x2fb\" seq 1 type b\n", 1},
        {"file \"a\\x00b\" seq 1 type b\n", 1},
        {"file \"a seq 1 type b\n", 1},
        {"file \"a\"b seq 1 type b\n", 1},
        {"file 'a seq 1 type b\n", 1},
        {"file a seq 1 type b\nfile b seq 2 type b\n", 2},
        {"file a seq 2 type i\nfile b seq 2 type i\n", 2},
        {"file a seq 2 type i\nfile b seq 1 type i\n", 2},
        {"\vfile\v\v\n", 1},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct aof_manifest got = {.count = 77};
        struct err err = {0};
        char line[32];

        ck_assert_msg(aof_manifest_parse(bad[i].text, strlen(bad[i].text), "d/m", &got, &err) == -1,
                      "%s", bad[i].text);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
        ck_assert_uint_eq(got.count, 77);
        (void)snprintf(line, sizeof(line), "d/m: line %u ", bad[i].line);
        ck_assert_msg(strstr(err.msg, line) != NULL, "%s: %s", bad[i].text, err.msg);
    }
}
END_TEST

START_TEST(empty_and_binary_texts_are_corrupt)
{
    struct aof_manifest got;
    struct err err = {0};

    ck_assert_int_eq(aof_manifest_parse("", 0, "m", &got, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
    ck_assert_int_eq(aof_manifest_parse("file a\0b seq 1 type b\n", 22, "m", &got, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
}
END_TEST

START_TEST(a_line_may_have_1024_bytes)
{
    for (size_t len = AOF_LINE_MAX - 1; len <= AOF_LINE_MAX + 1; len++) {
        struct aof_manifest got = {0};
        struct err err = {0};
        char text[AOF_LINE_MAX + 2];
        const char head[] = "file a seq 1 type b x ";

        memset(text, 'y', sizeof(text));
        memcpy(text, head, sizeof(head) - 1);
        text[len - 1] = '\n';
        ck_assert_int_eq(aof_manifest_parse(text, len, "m", &got, &err),
                         len <= AOF_LINE_MAX ? 0 : -1);
        aof_manifest_release(&got);
    }
}
END_TEST

START_TEST(the_manifest_of_redis_7_0_is_read_and_written_the_same)
{
    auto_buf struct buf text;
    auto_buf struct buf again;
    auto_aof_manifest struct aof_manifest got = {0};
    struct err err = {0};

    buf_init(&text, AOF_MANIFEST_MAX);
    buf_init(&again, AOF_MANIFEST_MAX);
    ck_assert_int_eq(fs_read_file(AT_FDCWD, "tests/data/aof/redis-7.0.manifest", &text, &err), 0);
    ck_assert_int_eq(aof_manifest_parse(buf_text(&text), text.len, "m", &got, &err), 0);
    ck_assert_int_eq(aof_manifest_format(got.files, got.count, &again, &err), 0);
    ck_assert_str_eq(buf_text(&again), buf_text(&text));
}
END_TEST

START_TEST(every_name_survives_writing_and_reading)
{
    static const char *const names[] = {
        "a", "a b", "a\tb", "\"", "'", "it's", "#x", "a\nb", "\x01\x7f\xff\xc3\xa4", " ", "x=y;",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        auto_free char *name = xstrdup(names[i]);
        const struct aof_file file = {name, i + 1, AOF_INCR};
        auto_buf struct buf text;
        auto_aof_manifest struct aof_manifest got = {0};
        struct err err = {0};

        buf_init(&text, AOF_MANIFEST_MAX);
        ck_assert_int_eq(aof_manifest_format(&file, 1, &text, &err), 0);
        ck_assert_msg(aof_manifest_parse(buf_text(&text), text.len, "m", &got, &err) == 0, "%s: %s",
                      buf_text(&text), err.msg);
        ck_assert_uint_eq(got.count, 1);
        ck_assert_str_eq(got.files[0].name, name);
        ck_assert_uint_eq(got.files[0].seq, i + 1);
    }
}
END_TEST

START_TEST(a_manifest_cut_anywhere_is_read_or_refused)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        for (size_t len = 0; len < strlen(good[i].text); len++) {
            auto_free char *exact = xmalloc(len + (len == 0));
            auto_aof_manifest struct aof_manifest got = {0};
            struct err err = {0};

            memcpy(exact, good[i].text, len);
            int result = aof_manifest_parse(exact, len, "m", &got, &err);
            /* a cut line is never taken for a whole one */
            if (len > 0 && exact[len - 1] != '\n' && memchr(exact, '#', len) == NULL)
                ck_assert_int_eq(result, -1);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aof_manifest");
    TCase *tcase = tcase_create("aof_manifest");

    tcase_add_test(tcase, what_servers_load_is_read);
    tcase_add_test(tcase, what_servers_refuse_is_corrupt);
    tcase_add_test(tcase, empty_and_binary_texts_are_corrupt);
    tcase_add_test(tcase, a_line_may_have_1024_bytes);
    tcase_add_test(tcase, the_manifest_of_redis_7_0_is_read_and_written_the_same);
    tcase_add_test(tcase, every_name_survives_writing_and_reading);
    tcase_add_test(tcase, a_manifest_cut_anywhere_is_read_or_refused);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
