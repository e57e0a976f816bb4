/*
 * What stands between markup and the rest of the world: everything that came from a server, a
 * repository or a setting goes through page_text.
 */
#include "daemon/page_html.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/text.h"
#include "base/zone.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define LAST_MS INT64_C(253402300799999) /* of the year 9999 */

void page_put(struct buf *out, const char *markup)
{
    struct err unused; /* the ceiling: see page_html.h */

    (void)buf_append(out, markup, strlen(markup), &unused);
}

void page_printf(struct buf *out, const char *format, ...)
{
    char piece[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(piece, sizeof(piece), format, arguments);
    va_end(arguments);
    page_put(out, piece);
}

/* The characters that have a meaning in HTML, and those that mislead a reader. NULL: harmless. */
static const char *replacement(uint32_t character)
{
    switch (character) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
    case '\t':
        return " ";
    default:
        break;
    }
    if (character < 0x20 || (character >= 0x7f && character < 0xa0) ||
        (character >= 0x202a && character <= 0x202e) ||
        (character >= 0x2066 && character <= 0x2069) || character == 0x200e || character == 0x200f)
        return "\xef\xbf\xbd";
    return NULL;
}

void page_text(struct buf *out, const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;
    struct err unused; /* the ceiling: see page_html.h */

    for (size_t i = 0; i < len;) {
        uint32_t character = 0;
        size_t bytes = text_utf8_next(text + i, len - i, &character);
        const char *instead = bytes > 0 ? replacement(character) : "\xef\xbf\xbd";

        if (i + bytes > PAGE_TEXT_MAX) {
            page_put(out, "\xe2\x80\xa6");
            return;
        }
        if (instead != NULL)
            page_put(out, instead);
        else
            (void)buf_append(out, text + i, bytes, &unused);
        i += bytes > 0 ? bytes : 1;
    }
}

void page_words(struct buf *out, const char *text)
{
    bool is_code = false;

    while (*text != '\0') {
        size_t len = strcspn(text, "`");
        auto_free char *piece = xstrndup(text, len);

        page_text(out, piece);
        text += len;
        if (*text == '`') {
            page_put(out, is_code ? "</code>" : "<code>");
            is_code = !is_code;
            text++;
        }
    }
    page_put(out, is_code ? "</code>" : "");
}

void page_time(struct buf *out, int64_t ms, int64_t now_ms)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct zone_civil civil;
    struct zone_civil now;
    char iso[32];
    char whole[64];

    if (ms < 0 || ms > LAST_MS) {
        page_put(out, "an unknown time");
        return;
    }
    format_rfc3339(ms, iso, sizeof(iso));
    zone_format(ms, whole, sizeof(whole));
    zone_civil(ms / 1000, &civil);
    zone_civil(now_ms / 1000, &now);
    page_printf(out, "<time datetime=\"%s\" title=\"%s\">", iso, whole);
    if (civil.year != now.year || civil.month != now.month || civil.day != now.day)
        page_printf(out, "%d %s ", civil.day, months[civil.month - 1]);
    if (civil.year != now.year)
        page_printf(out, "%d ", civil.year);
    page_printf(out, "%02d:%02d</time>", civil.hour, civil.minute);
}

/* Like page_printf, with blanks at which no line breaks. */
static void put_whole(struct buf *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put_whole(struct buf *out, const char *format, ...)
{
    char piece[64];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(piece, sizeof(piece), format, arguments);
    va_end(arguments);
    for (const char *at = piece; *at != '\0'; at++)
        page_printf(out, "%.*s", *at == ' ' ? 2 : 1, *at == ' ' ? "\xc2\xa0" : at);
}

void page_span(struct buf *out, int64_t ms)
{
    int64_t minutes = ms / MINUTE_MS;

    if (ms < 0)
        page_put(out, "unknown");
    else if (ms < 90 * SECOND_MS)
        put_whole(out, "%" PRId64 " s", ms / SECOND_MS);
    else if (minutes < 90)
        put_whole(out, "%" PRId64 " min", minutes);
    else if (ms < 48 * HOUR_MS && minutes % 60 != 0)
        put_whole(out, "%" PRId64 " h %" PRId64 " min", minutes / 60, minutes % 60);
    else if (ms < 48 * HOUR_MS)
        put_whole(out, "%" PRId64 " h", minutes / 60);
    else
        put_whole(out, "%" PRId64 " days", ms / DAY_MS);
}

void page_distance(struct buf *out, int64_t ms, int64_t now_ms)
{
    if (ms < 0 || ms > LAST_MS) {
        page_put(out, "at an unknown time");
    } else if (ms / SECOND_MS == now_ms / SECOND_MS) {
        page_put(out, "now");
    } else if (ms < now_ms) {
        page_span(out, now_ms - ms);
        page_put(out, " ago");
    } else {
        page_put(out, "in ");
        page_span(out, ms - now_ms);
    }
}

void page_duration(struct buf *out, int64_t ms)
{
    if (ms < 0)
        page_put(out, "\xe2\x80\x93");
    else if (ms < 60 * SECOND_MS)
        put_whole(out, "%" PRId64 ".%" PRId64 " s", ms / SECOND_MS, ms % SECOND_MS / 100);
    else if (ms < HOUR_MS)
        put_whole(out, "%" PRId64 " min %" PRId64 " s", ms / MINUTE_MS, ms % MINUTE_MS / SECOND_MS);
    else
        page_span(out, ms);
}

void page_size(struct buf *out, uint64_t bytes)
{
    char text[32];

    format_size(bytes, text, sizeof(text));
    put_whole(out, "%s", text);
}

void page_number(struct buf *out, uint64_t value)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, value);

    for (int i = 0; i < len; i++)
        page_printf(out, "%s%c", i > 0 && (len - i) % 3 == 0 ? "," : "", digits[i]);
}
