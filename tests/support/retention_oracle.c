/* strftime names the hour, day, ISO week and month; mktime goes back by years and months. */
#include "support/retention_oracle.h"

#include <check.h>
#include <string.h>
#include <time.h>

#define NAME_SIZE 32

static struct tm local(int64_t time_ms)
{
    time_t time_s = time_ms / 1000;
    struct tm tm = {0};

    if (localtime_r(&time_s, &tm) == NULL)
        ck_abort(); /* an assertion of check costs a write, too much for each */
    return tm;
}

static void name_of(enum retention_rule rule, const struct retention_item *item,
                    char name[NAME_SIZE])
{
    struct tm tm = local(item->time_ms);
    size_t len = 0;

    if (rule == RETENTION_HOURLY)
        len = strftime(name, NAME_SIZE, "%Y-%m-%d %H", &tm);
    else if (rule == RETENTION_DAILY)
        len = strftime(name, NAME_SIZE, "%Y-%m-%d", &tm);
    else if (rule == RETENTION_WEEKLY)
        len = strftime(name, NAME_SIZE, "%G-W%V", &tm);
    else
        len = strftime(name, NAME_SIZE, "%Y-%m", &tm);
    if (len == 0)
        ck_abort();
}

static bool counts(const struct retention_item *item, int64_t now_ms)
{
    return item->time_ms >= 0 && item->time_ms <= now_ms;
}

static int64_t newest_of(const struct retention_item *items, size_t count, int64_t now_ms)
{
    int64_t newest = -1;

    for (size_t i = 0; i < count; i++)
        if (counts(&items[i], now_ms) && items[i].time_ms > newest)
            newest = items[i].time_ms;
    return newest;
}

static bool is_within(const struct retention_span *span, int64_t time_ms, int64_t newest)
{
    struct tm tm = local(newest);
    struct tm first;

    if (span->years + span->months + span->days + span->hours == 0)
        return false;
    first = tm;
    first.tm_mday = 1;
    first.tm_mon -= (int)(span->months + 12 * span->years);
    first.tm_hour = 12;
    first.tm_isdst = -1;
    ck_assert_int_ne(mktime(&first), -1);

    struct tm last = {.tm_year = first.tm_year, .tm_mon = first.tm_mon + 1, .tm_hour = 12};

    last.tm_isdst = -1; /* the day 0 of the month behind */
    ck_assert_int_ne(mktime(&last), -1);
    tm.tm_year = first.tm_year;
    tm.tm_mon = first.tm_mon;
    tm.tm_mday = tm.tm_mday > last.tm_mday ? last.tm_mday : tm.tm_mday;
    tm.tm_mday -= (int)span->days;
    tm.tm_isdst = -1;
    return time_ms > (mktime(&tm) - (int64_t)span->hours * 3600) * 1000 + newest % 1000;
}

struct names {
    size_t newer;  /* hours (days, ...) that have one newer than item i */
    size_t all;    /* that have one at all */
    bool is_first; /* item i is the newest of its own */
    bool is_oldest;
};

static struct names count_names(enum retention_rule rule, const struct retention_item *items,
                                size_t count, int64_t now_ms, size_t i)
{
    struct names names = {.is_first = true, .is_oldest = true};
    char own[NAME_SIZE];
    char last[NAME_SIZE] = "";

    name_of(rule, &items[i], own);
    for (size_t k = count; k-- > 0;) {
        char name[NAME_SIZE];

        if (!counts(&items[k], now_ms))
            continue;
        name_of(rule, &items[k], name);
        if (strcmp(name, last) != 0) { /* one hour lies together: the items are in their order */
            names.all++;
            names.newer += k > i && strcmp(name, own) != 0;
        }
        memcpy(last, name, sizeof(last));
        names.is_first = names.is_first && !(k > i && strcmp(name, own) == 0);
        names.is_oldest = names.is_oldest && k >= i;
    }
    return names;
}

/* The newest of its hour, of which fewer have one that is newer; or the oldest of all, while there
 * are fewer of them than are wanted. */
static bool is_kept(const struct names *names, unsigned keep)
{
    return (names->is_first && names->newer < keep) || (names->is_oldest && names->all < keep);
}

bool retention_oracle_keeps(const struct retention_rules *rules, const struct retention_item *items,
                            size_t count, int64_t now_ms, size_t i)
{
    const struct retention_item *item = &items[i];
    size_t newer = 0;
    unsigned sum =
        rules->within.years + rules->within.months + rules->within.days + rules->within.hours;

    for (size_t rule = 0; rule < RETENTION_RULES; rule++)
        sum += rules->keep[rule];
    if (sum == 0 || item->is_pinned || item->is_newest_proven || !counts(item, now_ms))
        return true;
    for (size_t k = i + 1; k < count; k++)
        newer += counts(&items[k], now_ms);
    if (newer < rules->keep[RETENTION_LAST] ||
        is_within(&rules->within, item->time_ms, newest_of(items, count, now_ms)))
        return true;
    for (enum retention_rule rule = RETENTION_HOURLY; rule < RETENTION_RULES; rule++) {
        if (rules->keep[rule] == 0)
            continue;

        struct names names = count_names(rule, items, count, now_ms, i);

        if (is_kept(&names, rules->keep[rule]))
            return true;
    }
    return false;
}
