/*
 * Versions come from four sources that word them differently; what they have in common is an
 * optional name of the server and then digits with dots.
 */
#include "redis/server_version.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define VERSION_PART_MAX 999999U

/* Reads digits at *cursor, which moves behind them. */
static bool take_number(const char **cursor, unsigned *out)
{
    const char *p = *cursor;
    unsigned value = 0;

    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p); p++) {
        value = value * 10 + (unsigned)(*p - '0');
        if (value > VERSION_PART_MAX)
            return false;
    }
    *cursor = p;
    *out = value;
    return true;
}

/* Skips `word` and the blank behind it, in any case. */
static bool skip_word(const char **cursor, const char *word)
{
    size_t len = strlen(word);

    if (strncasecmp(*cursor, word, len) != 0)
        return false;
    if ((*cursor)[len] != ' ' && (*cursor)[len] != '\0')
        return false;
    *cursor += len;
    while (**cursor == ' ')
        (*cursor)++;
    return true;
}

static enum redis_flavour take_flavour(const char **cursor)
{
    if (skip_word(cursor, "valkey"))
        return REDIS_FLAVOUR_VALKEY;
    (void)skip_word(cursor, "redis"); /* a bare number is Redis' too */
    return REDIS_FLAVOUR_REDIS;
}

int server_version_parse(const char *text, struct server_version *out, struct err *err)
{
    const char *p = text;
    struct server_version version = {0};

    version.flavour = take_flavour(&p);
    if (skip_word(&p, "server") && strncmp(p, "v=", 2) != 0)
        return err_set(err, ERR_CONFIG, "\"%.64s\" is not the version of a server", text);
    if (strncmp(p, "v=", 2) == 0)
        p += 2;
    else if (*p == 'v' || *p == 'V')
        p++;

    if (!take_number(&p, &version.major) || *p++ != '.' || !take_number(&p, &version.minor))
        return err_set(err, ERR_CONFIG,
                       "\"%.64s\" is not the version of a server. HINT: write 7.0.15 or "
                       "\"valkey 8.1.1\"",
                       text);
    if (*p == '.') {
        p++;
        if (!take_number(&p, &version.patch))
            return err_set(err, ERR_CONFIG, "\"%.64s\" is not the version of a server", text);
    }
    /* what may follow: "-rc1", "+build", the rest of --version; not "7.0x" */
    if (*p != '\0' && strchr(" -+~\r\n", *p) == NULL)
        return err_set(err, ERR_CONFIG, "\"%.64s\" is not the version of a server", text);

    *out = version;
    return 0;
}

const char *server_flavour_name(enum redis_flavour flavour)
{
    return flavour == REDIS_FLAVOUR_VALKEY ? "valkey" : "redis";
}

void server_version_format(const struct server_version *version, char *out, size_t out_size)
{
    (void)snprintf(out, out_size, "%s %u.%u.%u",
                   version->flavour == REDIS_FLAVOUR_VALKEY ? "Valkey" : "Redis", version->major,
                   version->minor, version->patch);
}
