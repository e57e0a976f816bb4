/*
 * URLs and endpoints to hosts and paths.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/s3_target.h"

START_TEST(each_place_has_its_address)
{
    static const struct {
        const char *rest, *endpoint, *region;
        const char *scheme, *host, *path; /* of the key "k y" */
    } rows[] = {
        {"b", NULL, NULL, "https", "b.s3.us-east-1.amazonaws.com", "/k%20y"},
        {"b/", NULL, "eu-west-1", "https", "b.s3.eu-west-1.amazonaws.com", "/k%20y"},
        {"b/p", NULL, "cn-north-1", "https", "b.s3.cn-north-1.amazonaws.com.cn", "/p/k%20y"},
        {"b.c/p/q/", NULL, NULL, "https", "s3.us-east-1.amazonaws.com", "/b.c/p/q/k%20y"},
        {"b//p//", NULL, NULL, "https", "b.s3.us-east-1.amazonaws.com", "/p/k%20y"},
        {"b?style=path", NULL, NULL, "https", "s3.us-east-1.amazonaws.com", "/b/k%20y"},
        {"b/p", "http://127.0.0.1:9000", "", "http", "127.0.0.1:9000", "/b/p/k%20y"},
        {"b/p", "http://HOST:80/", "", "http", "host", "/b/p/k%20y"},
        {"b/p", "https://host:443", "", "https", "host", "/b/p/k%20y"},
        {"b/p", "https://host:80", "", "https", "host:80", "/b/p/k%20y"},
        {"b/p?style=virtual", "https://host", "", "https", "b.host", "/p/k%20y"},
        {"b/p", "https://b.host", "", "https", "b.host", "/p/k%20y"},
        {"b/p?style=path", "https://b.host", "", "https", "b.host", "/b/p/k%20y"},
        {"b/p", "https://bb.host", "", "https", "bb.host", "/b/p/k%20y"},
        {"b/p", "https://host/base/", "", "https", "host", "/base/b/p/k%20y"},
        {"b/p", "http://[::1]:9000", "", "http", "[::1]:9000", "/b/p/k%20y"},
        {"b/p q", "http://h", "", "http", "h", "/b/p%20q/k%20y"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct s3_place place = {rows[i].rest, rows[i].endpoint, rows[i].region};
        struct s3_target target;
        auto_buf struct buf path;
        struct err err = {0};

        buf_init(&path, 1000);
        ck_assert_msg(s3_target_parse(&place, &target, &err) == 0, "row %zu: %s", i, err.msg);
        ck_assert_int_eq(s3_target_format_path(&target, "k y", &path, &err), 0);
        ck_assert_str_eq(target.scheme, rows[i].scheme);
        ck_assert_str_eq(target.host, rows[i].host);
        ck_assert_str_eq(buf_text(&path), rows[i].path);
        s3_target_release(&target);
    }
}
END_TEST

START_TEST(the_bucket_itself_has_a_path_too)
{
    static const struct {
        const char *rest, *endpoint, *path;
    } rows[] = {{"b/p", NULL, "/"}, {"b/p", "http://h", "/b"}, {"b/p", "http://h/x", "/x/b"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct s3_place place = {rows[i].rest, rows[i].endpoint, NULL};
        struct s3_target target;
        auto_buf struct buf path;
        struct err err = {0};

        buf_init(&path, 1000);
        ck_assert_int_eq(s3_target_parse(&place, &target, &err), 0);
        ck_assert_int_eq(s3_target_format_path(&target, NULL, &path, &err), 0);
        ck_assert_str_eq(buf_text(&path), rows[i].path);
        s3_target_release(&target);
    }
}
END_TEST

START_TEST(aws_follows_the_region_and_others_do_not)
{
    struct s3_target target;
    struct err err = {0};

    ck_assert_int_eq(s3_target_parse(&(struct s3_place){"b", NULL, NULL}, &target, &err), 0);
    s3_target_set_region(&target, "eu-north-1");
    ck_assert_str_eq(target.host, "b.s3.eu-north-1.amazonaws.com");
    s3_target_release(&target);
    ck_assert_int_eq(s3_target_parse(&(struct s3_place){"b", "http://h", NULL}, &target, &err), 0);
    s3_target_set_region(&target, "eu-north-1");
    ck_assert_str_eq(target.host, "h");
    ck_assert_str_eq(target.region, "eu-north-1");
    s3_target_release(&target);
}
END_TEST

START_TEST(places_that_make_no_sense_are_refused_without_telling_secrets)
{
    static const struct s3_place rows[] = {
        {"", NULL, NULL},
        {"/p", NULL, NULL},
        {"AKIA:SECRET@b/p", NULL, NULL},
        {"b/../p", NULL, NULL},
        {"b/p//q", NULL, NULL},
        {"b/./q", NULL, NULL},
        {".b", NULL, NULL},
        {"b?style=other", NULL, NULL},
        {"b?region=x", NULL, NULL},
        {"b", "host:9000", NULL},
        {"b", "ftp://host", NULL},
        {"b", "http://", NULL},
        {"b", "http://user:SECRET@host", NULL},
        {"b", "http://host/?x=SECRET", NULL},
        {"b", "http://host name", NULL},
        {"b", "http://host\r\nX: y", NULL},
        {"b", NULL, "us east"},
        {"b", NULL, "evil.example/"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct s3_target target;
        struct err err = {0};

        ck_assert_msg(s3_target_parse(&rows[i], &target, &err) == -1, "row %zu", i);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_ptr_null(strstr(err.msg, "SECRET"));
        s3_target_release(&target);
    }
}
END_TEST

static Suite *s3_target_suite(void)
{
    Suite *suite = suite_create("s3_target");
    TCase *tc = tcase_create("addresses");

    tcase_add_test(tc, each_place_has_its_address);
    tcase_add_test(tc, the_bucket_itself_has_a_path_too);
    tcase_add_test(tc, aws_follows_the_region_and_others_do_not);
    tcase_add_test(tc, places_that_make_no_sense_are_refused_without_telling_secrets);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(s3_target_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
