/*
 * Foreign bytes made into valid, harmless UTF-8: see text.h. The C1 control characters (U+0080 to
 * U+009F) count as control characters: some terminals obey them.
 */
#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

size_t text_utf8_next(const char *text, size_t len, uint32_t *out)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    uint32_t first = bytes[0];
    size_t size = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (size == 1) {
        *out = first;
        return 1;
    }
    if (size == 0 || first > 0xf4 || size > len)
        return 0;

    uint32_t code = first & (0xffu >> (size + 1));

    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3f);
    }
    if (code < smallest[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *out = code;
    return size;
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

/* The letter that stands behind a backslash for a common control character, else 0. */
static char short_escape(uint32_t code)
{
    switch (code) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static size_t escape(const char *text, size_t len, bool json, char *out)
{
    uint32_t code;
    size_t size = text_utf8_next(text, len, &code);

    if (size == 0) {
        memcpy(out, REPLACEMENT, sizeof(REPLACEMENT));
        return 1;
    }
    if (json && (code == '"' || code == '\\'))
        (void)snprintf(out, TEXT_ESCAPE_MAX + 1, "\\%c", (char)code);
    else if (!is_control(code)) {
        memcpy(out, text, size);
        out[size] = '\0';
    } else if (short_escape(code))
        (void)snprintf(out, TEXT_ESCAPE_MAX + 1, "\\%c", short_escape(code));
    else
        (void)snprintf(out, TEXT_ESCAPE_MAX + 1, json ? "\\u%04x" : "\\x%02x", (unsigned)code);
    return size;
}

size_t text_escape_json(const char *text, size_t len, char out[TEXT_ESCAPE_MAX + 1])
{
    return escape(text, len, true, out);
}

size_t text_escape_plain(const char *text, size_t len, char out[TEXT_ESCAPE_MAX + 1])
{
    return escape(text, len, false, out);
}
