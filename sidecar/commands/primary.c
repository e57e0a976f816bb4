/* Names are compared by their first label: what follows it depends on who asks. */
#include "commands/primary.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "commands/process.h"
#include "daemon/http.h"

static bool is_address(const char *host)
{
    unsigned char ignored[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, ignored) == 1 || inet_pton(AF_INET6, host, ignored) == 1;
}

static bool is_same_host(const char *a, const char *b)
{
    size_t len = strcspn(a, ".");

    return !is_address(a) && len == strcspn(b, ".") && strncasecmp(a, b, len) == 0;
}

int primary_find(const struct settings *settings, char **out_host, uint16_t *out_port,
                 struct err *err)
{
    auto_free char *host = NULL;
    auto_free char *own = process_host_name();

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
    if (!is_same_host(host, own))
        *out_host = TAKE_PTR(host);
    return 0;
}
