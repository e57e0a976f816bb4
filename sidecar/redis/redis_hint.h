/*
 * What a person can do about an error that the server, or the way to it, gave. Pure. A reply's
 * first word decides: the rest is worded differently by every version.
 */
#ifndef REDIS_REDIS_HINT_H
#define REDIS_REDIS_HINT_H

#include <stdbool.h>

#include "base/problem.h"

/* The first word of an error reply ("ERR ...", "NOAUTH ...") is `word`. */
bool redis_reply_is(const char *reply, const char *word);
/* The command was renamed or does not exist. */
bool redis_reply_is_unknown_command(const char *reply);
/* An error to the first command after which the connection is of no use: not authenticated,
 * protected mode, too many clients. */
bool redis_reply_closes(const char *reply);
/* An error that goes away by itself: a script blocks the server, all its connections are taken. */
bool redis_reply_is_for_now(const char *reply);

/* ". HINT: ..." or "" : static text, to be put behind a message. */
const char *redis_hint_of_reply(const char *reply);
/* What it is by name; PROBLEM_NONE when the reply has no name of its own. */
enum problem redis_problem_of_reply(const char *reply);
/* The hint for the operating system's words about a failed connection. */
const char *redis_hint_of_io(const char *why);

#endif
