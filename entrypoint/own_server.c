/*
 * As servers decide (ACLLoadUsersAtStartup and ACLSetUser in acl.c): with an ACL file requirepass
 * counts for nothing, and a `user default` line begins anew. A file's name is relative to `dir`,
 * where a server is when it opens it.
 */
#include "entrypoint/own_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

#define LOOPBACK "127.0.0.1"

/* ---- where ---- */

static bool is_port(const char *port)
{
    return port != NULL && strcmp(port, "0") != 0;
}

char *own_server_url(const struct server_conf *conf, bool wants_tls)
{
    const char *port = server_conf_get(conf, "port", "6379");
    const char *tls_port = server_conf_get(conf, "tls-port", NULL);
    const char *socket_path = server_conf_get(conf, "unixsocket", NULL);

    if (wants_tls && is_port(tls_port))
        return xasprintf("rediss://" LOOPBACK ":%s", tls_port);
    if (is_port(port))
        return xasprintf("redis://" LOOPBACK ":%s", port);
    if (socket_path != NULL)
        return socket_path[0] == '/' ? xasprintf("unix://%s", socket_path)
                                     : xasprintf("unix://%s/%s", conf->dir, socket_path);
    return is_port(tls_port) ? xasprintf("rediss://" LOOPBACK ":%s", tls_port) : NULL;
}

bool own_server_is_here(const struct redis_address *address)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (address->kind == REDIS_ADDRESS_UNIX || strcasecmp(address->host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, address->host, &v4) == 1)
        return ntohl(v4.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
    return inet_pton(AF_INET6, address->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* ---- TLS ---- */

/* The file that a directive names; NULL: none. Heap. */
static char *file_of(const struct server_conf *conf, const char *directive)
{
    const char *path = server_conf_get(conf, directive, "");

    if (path[0] == '\0')
        return NULL;
    return path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", conf->dir, path);
}

void own_server_tls(const struct server_conf *conf, struct redis_tls_options *out)
{
    auto_free char *cert_file = file_of(conf, "tls-cert-file");
    bool is_asked = strcasecmp(server_conf_get(conf, "tls-auth-clients", "yes"), "yes") == 0;
    bool has_other = server_conf_get(conf, "tls-client-cert-file", "")[0] != '\0';

    *out = (struct redis_tls_options){.ca_file = file_of(conf, "tls-ca-cert-file")};
    if (is_asked) {
        out->cert_file = file_of(conf, has_other ? "tls-client-cert-file" : "tls-cert-file");
        out->key_file = file_of(conf, has_other ? "tls-client-key-file" : "tls-key-file");
    }
    if (cert_file == NULL)
        return;
    /* their CA may be another one; the server's own cannot be wrong, until it is renewed */
    if (out->ca_file == NULL || !redis_tls_is_vouched(cert_file, out->ca_file)) {
        free((void *)(uintptr_t)out->ca_file);
        out->ca_file = xstrdup(cert_file);
    }
    out->server_name = redis_tls_name_in(cert_file, LOOPBACK);
}

/* ---- the password ---- */

/* The last `user default`; NULL: none. */
static const struct server_directive *find_default_user(const struct server_conf *conf)
{
    const struct server_directive *found = NULL;

    for (size_t i = 0; i < conf->count; i++) {
        const struct server_directive *at = &conf->directives[i];

        if (strcmp(at->name, "user") == 0 && at->value_count > 0 &&
            strcmp(at->values[0], "default") == 0)
            found = at;
    }
    return found;
}

/* What the rules leave; NULL: nothing that can be used. Borrowed. */
static const char *password_of(const struct server_directive *user)
{
    const char *password = NULL;

    for (size_t i = 1; i < user->value_count; i++) {
        const char *rule = user->values[i];
        bool is_removed = rule[0] == '<' && password != NULL && strcmp(rule + 1, password) == 0;

        if (rule[0] == '>')
            password = rule + 1;
        else if (is_removed || strcasecmp(rule, "nopass") == 0 ||
                 strcasecmp(rule, "resetpass") == 0 || strcasecmp(rule, "reset") == 0)
            password = NULL;
    }
    return password;
}

static bool take(const char *password, struct secret *out)
{
    if (password == NULL || password[0] == '\0')
        return false;
    secret_set(out, password, strlen(password));
    return true;
}

static bool take_of_file(const char *path, struct secret *out)
{
    auto_server_conf struct server_conf acl = {.dir = xstrdup("/")};
    auto_buf struct buf text = {0};
    struct err ignored; /* the server will tell what it thinks of it */
    bool is_read;

    buf_init(&text, SERVER_CONF_BYTES_MAX);
    is_read = fs_read_file(AT_FDCWD, path, &text, &ignored) == 0 &&
              server_conf_add_text(&acl, buf_text(&text), path, &ignored) == 0;
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);

    const struct server_directive *user = is_read ? find_default_user(&acl) : NULL;
    return user != NULL && take(password_of(user), out);
}

bool own_server_password(const struct server_conf *conf, struct secret *out)
{
    auto_free char *acl_file = file_of(conf, "aclfile");
    const struct server_directive *user = find_default_user(conf);

    if (acl_file != NULL)
        return take_of_file(acl_file, out);
    return take(user != NULL ? password_of(user) : server_conf_get(conf, "requirepass", NULL), out);
}
