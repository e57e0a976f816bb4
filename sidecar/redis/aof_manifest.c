/*
 * The rules are those of the servers' own loader (aof.c: aofLoadManifestFromFile) and of the word
 * splitter that it uses for quoted names (sds.c: sdssplitargs), restated.
 */
#include "redis/aof_manifest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/parse.h"

#define BLANKS " \t\r\n\v\f"
#define WORDS_MIN 6
#define FILES_MAX 65536

/* A line, NUL-terminated, as it is eaten word by word. */
struct words {
    const char *at;
    size_t count;
};

/* One byte of a "..." word; the cursor stands behind the backslash. */
static char take_escape(const char **cursor)
{
    static const char names[] = "nrtba";
    static const char values[] = "\n\r\t\b\a";
    const char *p = *cursor;

    if (p[0] == 'x' && p[1] != '\0') {
        const char digits[] = {p[1], p[2], '\0'};
        struct err ignored;
        uint8_t byte = 0;
        if (hex_decode(digits, &byte, 1, &ignored) == 0) {
            *cursor = p + 3;
            return (char)byte;
        }
    }
    *cursor = p + 1;
    const char *name = strchr(names, *p);
    return name == NULL ? *p : values[name - names];
}

/* The quoted part of a word, from behind its opening quote. False: it never closes. */
static bool take_quoted(const char **cursor, char quote, char *out, size_t *used)
{
    const char *p = *cursor;

    while (*p != quote) {
        if (*p == '\0')
            return false;
        if (*p == '\\' && quote == '"' && p[1] != '\0') {
            p++;
            out[(*used)++] = take_escape(&p);
        } else if (*p == '\\' && quote == '\'' && p[1] == '\'') {
            out[(*used)++] = '\'';
            p += 2;
        } else {
            out[(*used)++] = *p++;
        }
    }
    p++;
    if (*p != '\0' && !isspace((unsigned char)*p))
        return false; /* a closing quote must end the word */
    *cursor = p;
    return true;
}

/* The next word into out (AOF_LINE_MAX bytes: a word is never longer than its line). 1 a word, 0
 * the end, -1 bad quoting or a NUL byte in the word. */
static int take_word(struct words *words, char *out)
{
    const char *p = words->at + strspn(words->at, BLANKS);
    size_t used = 0;

    if (*p == '\0')
        return 0;
    while (*p != '\0' && !isspace((unsigned char)*p)) {
        if (*p == '"' || *p == '\'') {
            char quote = *p++;
            if (!take_quoted(&p, quote, out, &used))
                return -1;
        } else {
            out[used++] = *p++;
        }
    }
    out[used] = '\0';
    words->at = p;
    words->count++;
    return strlen(out) == used ? 1 : -1;
}

/* What one line says; the last of equal keys counts. */
struct row {
    char name[AOF_LINE_MAX];
    bool has_name;
    uint64_t seq;
    char type;
};

static const char *take_pair(const char *key, const char *value, struct row *row)
{
    struct err ignored = {0};

    if (strcasecmp(key, "file") == 0) {
        if (strpbrk(value, "/\\") != NULL || value[0] == '\0' || strcmp(value, ".") == 0 ||
            strcmp(value, "..") == 0)
            return "the name of a file must be a plain name";
        memcpy(row->name, value, strlen(value) + 1);
        row->has_name = true;
    } else if (strcasecmp(key, "seq") == 0) {
        if (parse_u64(value, &row->seq, &ignored) < 0 || row->seq > INT64_MAX)
            return "the seq is no number";
    } else if (strcasecmp(key, "type") == 0) {
        row->type = value[0];
    }
    return NULL; /* unknown keys are for newer servers */
}

/* Returns what is wrong with the line, NULL when nothing is. */
static const char *parse_row(const char *line, struct row *row)
{
    struct words words = {.at = line};
    char key[AOF_LINE_MAX];
    char value[AOF_LINE_MAX];
    int got = 0;

    while ((got = take_word(&words, key)) == 1) {
        if (take_word(&words, value) != 1)
            return "words do not come in pairs, or a quote does not close";
        const char *why = take_pair(key, value, row);
        if (why != NULL)
            return why;
    }
    if (got < 0)
        return "a quote does not close";
    if (words.count < WORDS_MIN || !row->has_name || row->seq == 0 || row->type == '\0')
        return "it needs file, seq and type";
    return NULL;
}

/* Checks the row against those before it, and keeps it. */
static const char *add_row(const struct row *row, uint64_t *max_incr, struct aof_manifest *out)
{
    switch (row->type) {
    case AOF_BASE:
        for (size_t i = 0; i < out->count; i++)
            if (out->files[i].type == AOF_BASE)
                return "there is a second base";
        break;
    case AOF_INCR:
        if (row->seq <= *max_incr)
            return "the seqs of the incr files do not rise";
        *max_incr = row->seq;
        break;
    case AOF_HISTORY:
        break;
    default:
        return "the type is none of b, i, h";
    }
    if (out->count == FILES_MAX)
        return "there are too many files";
    out->files = xreallocarray(out->files, out->count + 1, sizeof(*out->files));
    out->files[out->count++] = (struct aof_file){
        .name = xstrdup(row->name),
        .seq = row->seq,
        .type = (enum aof_type)row->type,
    };
    return NULL;
}

/* One line with its newline, if it has one. */
static const char *parse_line(const char *text, size_t len, uint64_t *max_incr,
                              struct aof_manifest *out)
{
    struct row row = {.seq = 0};
    char line[AOF_LINE_MAX + 1];

    if (len > 0 && text[0] == '#' && len <= AOF_LINE_MAX)
        return NULL;
    if (len > AOF_LINE_MAX)
        return "it is too long";
    if (text[len - 1] != '\n')
        return "it does not end with a newline (servers refuse that)";
    if (memchr(text, '\0', len) != NULL)
        return "it holds a NUL byte";
    memcpy(line, text, len);
    line[len] = '\0';
    if (line[strspn(line, BLANKS)] == '\0')
        return "it is empty";
    const char *why = parse_row(line, &row);
    return why != NULL ? why : add_row(&row, max_incr, out);
}

int aof_manifest_parse(const char *text, size_t len, const char *label, struct aof_manifest *out,
                       struct err *err)
{
    auto_aof_manifest struct aof_manifest manifest = {0};
    uint64_t max_incr = 0;
    unsigned number = 0;

    if (len == 0)
        return err_set(err, ERR_CORRUPT, "%s: the AOF manifest is empty", label);
    if (len > AOF_MANIFEST_MAX)
        return err_set(err, ERR_CORRUPT, "%s: the AOF manifest is longer than %zu bytes", label,
                       AOF_MANIFEST_MAX);
    while (len > 0) {
        const char *newline = memchr(text, '\n', len);
        size_t line_len = newline == NULL ? len : (size_t)(newline - text) + 1;
        const char *why = parse_line(text, line_len, &max_incr, &manifest);

        number++;
        if (why != NULL)
            return err_set(err, ERR_CORRUPT, "%s: line %u of the AOF manifest: %s", label, number,
                           why);
        text += line_len;
        len -= line_len;
    }
    *out = manifest;
    manifest = (struct aof_manifest){0};
    return 0;
}

static bool needs_quotes(const char *name)
{
    for (const char *p = name; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~' || strchr("\\\"'", *p) != NULL)
            return true;
    return *name == '\0' || *name == '#';
}

static int format_name(const char *name, struct buf *out, struct err *err)
{
    if (!needs_quotes(name))
        return buf_append(out, name, strlen(name), err);
    if (buf_append(out, "\"", 1, err) < 0)
        return -1;
    for (const char *p = name; *p != '\0'; p++) {
        int result = 0;

        if (*p == '\\' || *p == '"')
            result = buf_printf(out, err, "\\%c", *p);
        else if (*p < ' ' || *p > '~')
            result = buf_printf(out, err, "\\x%02x", (unsigned)(unsigned char)*p);
        else
            result = buf_append(out, p, 1, err);
        if (result < 0)
            return -1;
    }
    return buf_append(out, "\"", 1, err);
}

int aof_manifest_format(const struct aof_file *files, size_t count, struct buf *out,
                        struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (buf_append(out, "file ", 5, err) < 0 || format_name(files[i].name, out, err) < 0 ||
            buf_printf(out, err, " seq %llu type %c\n", (unsigned long long)files[i].seq,
                       (char)files[i].type) < 0)
            return -1;
    }
    return 0;
}

void aof_manifest_release(struct aof_manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++)
        free(manifest->files[i].name);
    free(manifest->files);
    *manifest = (struct aof_manifest){0};
}
