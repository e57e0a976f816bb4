/*
 * JSON: what is refused, what is printed, what the getters say.
 */
#include "base/json.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static struct json *must_parse(const char *text)
{
    struct json *value = NULL;
    struct err err;

    ck_assert_msg(json_parse(text, strlen(text), &value, &err) == 0, "%s: %s", text, err.msg);
    return value;
}

/* Text without its blanks, parsed and printed, is as before. */
static const char *const stable[] = {
    "{}",
    "[]",
    "null",
    "true",
    "\"text\"",
    "0",
    "-1",
    "1000000000000000",
    "9007199254740992",
    "-9007199254740992",
    "0.5",
    "[1,2,[3,{\"a\":null}],{}]",
    "{\"a\":{\"b\":[true,false]},\"c\":\"\"}",
    "{\"\\\"\\\\\\n\\u0001\":\"\\t\\r\\u007f/\"}",
    "\"\xc3\xbc\xf0\x9f\x98\x80\"",
};

/* Puts more behind text, which has room for size bytes in all. */
static void append(char *text, size_t size, const char *more)
{
    ck_assert_uint_lt(strlen(text) + strlen(more), size);
    memcpy(text + strlen(text), more, strlen(more) + 1);
}

START_TEST(what_is_parsed_is_printed_the_same)
{
    auto_json struct json *value = must_parse(stable[_i]);
    auto_free char *text = json_print(value, false);
    auto_free char *pretty = json_print(value, true);
    auto_json struct json *again = must_parse(pretty);
    auto_free char *text_again = json_print(again, false);

    ck_assert_str_eq(text, stable[_i]);
    ck_assert_str_eq(text_again, stable[_i]);
}
END_TEST

static const struct {
    const char *text;
    const char *printed;
} normal_forms[] = {
    {" \t\r\n[ 1 , 2 ] \n", "[1,2]"},
    {"\"\\u00fc\\/\\ud83d\\ude00\"", "\"\xc3\xbc/\xf0\x9f\x98\x80\""},
    {"1e3", "1000"},
    {"1.0", "1"},
    {"1e400", "null"},
    {"-0", "0"},
};

START_TEST(other_ways_of_writing_it_are_read)
{
    auto_json struct json *value = must_parse(normal_forms[_i].text);
    auto_free char *text = json_print(value, false);

    ck_assert_str_eq(text, normal_forms[_i].printed);
}
END_TEST

#define TEXT(text) text, sizeof(text) - 1

static const struct {
    const char *text;
    size_t len;
} refused[] = {
    {TEXT("")},
    {TEXT(" ")},
    {TEXT("{")},
    {TEXT("}")},
    {TEXT("[1,]")},
    {TEXT("{\"a\":}")},
    {TEXT("{\"a\" 1}")},
    {TEXT("{a:1}")},
    {TEXT("{'a':1}")},
    {TEXT("\"open")},
    {TEXT("\"\\")},
    {TEXT("\"\\x\"")},
    {TEXT("\"\\ud800\"")},
    {TEXT("nul")},
    {TEXT("True")},
    {TEXT("+1")},
    {TEXT("{} {}")},
    {TEXT("{}x")},
    {TEXT("1 2")},
    {TEXT("[1]]")},
    {TEXT("{}\0")},
    {TEXT("{\"a\0b\":1}")},
    {TEXT("\0{}")},
    {TEXT("{\"a\\u0000b\":1}")},
    {TEXT("\"a\\\\\\u0000b\"")},
    {TEXT("\"a\\\0\"")},
};

START_TEST(what_is_not_json_is_corrupt)
{
    struct json *value = NULL;
    struct err err;

    /* a copy of the exact size, so that a sanitizer sees a read past the end */
    auto_free char *text = malloc(refused[_i].len + (refused[_i].len == 0));

    ck_assert_ptr_nonnull(text);
    memcpy(text, refused[_i].text, refused[_i].len);
    ck_assert_int_eq(json_parse(text, refused[_i].len, &value, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.msg, "byte "));
    ck_assert_ptr_null(value);
}
END_TEST

START_TEST(no_beginning_of_an_object_is_json)
{
    static const char whole[] = "{\"a\": [1, -2.5e1, \"x\\u00fc\\n\"], \"b\": {\"c\": null}}";

    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        struct json *value = NULL;
        struct err err;
        auto_free char *text = malloc(len + 1);

        ck_assert_ptr_nonnull(text);
        memcpy(text, whole, len);
        ck_assert_int_eq(json_parse(text, len, &value, &err), -1);
    }
    json_free(must_parse(whole));
}
END_TEST

START_TEST(an_escaped_backslash_before_u0000_is_text)
{
    auto_json struct json *value = must_parse("\"a\\\\u0000\"");

    ck_assert_str_eq(json_text(value), "a\\u0000");
}
END_TEST

START_TEST(nesting_is_bounded_and_brackets_in_text_are_not_nesting)
{
    char text[400];
    struct json *value = NULL;
    struct err err;

    for (int depth = 60; depth < 70; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);

        int result = json_parse(text, 2 * (size_t)depth, &value, &err);

        ck_assert_int_eq(result, depth <= 64 ? 0 : -1);
        if (result == 0)
            json_free(value);
    }
    memset(text, '[', 300);
    text[0] = '"';
    text[299] = '"';
    text[300] = '\0';
    json_free(must_parse(text));
    memset(text, '[', 300);
    text[150] = '\\';
    text[151] = '"'; /* the string goes on */
    text[0] = '"';
    text[299] = '"';
    json_free(must_parse(text));
}
END_TEST

START_TEST(objects_are_printed_as_they_were_built)
{
    auto_json struct json *object = json_object();
    struct json *list = json_array();
    struct json *inner = json_object();

    json_set_string(object, "text", "a\"b");
    json_set_string(object, "nothing", NULL);
    json_set_u64(object, "big", UINT64_C(9007199254740992));
    json_set_i64(object, "negative", -5);
    json_set_double(object, "half", 0.5);
    json_set_double(object, "unknown", (double)NAN);
    json_set_bool(object, "yes", true);
    json_set_null(object, "null");
    json_set_time(object, "when", INT64_C(1795195800999));
    json_set_time(object, "never", -1);
    json_push_string(list, "x");
    json_push_string(list, NULL);
    json_set(inner, "empty", json_object());
    json_push(list, inner);
    json_set(object, "list", list);
    json_set(object, "none", json_array());

    auto_free char *pretty = json_print(object, true);

    ck_assert_str_eq(pretty, "{\n"
                             "  \"text\": \"a\\\"b\",\n"
                             "  \"nothing\": null,\n"
                             "  \"big\": 9007199254740992,\n"
                             "  \"negative\": -5,\n"
                             "  \"half\": 0.5,\n"
                             "  \"unknown\": null,\n"
                             "  \"yes\": true,\n"
                             "  \"null\": null,\n"
                             "  \"when\": \"2026-11-20T17:30:00Z\",\n"
                             "  \"never\": null,\n"
                             "  \"list\": [\n"
                             "    \"x\",\n"
                             "    null,\n"
                             "    {\n"
                             "      \"empty\": {}\n"
                             "    }\n"
                             "  ],\n"
                             "  \"none\": []\n"
                             "}");
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_printed_as_json_all_the_same)
{
    auto_json struct json *object = json_object();

    json_set_string(object, "k\xff", "v\xc3(");

    auto_free char *text = json_print(object, false);

    ck_assert_str_eq(text, "{\"k\xef\xbf\xbd\":\"v\xef\xbf\xbd(\"}");
}
END_TEST

START_TEST(integers_up_to_2_to_53_go_there_and_back)
{
    static const uint64_t values[] = {0,
                                      1,
                                      9,
                                      10,
                                      4294967295,
                                      4294967296,
                                      1u << 31,
                                      999999999999999,
                                      1000000000000000,
                                      9007199254740991,
                                      9007199254740992};

    for (int i = 0; i < COUNT(values); i++) {
        auto_json struct json *object = json_object();
        uint64_t value = 1;
        int64_t negative = 1;
        struct err err;

        json_set_u64(object, "u", values[i]);
        json_set_i64(object, "i", -(int64_t)values[i]);

        auto_free char *text = json_print(object, false);
        auto_json struct json *again = must_parse(text);

        ck_assert_int_eq(json_get_u64(again, "u", &value, &err), 0);
        ck_assert_uint_eq(value, values[i]);
        ck_assert_int_eq(json_get_i64(again, "i", &negative, &err), 0);
        ck_assert_int_eq(negative, -(int64_t)values[i]);
    }
}
END_TEST

static const char sample[] =
    "{\"s\":\"text\",\"n\":42,\"neg\":-1,\"frac\":1.5,\"big\":9007199254740994,\"huge\":1e300,"
    "\"inf\":1e999,\"t\":true,\"f\":false,\"null\":null,\"o\":{\"x\":1},\"a\":[1,\"two\"],"
    "\"time\":\"2026-11-20T17:30:00Z\",\"N\":7}";

/* Which getter accepts which member; a letter for each that does. */
static const struct {
    const char *key;
    const char *accepted; /* g get, s string, u u64, i i64, b bool, t time, h has */
} members[] = {
    {"s", "sh"},   {"n", "uih"}, {"neg", "ih"},   {"frac", "h"},   {"big", "h"},
    {"huge", "h"}, {"inf", "h"}, {"t", "bh"},     {"f", "bh"},     {"null", ""},
    {"o", "gh"},   {"a", "gh"},  {"time", "sth"}, {"missing", ""}, {"S", ""},
};

START_TEST(each_getter_takes_its_type_only)
{
    auto_json struct json *object = must_parse(sample);
    const char *key = members[_i].key;
    struct err errs[6] = {0};
    char accepted[8] = "";
    const struct json *member = NULL;
    const char *text = NULL;
    uint64_t number = 0;
    int64_t signed_number = 0;
    bool yes = false;

    if (json_get(object, key, &member, &errs[0]) == 0)
        append(accepted, sizeof(accepted), "g");
    if (json_get_string(object, key, &text, &errs[1]) == 0)
        append(accepted, sizeof(accepted), "s");
    if (json_get_u64(object, key, &number, &errs[2]) == 0)
        append(accepted, sizeof(accepted), "u");
    if (json_get_i64(object, key, &signed_number, &errs[3]) == 0)
        append(accepted, sizeof(accepted), "i");
    if (json_get_bool(object, key, &yes, &errs[4]) == 0)
        append(accepted, sizeof(accepted), "b");
    if (json_get_time(object, key, &signed_number, &errs[5]) == 0)
        append(accepted, sizeof(accepted), "t");
    if (json_has(object, key))
        append(accepted, sizeof(accepted), "h");
    ck_assert_str_eq(accepted, members[_i].accepted);
    for (int i = 0; i < 6; i++) {
        if (errs[i].kind != ERR_NONE) {
            ck_assert_int_eq(errs[i].kind, ERR_CORRUPT);
            ck_assert_ptr_nonnull(strstr(errs[i].msg, key)); /* says which */
        }
    }
}
END_TEST

START_TEST(getters_give_the_values)
{
    auto_json struct json *object = must_parse(sample);
    const struct json *member = NULL;
    const char *text = NULL;
    uint64_t number = 0;
    int64_t time_ms = 0;
    bool yes = false;
    struct err err;

    ck_assert_int_eq(json_get_string(object, "s", &text, &err), 0);
    ck_assert_str_eq(text, "text");
    ck_assert_int_eq(json_get_u64(object, "n", &number, &err), 0);
    ck_assert_uint_eq(number, 42);
    ck_assert_int_eq(json_get_u64(object, "N", &number, &err), 0); /* another key */
    ck_assert_uint_eq(number, 7);
    ck_assert_int_eq(json_get_bool(object, "t", &yes, &err), 0);
    ck_assert(yes);
    ck_assert_int_eq(json_get_bool(object, "f", &yes, &err), 0);
    ck_assert(!yes);
    ck_assert_int_eq(json_get_time(object, "time", &time_ms, &err), 0);
    ck_assert_int_eq(time_ms, INT64_C(1795195800000));
    ck_assert_int_eq(json_get(object, "a", &member, &err), 0);
    ck_assert_uint_eq(json_size(member), 2);
    ck_assert_ptr_null(json_text(json_first(member)));
    ck_assert_str_eq(json_text(json_next(json_first(member))), "two");
}
END_TEST

START_TEST(a_bad_time_says_which_and_why)
{
    auto_json struct json *object = must_parse("{\"created_at\":\"yesterday\"}");
    int64_t time_ms = 5;
    struct err err;

    ck_assert_int_eq(json_get_time(object, "created_at", &time_ms, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.msg, "created_at"));
    ck_assert_ptr_nonnull(strstr(err.msg, "yesterday"));
    ck_assert_int_eq(time_ms, 5);
}
END_TEST

START_TEST(of_members_with_one_key_the_first_is_seen)
{
    auto_json struct json *object = must_parse("{\"a\":1,\"a\":2}");
    uint64_t value = 0;
    struct err err;

    ck_assert_int_eq(json_get_u64(object, "a", &value, &err), 0);
    ck_assert_uint_eq(value, 1);
    ck_assert_uint_eq(json_size(object), 2);
}
END_TEST

START_TEST(getters_on_what_is_no_object_find_nothing)
{
    auto_json struct json *array = must_parse("[1,{\"a\":1}]");
    auto_json struct json *scalar = must_parse("5");
    uint64_t value = 0;
    struct err err;

    ck_assert_int_eq(json_get_u64(array, "a", &value, &err), -1);
    ck_assert_int_eq(json_get_u64(scalar, "a", &value, &err), -1);
    ck_assert_int_eq(json_get_u64(NULL, "a", &value, &err), -1);
    ck_assert(!json_has(scalar, "a"));
    ck_assert_uint_eq(json_size(scalar), 0);
    ck_assert_uint_eq(json_size(NULL), 0);
    ck_assert_ptr_null(json_first(scalar));
    ck_assert_ptr_null(json_text(NULL));
    json_free(NULL);
}
END_TEST

START_TEST(members_are_walked_in_order)
{
    auto_json struct json *array = must_parse("[\"a\",\"b\",\"c\"]");
    char seen[4] = "";

    for (const struct json *member = json_first(array); member; member = json_next(member))
        append(seen, sizeof(seen), json_text(member));
    ck_assert_str_eq(seen, "abc");
}
END_TEST

START_TEST(fractions_are_printed_as_people_write_them)
{
    auto_json struct json *object = json_object();

    json_set_double(object, "a", 0.007);
    json_set_double(object, "b", 1.5);
    json_set_double(object, "c", 123456.789);
    json_set_double(object, "d", 9007199254740994); /* 15 digits would make another number of it */
    auto_free char *text = json_print(object, false);
    ck_assert_str_eq(text, "{\"a\":0.007,\"b\":1.5,\"c\":123456.789,\"d\":9007199254740994}");
}
END_TEST
int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tcase = tcase_create("values");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tcase, what_is_parsed_is_printed_the_same, 0, COUNT(stable));
    tcase_add_loop_test(tcase, other_ways_of_writing_it_are_read, 0, COUNT(normal_forms));
    tcase_add_loop_test(tcase, what_is_not_json_is_corrupt, 0, COUNT(refused));
    tcase_add_test(tcase, no_beginning_of_an_object_is_json);
    tcase_add_test(tcase, an_escaped_backslash_before_u0000_is_text);
    tcase_add_test(tcase, nesting_is_bounded_and_brackets_in_text_are_not_nesting);
    tcase_add_test(tcase, objects_are_printed_as_they_were_built);
    tcase_add_test(tcase, bytes_that_are_not_utf8_are_printed_as_json_all_the_same);
    tcase_add_test(tcase, integers_up_to_2_to_53_go_there_and_back);
    tcase_add_loop_test(tcase, each_getter_takes_its_type_only, 0, COUNT(members));
    tcase_add_test(tcase, getters_give_the_values);
    tcase_add_test(tcase, a_bad_time_says_which_and_why);
    tcase_add_test(tcase, of_members_with_one_key_the_first_is_seen);
    tcase_add_test(tcase, getters_on_what_is_no_object_find_nothing);
    tcase_add_test(tcase, members_are_walked_in_order);
    tcase_add_test(tcase, fractions_are_printed_as_people_write_them);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
