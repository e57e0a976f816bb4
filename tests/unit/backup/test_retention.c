/*
 * Retention against another implementation of it (support/retention_oracle.h): every subset of a
 * few awkward times with every small rule, then many backups with any rule, in zones that change
 * their clocks; and what must be true of any decision.
 */
#include "backup/retention.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/zone.h"
#include "support/retention_oracle.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define FAR_MS INT64_C(4102444800000) /* 2100: nothing is from the future */
#define MANY 200

static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York",
                                    "Australia/Lord_Howe", "Pacific/Apia"};

static void use(const char *zone)
{
    struct err err = {0};

    ck_assert_msg(zone_use(zone, &err) == 0, "%s", err.msg);
}

static int64_t ms(const char *text)
{
    struct err err = {0};
    int64_t time_ms = 0;

    ck_assert_msg(parse_rfc3339(text, &time_ms, &err) == 0, "%s", err.msg);
    return time_ms;
}

/* xorshift: the same for the same seed. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static unsigned below(uint64_t *state, unsigned end)
{
    return (unsigned)(next_random(state) % end);
}

static void agrees(const struct retention_rules *rules, const struct retention_item *items,
                   size_t count, int64_t now_ms)
{
    struct retention_decision decisions[MANY];

    retention_decide(rules, items, count, now_ms, decisions);
    for (size_t i = 0; i < count; i++) {
        bool keeps = retention_oracle_keeps(rules, items, count, now_ms, i);

        if (keeps != (decisions[i].because != 0))
            ck_abort_msg("item %zu of %zu, %lld: the oracle %s it. keep %u %u %u %u %u", i, count,
                         (long long)items[i].time_ms, keeps ? "keeps" : "removes", rules->keep[0],
                         rules->keep[1], rules->keep[2], rules->keep[3], rules->keep[4]);
    }
}

/* Hours that come twice or never, and ends of days, weeks, months and years, in some zone. */
static const char *const awkward[] = {
    "2025-12-28T23:59:59Z", /* Sunday; the next one is of week 1 of 2026 */
    "2025-12-29T00:00:00Z", "2026-01-01T04:59:59Z", "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z",
    "2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z",
};

START_TEST(every_subset_and_every_small_rule)
{
    static const unsigned keeps[] = {0, 1, 3};

    use(zones[_i]);
    for (unsigned subset = 0; subset < 1U << COUNT(awkward); subset++) {
        struct retention_item items[COUNT(awkward)] = {0};
        size_t count = 0;

        for (size_t i = 0; i < COUNT(awkward); i++)
            if ((subset >> i & 1) != 0)
                items[count++].time_ms = ms(awkward[i]);
        for (unsigned rules_number = 0; rules_number < 243; rules_number++) {
            struct retention_rules rules = {0};
            unsigned rest = rules_number;

            for (size_t rule = 0; rule < RETENTION_RULES; rule++, rest /= 3)
                rules.keep[rule] = keeps[rest % 3];
            agrees(&rules, items, count, FAR_MS);
        }
    }
}
END_TEST

static void random_rules(uint64_t *state, struct retention_rules *rules)
{
    *rules = (struct retention_rules){0};
    for (size_t rule = 0; rule < RETENTION_RULES; rule++)
        if (below(state, 2) == 0)
            rules->keep[rule] = below(state, 30);
    if (below(state, 3) == 0)
        rules->within = (struct retention_span){.years = below(state, 2),
                                                .months = below(state, 14),
                                                .days = below(state, 40),
                                                .hours = below(state, 50)};
}

/* Up to MANY, at any time of three years, often close together. */
static size_t random_items(uint64_t *state, struct retention_item *items)
{
    size_t count = 1 + below(state, MANY);
    int64_t time_ms = ms("2024-01-01T00:00:00Z");
    int64_t step_ms = 1 + (int64_t)below(state, (unsigned)(5 * DAY_MS));

    for (size_t i = 0; i < count; i++) {
        time_ms += (int64_t)below(state, (unsigned)step_ms) / 1000 * 1000;
        items[i] = (struct retention_item){.time_ms = time_ms, .is_pinned = below(state, 50) == 0};
        if (below(state, 100) == 0)
            items[i].time_ms = -1;
    }
    items[below(state, (unsigned)count)].is_newest_proven = below(state, 2) == 0;
    return count;
}

START_TEST(many_backups_and_any_rules)
{
    uint64_t state = 0x9e3779b97f4a7c15 + (uint64_t)_i;
    struct retention_item items[MANY];
    struct retention_rules rules;

    use(zones[_i]);
    for (int round = 0; round < 30; round++) {
        size_t count = random_items(&state, items);
        int64_t now_ms = below(&state, 3) > 0 ? FAR_MS : items[count / 2].time_ms;

        random_rules(&state, &rules);
        agrees(&rules, items, count, now_ms);
    }
}
END_TEST

START_TEST(deciding_again_removes_nothing_more)
{
    uint64_t state = 0xdeadbeef + (uint64_t)_i;
    struct retention_item items[MANY];
    struct retention_decision first[MANY];
    struct retention_decision second[MANY];
    struct retention_rules rules;

    use(zones[_i]);
    for (int round = 0; round < 100; round++) {
        size_t count = random_items(&state, items);
        size_t kept = 0;

        random_rules(&state, &rules);
        retention_decide(&rules, items, count, FAR_MS, first);
        for (size_t i = 0; i < count; i++)
            if (first[i].because != 0)
                items[kept++] = items[i];
        ck_assert_uint_gt(kept, 0);
        retention_decide(&rules, items, kept, FAR_MS, second);
        for (size_t i = 0; i < kept; i++)
            ck_assert_uint_ne(second[i].because, 0);
    }
}
END_TEST

/* One more of anything, and nothing is removed that was kept. */
static void widen(struct retention_rules *rules, unsigned which)
{
    unsigned *const numbers[] = {&rules->within.years, &rules->within.months, &rules->within.days,
                                 &rules->within.hours};

    if (which < RETENTION_RULES)
        rules->keep[which]++;
    else
        (*numbers[which - RETENTION_RULES])++;
}

START_TEST(larger_numbers_keep_no_less)
{
    uint64_t state = 0xfeedface + (uint64_t)_i;
    struct retention_item items[MANY];
    struct retention_decision few[MANY];
    struct retention_decision more[MANY];
    struct retention_rules rules;

    use(zones[_i]);
    for (int round = 0; round < 100; round++) {
        size_t count = random_items(&state, items);

        random_rules(&state, &rules);
        if (!retention_has_rules(&rules))
            continue; /* which keeps everything */
        retention_decide(&rules, items, count, FAR_MS, few);
        widen(&rules, below(&state, RETENTION_RULES + 4));
        retention_decide(&rules, items, count, FAR_MS, more);
        for (size_t i = 0; i < count; i++)
            ck_assert(few[i].because == 0 || more[i].because != 0);
    }
}
END_TEST

START_TEST(the_newest_proven_the_pinned_and_the_newest_stay)
{
    uint64_t state = 0xcafe + (uint64_t)_i;
    struct retention_item items[MANY];
    struct retention_decision decisions[MANY];
    struct retention_rules rules;

    use(zones[_i]);
    for (int round = 0; round < 100; round++) {
        size_t count = random_items(&state, items);

        random_rules(&state, &rules);
        items[count - 1].time_ms = FAR_MS - 1;
        retention_decide(&rules, items, count, FAR_MS, decisions);
        ck_assert_uint_ne(decisions[count - 1].because, 0);
        for (size_t i = 0; i < count; i++) {
            ck_assert_int_eq(items[i].is_pinned, (decisions[i].because & RETENTION_PINNED) != 0);
            ck_assert_int_eq(items[i].is_newest_proven,
                             (decisions[i].because & RETENTION_PROVEN) != 0);
        }
    }
}
END_TEST

START_TEST(without_a_rule_everything_stays)
{
    const struct retention_rules rules = {0};
    const struct retention_item items[] = {{.time_ms = 0}, {.time_ms = DAY_MS}};
    struct retention_decision decisions[2];

    use("UTC");
    ck_assert(!retention_has_rules(&rules));
    retention_decide(&rules, items, 2, FAR_MS, decisions);
    ck_assert_uint_eq(decisions[0].because, RETENTION_NO_RULES);
    ck_assert_uint_eq(decisions[1].because, RETENTION_NO_RULES);
    retention_decide(&rules, items, 0, FAR_MS, decisions);
}
END_TEST

/* A clock that was a century ahead once must not push out what is good. */
START_TEST(the_future_is_kept_and_takes_nobodys_place)
{
    const struct retention_rules rules = {.keep = {[RETENTION_LAST] = 2}, .within = {.hours = 1}};
    const int64_t now = ms("2026-11-20T12:00:00Z");
    const struct retention_item items[] = {
        {.time_ms = now - 3 * DAY_MS},
        {.time_ms = now - 2 * DAY_MS},
        {.time_ms = now},
        {.time_ms = now + 1},
        {.time_ms = -1},
        {.time_ms = FAR_MS},
    };
    struct retention_decision decisions[COUNT(items)];

    use("UTC");
    retention_decide(&rules, items, COUNT(items), now, decisions);
    ck_assert_uint_eq(decisions[0].because, 0);
    ck_assert_uint_eq(decisions[1].because, 1U << RETENTION_LAST);
    ck_assert_uint_eq(decisions[2].because, 1U << RETENTION_LAST | RETENTION_WITHIN);
    ck_assert_uint_eq(decisions[3].because, RETENTION_FUTURE);
    ck_assert_uint_eq(decisions[4].because, RETENTION_NO_TIME);
    ck_assert_uint_eq(decisions[5].because, RETENTION_FUTURE);
}
END_TEST

/* What is not counted is not the oldest either. */
START_TEST(the_oldest_is_one_that_counts)
{
    const struct retention_rules rules = {.keep = {[RETENTION_MONTHLY] = 2}};
    const int64_t noon = ms("2026-11-20T12:00:00Z");
    const struct retention_item items[] = {
        {.time_ms = -1}, {.time_ms = noon}, {.time_ms = noon + 1000}, {.time_ms = noon + 2000}};
    struct retention_decision decisions[COUNT(items)];

    use("UTC");
    retention_decide(&rules, items, COUNT(items), FAR_MS, decisions);
    ck_assert_uint_eq(decisions[0].because, RETENTION_NO_TIME);
    ck_assert_uint_eq(decisions[1].because, 1U << RETENTION_MONTHLY);
    ck_assert_uint_eq(decisions[1].oldest, 1U << RETENTION_MONTHLY);
    ck_assert_uint_eq(decisions[2].because, 0);
    ck_assert_uint_eq(decisions[3].because, 1U << RETENTION_MONTHLY);
    ck_assert_uint_eq(decisions[3].oldest, 0);
}
END_TEST

/* As a machine that starts with its clock at 1970. */
START_TEST(a_clock_behind_them_all_removes_nothing)
{
    const struct retention_rules rules = {.keep = {[RETENTION_LAST] = 1}};
    const struct retention_item items[] = {{.time_ms = DAY_MS}, {.time_ms = 2 * DAY_MS}};
    struct retention_decision decisions[2];

    use("UTC");
    retention_decide(&rules, items, 2, HOUR_MS, decisions);
    ck_assert_uint_eq(decisions[0].because, RETENTION_FUTURE);
    ck_assert_uint_eq(decisions[1].because, RETENTION_FUTURE);
}
END_TEST

static const struct {
    const char *zone;
    const char *newest;
    struct retention_span within;
    const char *is_out; /* the first second that is kept is the one behind it */
} spans[] = {
    {"UTC", "2026-11-20T12:00:30Z", {.hours = 1}, "2026-11-20T11:00:30Z"},
    {"UTC", "2026-11-20T12:00:30Z", {.days = 7}, "2026-11-13T12:00:30Z"},
    {"UTC", "2026-11-20T12:00:30Z", {.months = 1}, "2026-10-20T12:00:30Z"},
    {"UTC", "2026-03-31T12:00:00Z", {.months = 1}, "2026-02-28T12:00:00Z"},
    {"UTC", "2028-03-31T12:00:00Z", {.months = 1}, "2028-02-29T12:00:00Z"},
    {"UTC", "2028-02-29T12:00:00Z", {.years = 1}, "2027-02-28T12:00:00Z"},
    {"UTC",
     "2026-01-31T00:00:00Z",
     {.years = 1, .months = 2, .days = 30, .hours = 1},
     "2024-10-30T23:00:00Z"},
    /* 7 days before 20:00 is 20:00, an hour earlier or later by UTC */
    {"Europe/Berlin", "2026-04-01T18:00:00Z", {.days = 7}, "2026-03-25T19:00:00Z"},
    {"Europe/Berlin", "2026-10-28T19:00:00Z", {.days = 7}, "2026-10-21T18:00:00Z"},
    /* but hours are hours */
    {"Europe/Berlin", "2026-04-01T18:00:00Z", {.hours = 168}, "2026-03-25T18:00:00Z"},
    /* 02:30 does not come on that day: 03:00 does */
    {"Europe/Berlin", "2026-04-05T00:30:00Z", {.days = 7}, "2026-03-29T01:00:00Z"},
    {"UTC", "2026-11-20T12:00:30Z", {.years = 100000}, "1969-12-31T23:59:59Z"},
};

START_TEST(within_goes_by_the_calendar)
{
    const struct retention_rules rules = {.within = spans[_i].within};
    int64_t out_ms = -1;
    struct retention_item items[3];
    struct retention_decision decisions[3];

    use(spans[_i].zone);
    if (spans[_i].within.years < 100)
        out_ms = ms(spans[_i].is_out);
    items[0] = (struct retention_item){.time_ms = out_ms < 0 ? 0 : out_ms};
    items[1] = (struct retention_item){.time_ms = out_ms + 1000};
    items[2] = (struct retention_item){.time_ms = ms(spans[_i].newest)};
    retention_decide(&rules, items, 3, FAR_MS, decisions);
    ck_assert_uint_eq(decisions[0].because, out_ms < 0 ? RETENTION_WITHIN : 0);
    ck_assert_uint_eq(decisions[1].because, RETENTION_WITHIN);
    ck_assert_uint_eq(decisions[2].because, RETENTION_WITHIN);
}
END_TEST

static void says(const struct retention_rules *rules, const struct retention_item *item,
                 const struct retention_decision *decision, const char *expected)
{
    char reasons[RETENTION_REASONS_MAX][RETENTION_REASON_SIZE];
    char all[RETENTION_REASONS_MAX * RETENTION_REASON_SIZE] = "";
    size_t count = retention_explain(rules, item, decision, reasons);
    size_t at = 0;

    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i > 0 ? "; " : "", reasons[i]);
    ck_assert_str_eq(all, expected);
}

START_TEST(reasons_are_told_in_words)
{
    const struct retention_rules rules = {.keep = {24, 1, 2, 1, 3}, .within = {.days = 7}};
    struct retention_item items[] = {
        {.time_ms = ms("2026-01-01T10:00:00Z")},
        {.time_ms = ms("2026-01-01T22:30:00Z"), .is_pinned = true},
        {.time_ms = ms("2026-01-01T23:30:00Z"), .is_newest_proven = true},
        {.time_ms = ms("2027-01-01T23:30:00Z")},
    };
    struct retention_decision decisions[COUNT(items)];

    use("Europe/Berlin");
    retention_decide(&rules, items, COUNT(items), ms("2026-06-01T00:00:00Z"), decisions);
    says(&rules, &items[0], &decisions[0],
         "last 3 of 24; the oldest, while monthly has room: 3; within 7d");
    says(&rules, &items[1], &decisions[1],
         "last 2 of 24; daily 2026-01-01; within 7d; pinned: the data shrank after it");
    says(&rules, &items[2], &decisions[2],
         "last 1 of 24; hourly 2026-01-02 00:00; daily 2026-01-02; weekly 2026-W01; "
         "monthly 2026-01; within 7d; newest proven");
    says(&rules, &items[3], &decisions[3], "from the future: the clock was wrong, then or now");
    decisions[0].because = RETENTION_NO_RULES | RETENTION_NO_TIME;
    says(&rules, &items[0], &decisions[0], "its id is no time; no rule is set, so all are kept");
    decisions[0].because = 0;
    says(&rules, &items[0], &decisions[0], "");
    decisions[0] = (struct retention_decision){.because = ~0U, .oldest = ~0U, .rank = 100000};
    ck_assert_uint_le(retention_explain(&rules, &items[0], &decisions[0],
                                        (char[RETENTION_REASONS_MAX][RETENTION_REASON_SIZE]){0}),
                      RETENTION_REASONS_MAX);
}
END_TEST

/* ISO weeks, day by day for half a century, are those of the C library. */
START_TEST(weeks_are_those_of_the_calendar)
{
    const struct retention_rules rules = {.keep = {[RETENTION_WEEKLY] = 1}};
    struct retention_decision decision;
    char reasons[RETENTION_REASONS_MAX][RETENTION_REASON_SIZE];
    char expected[48];
    struct tm tm;

    use("UTC");
    for (int64_t day = 0; day < 365 * 130; day++) {
        const struct retention_item item = {.time_ms = day * DAY_MS};
        time_t time_s = day * 86400;

        retention_decide(&rules, &item, 1, FAR_MS * 2, &decision);
        if (retention_explain(&rules, &item, &decision, reasons) != 1 ||
            gmtime_r(&time_s, &tm) == NULL ||
            strftime(expected, sizeof(expected), "weekly %G-W%V", &tm) == 0 ||
            strcmp(expected, reasons[0]) != 0)
            ck_abort_msg("%s, not %s", reasons[0], expected);
    }
}
END_TEST

/* An hourly backup for eleven years: what stays is what the rules say, and it is quick. */
START_TEST(a_hundred_thousand_are_decided)
{
    const struct retention_rules rules = {.keep = {24, 0, 7, 4, 12}};
    const size_t count = 100000;
    auto_free struct retention_item *items = xcalloc(count, sizeof(*items));
    auto_free struct retention_decision *decisions = xcalloc(count, sizeof(*decisions));
    const int64_t first_ms = ms("2015-01-01T00:00:00Z");
    size_t kept = 0;

    use("Europe/Berlin");
    for (size_t i = 0; i < count; i++)
        items[i].time_ms = first_ms + (int64_t)i * HOUR_MS;
    retention_decide(&rules, items, count, FAR_MS, decisions);
    for (size_t i = 0; i < count; i++)
        kept += decisions[i].because != 0;
    ck_assert_uint_ge(kept, 24 + 5 + 2 + 11);
    ck_assert_uint_le(kept, 24 + 7 + 4 + 12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retention");
    TCase *tcase = tcase_create("retention");
    SRunner *runner = srunner_create(suite);
    int zone_count = (int)COUNT(zones);

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, every_subset_and_every_small_rule, 0, zone_count);
    tcase_add_loop_test(tcase, many_backups_and_any_rules, 0, zone_count);
    tcase_add_loop_test(tcase, deciding_again_removes_nothing_more, 0, zone_count);
    tcase_add_loop_test(tcase, larger_numbers_keep_no_less, 0, zone_count);
    tcase_add_loop_test(tcase, the_newest_proven_the_pinned_and_the_newest_stay, 0, zone_count);
    tcase_add_test(tcase, without_a_rule_everything_stays);
    tcase_add_test(tcase, the_future_is_kept_and_takes_nobodys_place);
    tcase_add_test(tcase, the_oldest_is_one_that_counts);
    tcase_add_test(tcase, a_clock_behind_them_all_removes_nothing);
    tcase_add_loop_test(tcase, within_goes_by_the_calendar, 0, (int)COUNT(spans));
    tcase_add_test(tcase, reasons_are_told_in_words);
    tcase_add_test(tcase, weeks_are_those_of_the_calendar);
    tcase_add_test(tcase, a_hundred_thousand_are_decided);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
