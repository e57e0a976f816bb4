/*
 * Virtual-host style (bucket.host/key) is what AWS wants; path style (host/bucket/key) is what
 * every other server understands, and what a bucket with dots in its name needs, since no
 * certificate covers such a host.
 */
#include "store/s3_target.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/s3_sign.h"
#include "store/store.h"

enum { MAX_BUCKET_BYTES = 255, MAX_PREFIX_BYTES = 512 };

void s3_target_release(struct s3_target *target)
{
    free(target->bucket);
    free(target->prefix);
    free(target->region);
    free(target->scheme);
    free(target->host);
    free(target->base_path);
    *target = (struct s3_target){0};
}

static char *aws_host(const struct s3_target *target)
{
    const char *tail = strncmp(target->region, "cn-", 3) == 0 ? ".cn" : "";

    return target->is_virtual
               ? xasprintf("%s.s3.%s.amazonaws.com%s", target->bucket, target->region, tail)
               : xasprintf("s3.%s.amazonaws.com%s", target->region, tail);
}

void s3_target_set_region(struct s3_target *target, const char *region)
{
    free(target->region);
    target->region = xstrdup(region);
    if (target->is_aws) {
        free(target->host);
        target->host = aws_host(target);
    }
}

static bool is_name(const char *text, const char *more)
{
    if (text[0] == '\0')
        return false;
    for (const char *p = text; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr(more, *p) == NULL)
            return false;
    return true;
}

static int parse_style(const char *query, struct s3_target *out, bool *given, struct err *err)
{
    *given = query != NULL;
    if (query == NULL)
        return 0;
    if (strcmp(query, "style=path") != 0 && strcmp(query, "style=virtual") != 0)
        return err_set(err, ERR_CONFIG,
                       "repository s3://%s: do not understand \"?%s\". HINT: ?style=path and "
                       "?style=virtual are known",
                       out->bucket, query);
    out->is_virtual = strcmp(query, "style=virtual") == 0;
    return 0;
}

static int parse_prefix(const char *text, struct s3_target *out, struct err *err)
{
    auto_free char *prefix = NULL;
    struct err why;
    size_t len;

    text += strspn(text, "/");
    prefix = xstrdup(text);
    for (len = strlen(prefix); len > 0 && prefix[len - 1] == '/'; len--)
        prefix[len - 1] = '\0';
    if (len == 0) {
        out->prefix = xstrdup("");
        return 0;
    }
    if (len > MAX_PREFIX_BYTES || store_check_key(prefix, &why) != 0)
        return err_set(err, ERR_CONFIG,
                       "repository s3://%s/%.*s: the prefix has an empty, \".\" or \"..\" part, or "
                       "is longer than %d bytes",
                       out->bucket, 100, prefix, MAX_PREFIX_BYTES);
    out->prefix = xasprintf("%s/", prefix);
    return 0;
}

/* "bucket/prefix?style=path"; *style_given tells whether is_virtual was decided by it. */
static int parse_url_rest(const char *text, struct s3_target *out, bool *style_given,
                          struct err *err)
{
    auto_free char *copy = xstrdup(text);
    char *query = strchr(copy, '?');
    char *slash;

    if (query != NULL)
        *query++ = '\0';
    slash = strchr(copy, '/');
    if (slash != NULL)
        *slash++ = '\0';
    if (!is_name(copy, "._-:") || strlen(copy) > MAX_BUCKET_BYTES || copy[0] == '.')
        return err_set(err, ERR_CONFIG,
                       "repository: no plain bucket name behind s3://. HINT: it looks like "
                       "s3://bucket/prefix; credentials do not belong there");

    out->bucket = xstrdup(copy);
    if (parse_style(query, out, style_given, err) != 0)
        return -1;
    return parse_prefix(slash != NULL ? slash : "", out, err);
}

/* A default port is not part of the Host header that libcurl sends, and the header is signed. */
static char *normal_host(const char *scheme, const char *text, size_t len)
{
    char *host = xstrndup(text, len);
    const char *port = strcmp(scheme, "http") == 0 ? ":80" : ":443";
    size_t port_len = strlen(port);

    for (char *p = host; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    if (len > port_len && strcmp(host + len - port_len, port) == 0)
        host[len - port_len] = '\0';
    return host;
}

static int parse_endpoint(const char *text, struct s3_target *out, struct err *err)
{
    const char *host = strstr(text, "://");
    size_t host_len;
    size_t path_len;

    if (host == NULL || (strncmp(text, "https:", 6) != 0 && strncmp(text, "http:", 5) != 0))
        return err_set(err, ERR_CONFIG,
                       "S3 endpoint: it must begin with https:// or http://. HINT: see "
                       "AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL");

    out->scheme = xstrndup(text, (size_t)(host - text));
    host += 3;
    host_len = strcspn(host, "/?#");
    path_len = strlen(host + host_len);
    while (path_len > 0 && host[host_len + path_len - 1] == '/')
        path_len--;
    out->host = normal_host(out->scheme, host, host_len);
    out->base_path = xstrndup(host + host_len, path_len);
    if (!is_name(out->host, "._-:[]") || (path_len > 0 && !is_name(out->base_path, "/._~-")))
        return err_set(err, ERR_CONFIG,
                       "S3 endpoint: no plain host name, or more than a host, a port and a path. "
                       "HINT: it looks like https://host:port; credentials do not belong there");
    return 0;
}

static bool is_host_of_bucket(const struct s3_target *target)
{
    size_t len = strlen(target->bucket);

    return strncmp(target->host, target->bucket, len) == 0 && target->host[len] == '.';
}

static void choose_address(struct s3_target *out, bool style_given)
{
    if (out->is_aws) {
        if (!style_given)
            out->is_virtual = strchr(out->bucket, '.') == NULL;
        out->scheme = xstrdup("https");
        out->base_path = xstrdup("");
        out->host = aws_host(out);
        return;
    }
    if (is_host_of_bucket(out)) {
        if (!style_given)
            out->is_virtual = true;
    } else if (out->is_virtual) {
        char *host = xasprintf("%s.%s", out->bucket, out->host);

        free(out->host);
        out->host = host;
    }
}

int s3_target_parse(const struct s3_place *place, struct s3_target *out, struct err *err)
{
    bool style_given = false;
    bool has_region = place->region != NULL && place->region[0] != '\0';

    *out = (struct s3_target){0};
    if (parse_url_rest(place->url_rest, out, &style_given, err) != 0)
        return -1;
    out->region = xstrdup(has_region ? place->region : "us-east-1");
    if (!is_name(out->region, "-"))
        return err_set(err, ERR_CONFIG, "S3 region \"%.*s\": not a region's name", 60, out->region);
    out->is_aws = place->endpoint == NULL || place->endpoint[0] == '\0';
    if (!out->is_aws && parse_endpoint(place->endpoint, out, err) != 0)
        return -1;
    choose_address(out, style_given);
    return 0;
}

int s3_target_format_path(const struct s3_target *target, const char *key, struct buf *out,
                          struct err *err)
{
    if (buf_printf(out, err, "%s/", target->base_path) != 0)
        return -1;
    if (!target->is_virtual && (s3_uri_encode(target->bucket, false, out, err) != 0 ||
                                (key != NULL && buf_append(out, "/", 1, err) != 0)))
        return -1;
    if (key == NULL)
        return 0;
    if (s3_uri_encode(target->prefix, true, out, err) != 0)
        return -1;
    return s3_uri_encode(key, true, out, err);
}
