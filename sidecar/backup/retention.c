/*
 * One walk from the newest to the oldest, with a count and the last bucket for each rule. What
 * restic does with an empty policy (nothing is removed), with snapshots of the future (they are not
 * the newest) and with the oldest one is done here too; those of the future are not even counted,
 * so that a clock that was wrong once cannot push out the good ones.
 */
#include "backup/retention.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/zone.h"

#define DAY_S INT64_C(86400)
#define SPAN_MAX 100000 /* of each unit; it is more than there will be */

static bool is_set(const struct retention_span *span)
{
    return span->years > 0 || span->months > 0 || span->days > 0 || span->hours > 0;
}

bool retention_has_rules(const struct retention_rules *rules)
{
    for (unsigned rule = 0; rule < RETENTION_RULES; rule++)
        if (rules->keep[rule] > 0)
            return true;
    return is_set(&rules->within);
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_year(int year)
{
    return is_leap(year) ? 366 : 365;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

/* year * 100 + week of ISO 8601: a week belongs to the year that its Thursday is in. */
static int64_t iso_week(const struct zone_civil *at)
{
    int weekday = at->weekday == 0 ? 7 : at->weekday;
    int year = at->year;
    int thursday = at->day + 4 - weekday; /* counted from the first of January, which is 1 */

    for (int month = 1; month < at->month; month++)
        thursday += days_of_month(year, month);
    if (thursday < 1)
        thursday += days_of_year(--year);
    else if (thursday > days_of_year(year))
        thursday -= days_of_year(year++);
    return (int64_t)year * 100 + (thursday - 1) / 7 + 1;
}

/* The hour, day, week or month as digits: 2026112017, 20261120, 202647, 202611. */
static int64_t bucket_of(enum retention_rule rule, const struct zone_civil *at)
{
    int64_t month = (int64_t)at->year * 100 + at->month;

    switch (rule) {
    case RETENTION_HOURLY:
        return (month * 100 + at->day) * 100 + at->hour;
    case RETENTION_DAILY:
        return month * 100 + at->day;
    case RETENTION_WEEKLY:
        return iso_week(at);
    case RETENTION_LAST:
    case RETENTION_MONTHLY:
    case RETENTION_RULES:
        break;
    }
    return month;
}

static void civil_of(int64_t time_ms, struct zone_civil *out)
{
    zone_civil(time_ms / 1000, out);
}

/* The moment that lies span before time_ms, by the calendar of the zone. */
static int64_t moment_before(int64_t time_ms, const struct retention_span *span)
{
    struct zone_civil at;
    struct zone_civil noon;
    int64_t below_minute_ms = time_ms % 60000;

    civil_of(time_ms, &at);
    noon = at;
    noon.hour = 12; /* so that no change of the clocks leads to another day */
    noon.minute = 0;
    int64_t months =
        (int64_t)at.year * 12 + at.month - 1 - (int64_t)span->years * 12 - (int64_t)span->months;
    if (months < 12)
        months = 12; /* there were no backups in the year 1 */
    noon.year = (int)(months / 12);
    noon.month = (int)(months % 12) + 1;
    if (noon.day > days_of_month(noon.year, noon.month))
        noon.day = days_of_month(noon.year, noon.month);
    zone_civil(zone_moment(&noon) - (int64_t)span->days * DAY_S, &noon);
    noon.hour = at.hour;
    noon.minute = at.minute;
    return (zone_moment(&noon) - (int64_t)span->hours * 3600) * 1000 + below_minute_ms;
}

/* Of what is known beside the rules. */
static unsigned because_of(const struct retention_item *item, int64_t now_ms)
{
    unsigned because = 0;

    if (item->time_ms < 0)
        because |= RETENTION_NO_TIME;
    else if (item->time_ms > now_ms)
        because |= RETENTION_FUTURE;
    /* INVARIANT (retention never removes): the newest proven backup, and the last one from before a
     * collapse */
    if (item->is_newest_proven)
        because |= RETENTION_PROVEN;
    if (item->is_pinned)
        because |= RETENTION_PINNED;
    return because;
}

struct walk {
    const struct retention_rules *rules;
    unsigned left[RETENTION_RULES];
    int64_t bucket[RETENTION_RULES]; /* of the last one that was counted */
    unsigned rank;
    int64_t within_after_ms;
};

static void apply_rules(struct walk *walk, int64_t time_ms, bool is_oldest,
                        struct retention_decision *decision)
{
    struct zone_civil at;

    civil_of(time_ms, &at);
    walk->rank++;
    for (unsigned rule = 0; rule < RETENTION_RULES; rule++) {
        int64_t bucket =
            rule == RETENTION_LAST ? walk->rank : bucket_of((enum retention_rule)rule, &at);
        bool is_same = bucket == walk->bucket[rule];

        if (walk->left[rule] == 0 || (is_same && !is_oldest))
            continue;
        walk->left[rule]--;
        walk->bucket[rule] = bucket;
        decision->because |= 1U << rule;
        decision->oldest |= is_same ? 1U << rule : 0;
    }
    decision->rank = walk->rank;
    if (is_set(&walk->rules->within) && time_ms > walk->within_after_ms)
        decision->because |= RETENTION_WITHIN;
}

static bool is_counted(const struct retention_decision *decision)
{
    return (decision->because & (RETENTION_FUTURE | RETENTION_NO_TIME)) == 0;
}

void retention_decide(const struct retention_rules *rules, const struct retention_item *items,
                      size_t count, int64_t now_ms, struct retention_decision *decisions)
{
    bool has_rules = retention_has_rules(rules);
    struct walk walk = {.rules = rules};
    size_t oldest = count;

    memcpy(walk.left, rules->keep, sizeof(walk.left));
    for (size_t i = count; i-- > 0;) {
        decisions[i] = (struct retention_decision){.because = because_of(&items[i], now_ms)};
        if (!has_rules)
            decisions[i].because |= RETENTION_NO_RULES;
        if (!is_counted(&decisions[i]))
            continue;
        if (oldest == count)
            walk.within_after_ms = moment_before(items[i].time_ms, &rules->within);
        oldest = i;
    }
    for (size_t i = count; has_rules && i-- > 0;)
        if (is_counted(&decisions[i]))
            apply_rules(&walk, items[i].time_ms, i == oldest, &decisions[i]);
}

static void name_bucket(enum retention_rule rule, int64_t time_ms, char *out, size_t out_size)
{
    struct zone_civil at;
    int64_t week;

    civil_of(time_ms, &at);
    switch (rule) {
    case RETENTION_HOURLY:
        (void)snprintf(out, out_size, "%04d-%02d-%02d %02d:00", at.year, at.month, at.day, at.hour);
        return;
    case RETENTION_DAILY:
        (void)snprintf(out, out_size, "%04d-%02d-%02d", at.year, at.month, at.day);
        return;
    case RETENTION_WEEKLY:
        week = iso_week(&at);
        (void)snprintf(out, out_size, "%04" PRId64 "-W%02" PRId64, week / 100, week % 100);
        return;
    case RETENTION_LAST:
    case RETENTION_MONTHLY:
    case RETENTION_RULES:
        break;
    }
    (void)snprintf(out, out_size, "%04d-%02d", at.year, at.month);
}

static void explain_rule(const struct retention_rules *rules, enum retention_rule rule,
                         const struct retention_item *item,
                         const struct retention_decision *decision, char out[RETENTION_REASON_SIZE])
{
    static const char *const names[RETENTION_RULES] = {"last", "hourly", "daily", "weekly",
                                                       "monthly"};
    char bucket[48];

    if (rule == RETENTION_LAST) {
        (void)snprintf(out, RETENTION_REASON_SIZE, "last %u of %u", decision->rank,
                       rules->keep[rule]);
    } else if ((decision->oldest & 1U << rule) != 0) {
        (void)snprintf(out, RETENTION_REASON_SIZE, "the oldest, while %s has room: %u", names[rule],
                       rules->keep[rule]);
    } else {
        name_bucket(rule, item->time_ms, bucket, sizeof(bucket));
        (void)snprintf(out, RETENTION_REASON_SIZE, "%s %s", names[rule], bucket);
    }
}

size_t retention_explain(const struct retention_rules *rules, const struct retention_item *item,
                         const struct retention_decision *decision,
                         char out[RETENTION_REASONS_MAX][RETENTION_REASON_SIZE])
{
    static const struct {
        unsigned bit;
        const char *text;
    } others[] = {
        {RETENTION_PROVEN, "newest proven"},
        {RETENTION_PINNED, "pinned: the data shrank after it"},
        {RETENTION_FUTURE, "from the future: the clock was wrong, then or now"},
        {RETENTION_NO_TIME, "its id is no time"},
        {RETENTION_NO_RULES, "no rule is set, so all are kept"},
    };
    char span[48];
    size_t count = 0;

    for (unsigned rule = 0; rule < RETENTION_RULES; rule++)
        if ((decision->because & 1U << rule) != 0)
            explain_rule(rules, (enum retention_rule)rule, item, decision, out[count++]);
    if ((decision->because & RETENTION_WITHIN) != 0) {
        retention_format_span(&rules->within, span, sizeof(span));
        (void)snprintf(out[count++], RETENTION_REASON_SIZE, "within %s", span);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if ((decision->because & others[i].bit) != 0)
            (void)snprintf(out[count++], RETENTION_REASON_SIZE, "%s", others[i].text);
    return count;
}

/* The unit is how many of which field; in falling order. */
static const struct {
    char unit;
    size_t field;
    unsigned factor;
} span_units[] = {
    {'y', offsetof(struct retention_span, years), 1},
    {'m', offsetof(struct retention_span, months), 1},
    {'w', offsetof(struct retention_span, days), 7},
    {'d', offsetof(struct retention_span, days), 1},
    {'h', offsetof(struct retention_span, hours), 1},
};
#define SPAN_UNITS (sizeof(span_units) / sizeof(span_units[0]))

static unsigned *field_of(struct retention_span *span, size_t unit)
{
    return (unsigned *)(void *)((char *)span + span_units[unit].field);
}

/* One "12h" at *at, which moves behind it; its unit has to be one of those from *unit on. */
static bool read_piece(const char **at, size_t *unit, struct retention_span *span)
{
    char digits[8];
    size_t len = strspn(*at, "0123456789");
    uint64_t count = 0;
    struct err ignored; /* the caller says what would be right */

    if (len == 0 || len >= sizeof(digits))
        return false;
    memcpy(digits, *at, len);
    digits[len] = '\0';
    if (parse_u64(digits, &count, &ignored) != 0 || count > SPAN_MAX)
        return false;
    for (; *unit < SPAN_UNITS; (*unit)++) {
        if (span_units[*unit].unit != (*at)[len])
            continue;
        *field_of(span, *unit) += (unsigned)count * span_units[*unit].factor;
        (*unit)++;
        *at += len + 1;
        return true;
    }
    return false;
}

int retention_parse_span(const char *text, struct retention_span *out, struct err *err)
{
    struct retention_span span = {0};
    const char *at = strcmp(text, "0") == 0 ? "0h" : text;
    size_t unit = 0;

    do {
        if (!read_piece(&at, &unit, &span))
            return err_set(err, ERR_CONFIG,
                           "\"%.64s\" is not a time such as 7d, 2w, 6m (months, as for restic) or "
                           "1y6m, in years, months, weeks, days and hours",
                           text);
    } while (*at != '\0');
    *out = span;
    return 0;
}

void retention_format_span(const struct retention_span *span, char *out, size_t out_size)
{
    const struct {
        unsigned count;
        char unit;
    } pieces[] = {{span->years, 'y'}, {span->months, 'm'}, {span->days, 'd'}, {span->hours, 'h'}};
    size_t at = 0;

    (void)snprintf(out, out_size, "0");
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]) && at < out_size; i++)
        if (pieces[i].count > 0)
            at +=
                (size_t)snprintf(out + at, out_size - at, "%u%c", pieces[i].count, pieces[i].unit);
}
