/*
 * Where to listen: "HOST:PORT", "[IPv6]:PORT", ":PORT". A host that is left out, or is "::", means
 * IPv6 and IPv4 by one socket, as programs around Kubernetes understand it; on a machine without
 * IPv6 it means IPv4.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/http.h"

enum { BACKLOG = 128, PORT_MAX = 65535, NAME_MAX_BYTES = 253 };

static int refuse(const char *text, const char *why, struct err *err)
{
    return err_set(err, ERR_CONFIG,
                   "\"%.64s\" is not an address to listen at: %s. HINT: HOST:PORT, [IPV6]:PORT or "
                   ":PORT, such as 0.0.0.0:9742",
                   text, why);
}

static bool is_address(int family, const char *host)
{
    struct in6_addr ignored; /* the larger one */

    return inet_pton(family, host, &ignored) == 1;
}

static int check_host(const char *text, const char *host, bool has_brackets, struct err *err)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

    if (has_brackets)
        return is_address(AF_INET6, host)
                   ? 0
                   : refuse(text, "what stands in the brackets is no IPv6 address", err);
    if (strchr(host, ':') != NULL)
        return refuse(text,
                      is_address(AF_INET6, host) || is_address(AF_INET6, text)
                          ? "an IPv6 address stands in brackets"
                          : "it holds too many colons",
                      err);
    if (host[strspn(host, letters)] != '\0')
        return refuse(text, "the host holds a character that no name has", err);
    if (strlen(host) > NAME_MAX_BYTES || host[0] == '-' || host[0] == '.')
        return refuse(text, "the host is no name", err);
    /* "127.1" and "0x7f.1" mean something to inet_aton that nobody means */
    if (host[0] != '\0' && host[strspn(host, "0123456789.")] == '\0' && !is_address(AF_INET, host))
        return refuse(text, "the host is no IPv4 address", err);
    return 0;
}

int http_listen_parse(const char *text, char **out_host, uint16_t *out_port, struct err *err)
{
    const char *colon = strrchr(text, ':');
    bool has_brackets = text[0] == '[';
    auto_free char *host = NULL;
    uint64_t port = 0;
    struct err ignored;

    if (strstr(text, "://") != NULL)
        return refuse(text, "it is a URL", err);
    if (colon == NULL)
        return refuse(text, "the port is missing", err);
    if (strlen(colon + 1) > 5 || parse_u64(colon + 1, &port, &ignored) != 0 || port > PORT_MAX)
        return refuse(text, "the port is not a number up to 65535", err);
    if (has_brackets && (colon - text < 2 || colon[-1] != ']'))
        return refuse(text, "the port does not follow the closing bracket", err);
    host = has_brackets ? xstrndup(text + 1, (size_t)(colon - text) - 2)
                        : xstrndup(text, (size_t)(colon - text));
    if (check_host(text, host, has_brackets, err) != 0)
        return -1;
    *out_host = TAKE_PTR(host);
    *out_port = (uint16_t)port;
    return 0;
}

int http_listen_url(const char *text, char **out_url, struct err *err)
{
    auto_free char *host = NULL;
    uint16_t port = 0;

    if (http_listen_parse(text, &host, &port, err) != 0)
        return -1;
    if (port == 0)
        return err_set(err, ERR_CONFIG,
                       "what listens at \"%.64s\" has a port of the kernel's choice", text);
    if (host[0] == '\0' || strcmp(host, "0.0.0.0") == 0)
        *out_url = xasprintf("http://127.0.0.1:%u", port);
    else if (strcmp(host, "::") == 0)
        *out_url = xasprintf("http://[::1]:%u", port);
    else if (strchr(host, ':') != NULL)
        *out_url = xasprintf("http://[%s]:%u", host, port);
    else
        *out_url = xasprintf("http://%s:%u", host, port);
    return 0;
}

/* -1 with errno set. */
static int try_listen(const struct addrinfo *at)
{
    const int on = 1;
    const int off = 0;
    auto_close int fd =
        socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

    if (fd < 0)
        return -1;
    /* the connections of one that has ended may linger on the port for a minute */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (at->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
        return -1;
    return take_fd(&fd);
}

static char *address_of(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof(at);
    char host[NI_MAXHOST] = "?";
    char port[NI_MAXSERV] = "?";
    bool is_6;

    if (getsockname(fd, (struct sockaddr *)&at, &len) == 0)
        (void)getnameinfo((const struct sockaddr *)&at, len, host, sizeof(host), port, sizeof(port),
                          NI_NUMERICHOST | NI_NUMERICSERV);
    is_6 = strchr(host, ':') != NULL;
    return xasprintf("%s%s%s:%s", is_6 ? "[" : "", host, is_6 ? "]" : "", port);
}

static int refuse_socket(const char *text, struct err *err)
{
    if (errno == EADDRINUSE)
        return err_set(err, ERR_CONFIG,
                       "listen at %s: the port is taken. HINT: another redkeep runs there, or set "
                       "http-listen to a free port, or to off",
                       text);
    if (errno == EADDRNOTAVAIL)
        return err_set(err, ERR_CONFIG,
                       "listen at %s: this machine has no such address. HINT: 0.0.0.0 stands for "
                       "all that it has",
                       text);
    return err_sys(err, ERR_CONFIG, "listen at %s", text);
}

int http_listen_open(const char *text, int *out_fd, char **out_address, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    auto_free char *host = NULL;
    uint16_t port = 0;
    char service[8];
    int fd = -1;
    int rc;

    if (http_listen_parse(text, &host, &port, err) != 0)
        return -1;
    (void)snprintf(service, sizeof(service), "%u", port);
    rc = getaddrinfo(host[0] == '\0' ? "::" : host, service, &hints, &found);
    if (rc != 0)
        return err_set(err, ERR_CONFIG, "listen at %s: %s", text, gai_strerror(rc));
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next)
        fd = try_listen(at);
    rc = errno;
    freeaddrinfo(found);
    if (fd < 0 && host[0] == '\0' && (rc == EAFNOSUPPORT || rc == EADDRNOTAVAIL)) {
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};

        fd = try_listen(&(struct addrinfo){
            .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&any, .ai_addrlen = sizeof(any)});
        rc = errno;
    }
    errno = rc;
    if (fd < 0)
        return refuse_socket(text, err);
    *out_fd = fd;
    *out_address = address_of(fd);
    return 0;
}
