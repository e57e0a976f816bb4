/*
 * The text of a schedule: see schedule.h. A field is a list of elements, an element sets bits; the
 * five fields are rows of one table. The rules are those of crontab(5), made stricter where cron
 * would silently run at other times than were meant: a step wider than its range is refused.
 */
#include "daemon/schedule.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"

#define BLANKS " \t"
#define LEAST_EVERY_MS 60000

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

struct field {
    const char *label;
    unsigned min;
    unsigned max;
    const char *const *names; /* of min and those behind it; ends with NULL */
    const char *wanted;
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field fields[FIELDS] = {
    [MINUTE] = {"minute", 0, 59, NULL, "0 to 59"},
    [HOUR] = {"hour", 0, 23, NULL, "0 to 23"},
    [DAY] = {"day of the month", 1, 31, NULL, "1 to 31"},
    [MONTH] = {"month", 1, 12, month_names, "1 to 12, or jan to dec"},
    [WEEKDAY] = {"weekday", 0, 7, weekday_names, "0 to 7, or sun to sat"},
};

static int bad_element(const struct field *field, const char *element, struct err *err)
{
    return err_set(err, ERR_CONFIG,
                   "the %s \"%.64s\" is not in %s. HINT: * is every one, 1,5 a list, 1-5 a range, "
                   "*/2 and 1-5/2 every second one",
                   field->label, element, field->wanted);
}

static bool parse_value(const struct field *field, const char *text, unsigned *out)
{
    struct err unused;
    uint64_t number;

    for (unsigned i = 0; field->names != NULL && field->names[i] != NULL; i++) {
        if (strcasecmp(text, field->names[i]) == 0) {
            *out = field->min + i;
            return true;
        }
    }
    if (parse_u64(text, &number, &unused) != 0 || number < field->min || number > field->max)
        return false;
    *out = (unsigned)number;
    return true;
}

/* "*", "5" or "1-5", cut up in place. */
static bool parse_range(const struct field *field, char *text, unsigned *out_first,
                        unsigned *out_last)
{
    char *dash = strchr(text, '-');

    if (strcmp(text, "*") == 0) {
        *out_first = field->min;
        *out_last = field->max;
        return true;
    }
    if (dash != NULL)
        *dash = '\0';
    if (!parse_value(field, text, out_first))
        return false;
    *out_last = *out_first;
    if (dash != NULL && !parse_value(field, dash + 1, out_last))
        return false;
    if (dash != NULL && field == &fields[WEEKDAY] && *out_last == 0)
        *out_last = 7; /* a week may end with its Sunday: fri-sun */
    return *out_first <= *out_last;
}

static int parse_element(const struct field *field, const char *element, uint64_t *bits,
                         struct err *err)
{
    auto_free char *range = xstrdup(element);
    char *slash = strchr(range, '/');
    struct err unused;
    unsigned first;
    unsigned last;
    uint64_t step = 1;

    if (slash != NULL)
        *slash = '\0';

    bool is_one = strcmp(range, "*") != 0 && strchr(range, '-') == NULL;

    if (!parse_range(field, range, &first, &last))
        return bad_element(field, element, err);
    if (slash != NULL && is_one)
        return err_set(err, ERR_CONFIG,
                       "the %s \"%.64s\" has a step without a range. HINT: write %u-%u%.16s",
                       field->label, element, first, field->max, strchr(element, '/'));
    if (slash != NULL && (parse_u64(slash + 1, &step, &unused) != 0 || step == 0))
        return bad_element(field, element, err);
    if (step > last - first + 1)
        return err_set(err, ERR_CONFIG,
                       "the %s \"%.64s\" has a step wider than its range. HINT: for a "
                       "pause that fits no field write @every 90m",
                       field->label, element);
    for (uint64_t value = first; value <= last; value += step)
        *bits |= UINT64_C(1) << value;
    return 0;
}

/* The list in text, cut up in place. */
static int parse_field(const struct field *field, char *text, uint64_t *out, struct err *err)
{
    uint64_t bits = 0;

    for (char *element; (element = strsep(&text, ",")) != NULL;) {
        if (parse_element(field, element, &bits, err) != 0)
            return -1;
    }
    *out = bits;
    return 0;
}

/* A weekday comes in every month, and so does some day of a field that begins with `*`. */
static bool has_date(const struct schedule *schedule)
{
    static const int longest[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (!schedule->any_weekday)
        return true;
    for (int month = 1; month <= 12; month++) {
        uint32_t days = (uint32_t)((UINT64_C(2) << longest[month - 1]) - 1);

        if ((schedule->months >> month & 1) != 0 && (schedule->days & days) != 0)
            return true;
    }
    return false;
}

/* The five fields, cut up in place. */
static int parse_cron(char *text, struct schedule *out, struct err *err)
{
    char *words[FIELDS];
    uint64_t bits[FIELDS];
    size_t count = 0;

    for (char *word; (word = strsep(&text, BLANKS)) != NULL;) {
        if (*word == '\0')
            continue;
        if (count < FIELDS)
            words[count] = word;
        count++;
    }
    if (count != FIELDS)
        return err_set(err, ERR_CONFIG,
                       "it has %zu field%s, not five: minute, hour, day of the month, month, "
                       "weekday. HINT: \"30 3 * * *\" is every day at 03:30; @hourly, @daily, "
                       "@every 15m and off are words for more",
                       count, count == 1 ? "" : "s");
    for (size_t i = 0; i < FIELDS; i++) {
        if (parse_field(&fields[i], words[i], &bits[i], err) != 0)
            return -1;
    }
    if ((bits[WEEKDAY] & UINT64_C(1) << 7) != 0)
        bits[WEEKDAY] |= 1;

    struct schedule made = {
        .kind = SCHEDULE_CRON,
        .minutes = bits[MINUTE],
        .hours = (uint32_t)bits[HOUR],
        .days = (uint32_t)bits[DAY],
        .months = (uint16_t)bits[MONTH],
        .weekdays = (uint8_t)(bits[WEEKDAY] & 0x7f),
        .any_day = *words[DAY] == '*',
        .any_weekday = *words[WEEKDAY] == '*',
        .every_hour = bits[HOUR] == 0xffffff,
    };

    if (!has_date(&made))
        return err_set(err, ERR_CONFIG, "no month that it names has such a day: it never comes");
    *out = made;
    return 0;
}

static int parse_every(const char *text, struct schedule *out, struct err *err)
{
    int64_t every_ms;

    if (parse_duration(text, &every_ms, err) != 0)
        return -1;
    if (every_ms < LEAST_EVERY_MS)
        return err_set(err, ERR_CONFIG, "\"%.64s\" is less than a minute", text);
    *out = (struct schedule){.kind = SCHEDULE_EVERY, .every_ms = every_ms};
    return 0;
}

/* text without blanks around it, cut up in place. */
static int parse_word(char *text, struct schedule *out, struct err *err)
{
    static const struct {
        const char *word;
        const char *meaning;
    } words[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
        {"@hourly", "0 * * * *"},
    };
    static const char every[] = "@every";
    size_t len = strcspn(text, BLANKS);

    if (strcmp(text, "off") == 0) {
        *out = (struct schedule){.kind = SCHEDULE_OFF};
        return 0;
    }
    if (*text != '@')
        return parse_cron(text, out, err);
    if (len == strlen(every) && strncmp(text, every, len) == 0)
        return parse_every(text + len + strspn(text + len, BLANKS), out, err);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i].word) == 0) {
            auto_free char *meaning = xstrdup(words[i].meaning);

            return parse_cron(meaning, out, err);
        }
    }
    return err_set(err, ERR_CONFIG,
                   "it is none of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, "
                   "@annually and @every 15m");
}

int schedule_parse(const char *text, struct schedule *out, struct err *err)
{
    auto_free char *copy = xstrdup(text + strspn(text, BLANKS));
    size_t len = strlen(copy);

    while (len > 0 && strchr(BLANKS, copy[len - 1]) != NULL)
        copy[--len] = '\0';
    if (parse_word(copy, out, err) != 0)
        return err_wrap(err, "\"%.64s\" is not a schedule", text);
    return 0;
}
