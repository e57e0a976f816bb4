/*
 * The chain of sources, the two that need no network, and the keeping of what was fetched.
 */
#include "store/s3_creds.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/parse.h"

enum {
    SECRET_FILE_MAX = 64 * 1024,
    RENEW_BEFORE_MS = 5 * 60 * 1000, /* a part may be on its way for minutes */
};

struct s3_creds {
    struct s3_creds_options options;
    char *region;
    const struct s3_creds_source *source; /* that keys came from; NULL = none yet */
    struct s3_keys keys;
};

static void set_secret(struct secret *secret, const char *text)
{
    secret_set(secret, text, strlen(text));
}

static void release_wiped(struct buf *buf)
{
    if (buf->data != NULL)
        explicit_bzero(buf->data, buf->cap);
    buf_release(buf);
}

int s3_creds_read_file(const char *path, struct buf *out, struct err *err)
{
    if (fs_read_file(AT_FDCWD, path, out, err) != 0) {
        err->kind = ERR_STORE;
        return -1;
    }
    while (out->len > 0 && strchr("\r\n", out->data[out->len - 1]) != NULL)
        out->data[--out->len] = '\0';
    return 0;
}

static bool environment_is_set(const struct s3_creds_options *options)
{
    return s3_creds_env(options, "AWS_ACCESS_KEY_ID") != NULL;
}

static int environment_fetch(const struct s3_creds_options *options, struct s3_keys *out,
                             struct err *err)
{
    const char *secret_key = s3_creds_env(options, "AWS_SECRET_ACCESS_KEY");
    const char *token = s3_creds_env(options, "AWS_SESSION_TOKEN");

    if (secret_key == NULL)
        return err_set(err, ERR_CONFIG,
                       "S3 credentials: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");

    out->access_key = xstrdup(s3_creds_env(options, "AWS_ACCESS_KEY_ID"));
    set_secret(&out->secret_key, secret_key);
    if (token != NULL)
        set_secret(&out->session_token, token);
    return 0;
}

/* "name = value" in place; false when the line is something else. */
static bool split_line(char *line, char **name, char **value)
{
    char *equals = strchr(line, '=');

    if (equals == NULL || line[0] == '#' || line[0] == ';')
        return false;
    for (char *end = equals; end > line && strchr(" \t=", *end) != NULL; end--)
        *end = '\0';
    *name = line;
    *value = equals + 1 + strspn(equals + 1, " \t");
    for (size_t n = strlen(*value); n > 0 && strchr(" \t\r", (*value)[n - 1]) != NULL; n--)
        (*value)[n - 1] = '\0';
    return true;
}

static void take_file_line(char *line, struct s3_keys *keys)
{
    char *name;
    char *value;

    if (!split_line(line, &name, &value))
        return;
    if (strcmp(name, "aws_access_key_id") == 0) {
        free(keys->access_key);
        keys->access_key = xstrdup(value);
    } else if (strcmp(name, "aws_secret_access_key") == 0) {
        set_secret(&keys->secret_key, value);
    } else if (strcmp(name, "aws_session_token") == 0) {
        set_secret(&keys->session_token, value);
    }
}

static bool is_section(const char *line, const char *profile)
{
    size_t len = strlen(profile);

    line += 1 + strspn(line + 1, " \t");
    return strncmp(line, profile, len) == 0 && line[len + strspn(line + len, " \t")] == ']';
}

static void take_file_section(char *text, const char *profile, struct s3_keys *keys)
{
    bool inside = false;
    char *rest = text;

    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        line += strspn(line, " \t");
        if (line[0] == '[')
            inside = is_section(line, profile);
        else if (inside)
            take_file_line(line, keys);
    }
}

int s3_creds_parse_file(const char *text, const char *profile, struct s3_keys *out, struct err *err)
{
    auto_s3_keys struct s3_keys keys = {0};
    size_t len = strlen(text);
    char *copy = xstrdup(text);

    take_file_section(copy, profile, &keys);
    explicit_bzero(copy, len);
    free(copy);
    if (keys.access_key == NULL || keys.secret_key.text == NULL)
        return err_set(err, ERR_STORE,
                       "profile \"%.*s\": no aws_access_key_id and aws_secret_access_key there", 60,
                       profile);
    *out = keys;
    keys = (struct s3_keys){0};
    return 0;
}

static char *credentials_path(const struct s3_creds_options *options)
{
    const char *path = s3_creds_env(options, "AWS_SHARED_CREDENTIALS_FILE");
    const char *home = s3_creds_env(options, "HOME");

    if (path != NULL)
        return xstrdup(path);
    return home != NULL ? xasprintf("%s/.aws/credentials", home) : NULL;
}

static bool file_is_set(const struct s3_creds_options *options)
{
    auto_free char *path = credentials_path(options);

    if (s3_creds_env(options, "AWS_SHARED_CREDENTIALS_FILE") != NULL ||
        s3_creds_env(options, "AWS_PROFILE") != NULL)
        return true;
    return path != NULL && access(path, F_OK) == 0;
}

static int file_fetch(const struct s3_creds_options *options, struct s3_keys *out, struct err *err)
{
    const char *profile = s3_creds_env(options, "AWS_PROFILE");
    auto_free char *path = credentials_path(options);
    struct buf text;
    int rc;

    if (path == NULL)
        return err_set(err, ERR_CONFIG, "S3 credentials: AWS_PROFILE is set, but there is no HOME");

    buf_init(&text, SECRET_FILE_MAX);
    rc = s3_creds_read_file(path, &text, err);
    if (rc == 0) {
        rc = s3_creds_parse_file(buf_text(&text), profile != NULL ? profile : "default", out, err);
        if (rc != 0)
            err_wrap(err, "read %s", path);
    }
    release_wiped(&text);
    return rc;
}

static int take_json(const struct json *root, struct s3_keys *out, struct err *err)
{
    const char *access_key;
    const char *secret_key;
    const char *token = NULL;

    if (json_get_string(root, "AccessKeyId", &access_key, err) != 0 ||
        json_get_string(root, "SecretAccessKey", &secret_key, err) != 0)
        return -1;
    if (json_has(root, "Token") && json_get_string(root, "Token", &token, err) != 0)
        return -1;
    if (json_has(root, "Expiration") &&
        json_get_time(root, "Expiration", &out->expires_ms, err) != 0)
        return -1;
    out->access_key = xstrdup(access_key);
    set_secret(&out->secret_key, secret_key);
    if (token != NULL)
        set_secret(&out->session_token, token);
    return 0;
}

int s3_creds_parse_json(const struct buf *text, struct s3_keys *out, struct err *err)
{
    auto_json struct json *root = NULL;

    if (json_parse(buf_text(text), text->len, &root, err) != 0) {
        /* the parser's words may quote the text, which holds the secret */
        return err_set(err, ERR_STORE, "the answer is not the JSON it should be");
    }
    if (take_json(root, out, err) != 0)
        return err_set(err, ERR_STORE,
                       "the answer holds no usable AccessKeyId, SecretAccessKey and Expiration");
    return 0;
}

struct s3_creds *s3_creds_new(const struct s3_creds_options *options)
{
    struct s3_creds *creds = xcalloc(1, sizeof(*creds));

    creds->options = *options;
    creds->region = xstrdup(options->region);
    creds->options.region = creds->region;
    return creds;
}

void s3_creds_free(struct s3_creds *creds)
{
    if (creds == NULL)
        return;
    s3_keys_release(&creds->keys);
    free(creds->region);
    free(creds);
}

static const struct s3_creds_source *find_source(const struct s3_creds_options *options)
{
    static const struct s3_creds_source environment = {
        .name = "the environment",
        .is_set = environment_is_set,
        .fetch = environment_fetch,
    };
    static const struct s3_creds_source file = {
        .name = "the credentials file",
        .is_set = file_is_set,
        .fetch = file_fetch,
    };
    const struct s3_creds_source *const chain[] = {
        &environment, &s3_creds_web_identity, &s3_creds_container, &file, &s3_creds_instance,
    };

    for (size_t i = 0; i < sizeof(chain) / sizeof(chain[0]); i++)
        if (chain[i]->is_set(options))
            return chain[i];
    return NULL;
}

static bool has_usable(const struct s3_creds *creds, int64_t margin_ms)
{
    int64_t now_ms = clock_wall_ms(creds->options.clock);

    return creds->keys.access_key != NULL &&
           (creds->keys.expires_ms == 0 || creds->keys.expires_ms - margin_ms > now_ms);
}

static int fetch_keys(struct s3_creds *creds, bool renew, const struct s3_creds_source *source,
                      struct err *err)
{
    struct s3_keys fresh = {0};
    struct err why;

    if (source->fetch(&creds->options, &fresh, &why) == 0) {
        s3_keys_release(&creds->keys);
        creds->keys = fresh;
        creds->source = source;
        return 0;
    }

    s3_keys_release(&fresh);
    if (!renew && creds->source == source && has_usable(creds, 0))
        return 0; /* what we have is still good; the next call asks again */
    *err = why;
    return err_wrap(err, "get S3 credentials from %s", source->name);
}

int s3_creds_get(struct s3_creds *creds, bool renew, const struct s3_keys **out, struct err *err)
{
    const struct s3_creds_source *source = find_source(&creds->options);
    bool kept;

    if (source == NULL)
        return err_set(err, ERR_CONFIG,
                       "S3 credentials: none found. HINT: set AWS_ACCESS_KEY_ID and "
                       "AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE");

    kept = source->is_fetched && source == creds->source && has_usable(creds, RENEW_BEFORE_MS);
    if ((renew || !kept) && fetch_keys(creds, renew, source, err) != 0)
        return -1;
    *out = &creds->keys;
    return 0;
}
