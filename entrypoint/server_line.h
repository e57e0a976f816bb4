/*
 * The command line that the server is started with: what the profile sets, behind the user's
 * configuration file and in front of the user's other arguments. Whatever the user sets anywhere is
 * left out of it: a line of the file would lose against an argument of ours, and a second
 * `save` would be added to the first. Pure.
 */
#ifndef ENTRYPOINT_SERVER_LINE_H
#define ENTRYPOINT_SERVER_LINE_H

#include <stdint.h>

#include "entrypoint/profile.h"
#include "entrypoint/server_conf.h"

struct server_additions {
    const char *wrapper; /* in front of the server; NULL: none */
    enum profile profile;
    const char *primary; /* the host it replicates; NULL: none */
    uint16_t primary_port;
};

struct server_line {
    char **words; /* ended by NULL */
    size_t count;
};

/* Is it the program by which the official images start their server? Redis 8's adds its modules. */
bool server_line_is_wrapper(const char *program);
/* The user's words and what they mean, and what comes to them. The caller releases. */
void server_line_make(const struct server_words *words, const struct server_conf *own,
                      const struct server_additions *additions, struct server_line *out);
void server_line_release(struct server_line *line);

/* For people and shells: quoted where a shell would need it, passwords as ***. Heap. */
char *server_line_format(const struct server_line *line);
/* Must the values of that directive not be shown? */
bool server_line_is_secret(const char *directive);

static inline void cleanup_server_line(struct server_line *line)
{
    server_line_release(line);
}
#define auto_server_line auto_with(cleanup_server_line)

#endif
