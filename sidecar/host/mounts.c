/*
 * mountinfo, line by line, see mounts.h:
 *   36 35 98:0 /root /point rw,noatime shared:1 ... - ext4 /dev/sda rw,errors=continue
 * The optional fields end with the lone dash.
 */
#include "host/mounts.h"

#include <string.h>

/* The next word of the line, made a string; NULL at its end. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " ");
    size_t len = strcspn(word, " ");

    if (len == 0)
        return NULL;
    *rest = word + len + (word[len] != '\0');
    word[len] = '\0';
    return word;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* In place: "\040" is a blank. */
static const char *unescape(char *text)
{
    char *out = text;

    for (const char *in = text; *in != '\0'; out++) {
        if (in[0] == '\\' && is_octal(in[1]) && is_octal(in[2]) && is_octal(in[3])) {
            int value = (in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0');
            *out = (char)(value & 0xff);
            in += 4;
        } else {
            *out = *in++;
        }
    }
    *out = '\0';
    return text;
}

static bool parse_line(char *line, struct mount_line *out)
{
    enum { ID, PARENT, DEVICE, ROOT, POINT, OPTIONS, FIELD_COUNT };
    char *fields[FIELD_COUNT];
    char *word = NULL;

    for (int i = 0; i < FIELD_COUNT; i++) {
        fields[i] = next_word(&line);
        if (fields[i] == NULL)
            return false;
    }
    do
        word = next_word(&line);
    while (word != NULL && strcmp(word, "-") != 0);
    if (word == NULL)
        return false;
    char *kind = next_word(&line);
    char *source = next_word(&line);
    char *super = next_word(&line);
    if (kind == NULL || source == NULL)
        return false;
    *out = (struct mount_line){.root = unescape(fields[ROOT]),
                               .point = unescape(fields[POINT]),
                               .kind = unescape(kind),
                               .super = super == NULL ? "" : super};
    return true;
}

bool mounts_next(char **rest, struct mount_line *out)
{
    while (**rest != '\0') {
        char *line = *rest;
        size_t len = strcspn(line, "\n");

        *rest = line + len + (line[len] != '\0');
        line[len] = '\0';
        if (parse_line(line, out))
            return true;
    }
    return false;
}

bool mounts_is_below(const char *path, const char *prefix)
{
    size_t len = strlen(prefix);

    while (len > 0 && prefix[len - 1] == '/')
        len--;
    return strncmp(path, prefix, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool mounts_has_word(const char *list, const char *word)
{
    size_t word_len = strlen(word);

    for (const char *at = list; *at != '\0';) {
        size_t len = strcspn(at, ",");

        if (len == word_len && strncmp(at, word, len) == 0)
            return true;
        at += len + (at[len] != '\0');
    }
    return false;
}
