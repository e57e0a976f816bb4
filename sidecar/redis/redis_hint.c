/*
 * Two tables from what went wrong to what to do.
 */
#include "redis/redis_hint.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct reply_hint {
    const char *word;
    const char *inside; /* NULL, or text that tells apart what shares the word */
    enum problem problem;
    const char *hint;
};

static const struct reply_hint reply_hints[] = {
    {"NOAUTH", NULL, PROBLEM_SERVER_AUTH,
     ". HINT: the server wants a password; set redis-password (and redis-username for an ACL "
     "user)"},
    {"WRONGPASS", NULL, PROBLEM_SERVER_AUTH,
     ". HINT: redis-username or redis-password is wrong, or the ACL user is off"},
    {"NOPERM", "config|set", PROBLEM_SERVER_DENIED,
     ". HINT: only `check --fix` changes settings of the server; grant the user +config|set for "
     "it"},
    {"NOPERM", NULL, PROBLEM_SERVER_DENIED,
     ". HINT: grant the user what redkeep needs: +ping +info +bgsave +lastsave +config|get +time "
     "+role +client|setname +bgrewriteaof"},
    {"LOADING", NULL, PROBLEM_SERVER_LOADING,
     ". HINT: the server is still loading its data; wait until it is ready"},
    {"MISCONF", "AOF", PROBLEM_WRITE_ERR,
     ". HINT: the server cannot write its append-only file; look at its log, and at the free space "
     "and permissions of its directory"},
    {"MISCONF", NULL, PROBLEM_BGSAVE_ERR,
     ". HINT: the server could not write to its disk the last time; look at its log, and at the "
     "free space and permissions of its directory"},
    {"BUSY", NULL, PROBLEM_SERVER_BUSY,
     ". HINT: a script blocks the server; wait, or end it with SCRIPT KILL"},
    {"MASTERDOWN", NULL, PROBLEM_SERVER_FAILED,
     ". HINT: this replica has lost its master (replica-serve-stale-data no); back up the master, "
     "or mend the link"},
    {"DENIED", NULL, PROBLEM_SERVER_AUTH,
     ". HINT: the server is in protected mode; connect over the loopback or its unix socket, or "
     "give it a password"},
    {"ERR", "max number of clients", PROBLEM_SERVER_BUSY,
     ". HINT: all of the server's maxclients connections are taken"},
    {"ERR", "unknown command", PROBLEM_SERVER_DENIED,
     ". HINT: if the command was renamed, name it with bgsave-command or config-command"},
    {"ERR", "without any password", PROBLEM_SERVER_AUTH,
     ". HINT: the server has no password; unset redis-password, or set requirepass there"},
};

struct io_hint {
    int code;
    const char *hint;
};

static const struct io_hint io_hints[] = {
    {ECONNREFUSED, ". HINT: nothing listens there; is the server running, and is redis-url right?"},
    {ENOENT, ". HINT: there is no such socket; is the server running, and is redis-url right?"},
    {EACCES, ". HINT: this user may not use the socket; run as the server's user or group, or set "
             "unixsocketperm"},
    {ETIMEDOUT, ". HINT: the host does not answer; is redis-url right, does a firewall drop it?"},
    {EHOSTUNREACH, ". HINT: there is no way to that host; is redis-url right?"},
};

bool redis_reply_is(const char *reply, const char *word)
{
    size_t len = strlen(word);

    return strncmp(reply, word, len) == 0 && (reply[len] == ' ' || reply[len] == '\0');
}

bool redis_reply_is_unknown_command(const char *reply)
{
    return redis_reply_is(reply, "ERR") && strstr(reply, "unknown command") != NULL;
}

bool redis_reply_closes(const char *reply)
{
    return redis_reply_is(reply, "NOAUTH") || redis_reply_is(reply, "DENIED") ||
           (redis_reply_is(reply, "ERR") && strstr(reply, "max number of clients") != NULL);
}

bool redis_reply_is_for_now(const char *reply)
{
    return redis_reply_is(reply, "BUSY") || strstr(reply, "max number of clients") != NULL;
}

/* NULL: none fits. */
static const struct reply_hint *find_row(const char *reply)
{
    for (size_t i = 0; i < sizeof(reply_hints) / sizeof(reply_hints[0]); i++) {
        const struct reply_hint *row = &reply_hints[i];

        if (redis_reply_is(reply, row->word) &&
            (row->inside == NULL || strstr(reply, row->inside) != NULL))
            return row;
    }
    return NULL;
}

const char *redis_hint_of_reply(const char *reply)
{
    const struct reply_hint *row = find_row(reply);

    return row != NULL ? row->hint : "";
}

enum problem redis_problem_of_reply(const char *reply)
{
    const struct reply_hint *row = find_row(reply);

    return row != NULL ? row->problem : PROBLEM_NONE;
}

const char *redis_hint_of_io(const char *why)
{
    for (size_t i = 0; i < sizeof(io_hints) / sizeof(io_hints[0]); i++)
        if (strstr(why, strerror(io_hints[i].code)) != NULL)
            return io_hints[i].hint;
    return "";
}
