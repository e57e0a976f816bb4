/*
 * How a URL may begin, and where it can hold a secret: between "://" and '@', and behind '?';
 * in that of a hook, behind the host.
 */
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "daemon/settings.h"
#include "daemon/settings_value.h"

#define MASK "***"
#define KNOWN_MAX 256

static const char *authority_of(const char *url)
{
    const char *separator = strstr(url, "://");

    return separator != NULL ? separator + 3 : NULL;
}

/* The '@' behind user and password. A redis password may hold any byte, a '/' too: there the last
 * '@' of all is taken, wherever it is. */
static const char *userinfo_end(const char *url, const char *authority)
{
    bool is_redis = strncmp(url, "redis", 5) == 0;
    size_t len = is_redis ? strlen(authority) : strcspn(authority, "/?#");

    return memrchr(authority, '@', len);
}

int settings_url_check_beginning(const char *url, const char *const *beginnings, struct err *err)
{
    auto_buf struct buf known = {0};

    buf_init(&known, KNOWN_MAX);
    for (size_t i = 0; beginnings != NULL && beginnings[i] != NULL; i++) {
        if (strncmp(url, beginnings[i], strlen(beginnings[i])) == 0)
            return 0;
        if (buf_printf(&known, err, "%s%s", i == 0 ? "" : ", ", beginnings[i]) != 0)
            return -1;
    }
    if (known.len == 0)
        return 0;
    return err_set(err, ERR_CONFIG, "it begins with none of %s", buf_text(&known));
}

bool settings_url_has_password(const char *url)
{
    const char *authority = authority_of(url);
    const char *at = authority != NULL ? userinfo_end(url, authority) : NULL;

    return at != NULL && memchr(authority, ':', (size_t)(at - authority)) != NULL;
}

char *settings_masked_url(const char *url)
{
    const char *authority = authority_of(url);
    const char *at;
    const char *query;
    const char *colon = NULL;
    const char *tail_mask;

    if (authority == NULL)
        return xstrdup(MASK);
    at = userinfo_end(url, authority);
    query = strchr(at != NULL ? at : authority, '?');
    tail_mask = query != NULL ? MASK : "";
    if (at == NULL)
        return xasprintf("%.*s%s", query != NULL ? (int)(query - url) + 1 : (int)strlen(url), url,
                         tail_mask);
    /* without a colon it may be a user or, as redis-cli reads it, a password */
    colon = memchr(authority, ':', (size_t)(at - authority));
    return xasprintf("%.*s" MASK "%.*s%s", (int)((colon != NULL ? colon + 1 : authority) - url),
                     url, query != NULL ? (int)(query - at) + 1 : (int)strlen(at), at, tail_mask);
}

/* What follows "://" and the userinfo, and its length. */
static const char *host_of(const char *url, const char *authority, size_t *out_len)
{
    const char *at = userinfo_end(url, authority);
    const char *host = at != NULL ? at + 1 : authority;

    *out_len = strcspn(host, "/?#");
    return host;
}

int settings_url_check_host(const char *url, struct err *err)
{
    size_t len = 0;
    const char *host = host_of(url, authority_of(url), &len);

    if (len == 0 || host[0] == ':')
        return err_set(err, ERR_CONFIG, "it names no host");
    return 0;
}

char *settings_masked_hook(const char *url)
{
    const char *authority = authority_of(url);
    const char *host;
    size_t len = 0;

    if (authority == NULL)
        return xstrdup(MASK);
    host = host_of(url, authority, &len);
    return xasprintf("%.*s%s%.*s%s", (int)(authority - url), url, host != authority ? MASK "@" : "",
                     (int)len, host, host[len] != '\0' ? "/" MASK : "");
}
