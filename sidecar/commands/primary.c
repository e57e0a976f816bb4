/* Names are compared by their first label: what follows it depends on who asks. Addresses are
 * compared as IPv6 ones, into which those of IPv4 are mapped. */
#include "commands/primary.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "commands/process.h"
#include "daemon/http.h"

DEFINE_CLEANUP(cleanup_interfaces, struct ifaddrs *, freeifaddrs);
#define auto_interfaces auto_with(cleanup_interfaces)

static void map(const struct in_addr *v4, struct in6_addr *out)
{
    *out = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&out->s6_addr[12], v4, sizeof(*v4));
}

/* False: it is a name. */
static bool read_address(const char *host, struct in6_addr *out)
{
    struct in_addr v4;

    if (inet_pton(AF_INET, host, &v4) != 1)
        return inet_pton(AF_INET6, host, out) == 1;
    map(&v4, out);
    return true;
}

/* Does it lead every host to itself? */
static bool is_loopback(const char *host)
{
    static const char name[] = "localhost";
    struct in6_addr address;
    uint8_t first = 0;

    if (!read_address(host, &address))
        return strcspn(host, ".") == strlen(name) && strncasecmp(host, name, strlen(name)) == 0;
    if (!IN6_IS_ADDR_V4MAPPED(&address))
        return IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_UNSPECIFIED(&address);
    first = address.s6_addr[12];
    return first == IN_LOOPBACKNET || first == 0;
}

static bool is_own_address(const struct in6_addr *wanted)
{
    auto_interfaces struct ifaddrs *list = NULL;

    if (getifaddrs(&list) != 0)
        return false; /* then nothing is known of it */
    for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
        struct in6_addr address = {0};

        if (at->ifa_addr == NULL)
            continue;
        if (at->ifa_addr->sa_family == AF_INET)
            map(&((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr, &address);
        else if (at->ifa_addr->sa_family == AF_INET6)
            address = ((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr;
        if (IN6_ARE_ADDR_EQUAL(&address, wanted))
            return true;
    }
    return false;
}

static bool is_this_host(const char *host)
{
    auto_free char *own = process_host_name();
    size_t len = strcspn(host, ".");
    struct in6_addr address;

    if (read_address(host, &address))
        return is_own_address(&address);
    return len == strcspn(own, ".") && strncasecmp(host, own, len) == 0;
}

int primary_find(const struct settings *settings, char **out_host, uint16_t *out_port,
                 struct err *err)
{
    auto_free char *host = NULL;

    *out_host = NULL;
    if (settings->primary == NULL)
        return 0;
    if (http_listen_parse(settings->primary, &host, out_port, err) != 0)
        return -1;
    if (host[0] == '\0' || *out_port == 0)
        return err_set(err, ERR_CONFIG,
                       "primary %s names no server. HINT: give HOST:PORT, such as "
                       "redis-0.redis:6379",
                       settings->primary);
    if (is_loopback(host))
        return err_set(
            err, ERR_CONFIG,
            "primary %s is what every host calls itself. HINT: name the host that is the "
            "primary, as the others know it, such as redis-0.redis:6379",
            settings->primary);
    if (!is_this_host(host))
        *out_host = TAKE_PTR(host);
    return 0;
}
