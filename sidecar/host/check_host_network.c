/*
 * The queue of connections that the server has not taken yet: tcp-backlog, which the kernel cuts to
 * net.core.somaxconn of the server's network namespace. That may be another one than ours, whose
 * sysctls /proc/sys/net shows.
 */
#include "host/check_host_network.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "host/check_read.h"

#define SOMAXCONN "proc/sys/net/core/somaxconn"
#define UNIX_MAX ((size_t)1024 * 1024)

/* Does the kernel list, among the sockets of our network namespace, the one on which the server
 * waits for connections? ("Num: RefCount Protocol Flags Type St Inode Path"; 00010000: it listens.)
 */
static bool has_its_socket(const struct check_facts *facts)
{
    const char *path = pairs_get(facts->config, "unixsocket");
    auto_free char *text = check_read_text(facts->root_fd, "proc/net/unix", UNIX_MAX);

    if (path == NULL || path[0] != '/' || text == NULL)
        return false;
    auto_free char *end = xasprintf(" %s", path);
    for (char *line = text; line != NULL;) {
        char *next = strchr(line, '\n');

        if (next != NULL)
            *next++ = '\0';
        size_t len = strlen(line);
        if (len > strlen(end) && strcmp(line + len - strlen(end), end) == 0 &&
            strstr(line, " 00010000 ") != NULL)
            return true;
        line = next;
    }
    return false;
}

/* Is the server's network namespace ours, whose sysctls proc/sys/net shows? */
static bool is_our_network(const struct check_facts *facts)
{
    char ours[64];
    char theirs[64];
    auto_free char *path = xasprintf("proc/%" PRId64 "/ns/net", facts->server_pid);

    if (facts->is_same_network)
        return true;
    if (facts->server_pid > 0) {
        ssize_t our_len = readlinkat(facts->root_fd, "proc/self/ns/net", ours, sizeof(ours));
        ssize_t their_len = readlinkat(facts->root_fd, path, theirs, sizeof(theirs));

        if (our_len > 0 && their_len > 0)
            return our_len == their_len && memcmp(ours, theirs, (size_t)our_len) == 0;
    }
    return has_its_socket(facts);
}

void check_look_backlog(const struct check_facts *facts, struct check_result *result)
{
    int64_t backlog = 0;
    int64_t somaxconn = 0;

    if (facts->info == NULL && facts->server_why != NULL) {
        check_unknown(result, "this needs the server: %s", facts->server_why);
        return;
    }
    if (!is_our_network(facts)) {
        check_unknown(result, "this needs the server's network namespace (a container of its pod / "
                              "network_mode: service:redis), or its PID namespace to compare");
        return;
    }
    if (!check_read_i64(facts->root_fd, SOMAXCONN, &somaxconn)) {
        check_unknown(result, "this needs to read /" SOMAXCONN);
        return;
    }
    if (!pairs_i64(facts->config, "tcp-backlog", &backlog)) {
        check_unknown(result, "net.core.somaxconn is %" PRId64 "; " CHECK_NEEDS_CONFIG, somaxconn);
        return;
    }
    if (somaxconn >= backlog) {
        check_ok(result, "net.core.somaxconn %" PRId64 ", tcp-backlog %" PRId64, somaxconn,
                 backlog);
        return;
    }
    check_bad(result, CHECK_WARN, "net.core.somaxconn %" PRId64 ", tcp-backlog %" PRId64, somaxconn,
              backlog);
    check_wants(result, "net.core.somaxconn at least %" PRId64, backlog);
    check_fix_by(result,
                 "securityContext: {sysctls: [{name: net.core.somaxconn, value: \"%" PRId64
                 "\"}]}   # of the pod; Compose, service redis: sysctls: {net.core.somaxconn: "
                 "%" PRId64 "}; host: sysctl -w net.core.somaxconn=%" PRId64,
                 backlog, backlog, backlog);
    auto_free char *value = xasprintf("%" PRId64, backlog);
    check_act_by(result, CHECK_ACT_FILE, SOMAXCONN, value);
}
