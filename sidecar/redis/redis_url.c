/*
 * A small parser for the three schemes, after RFC 3986 (https://www.rfc-editor.org/rfc/rfc3986) as
 * far as they need it. The authority is split at the last '@', so that a password with an unescaped
 * '@' works as in redis-cli. No message holds anything from before that '@'.
 */
#include "redis/redis_url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/parse.h"

#define URL_MAX 4096
#define PORT_DEFAULT 6379
#define DB_MAX 65535

/* A piece of the URL. */
struct span {
    const char *at;
    size_t len;
};

/* Decodes into out (out_size with the NUL). False: a bad escape, a NUL, or too long. */
static bool percent_decode(struct span from, char *out, size_t out_size, size_t *out_len)
{
    size_t used = 0;

    for (size_t i = 0; i < from.len; i++) {
        char c = from.at[i];

        if (c == '%') {
            struct err ignored;
            uint8_t byte = 0;
            if (from.len - i < 3)
                return false;
            const char digits[] = {from.at[i + 1], from.at[i + 2], '\0'};
            if (hex_decode(digits, &byte, 1, &ignored) < 0)
                return false;
            c = (char)byte;
            i += 2;
        }
        if (c == '\0' || used + 1 >= out_size)
            return false;
        out[used++] = c;
    }
    out[used] = '\0';
    *out_len = used;
    return true;
}

static int decode_secret(struct span from, struct secret *out, const char *what, struct err *err)
{
    char text[URL_MAX];
    size_t len = 0;
    bool ok = percent_decode(from, text, sizeof(text), &len);

    if (ok)
        secret_set(out, text, len);
    explicit_bzero(text, sizeof(text));
    if (!ok)
        return err_set(err, ERR_CONFIG,
                       "the %s in the server's URL is not valid percent-encoding. HINT: write %% "
                       "as %%25, or give it as a setting of its own",
                       what);
    return 0;
}

static int parse_userinfo(struct span info, struct redis_address *out, struct err *err)
{
    const char *colon = memchr(info.at, ':', info.len);
    struct span user = {info.at, colon == NULL ? info.len : (size_t)(colon - info.at)};

    if (user.len > 0 && decode_secret(user, &out->username, "user", err) < 0)
        return -1;
    if (colon == NULL)
        return 0;
    struct span password = {colon + 1, info.len - user.len - 1};
    if (password.len == 0)
        return 0;
    return decode_secret(password, &out->password, "password", err);
}

/* Messages do not repeat the text: where an '@' was forgotten, it is a password. */
static int parse_number(struct span from, uint64_t max, uint64_t *out)
{
    struct err ignored = {0};
    char digits[8];

    if (from.len == 0 || from.len >= sizeof(digits))
        return -1;
    memcpy(digits, from.at, from.len);
    digits[from.len] = '\0';
    if (parse_u64(digits, out, &ignored) < 0 || *out > max)
        return -1;
    return 0;
}

static int parse_db(struct span from, struct redis_address *out, struct err *err)
{
    uint64_t db = 0;

    if (parse_number(from, DB_MAX, &db) < 0)
        return err_set(err, ERR_CONFIG, "the database in the server's URL is not a number up to %d",
                       DB_MAX);
    out->db = (unsigned)db;
    return 0;
}

static int parse_port(struct span from, struct redis_address *out, struct err *err)
{
    uint64_t port = 0;

    if (parse_number(from, UINT16_MAX, &port) < 0 || port == 0)
        return err_set(err, ERR_CONFIG,
                       "the port in the server's URL is not 1 to 65535. HINT: "
                       "redis://[user:password@]host:port");
    out->port = (uint16_t)port;
    return 0;
}

/* host, host:port, [v6], [v6]:port; all may be empty: 127.0.0.1:6379. */
static int parse_hostport(struct span from, struct redis_address *out, struct err *err)
{
    struct span host = from;
    struct span port = {NULL, 0};
    size_t len = 0;

    if (from.len > 0 && from.at[0] == '[') {
        const char *end = memchr(from.at, ']', from.len);
        if (end == NULL)
            return err_set(err, ERR_CONFIG, "the server's URL has a '[' without its ']'");
        host = (struct span){from.at + 1, (size_t)(end - from.at) - 1};
        port = (struct span){end + 1, from.len - host.len - 2};
        if (host.len == 0 || (port.len > 0 && port.at[0] != ':'))
            return err_set(err, ERR_CONFIG, "the server's URL has a bad IPv6 address");
    } else {
        const char *colon = memchr(from.at, ':', from.len);
        if (colon != NULL) {
            host.len = (size_t)(colon - from.at);
            port = (struct span){colon, from.len - host.len};
        }
    }
    if (!percent_decode(host, out->host, sizeof(out->host), &len))
        return err_set(err, ERR_CONFIG,
                       "the host in the server's URL is too long or badly encoded");
    if (len == 0)
        memcpy(out->host, "127.0.0.1", sizeof("127.0.0.1"));

    out->port = PORT_DEFAULT;
    if (port.len == 0)
        return 0;
    return parse_port((struct span){port.at + 1, port.len - 1}, out, err);
}

/* "db=N" and nothing else; also the form that redis-py writes for TCP. */
static int parse_query(const char *query, struct redis_address *out, struct err *err)
{
    if (*query == '\0')
        return 0;
    if (strncmp(query, "db=", 3) != 0 || strchr(query, '&') != NULL)
        return err_set(err, ERR_CONFIG, "the server's URL may only have ?db=N behind it");
    return parse_db((struct span){query + 3, strlen(query + 3)}, out, err);
}

/* Splits "[userinfo@]rest" and takes the user information. The last '@' before `end` counts. */
static int take_userinfo(const char **cursor, const char *end, struct redis_address *out,
                         struct err *err)
{
    const char *at = memrchr(*cursor, '@', (size_t)(end - *cursor));

    if (at == NULL)
        return 0;
    struct span info = {*cursor, (size_t)(at - *cursor)};
    *cursor = at + 1;
    return parse_userinfo(info, out, err);
}

static int parse_tcp(const char *rest, struct redis_address *out, struct err *err)
{
    const char *query = strchrnul(rest, '?');
    /* a password may hold '/' or '?' unescaped: what is before the last '@' is not the path */
    const char *last_at = strrchr(rest, '@');
    const char *path = strchrnul(last_at == NULL ? rest : last_at, '/');

    if (last_at != NULL)
        query = strchrnul(last_at, '?');
    if (path > query)
        path = query;
    if (take_userinfo(&rest, path, out, err) < 0 ||
        parse_hostport((struct span){rest, (size_t)(path - rest)}, out, err) < 0)
        return -1;

    size_t path_len = (size_t)(query - path);
    if (path_len > 1 && parse_db((struct span){path + 1, path_len - 1}, out, err) < 0)
        return -1;
    return *query == '\0' ? 0 : parse_query(query + 1, out, err);
}

static int parse_unix(const char *rest, struct redis_address *out, struct err *err)
{
    const char *query = NULL;
    size_t len = 0;

    out->kind = REDIS_ADDRESS_UNIX;
    if (*rest != '/') {
        const char *at = strstr(rest, "@/");
        if (at == NULL)
            return err_set(err, ERR_CONFIG,
                           "the server's URL needs an absolute path. HINT: unix:///run/redis.sock");
        if (take_userinfo(&rest, at + 1, out, err) < 0)
            return -1;
    }
    query = strchrnul(rest, '?');
    if (!percent_decode((struct span){rest, (size_t)(query - rest)}, out->path, sizeof(out->path),
                        &len))
        return err_set(err, ERR_CONFIG,
                       "the socket's path in the server's URL is badly encoded or longer than %zu "
                       "bytes",
                       sizeof(out->path) - 1);
    return *query == '\0' ? 0 : parse_query(query + 1, out, err);
}

/* Servers speak no TLS on their unix socket, where nobody could listen in. */
static int parse_tls(const char *rest, struct redis_address *out, struct err *err)
{
    out->is_tls = true;
    if (parse_tcp(rest, out, err) == 0)
        return 0;
    const char *last_at = strrchr(rest, '@');
    if (*(last_at == NULL ? rest : last_at + 1) != '/')
        return -1;
    return err_set(err, ERR_CONFIG,
                   "rediss:// needs a host: there is no TLS on a unix socket. HINT: unix:///path");
}

static bool has_scheme(const char *url, const char *scheme)
{
    return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

static int parse_any(const char *url, struct redis_address *out, struct err *err)
{
    if (strlen(url) >= URL_MAX)
        return err_set(err, ERR_CONFIG, "the server's URL is longer than %d bytes", URL_MAX - 1);
    if (has_scheme(url, "redis://"))
        return parse_tcp(url + strlen("redis://"), out, err);
    if (has_scheme(url, "unix://"))
        return parse_unix(url + strlen("unix://"), out, err);
    if (has_scheme(url, "rediss://"))
        return parse_tls(url + strlen("rediss://"), out, err);
    return err_set(err, ERR_CONFIG,
                   "the server's URL has no scheme that redkeep knows. HINT: "
                   "redis://[user:password@]host:port, rediss:// for TLS, or unix:///path");
}

int redis_url_parse(const char *url, struct redis_address *out, struct err *err)
{
    struct redis_address address = {.kind = REDIS_ADDRESS_TCP};

    if (parse_any(url, &address, err) < 0) {
        redis_address_release(&address);
        return -1;
    }
    *out = address;
    return 0;
}

void redis_address_release(struct redis_address *address)
{
    secret_release(&address->username);
    secret_release(&address->password);
}

void redis_address_label(const struct redis_address *address, char out[REDIS_LABEL_MAX])
{
    const char *scheme = address->is_tls ? "rediss" : "redis";

    if (address->kind == REDIS_ADDRESS_UNIX)
        (void)snprintf(out, REDIS_LABEL_MAX, "unix://%s", address->path);
    else if (strchr(address->host, ':') != NULL)
        (void)snprintf(out, REDIS_LABEL_MAX, "%s://[%s]:%u", scheme, address->host, address->port);
    else
        (void)snprintf(out, REDIS_LABEL_MAX, "%s://%s:%u", scheme, address->host, address->port);
}
