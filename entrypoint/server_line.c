/* Each word of a setting is an argument of its own: servers join them to one line again. */
#include "entrypoint/server_line.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"

static void add(struct server_line *line, char *word)
{
    line->words = xreallocarray(line->words, line->count + 2, sizeof(*line->words));
    line->words[line->count++] = word;
    line->words[line->count] = NULL;
}

static void add_setting(struct server_line *line, const struct profile_setting *setting)
{
    char **values = NULL;
    size_t count = 0;
    bool is_split = server_conf_split(setting->value, &values, &count);

    assert(is_split);
    add(line, xasprintf("--%s", setting->name));
    for (size_t i = 0; i < count; i++)
        add(line, values[i]);
    free(values);
}

bool server_line_is_wrapper(const char *program)
{
    const char *slash = strrchr(program, '/');

    return strcmp(slash != NULL ? slash + 1 : program, "docker-entrypoint.sh") == 0;
}

void server_line_make(const struct server_words *words, const struct server_conf *own,
                      const struct server_additions *additions, struct server_line *out)
{
    struct server_line line = {0};
    size_t at = own->has_file ? 2 : 1;

    if (additions->wrapper != NULL)
        add(&line, xstrdup(additions->wrapper));
    for (size_t i = 0; i < at; i++)
        add(&line, xstrdup(words->list[i]));
    for (size_t i = 0; i < profile_table_count && !own->needs_none; i++) {
        const struct profile_setting *setting = &profile_table[i];

        if (profile_has(additions->profile, setting) &&
            server_conf_find(own, setting->name) == NULL)
            add_setting(&line, setting);
    }
    if (additions->primary != NULL && server_conf_find(own, "replicaof") == NULL &&
        server_conf_find(own, "slaveof") == NULL && !own->needs_none) {
        add(&line, xstrdup("--replicaof"));
        add(&line, xstrdup(additions->primary));
        add(&line, xasprintf("%u", additions->primary_port));
    }
    for (size_t i = at; i < words->count; i++)
        add(&line, xstrdup(words->list[i]));
    *out = line;
}

void server_line_release(struct server_line *line)
{
    for (size_t i = 0; i < line->count; i++)
        free(line->words[i]);
    free(line->words);
    *line = (struct server_line){0};
}

bool server_line_is_secret(const char *directive)
{
    static const char *const secrets[] = {
        "requirepass", "masterauth", "primaryauth", "tls-key-file-pass", "tls-client-key-file-pass",
        "user",        "sentinel"};

    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        size_t len = strlen(secrets[i]);

        /* "requirepass secret" can be one argument */
        if (strncasecmp(directive, secrets[i], len) == 0 &&
            (directive[len] == '\0' || strchr(" \t\"'", directive[len]) != NULL))
            return true;
    }
    return false;
}

/* Nothing here can grow past a ceiling that arguments do not have themselves. */
static void put(struct buf *out, const char *text, size_t len)
{
    struct err ignored;

    (void)buf_append(out, text, len, &ignored);
}

static void put_word(struct buf *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=,+@%";

    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        put(out, word, strlen(word));
        return;
    }
    put(out, "'", 1);
    for (; *word != '\0'; word++)
        put(out, *word == '\'' ? "'\\''" : word, *word == '\'' ? 4 : 1);
    put(out, "'", 1);
}

/* Is the word behind it its value, however that begins? */
static bool wants_value(const char *name)
{
    const char *rest = name + strcspn(name, " \t\"'");

    return rest[strspn(rest, " \t")] == '\0' && strcasecmp(name, "--sentinel") != 0;
}

char *server_line_format(const struct server_line *line)
{
    struct buf out;
    bool is_hidden = false;
    bool is_value = false;

    buf_init(&out, SIZE_MAX / 2);
    for (size_t i = 0; i < line->count; i++) {
        const char *word = line->words[i];
        bool is_name = i > 0 && !is_value && strncmp(word, "--", 2) == 0;

        if (i > 0)
            put(&out, " ", 1);
        is_value = false;
        if (!is_name && is_hidden) {
            put(&out, "***", 3);
            continue;
        }
        is_hidden = is_name && server_line_is_secret(word + 2);
        is_value = is_hidden && wants_value(word);
        if (is_hidden && strpbrk(word, " \t\"'") != NULL) {
            put(&out, word, strcspn(word, " \t\"'"));
            put(&out, " ***", 4);
        } else {
            put_word(&out, word);
        }
    }
    return buf_take(&out);
}
