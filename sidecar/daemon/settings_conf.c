/*
 * A line is split into words in place of a scratch copy, which is wiped at the end: a value can be
 * a password. The rules are those of sdssplitargs in Redis, see "redis.conf" at
 * https://redis.io/docs/latest/operate/oss_and_stack/management/config-file/
 */
#include "daemon/settings_conf.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { WORDS_WANTED = 2 };

struct cursor {
    const char *at;
    const char *end;
    char *out; /* where the next decoded byte goes */
};

static bool is_blank(char c)
{
    return isspace((unsigned char)c) != 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* What follows a backslash between double quotes; in->at is at the backslash, and not the last. */
static void decode_escape(struct cursor *in)
{
    static const char from[] = "nrtba";
    static const char to[] = "\n\r\t\b\a";
    const char *known;

    if (in->end - in->at >= 4 && in->at[1] == 'x' && hex_value(in->at[2]) >= 0 &&
        hex_value(in->at[3]) >= 0) {
        *in->out++ = (char)(hex_value(in->at[2]) * 16 + hex_value(in->at[3]));
        in->at += 4;
        return;
    }
    known = memchr(from, in->at[1], sizeof from - 1);
    *in->out++ = known != NULL ? to[known - from] : in->at[1];
    in->at += 2;
}

/* in->at is behind the opening quote. False when the closing one is missing, or not the end of the
 * word. */
static bool decode_quoted(struct cursor *in, char quote)
{
    while (in->at < in->end) {
        bool has_next = in->end - in->at >= 2;

        if (*in->at == quote) {
            in->at++;
            return in->at == in->end || is_blank(*in->at);
        }
        if (quote == '"' && *in->at == '\\' && has_next) {
            decode_escape(in);
        } else if (quote == '\'' && *in->at == '\\' && has_next && in->at[1] == '\'') {
            *in->out++ = '\'';
            in->at += 2;
        } else {
            *in->out++ = *in->at++;
        }
    }
    return false;
}

/* The next word, NUL-terminated, in *out; NULL at the end of the line. False: unbalanced quotes. */
static bool next_word(struct cursor *in, const char **out)
{
    bool is_good = true;

    *out = NULL;
    while (in->at < in->end && is_blank(*in->at))
        in->at++;
    if (in->at == in->end)
        return true;
    *out = in->out;
    while (is_good && in->at < in->end && !is_blank(*in->at)) {
        char c = *in->at++;

        if (c == '"' || c == '\'')
            is_good = decode_quoted(in, c);
        else
            *in->out++ = c;
    }
    *in->out++ = '\0';
    return is_good;
}

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* in.out has room for the line and a NUL: words are apart by at least one blank. */
static int parse_line(struct cursor in, unsigned number, const char *words[], struct err *err)
{
    char *scratch = in.out;
    size_t count = 0;
    const char *word;

    if (memchr(in.at, '\0', (size_t)(in.end - in.at)) != NULL)
        return err_set(err, ERR_CONFIG, "line %u: a NUL byte", number);
    while (true) {
        const char *begin = in.out;

        if (!next_word(&in, &word))
            return err_set(err, ERR_CONFIG, "line %u: unbalanced quotes", number);
        if (word == NULL)
            break;
        if (strlen(word) != (size_t)(in.out - begin) - 1)
            return err_set(err, ERR_CONFIG, "line %u: a NUL byte", number);
        if (count == WORDS_WANTED)
            return err_set(
                err, ERR_CONFIG,
                "line %u: more than a name and a value. HINT: quote a value with blanks, "
                "and give a comment a line of its own",
                number);
        words[count++] = word;
    }
    if (count != WORDS_WANTED)
        return err_set(err, ERR_CONFIG, "line %u: a name without a value", number);
    lower(scratch); /* the name is the first word */
    return 0;
}

static bool is_empty_or_comment(const char *line, const char *end)
{
    while (line < end && is_blank(*line))
        line++;
    return line == end || *line == '#';
}

int settings_conf_parse(const char *text, size_t len, settings_conf_fn *each, void *context,
                        struct err *err)
{
    const char *end = text + len;
    char *scratch = xmalloc(len + WORDS_WANTED + 2);
    unsigned number = 0;
    int rc = 0;

    while (rc == 0 && text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline != NULL ? newline : end;
        struct cursor in = {.at = text, .end = line_end, .out = scratch};
        const char *words[WORDS_WANTED] = {NULL};

        number++;
        text = newline != NULL ? newline + 1 : end;
        if (is_empty_or_comment(in.at, in.end))
            continue;
        rc = parse_line(in, number, words, err);
        if (rc == 0) {
            struct settings_conf_line line = {
                .number = number, .name = words[0], .value = words[1]};

            rc = each(context, &line, err);
        }
    }
    explicit_bzero(scratch, len + WORDS_WANTED + 2);
    free(scratch);
    return rc;
}
