/*
 * A server makes one text of everything (loadServerConfig and main in its server.c and config.c):
 * the file, then the arguments, of which each `--name` begins a line. The same text is made here,
 * so that what is odd about it, such as "--port 6379" in one argument or `--save` without a value,
 * is odd in the same way. `dir` takes effect at once: a relative include behind it is looked for
 * there.
 */
#include "entrypoint/server_conf.h"

#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

/* ---- words ---- */

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* What a backslash at *at stands for between double quotes; *at moves behind it. */
static char read_escape(const char **at)
{
    static const char from[] = "nrtba";
    static const char to[] = "\n\r\t\b\a";
    const char *text = *at;
    const char *known;

    if (text[1] == 'x' && hex_digit(text[2]) >= 0 && hex_digit(text[3]) >= 0) {
        *at += 4;
        return (char)(hex_digit(text[2]) * 16 + hex_digit(text[3]));
    }
    known = strchr(from, text[1]);
    *at += 2;
    return known != NULL ? to[known - from] : text[1];
}

/* *at is behind the opening quote; false when the closing one does not end the word. */
static bool read_quoted(const char **at, char quote, char **out)
{
    while (**at != '\0') {
        if (**at == quote) {
            ++*at;
            return **at == '\0' || isspace((unsigned char)**at);
        }
        if (quote == '"' && **at == '\\' && (*at)[1] != '\0') {
            *(*out)++ = read_escape(at);
        } else if (quote == '\'' && **at == '\\' && (*at)[1] == '\'') {
            *(*out)++ = '\'';
            *at += 2;
        } else {
            *(*out)++ = *(*at)++;
        }
    }
    return false;
}

/* One word; out has room for all of the rest of the line. */
static bool read_word(const char **at, char *out)
{
    bool is_good = true;

    while (is_good && **at != '\0' && !isspace((unsigned char)**at)) {
        char c = *(*at)++;

        if (c == '"' || c == '\'')
            is_good = read_quoted(at, c, &out);
        else
            *out++ = c;
    }
    *out = '\0';
    return is_good;
}

bool server_conf_split(const char *line, char ***out, size_t *out_count)
{
    char **words = NULL;
    size_t count = 0;

    while (true) {
        while (isspace((unsigned char)*line))
            line++;
        if (*line == '\0')
            break;
        char *word = xmalloc(strlen(line) + 1);

        words = xreallocarray(words, count + 1, sizeof(*words));
        words[count++] = word;
        if (!read_word(&line, word)) {
            server_conf_free_words(words, count);
            return false;
        }
    }
    *out = words;
    *out_count = count;
    return true;
}

void server_conf_free_words(char **words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        explicit_bzero(words[i], strlen(words[i]));
        free(words[i]);
    }
    free(words);
}

/* ---- lines ---- */

static char *join(const char *dir, const char *path)
{
    if (path[0] == '/')
        return xstrdup(path);
    return xasprintf("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, path);
}

/* What is read from a pipe is gone: the server would start with its defaults. */
static int check_can_be_read_again(const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) != 0 || S_ISREG(st.st_mode) || strcmp(path, "/dev/null") == 0)
        return 0; /* a file that is not there is named when it is read */
    return err_set(err, ERR_CONFIG,
                   "the server's configuration: %s is no file that both redkeep and the server can "
                   "read",
                   path);
}

static int add_file(struct server_conf *conf, const char *path, struct err *err)
{
    auto_buf struct buf text = {0};
    int rc;

    if (++conf->file_count > SERVER_CONF_FILES_MAX)
        return err_set(err, ERR_CONFIG, "%s: more than %d files include each other", path,
                       SERVER_CONF_FILES_MAX);
    if (check_can_be_read_again(path, err) != 0)
        return -1;
    buf_init(&text, SERVER_CONF_BYTES_MAX);
    rc = fs_read_file(AT_FDCWD, path, &text, err);
    if (rc == 0 && text.len > 0 && memchr(text.data, '\0', text.len) != NULL)
        rc = err_set(err, ERR_CONFIG, "%s: it holds a NUL byte", path);
    if (rc == 0)
        rc = server_conf_add_text(conf, buf_text(&text), path, err);
    else
        (void)err_wrap(err, "the server's configuration");
    if (text.len > 0)
        explicit_bzero(text.data, text.len);
    if (rc != 0)
        err->kind = ERR_CONFIG;
    return rc;
}

/* A file, or all that a pattern matches: none is fine then, as it is for a server. */
static int add_path(struct server_conf *conf, const char *path, struct err *err)
{
    auto_free char *whole = join(conf->dir, path);
    glob_t found = {0};
    int rc = 0;

    if (strpbrk(path, "*?[") == NULL)
        return add_file(conf, whole, err);
    if (glob(whole, 0, NULL, &found) == 0) {
        for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++)
            rc = add_file(conf, found.gl_pathv[i], err);
        globfree(&found);
    }
    return rc;
}

static void add_directive(struct server_conf *conf, char **words, size_t count, char *from)
{
    struct server_directive directive = {.name = words[0], .from = from};

    directive.value_count = count - 1;
    directive.values = xcalloc(count, sizeof(*directive.values));
    for (size_t i = 1; i < count; i++)
        directive.values[i - 1] = words[i];
    free(words);
    for (char *c = directive.name; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    conf->directives = xreallocarray(conf->directives, conf->count + 1, sizeof(*conf->directives));
    conf->directives[conf->count++] = directive;
}

static int add_line(struct server_conf *conf, const char *line, const char *from, unsigned number,
                    struct err *err)
{
    const struct server_directive *directive;
    char **words = NULL;
    size_t count = 0;
    auto_free char *where = number > 0 ? xasprintf("%s:%u", from, number) : xstrdup(from);

    line += strspn(line, " \t\r\n");
    if (*line == '#' || *line == '\0')
        return 0;
    if (!server_conf_split(line, &words, &count))
        return err_set(err, ERR_CONFIG, "%s: unbalanced quotes: the server would not start", where);
    if (count == 0)
        return 0;
    add_directive(conf, words, count, TAKE_PTR(where));
    directive = &conf->directives[conf->count - 1];
    if (directive->value_count == 0)
        return 0;
    if (strcmp(directive->name, "include") == 0) {
        auto_free char *path = xstrdup(directive->values[0]); /* the list moves when it grows */

        return add_path(conf, path, err);
    }
    if (strcmp(directive->name, "dir") == 0) {
        char *dir = join(conf->dir, directive->values[0]);

        free(conf->dir);
        conf->dir = dir;
    }
    return 0;
}

static int add_lines(struct server_conf *conf, const char *text, const char *from, bool has_numbers,
                     struct err *err)
{
    unsigned number = 0;

    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        auto_free char *line = xstrndup(text, len);
        int rc = add_line(conf, line, from, has_numbers ? ++number : 0, err);

        explicit_bzero(line, strlen(line));
        if (rc != 0)
            return -1;
        text += len + (text[len] == '\n');
    }
    return 0;
}

int server_conf_add_text(struct server_conf *conf, const char *text, const char *from,
                         struct err *err)
{
    return add_lines(conf, text, from, true, err);
}

/* ---- arguments ---- */

struct option_text {
    char *text;
    size_t len;
    bool has_value; /* the last name has one, or needs none: `--` begins another */
};

static void put(struct option_text *out, const char *text)
{
    size_t len = strlen(text);

    memcpy(out->text + out->len, text, len + 1);
    out->len += len;
}

static void put_quoted(struct option_text *out, const char *word)
{
    char escaped[2] = {0};

    put(out, "\"");
    for (; *word != '\0'; word++) {
        if (*word == '\n' || *word == '\r') {
            put(out, *word == '\n' ? "\\n" : "\\r");
            continue;
        }
        if (*word == '"' || *word == '\\')
            put(out, "\\");
        escaped[0] = *word;
        put(out, escaped);
    }
    put(out, "\" ");
}

static void put_name(struct option_text *out, const char *word, const char *next)
{
    char **words = NULL;
    size_t count = 0;
    bool is_split = server_conf_split(word, &words, &count);
    bool ends = next == NULL || strncmp(next, "--", 2) == 0;

    put(out, out->len > 0 ? "\n" : "");
    put(out, word + 2);
    put(out, " ");
    out->has_value = !is_split || count != 1;
    if (!out->has_value && ends && strcasecmp(word, "--save") == 0) {
        put(out, "\"\"");
        out->has_value = true;
    } else if (!out->has_value && ends && strcasecmp(word, "--sentinel") == 0) {
        out->has_value = true;
    }
    if (is_split)
        server_conf_free_words(words, count);
}

/* As main() of a server does since 7.0.1. Heap. */
static char *options_text(const struct server_words *words, size_t at)
{
    struct option_text out = {.has_value = true};
    size_t room = 16;

    for (size_t i = at; i < words->count; i++)
        room += strlen(words->list[i]) * 2 + 8;
    out.text = xcalloc(room, 1);
    for (size_t i = at; i < words->count; i++) {
        const char *word = words->list[i];

        if (out.has_value && strncmp(word, "--", 2) == 0) {
            put_name(&out, word, i + 1 < words->count ? words->list[i + 1] : NULL);
        } else {
            put_quoted(&out, word);
            out.has_value = true;
        }
    }
    return out.text;
}

/* What is no start of a server that has data. */
static bool is_no_start(const struct server_words *words)
{
    static const char *const questions[] = {"-v",     "--version",     "-h",
                                            "--help", "--test-memory", "--check-system"};
    const char *slash = strrchr(words->list[0], '/');
    const char *program = slash != NULL ? slash + 1 : words->list[0];

    if (strstr(program, "-sentinel") != NULL || strstr(program, "-check-") != NULL)
        return true;
    for (size_t i = 0; words->count > 1 && i < sizeof(questions) / sizeof(questions[0]); i++) {
        if (strcmp(words->list[1], questions[i]) == 0)
            return true;
    }
    for (size_t i = 1; i < words->count; i++) {
        if (strcmp(words->list[i], "--sentinel") == 0)
            return true;
    }
    return false;
}

static int read_words(struct server_conf *conf, const struct server_words *words, struct err *err)
{
    size_t at = 1;

    if (words->count > 1 && words->list[1][0] != '-') {
        conf->has_file = true;
        at = 2;
        if (add_path(conf, words->list[1], err) != 0)
            return -1;
    }
    if (words->count > 1 &&
        (strcmp(words->list[1], "-") == 0 || strcmp(words->list[words->count - 1], "-") == 0))
        return err_set(err, ERR_CONFIG,
                       "the server would read its configuration from standard input, where redkeep "
                       "cannot look at it. HINT: put it into a file, and name that first");
    auto_free char *options = options_text(words, at);
    int rc = add_lines(conf, options, "argument", false, err);
    explicit_bzero(options, strlen(options));
    return rc;
}

int server_conf_read(const struct server_words *words, const char *cwd, struct server_conf *out,
                     struct err *err)
{
    auto_server_conf struct server_conf conf = {.dir = xstrdup(cwd)};

    conf.needs_none = is_no_start(words);
    if (!conf.needs_none && read_words(&conf, words, err) != 0)
        return -1;
    *out = conf;
    conf = (struct server_conf){0};
    return 0;
}

void server_conf_release(struct server_conf *conf)
{
    for (size_t i = 0; i < conf->count; i++) {
        free(conf->directives[i].name);
        free(conf->directives[i].from);
        server_conf_free_words(conf->directives[i].values, conf->directives[i].value_count);
    }
    free(conf->directives);
    free(conf->dir);
    *conf = (struct server_conf){0};
}

const struct server_directive *server_conf_find(const struct server_conf *conf, const char *name)
{
    for (size_t i = conf->count; i-- > 0;) {
        if (strcmp(conf->directives[i].name, name) == 0)
            return &conf->directives[i];
    }
    return NULL;
}

const char *server_conf_get(const struct server_conf *conf, const char *name, const char *otherwise)
{
    const struct server_directive *found = server_conf_find(conf, name);

    return found != NULL && found->value_count > 0 ? found->values[0] : otherwise;
}
