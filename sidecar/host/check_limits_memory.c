/*
 * The memory that the server may have, by its cgroup or else by the node, against what it may come
 * to need: maxmemory, and the copy-on-write that the last saves really took. The server itself
 * never looks at its cgroup.
 */
#include "host/check_limits_memory.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "host/cgroup.h"
#include "host/check_read.h"
#include "host/check_server.h"

#define MIB ((int64_t)1024 * 1024)
#define NO_LIMIT ((int64_t)1 << 60) /* version 1 writes none as a number near 2^63 */
#define STEP (64 * MIB)             /* what is recommended is a multiple of it */
#define BYTES_MOST ((int64_t)1 << 56)
#define SIZE_TEXT 24

struct need {
    int64_t used;   /* now */
    int64_t most;   /* maxmemory; 0: none */
    int64_t copied; /* by the last saves; 0: none was seen */
    int64_t limit;
    bool is_group; /* the limit is the cgroup's, not the node's memory */
};

static int64_t bytes_of(const struct check_facts *facts, const char *name)
{
    int64_t bytes = 0;

    if (!pairs_i64(facts->info, name, &bytes) || bytes < 0)
        return 0;
    return bytes < BYTES_MOST ? bytes : BYTES_MOST;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The least limit of the group and those above it, NO_LIMIT when there is none. */
static int64_t find_group_limit(int root_fd, struct cgroup *group)
{
    const char *file = group->is_v2 ? "memory.max" : "memory.limit_in_bytes";
    int64_t least = NO_LIMIT;
    int64_t limit = 0;

    do {
        if (cgroup_i64(root_fd, group, file, &limit) && limit >= 0 && limit < least)
            least = limit;
    } while (cgroup_up(group));
    return least;
}

static void size_text(int64_t bytes, char out[SIZE_TEXT])
{
    /* the unit that limits and maxmemory are written in */
    (void)snprintf(out, SIZE_TEXT, "%.1f MiB", (double)bytes / (double)MIB);
}

static int64_t round_up(int64_t bytes)
{
    return (bytes + STEP - 1) / STEP * STEP;
}

static void raise_limit(const struct need *need, struct check_result *result)
{
    int64_t data = larger(need->used, need->most);
    int64_t wanted = round_up(data + larger(need->copied, data / 4)) / MIB;

    check_wants(result, "at least %" PRId64 " MiB: the data and what a save copies", wanted);
    if (need->is_group)
        check_fix_by(result,
                     "resources: {limits: {memory: %" PRId64 "Mi}}   # Compose: mem_limit: %" PRId64
                     "m; systemd: MemoryMax=%" PRId64 "M",
                     wanted, wanted, wanted);
    else
        check_fix_by(result,
                     "a node with %" PRId64 " MiB for this server, or a lower maxmemory in "
                     "redis.conf",
                     wanted);
}

/* A maxmemory that leaves room for a save; a higher limit, where the data is too large for that. */
static void set_maxmemory(const struct need *need, struct check_result *result)
{
    int64_t room = larger(need->copied, need->limit / 4);
    int64_t most = need->limit > room ? (need->limit - room) / MIB * MIB : 0;

    if (most <= need->used) {
        raise_limit(need, result);
        return;
    }
    auto_free char *value = xasprintf("%" PRId64, most);
    result->scope = CHECK_SERVER;
    check_wants(result, "maxmemory %" PRId64 "mb: the limit less what a save copies", most / MIB);
    check_fix_by(result, "maxmemory %" PRId64 "mb", most / MIB);
    check_act_by(result, CHECK_ACT_CONFIG, "maxmemory", value);
}

static void judge(const struct need *need, struct check_result *result)
{
    char limit[SIZE_TEXT];
    char used[SIZE_TEXT];
    char most[SIZE_TEXT];
    char copied[SIZE_TEXT];
    const char *whose = need->is_group ? "limit" : "no limit, the node has";

    size_text(need->limit, limit);
    size_text(need->used, used);
    size_text(need->most, most);
    size_text(need->copied, copied);
    if (need->used + need->copied > need->limit) {
        check_bad(result, CHECK_FAIL, "%s %s; used %s, and the last saves copied %s", whose, limit,
                  used, copied);
        raise_limit(need, result);
    } else if (need->most == 0 && need->is_group) {
        check_bad(result, CHECK_WARN, "limit %s, maxmemory 0: the server does not know of it",
                  limit);
        set_maxmemory(need, result);
    } else if (need->most + need->copied > need->limit) {
        check_bad(result, CHECK_WARN, "%s %s; maxmemory %s, and the last saves copied %s", whose,
                  limit, most, copied);
        raise_limit(need, result);
    } else if (need->most == 0) {
        check_ok(result, "%s %s; maxmemory 0, used %s", whose, limit, used);
    } else if (need->copied == 0 && need->most > need->limit - need->most) {
        check_unknown(result,
                      "%s %s, maxmemory %s; what a save copies shows only after one (BGSAVE)",
                      whose, limit, most);
    } else {
        check_ok(result, "%s %s; maxmemory %s, the last saves copied %s", whose, limit, most,
                 copied);
    }
}

void check_look_memory(const struct check_facts *facts, struct check_result *result)
{
    auto_cgroup struct cgroup group = {0};
    int64_t node_kib = 0;

    if (facts->server_pid <= 0) {
        check_unseen_process(facts, result);
        return;
    }
    if (bytes_of(facts, "used_memory") == 0 || pairs_get(facts->info, "maxmemory") == NULL) {
        check_unknown(result, "this needs INFO memory of the server%s%s",
                      facts->server_why == NULL ? "" : ": ",
                      facts->server_why == NULL ? "" : facts->server_why);
        return;
    }
    if (!cgroup_find(facts->root_fd, facts->server_pid, "memory", &group)) {
        check_unknown(result, "this needs to see the server's cgroup (run as the server's user)");
        return;
    }
    struct need need = {
        .used = larger(bytes_of(facts, "used_memory"), bytes_of(facts, "used_memory_rss")),
        .most = bytes_of(facts, "maxmemory"),
        .copied = larger(
            bytes_of(facts, "rdb_last_cow_size"),
            larger(bytes_of(facts, "aof_last_cow_size"), bytes_of(facts, "current_cow_peak"))),
        .limit = find_group_limit(facts->root_fd, &group),
    };
    bool is_node_known = check_read_field(facts->root_fd, "proc/meminfo", "MemTotal", &node_kib) &&
                         node_kib > 0 && node_kib < BYTES_MOST / 1024;
    /* more than there is is no limit */
    need.is_group = need.limit < NO_LIMIT && (!is_node_known || need.limit < node_kib * 1024);
    if (!need.is_group && !is_node_known) {
        check_unknown(result, "there is no limit, and this needs to read /proc/meminfo");
        return;
    }
    if (!need.is_group)
        need.limit = node_kib * 1024;
    judge(&need, result);
}
