/*
 * Strict text-to-value conversions: see parse.h. Dates are counted by hand (proleptic Gregorian,
 * Howard Hinnant's "chrono-compatible low-level date algorithms"): timegm and strptime know locales
 * and zones, and accept too much.
 */
#include "base/parse.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MS_PER_S INT64_C(1000)
#define S_PER_DAY INT64_C(86400)
#define LAST_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static int bad(struct err *err, const char *text, const char *wanted)
{
    return err_set(err, ERR_CONFIG, "\"%.64s\" is not %s", text, wanted);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads the digits at *at, at least one, and moves *at behind them. False for none and for more
 * than 64 bits. */
static bool read_u64(const char **at, uint64_t *out)
{
    const char *p = *at;
    uint64_t value = 0;

    if (!is_digit(*p))
        return false;
    for (; is_digit(*p); p++) {
        uint64_t digit = (uint64_t)(*p - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *at = p;
    *out = value;
    return true;
}

int parse_u64(const char *text, uint64_t *out, struct err *err)
{
    const char *at = text;
    uint64_t value;

    if (!read_u64(&at, &value) || *at != '\0')
        return bad(err, text, "a whole number from 0 to 18446744073709551615");
    *out = value;
    return 0;
}

int parse_bool(const char *text, bool *out, struct err *err)
{
    static const char *const words[][2] = {
        {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (int value = 0; value < 2; value++) {
            if (strcasecmp(text, words[i][value]) == 0) {
                *out = value;
                return 0;
            }
        }
    }
    return bad(err, text, "yes or no");
}

int parse_size(const char *text, uint64_t *out_bytes, struct err *err)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1000},
        {"kb", UINT64_C(1) << 10},
        {"kib", UINT64_C(1) << 10},
        {"m", 1000000},
        {"mb", UINT64_C(1) << 20},
        {"mib", UINT64_C(1) << 20},
        {"g", 1000000000},
        {"gb", UINT64_C(1) << 30},
        {"gib", UINT64_C(1) << 30},
        {"t", UINT64_C(1000000000000)},
        {"tb", UINT64_C(1) << 40},
        {"tib", UINT64_C(1) << 40},
    };
    const char *at = text;
    uint64_t count;

    if (!read_u64(&at, &count))
        return bad(err, text, "a size such as 64MiB");
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcasecmp(at, units[i].name) != 0)
            continue;
        if (count > UINT64_MAX / units[i].bytes)
            return bad(err, text, "a size below 16 EiB");
        *out_bytes = count * units[i].bytes;
        return 0;
    }
    return bad(err, text, "a size such as 64MiB");
}

/* The unit at *at, which moves behind it. The place in the table is the rank: units fall in a sum.
 */
static bool read_time_unit(const char **at, int *out_rank, int64_t *out_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {
        {"w", 7 * S_PER_DAY * MS_PER_S},
        {"d", S_PER_DAY * MS_PER_S},
        {"h", 3600 * MS_PER_S},
        {"m", 60 * MS_PER_S},
        {"s", MS_PER_S},
        {"ms", 1},
    };
    size_t len = strspn(*at, "abcdefghijklmnopqrstuvwxyz");

    for (int i = 0; i < (int)(sizeof(units) / sizeof(units[0])); i++) {
        if (strlen(units[i].name) == len && strncmp(*at, units[i].name, len) == 0) {
            *at += len;
            *out_rank = i;
            *out_ms = units[i].ms;
            return true;
        }
    }
    return false;
}

int parse_duration(const char *text, int64_t *out_ms, struct err *err)
{
    static const char wanted[] = "a duration such as 15s, 5m, 2h, 7d or 1h30m";
    const char *at = text;
    int64_t sum = 0;
    int last_rank = -1;

    if (strcmp(text, "0") == 0) {
        *out_ms = 0;
        return 0;
    }
    do {
        uint64_t count;
        int64_t unit_ms;
        int64_t span_ms;
        int rank;

        if (!read_u64(&at, &count) || !read_time_unit(&at, &rank, &unit_ms) || rank <= last_rank)
            return bad(err, text, wanted);
        if (count > INT64_MAX || __builtin_mul_overflow((int64_t)count, unit_ms, &span_ms) ||
            __builtin_add_overflow(sum, span_ms, &sum))
            return bad(err, text, "a duration that can be counted in milliseconds");
        last_rank = rank;
    } while (*at != '\0');

    *out_ms = sum;
    return 0;
}

/* Days from 1970-01-01. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    int64_t y = year - (month <= 2); /* years begin in March: the leap day is the last */
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void date_of_days(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* Exactly count digits at *at, from min to max. */
static bool read_field(const char **at, int count, int min, int max, int *out)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (!is_digit((*at)[i]))
            return false;
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += count;
    *out = value;
    return value >= min && value <= max;
}

static bool read_char(const char **at, const char *one_of)
{
    if (**at == '\0' || !strchr(one_of, **at))
        return false;
    (*at)++;
    return true;
}

/* The fraction behind the seconds, if there is one, cut to milliseconds. */
static bool read_fraction(const char **at, int *out_ms)
{
    int weight = 100;

    *out_ms = 0;
    if (!read_char(at, "."))
        return true;
    if (!is_digit(**at))
        return false;
    for (; is_digit(**at); (*at)++) {
        *out_ms += (**at - '0') * weight;
        weight /= 10;
    }
    return true;
}

/* "Z" or "+hh:mm": seconds to the east of UTC. */
static bool read_offset(const char **at, int *out_s)
{
    int sign = **at == '-' ? -1 : 1;
    int hours;
    int minutes;

    if (read_char(at, "Zz")) {
        *out_s = 0;
        return true;
    }
    if (!read_char(at, "+-") || !read_field(at, 2, 0, 23, &hours) || !read_char(at, ":") ||
        !read_field(at, 2, 0, 59, &minutes))
        return false;
    *out_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

int parse_rfc3339(const char *text, int64_t *out_ms, struct err *err)
{
    static const char wanted[] = "a time such as 2026-11-20T17:30:00Z";
    const char *at = text;
    int year, month, day, hour, minute, second, ms, offset_s;

    if (!read_field(&at, 4, 1969, 9999, &year) || !read_char(&at, "-") ||
        !read_field(&at, 2, 1, 12, &month) || !read_char(&at, "-") ||
        !read_field(&at, 2, 1, days_in_month(year, month), &day) || !read_char(&at, "Tt ") ||
        !read_field(&at, 2, 0, 23, &hour) || !read_char(&at, ":") ||
        !read_field(&at, 2, 0, 59, &minute) || !read_char(&at, ":") ||
        !read_field(&at, 2, 0, 60, &second) || !read_fraction(&at, &ms) ||
        !read_offset(&at, &offset_s) || *at != '\0')
        return bad(err, text, wanted);

    int64_t time_s =
        days_of_date(year, month, day) * S_PER_DAY + hour * 3600 + minute * 60 + second - offset_s;

    if (second == 60 && time_s % S_PER_DAY != 0)
        return bad(err, text, "a time: there is a leap second only at the end of a day in UTC");
    if (time_s < 0 || time_s > LAST_S)
        return bad(err, text, "a time in the years 1970 to 9999");
    *out_ms = time_s * MS_PER_S + ms;
    return 0;
}

/* Splits time_ms; the remainders are never negative. */
static int64_t whole_seconds(int64_t time_ms, int *out_ms)
{
    int64_t rest = time_ms % MS_PER_S;

    if (rest < 0)
        rest += MS_PER_S;
    *out_ms = (int)rest;
    return time_ms / MS_PER_S - (time_ms % MS_PER_S < 0);
}

static int format_time(int64_t time_s, char *out, size_t out_size)
{
    int64_t days = time_s / S_PER_DAY - (time_s % S_PER_DAY < 0);
    int rest = (int)(time_s - days * S_PER_DAY);
    int64_t year;
    int month;
    int day;

    date_of_days(days, &year, &month, &day);
    return snprintf(out, out_size, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long)year, month, day,
                    rest / 3600, rest / 60 % 60, rest % 60);
}

void format_rfc3339(int64_t time_ms, char *out, size_t out_size)
{
    int ms;
    int len = format_time(whole_seconds(time_ms, &ms), out, out_size);

    if (len >= 0 && (size_t)len < out_size)
        (void)snprintf(out + len, out_size - (size_t)len, "Z");
}

void format_rfc3339_ms(int64_t time_ms, char *out, size_t out_size)
{
    int ms;
    int len = format_time(whole_seconds(time_ms, &ms), out, out_size);

    if (len >= 0 && (size_t)len < out_size)
        (void)snprintf(out + len, out_size - (size_t)len, ".%03dZ", ms);
}

void format_size(uint64_t bytes, char *out, size_t out_size)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    uint64_t unit = 1000;
    size_t i = 0;

    if (bytes < 1000) {
        (void)snprintf(out, out_size, "%u B", (unsigned)bytes);
        return;
    }
    /* "999.5 kB" and more is shown as the next unit's 1.0 */
    while (i + 1 < sizeof(units) / sizeof(units[0]) && bytes >= unit * 1000 - unit / 2) {
        unit *= 1000;
        i++;
    }

    uint64_t tenth = unit / 10;
    uint64_t tenths = bytes / tenth + (bytes % tenth >= tenth / 2);

    if (tenths < 100)
        (void)snprintf(out, out_size, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10),
                       units[i]);
    else
        (void)snprintf(out, out_size, "%u %s",
                       (unsigned)(bytes / unit + (bytes % unit >= unit / 2)), units[i]);
}

void format_duration(int64_t ms, char *out, size_t out_size)
{
    long long s = ms / MS_PER_S;

    if (ms < 0)
        (void)snprintf(out, out_size, "unknown");
    else if (s < 1)
        (void)snprintf(out, out_size, "%d ms", (int)ms);
    else if (s < 10)
        (void)snprintf(out, out_size, "%lld.%d s", s, (int)(ms % MS_PER_S / 100));
    else if (s < 60)
        (void)snprintf(out, out_size, "%lld s", s);
    else if (s < 3600)
        (void)snprintf(out, out_size, "%lldm %02llds", s / 60, s % 60);
    else if (s < S_PER_DAY)
        (void)snprintf(out, out_size, "%lldh %02lldm", s / 3600, s / 60 % 60);
    else
        (void)snprintf(out, out_size, "%lldd %02lldh", s / S_PER_DAY, s / 3600 % 24);
}
