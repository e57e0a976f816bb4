/*
 * Names with values in two arrays, see pairs.h. INFO everything has some three hundred lines and
 * each check asks for a few, so that a walk is all that looking up needs.
 */
#include "host/pairs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/parse.h"

/* Room for one more; it doubles when count is a power of two. */
static void grow(struct pairs *pairs)
{
    size_t count = pairs->count;

    if ((count & (count - 1)) != 0)
        return;
    size_t room = count == 0 ? 1 : count * 2;
    pairs->names = xreallocarray(pairs->names, room, sizeof(*pairs->names));
    pairs->values = xreallocarray(pairs->values, room, sizeof(*pairs->values));
}

/* Takes both. */
static void add(struct pairs *pairs, char *name, char *value)
{
    grow(pairs);
    pairs->names[pairs->count] = name;
    pairs->values[pairs->count] = value;
    pairs->count++;
}

void pairs_add(struct pairs *pairs, const char *name, const char *value)
{
    add(pairs, xstrdup(name), xstrdup(value));
}

static void add_line(struct pairs *pairs, const char *line, size_t len)
{
    while (len > 0 && line[len - 1] == '\r')
        len--;
    const char *colon = len == 0 ? NULL : memchr(line, ':', len);
    if (colon == NULL || colon == line || line[0] == '#')
        return;
    size_t name_len = (size_t)(colon - line);
    add(pairs, xstrndup(line, name_len), xstrndup(colon + 1, len - name_len - 1));
}

void pairs_add_info(struct pairs *pairs, const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line_len = end == NULL ? len - at : (size_t)(end - (text + at));

        add_line(pairs, text + at, line_len);
        at += line_len + 1;
    }
}

void pairs_release(struct pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->names[i]);
        free(pairs->values[i]);
    }
    free(pairs->names);
    free(pairs->values);
    *pairs = (struct pairs){0};
}

const char *pairs_get(const struct pairs *pairs, const char *name)
{
    for (size_t i = 0; pairs != NULL && i < pairs->count; i++) {
        if (strcasecmp(pairs->names[i], name) == 0)
            return pairs->values[i];
    }
    return NULL;
}

bool pairs_number(const char *text, int64_t *out)
{
    struct err ignored; /* no number is an answer here */
    uint64_t size = 0;
    bool is_negative = text[0] == '-';

    if (parse_u64(text + is_negative, &size, &ignored) != 0 || size > INT64_MAX)
        return false;
    *out = is_negative ? -(int64_t)size : (int64_t)size;
    return true;
}

bool pairs_i64(const struct pairs *pairs, const char *name, int64_t *out)
{
    const char *text = pairs_get(pairs, name);

    return text != NULL && pairs_number(text, out);
}

bool pairs_is(const struct pairs *pairs, const char *name, const char *value)
{
    const char *text = pairs_get(pairs, name);

    return text != NULL && strcmp(text, value) == 0;
}
