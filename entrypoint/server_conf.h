/*
 * What a server is about to be started with, read the way that it will read it: the configuration
 * file that its first argument names, with what that includes, then its other arguments. So redkeep
 * knows where the server will look for its data without a server to ask.
 *
 * The values of directives can be passwords: messages name a line, never what stands in it.
 */
#ifndef ENTRYPOINT_SERVER_CONF_H
#define ENTRYPOINT_SERVER_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

#define SERVER_CONF_BYTES_MAX ((size_t)4 << 20) /* of one file */
#define SERVER_CONF_FILES_MAX 256               /* with all that is included */

struct server_words { /* an argument list; the program is the first */
    char *const *list;
    size_t count;
};

struct server_directive {
    char *name; /* in lower case */
    char **values;
    size_t value_count;
    char *from; /* "/etc/redis.conf:12", "argument" */
};

struct server_conf {
    struct server_directive *directives; /* in the order in which they take effect */
    size_t count;
    char *dir;       /* where it will have its data, absolute; no link is resolved */
    bool has_file;   /* the first argument names a configuration file */
    bool needs_none; /* it will not load data: --version, --help, --sentinel and so on */
    size_t file_count;
};

/* Reads what words mean for a server that is started in the directory cwd. ERR_CONFIG: a file that
 * cannot be read, a line that a server would refuse to split, too much of it, or a configuration
 * that comes by standard input, where only one can read it. */
int server_conf_read(const struct server_words *words, const char *cwd, struct server_conf *out,
                     struct err *err);
/* Adds the lines of one text; includes are read. from names it. *conf begins as {.dir = heap}. */
int server_conf_add_text(struct server_conf *conf, const char *text, const char *from,
                         struct err *err);
void server_conf_release(struct server_conf *conf);

/* The last directive of that name, which is the one that counts; NULL: none. */
const struct server_directive *server_conf_find(const struct server_conf *conf, const char *name);
/* Its first value; otherwise when there is none, or no value. Borrowed. */
const char *server_conf_get(const struct server_conf *conf, const char *name,
                            const char *otherwise);

/* Splits one line into words as servers do: "double" quotes with \n \r \t \b \a \xHH, 'single' ones
 * with \'. The caller releases; false when a quote is not closed, or not at the end of a word. */
bool server_conf_split(const char *line, char ***out, size_t *out_count);
void server_conf_free_words(char **words, size_t count);

static inline void cleanup_server_conf(struct server_conf *conf)
{
    server_conf_release(conf);
}
#define auto_server_conf auto_with(cleanup_server_conf)

#endif
