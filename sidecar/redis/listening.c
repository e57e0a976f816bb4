/* A connect that neither succeeds nor is refused means, on this host, a full queue: a server that
 * hangs. On another host it may as well mean that there is nobody. */
#include "redis/listening.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

static bool is_absence(int code)
{
    switch (code) {
    case ECONNREFUSED:
    case ENOENT:
    case ENOTDIR:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return true;
    default:
        return false;
    }
}

static bool is_this_host(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;

    if (address->sa_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return address->sa_family == AF_UNIX || IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static enum listening try_one(const struct sockaddr *address, socklen_t len, int timeout_ms)
{
    auto_close int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    int code = 0;
    socklen_t code_len = sizeof(code);

    if (fd < 0)
        return LISTENING_NOBODY; /* no such network here */
    if (connect(fd, address, len) == 0)
        return LISTENING_SOMEBODY;
    if (errno != EINPROGRESS)
        return is_absence(errno) ? LISTENING_NOBODY : LISTENING_SOMEBODY;
    if (poll(&writable, 1, timeout_ms) <= 0)
        return is_this_host(address) ? LISTENING_SOMEBODY : LISTENING_UNKNOWN;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &code_len) != 0 || code == 0)
        return LISTENING_SOMEBODY;
    return is_absence(code) ? LISTENING_NOBODY : LISTENING_UNKNOWN;
}

static enum listening at_path(const char *path, int timeout_ms)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    _Static_assert(sizeof(address.sun_path) == sizeof(((struct redis_address *)0)->path), "fits");
    memcpy(address.sun_path, path, strlen(path) + 1);
    return try_one((const struct sockaddr *)&address, sizeof(address), timeout_ms);
}

/* A container that does not run has no name. */
static bool has_no_name(int rc)
{
    return rc == EAI_NONAME || rc == EAI_NODATA || rc == EAI_ADDRFAMILY;
}

enum listening listening_at(const struct redis_address *address, const struct listening_peer *peer,
                            int timeout_ms)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    enum listening best = LISTENING_NOBODY;
    struct addrinfo *found = NULL;
    char port[8];

    if (address->kind == REDIS_ADDRESS_UNIX)
        return at_path(address->path, timeout_ms);
    (void)snprintf(port, sizeof(port), "%u", (unsigned)address->port);
    int rc = getaddrinfo(address->host, port, &wanted, &found);
    if (rc != 0 && !has_no_name(rc) && peer != NULL && peer->len > 0)
        return try_one((const struct sockaddr *)&peer->address, peer->len, timeout_ms);
    if (rc != 0)
        return has_no_name(rc) ? LISTENING_NOBODY : LISTENING_UNKNOWN;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        enum listening one = try_one(at->ai_addr, at->ai_addrlen, timeout_ms);
        if (one > best)
            best = one;
        if (best == LISTENING_SOMEBODY)
            break;
    }
    freeaddrinfo(found);
    return best;
}
