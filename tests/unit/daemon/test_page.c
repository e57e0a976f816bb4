/*
 * The page: whole markup in every state, nothing foreign in it, and the words that people read. How
 * it looks is judged by a browser in page.bats.
 */
#include "daemon/page.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/zone.h"
#include "daemon/page_html.h"
#include "support/status_sample.h"

static struct status status;
static struct buf text;

static void setup(void)
{
    struct err err;

    ck_assert_int_eq(zone_use("UTC", &err), 0);
    status_init(&status);
    buf_init(&text, PAGE_BYTES_MAX);
}

static void teardown(void)
{
    status_release(&status);
    buf_release(&text);
}

static const char *page_of(const char *state)
{
    status_release(&status);
    ck_assert_int_eq(status_sample(state, &status), 0);
    buf_clear(&text);
    page_format(&status, &text);
    return buf_text(&text);
}

#define ck_assert_holds(all, part) ck_assert_msg(strstr(all, part) != NULL, "%s is missing", part)
#define ck_assert_lacks(all, part) ck_assert_msg(strstr(all, part) == NULL, "%s is there", part)

static bool is_void(const char *name, size_t len)
{
    static const char *const names[] = {"!doctype", "meta", "link", "br"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0)
            return true;
    return false;
}

/* Every element is closed in its turn; every attribute is quoted; every & begins a known entity. */
static void check_markup(const char *all)
{
    char open[64][16];
    size_t depth = 0;

    for (const char *at = all; *at != '\0'; at++) {
        if (*at == '&')
            ck_assert_msg(strncmp(at, "&lt;", 4) == 0 || strncmp(at, "&gt;", 4) == 0 ||
                              strncmp(at, "&amp;", 5) == 0 || strncmp(at, "&quot;", 6) == 0 ||
                              strncmp(at, "&#39;", 5) == 0,
                          "%.20s", at);
        if (*at != '<')
            continue;

        bool closes = at[1] == '/';
        const char *name = at + 1 + closes;
        size_t len = strcspn(name, " />\n");
        bool quoted = false;

        for (at = name + len; *at != '\0' && (quoted || *at != '>'); at++) {
            ck_assert_msg(*at != '<' || quoted, "%.40s", name);
            quoted ^= *at == '"';
        }
        ck_assert_msg(*at == '>', "%.40s", name);
        if (closes) {
            ck_assert_uint_gt(depth, 0);
            depth--;
            ck_assert_msg(strlen(open[depth]) == len && strncmp(open[depth], name, len) == 0,
                          "</%.*s> closes <%s>", (int)len, name, open[depth]);
        } else if (at[-1] != '/' && !is_void(name, len)) {
            ck_assert_uint_lt(depth, 64);
            (void)snprintf(open[depth++], sizeof(open[0]), "%.*s", (int)len, name);
        }
    }
    ck_assert_uint_eq(depth, 0);
}

static void check_characters(const char *all, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t character = 0;
        size_t bytes = text_utf8_next(all + i, len - i, &character);

        ck_assert_uint_gt(bytes, 0);
        ck_assert(character == '\n' || (character >= 0x20 && character != 0x7f));
        ck_assert(character != 0x202e);
        i += bytes;
    }
}

static size_t count_of(const char *all, const char *part)
{
    size_t count = 0;

    for (const char *at = all; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

START_TEST(every_state_is_a_whole_document)
{
    for (size_t i = 0; status_sample_name(i) != NULL; i++) {
        const char *all = page_of(status_sample_name(i));

        check_markup(all);
        check_characters(all, text.len);
        ck_assert_uint_lt(text.len, PAGE_BYTES_MAX / 4);
        ck_assert(strncmp(all, "<!doctype html>\n<html lang=\"en\">", 31) == 0);
        ck_assert_str_eq(all + text.len - 8, "</html>\n");
        ck_assert_uint_eq(count_of(all, "<h1"), 1);
        ck_assert_uint_eq(count_of(all, "<svg class=\"line\" role=\"img\" aria-labelledby="), 1);
        ck_assert_uint_eq(count_of(all, "<desc id=\"line-words\">"), 1);
        ck_assert_lacks(all, "<script");
        ck_assert_lacks(all, "nan");
        ck_assert_holds(all, "<meta http-equiv=\"refresh\" content=\"15\">");
        ck_assert_holds(all, "<meta name=\"viewport\" content=\"width=device-width");
        ck_assert_holds(all, "prefers-color-scheme:dark");
    }
}
END_TEST

static const struct {
    const char *state;
    const char *part;
} words[] = {
    {"unknown", "It is not known what would come back"},
    {"unknown", "The repository was not read yet."},
    {"fresh", "Nothing would come back"},
    {"fresh", ">1 problem</h2>"},
    {"fresh", "<code>redkeep backup</code>"},
    {"fresh", "The next backup is due in 30\xc2\xa0min."},
    {"well",
     "Everything up to <time datetime=\"2026-11-20T17:00:00Z\" title=\"2026-11-20 17:00 UTC\">"
     "17:00</time> would come back"},
    {"well", "The writes of the last <b>30\xc2\xa0min</b> would be lost: 1,207 changes."},
    {"well", "<title>cache-0 \xc2\xb7 redkeep</title>"},
    {"well", "Redis 7.2.5, primary"},
    {"well", "18,212,254"},
    {"well", "<details><summary>18 older ones</summary>"},
    {"well", "<b>13\xc2\xa0GB</b> of 21\xc2\xa0GB are free"},
    {"well", "10\xc2\xa0"
             "days ago, 18,190,011 keys in 41.3\xc2\xa0s"},
    {"well", "title=\"save 14.2\xc2\xa0s, store 3.4\xc2\xa0s\">17.6\xc2\xa0s<"},
    {"well", "<li>the older, the closer together</li>"},
    {"working", "<progress aria-label=\"Done\" max=\"100\" value=\"42.8\"></progress>"},
    {"working", "812\xc2\xa0MB of 1.9\xc2\xa0GB \xc2\xb7 540\xc2\xa0MB/s"},
    {"loading", "<progress aria-label=\"Loaded\" max=\"100\" value=\"42.3\"></progress>"},
    {"loading", "977\xc2\xa0MB of 2.3\xc2\xa0GB \xc2\xb7 181\xc2\xa0MB/s \xc2\xb7 7\xc2\xa0s left"},
    {"failing", "Only what was there at "},
    {"failing", "<title>(3) cache-0"},
    {"failing", "212 MB are free on the volume, a save needs 1.9 GB"},
    {"failing", "<code>DISK_FULL</code> since "},
    {"failing", "<span class=\"badge bad\">damaged</span>"},
    {"failing", "<span class=\"badge warn\">not proven</span>"},
    {"failing", "Waits for: the next turn"},
    {"unknown", "<h2 id=\"checks\">Checks</h2>\n<p>None was made yet.</p>"},
    {"well", "0 fail, 0 warn, 1 fine, 1 could not be seen, 4\xc2\xa0min ago"},
    {"failing", "1 fail, 1 warn, 1 fine, 1 could not be seen"},
    {"failing", "<code>backlog</code><span class=\"badge warn\">host</span>"},
    {"failing", "<pre class=\"detail\"># not done from here: cannot write it\n"
                "sysctl -w net.core.somaxconn=511</pre>"},
    {"hostile", "&lt;/style&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;{}\\"},
};

START_TEST(a_state_is_said_in_words)
{
    ck_assert_holds(page_of(words[_i].state), words[_i].part);
}
END_TEST

START_TEST(what_a_server_said_last_has_its_time_when_it_says_no_more)
{
    ck_assert_lacks(page_of("well"), "<dt>As of</dt>");
    status.seen_ms -= 5 * INT64_C(60000);
    status.readiness.state = READINESS_UNREACHABLE;
    buf_clear(&text);
    page_format(&status, &text);
    ck_assert_holds(buf_text(&text),
                    "<dt>As of</dt><dd><time datetime=\"2026-11-20T17:25:00Z\" "
                    "title=\"2026-11-20 17:25 UTC\">17:25</time>, 5\xc2\xa0min ago</dd>");
    check_markup(buf_text(&text));
}
END_TEST

START_TEST(an_axis_without_a_scale_needs_no_explanation)
{
    ck_assert_lacks(page_of("fresh"), "the closer together");
}
END_TEST

START_TEST(a_ceiling_is_never_passed)
{
    ck_assert_int_eq(status_sample("hostile", &status), 0);
    for (size_t max = 0; max < 30000; max += 997) {
        auto_buf struct buf small;

        buf_init(&small, max);
        page_format(&status, &small);
        ck_assert_uint_le(small.len, max);
    }
}
END_TEST

static const struct {
    const char *text;
    const char *shown;
} texts[] = {
    {"", ""},
    {NULL, ""},
    {"a b", "a b"},
    {"<b class=\"x\">'&'</b>", "&lt;b class=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/b&gt;"},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"a\nb\tc", "a b c"},
    {"\x01\x1b\x7f\xc2\x85", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xff\xc3(", "\xef\xbf\xbd\xef\xbf\xbd("},
    {"\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"`code`", "`code`"},
};

START_TEST(foreign_text_is_made_harmless)
{
    page_text(&text, texts[_i].text);
    ck_assert_str_eq(buf_text(&text), texts[_i].shown);
}
END_TEST

START_TEST(a_long_text_is_cut_between_characters)
{
    char *euros = xmalloc(3 * 300 + 1);

    for (size_t i = 0; i < 300; i++)
        memcpy(euros + 3 * i, "\xe2\x82\xac", 4);
    page_text(&text, euros);
    ck_assert_uint_eq(text.len, PAGE_TEXT_MAX + 3);
    ck_assert_str_eq(buf_text(&text) + PAGE_TEXT_MAX - 3, "\xe2\x82\xac\xe2\x80\xa6");
    free(euros);
}
END_TEST

static const struct {
    const char *text;
    const char *shown;
} own_words[] = {
    {"Run `redkeep backup`, or `a<b`.", "Run <code>redkeep backup</code>, or <code>a&lt;b</code>."},
    {"`one", "<code>one</code>"},
    {"", ""},
};

START_TEST(backticks_become_code)
{
    page_words(&text, own_words[_i].text);
    ck_assert_str_eq(buf_text(&text), own_words[_i].shown);
}
END_TEST

#define NOW STATUS_SAMPLE_NOW_MS
#define MIN INT64_C(60000)
#define DAY (1440 * MIN)

static const struct {
    int64_t ms;
    const char *time;
    const char *distance;
} times[] = {
    {NOW, ">17:30</time>", "now"},
    {NOW - 89999, ">17:28</time>", "89 s ago"},
    {NOW - 90 * 1000, ">17:28</time>", "1 min ago"},
    {NOW - 30 * MIN, ">17:00</time>", "30 min ago"},
    {NOW - 90 * MIN, ">16:00</time>", "1 h 30 min ago"},
    {NOW - 120 * MIN, ">15:30</time>", "2 h ago"},
    {NOW - DAY, ">19 Nov 17:30</time>", "24 h ago"},
    {NOW - 48 * 60 * MIN + 1000, ">18 Nov 17:30</time>", "47 h 59 min ago"},
    {NOW - 2 * DAY, ">18 Nov 17:30</time>", "2 days ago"},
    {NOW - 365 * DAY, ">20 Nov 2025 17:30</time>", "365 days ago"},
    {NOW + 30 * MIN, ">18:00</time>", "in 30 min"},
    {0, ">1 Jan 1970 00:00</time>", "20777 days ago"},
    {-1, "an unknown time", "at an unknown time"},
    {INT64_MAX, "an unknown time", "at an unknown time"},
    {INT64_MIN, "an unknown time", "at an unknown time"},
};

/* With ordinary blanks. */
static char *plain(const char *shown)
{
    auto_buf struct buf out;
    struct err err;

    buf_init(&out, 4096);
    for (const char *at = shown; *at != '\0'; at++) {
        bool is_blank = strncmp(at, "\xc2\xa0", 2) == 0;
        ck_assert_int_eq(buf_append(&out, is_blank ? " " : at, 1, &err), 0);
        at += is_blank;
    }
    return buf_take(&out);
}

START_TEST(times_are_said_as_people_do)
{
    page_time(&text, times[_i].ms, NOW);
    ck_assert_holds(buf_text(&text), times[_i].time);
    buf_clear(&text);
    page_distance(&text, times[_i].ms, NOW);
    auto_free char *shown = plain(buf_text(&text));
    ck_assert_str_eq(shown, times[_i].distance);
}
END_TEST

static const struct {
    uint64_t value;
    const char *shown;
} numbers[] = {
    {0, "0"},
    {999, "999"},
    {1000, "1,000"},
    {1234567, "1,234,567"},
    {UINT64_MAX, "18,446,744,073,709,551,615"},
};

START_TEST(numbers_have_groups)
{
    page_number(&text, numbers[_i].value);
    ck_assert_str_eq(buf_text(&text), numbers[_i].shown);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page");
    TCase *tcase = tcase_create("document");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_state_is_a_whole_document);
    tcase_add_loop_test(tcase, a_state_is_said_in_words, 0, sizeof(words) / sizeof(words[0]));
    tcase_add_test(tcase, what_a_server_said_last_has_its_time_when_it_says_no_more);
    tcase_add_test(tcase, an_axis_without_a_scale_needs_no_explanation);
    tcase_add_test(tcase, a_ceiling_is_never_passed);
    tcase_add_loop_test(tcase, foreign_text_is_made_harmless, 0, sizeof(texts) / sizeof(texts[0]));
    tcase_add_test(tcase, a_long_text_is_cut_between_characters);
    tcase_add_loop_test(tcase, backticks_become_code, 0, sizeof(own_words) / sizeof(own_words[0]));
    tcase_add_loop_test(tcase, times_are_said_as_people_do, 0, sizeof(times) / sizeof(times[0]));
    tcase_add_loop_test(tcase, numbers_have_groups, 0, sizeof(numbers) / sizeof(numbers[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
