/*
 * The checks of what the server's process is limited to: files, processes, who is killed first when
 * memory runs out. The memory limit is check_limits_memory.c's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "host/cgroup.h"
#include "host/check.h"
#include "host/check_limits_memory.h"
#include "host/check_read.h"
#include "host/check_server.h"

#define LIMITS_MAX 16384
#define FILES_RESERVED 32 /* the server's own: CONFIG_MIN_RESERVED_FDS */
#define CLIENTS_DEFAULT 10000
#define FILES_STEP 16 /* the server tries for limits in steps of this */
#define FILES_WANTED 65536
#define PROCESSES_ENOUGH 256
#define PROCESSES_SPARE 8 /* a saving child and its threads */
#define OOM_FIRST 900     /* from here on, it goes before almost everything else */
#define UNLIMITED INT64_MAX

struct limit {
    int64_t soft;
    int64_t hard;
};

/* A word of proc/<pid>/limits, "1024" or "unlimited"; goes behind it. */
static bool take_limit(const char **rest, int64_t *out)
{
    char number[24];

    *rest += strspn(*rest, " ");
    size_t len = strcspn(*rest, " \n");
    if (len == 0 || len >= sizeof(number))
        return false;
    memcpy(number, *rest, len);
    number[len] = '\0';
    *rest += len;
    if (strcmp(number, "unlimited") == 0) {
        *out = UNLIMITED;
        return true;
    }
    return pairs_number(number, out);
}

/* The line of proc/<pid>/limits that begins with name. */
static bool read_limit(const struct check_facts *facts, const char *name, struct limit *out)
{
    auto_free char *path = xasprintf("proc/%" PRId64 "/limits", facts->server_pid);
    auto_free char *text = check_read_text(facts->root_fd, path, LIMITS_MAX);
    struct limit limit;

    for (const char *line = text; line != NULL;) {
        const char *end = strchr(line, '\n');

        if (strncmp(line, name, strlen(name)) == 0) {
            const char *rest = line + strlen(name);
            if (!take_limit(&rest, &limit.soft) || !take_limit(&rest, &limit.hard))
                return false;
            *out = limit;
            return true;
        }
        line = end == NULL ? NULL : end + 1;
    }
    return false;
}

static void limit_text(int64_t limit, char *out, size_t out_size)
{
    if (limit == UNLIMITED)
        (void)snprintf(out, out_size, "unlimited");
    else
        (void)snprintf(out, out_size, "%" PRId64, limit);
}

static void want_more_files(struct check_result *result, int64_t clients)
{
    int64_t files =
        clients > FILES_WANTED - FILES_RESERVED ? clients + FILES_RESERVED : FILES_WANTED;

    check_wants(result, "at least %d, for maxclients %d and the server's own files",
                CLIENTS_DEFAULT + FILES_RESERVED, CLIENTS_DEFAULT);
    check_fix_by(result,
                 "ulimits: {nofile: %" PRId64 "}   # Compose; else ulimit -n %" PRId64
                 " before the server starts; systemd: LimitNOFILE=%" PRId64,
                 files, files, files);
}

/* The server shows a maxclients that it has lowered to what its limit allows; one of the usual
 * limits less what it reserves tells that even where the limit cannot be seen. */
static void look_files_unseen(const struct check_facts *facts, int64_t clients,
                              struct check_result *result)
{
    uint64_t files = (uint64_t)clients + FILES_RESERVED;

    if (clients >= CLIENTS_DEFAULT) {
        check_ok(result, "maxclients %" PRId64 ", which the server lowers where files are short",
                 clients);
    } else if (clients > 0 && (files & (files - 1)) == 0) {
        check_bad(result, CHECK_WARN,
                  "maxclients %" PRId64 ", which is what a limit of %" PRIu64 " files leaves",
                  clients, files);
        want_more_files(result, clients);
    } else {
        check_unseen_process(facts, result);
    }
}

static void look_open_files(const struct check_facts *facts, struct check_result *result)
{
    struct limit files;
    int64_t clients = -1;
    char soft[24];

    if (!pairs_i64(facts->info, "maxclients", &clients) &&
        !pairs_i64(facts->config, "maxclients", &clients))
        clients = -1;
    if (clients < 0 || clients > INT32_MAX) {
        check_unknown(result, "this needs the server's maxclients (INFO clients)%s%s",
                      facts->server_why == NULL ? "" : ": ",
                      facts->server_why == NULL ? "" : facts->server_why);
        return;
    }
    if (facts->server_pid <= 0 || !read_limit(facts, "Max open files", &files)) {
        look_files_unseen(facts, clients, result);
        return;
    }
    limit_text(files.soft, soft, sizeof(soft));
    bool is_lowered = clients < CLIENTS_DEFAULT && files.soft == clients + FILES_RESERVED &&
                      files.hard - files.soft < FILES_STEP;
    if (files.soft >= clients + FILES_RESERVED && !is_lowered) {
        check_ok(result, "%s, maxclients %" PRId64, soft, clients);
        return;
    }
    check_bad(result, CHECK_WARN, "%s, maxclients %" PRId64 "%s", soft, clients,
              is_lowered ? " (lowered by the server)" : "");
    want_more_files(result, clients);
}

/* What the groups above the server leave: the least; UNLIMITED, or -1 when it cannot be seen. */
static int64_t find_pids_left(const struct check_facts *facts)
{
    auto_cgroup struct cgroup group = {0};
    int64_t left = UNLIMITED;
    int64_t most = 0;
    int64_t now = 0;

    if (!cgroup_find(facts->root_fd, facts->server_pid, "pids", &group))
        return -1;
    do {
        if (cgroup_i64(facts->root_fd, &group, "pids.max", &most) &&
            cgroup_i64(facts->root_fd, &group, "pids.current", &now) && now >= 0) {
            int64_t here = most > now ? most - now : 0;
            left = here < left ? here : left;
        }
    } while (cgroup_up(&group));
    return left;
}

static void judge_processes(int64_t soft, int64_t threads, int64_t left,
                            struct check_result *result)
{
    char soft_text[24];
    char left_text[24];

    limit_text(soft, soft_text, sizeof(soft_text));
    limit_text(left, left_text, sizeof(left_text));
    bool is_group = left < PROCESSES_SPARE;
    bool fails = soft <= threads || left < 1;
    if (!fails && !is_group && soft >= PROCESSES_ENOUGH) {
        check_ok(result, "limit %s, the cgroup has room for %s", soft_text, left_text);
        return;
    }
    check_bad(result, fails ? CHECK_FAIL : CHECK_WARN,
              "limit %s for the server's user, the cgroup has room for %s more", soft_text,
              left_text);
    check_wants(result, "at least %d, and room for %d more", PROCESSES_ENOUGH, PROCESSES_SPARE);
    if (is_group)
        check_fix_by(result, "pids_limit: 512   # Compose; Kubernetes: podPidsLimit: 512 of the "
                             "kubelet; systemd: TasksMax=512");
    else
        check_fix_by(result, "ulimits: {nproc: 65535}   # Compose; else ulimit -u 65535 before the "
                             "server starts; systemd: LimitNPROC=infinity");
}

static void look_processes(const struct check_facts *facts, struct check_result *result)
{
    auto_free char *status = xasprintf("proc/%" PRId64 "/status", facts->server_pid);
    struct limit processes;
    int64_t threads = 1;
    int64_t uid = -1;

    if (facts->server_pid <= 0) {
        check_unseen_process(facts, result);
        return;
    }
    int64_t left = find_pids_left(facts);
    if (!read_limit(facts, "Max processes", &processes) || left < 0) {
        check_unknown(result, "this needs to see the server's %s (run as the server's user)",
                      left < 0 ? "cgroup" : "limits");
        return;
    }
    (void)check_read_field(facts->root_fd, status, "Threads", &threads); /* else it is 1 */
    if (check_read_field(facts->root_fd, status, "Uid", &uid) && uid == 0)
        processes.soft = UNLIMITED; /* it binds nobody who is root */
    judge_processes(processes.soft, threads, left, result);
}

static void look_oom_score(const struct check_facts *facts, struct check_result *result)
{
    auto_free char *path = xasprintf("proc/%" PRId64 "/oom_score_adj", facts->server_pid);
    const char *setting = pairs_get(facts->config, "oom-score-adj");
    int64_t score = 0;
    bool is_seen = facts->server_pid > 0 && check_read_i64(facts->root_fd, path, &score);

    if (is_seen && score >= OOM_FIRST) {
        check_bad(result, CHECK_WARN, "oom_score_adj %" PRId64 ": among the first to be killed",
                  score);
        check_wants(result, "less than %d", OOM_FIRST);
        check_fix_by(result, "resources: {requests: {memory: 1Gi}, limits: {memory: 1Gi}}   # the "
                             "same in both, for all containers; Compose: oom_score_adj: 0");
    } else if (setting != NULL && strcmp(setting, "no") == 0) {
        check_bad(result, CHECK_WARN,
                  "oom-score-adj no: the kernel may kill the server instead of a saving child");
        result->scope = CHECK_SERVER;
        check_wants(result, "relative");
        check_fix_by(result, "oom-score-adj relative");
        check_act_by(result, CHECK_ACT_CONFIG, "oom-score-adj", "relative");
    } else if (setting == NULL) {
        (void)check_config_text(facts, "oom-score-adj", result);
    } else if (!is_seen) {
        check_unseen_process(facts, result);
    } else {
        check_ok(result, "oom_score_adj %" PRId64 ", oom-score-adj %s", score, setting);
    }
}

const struct check_row check_limit_rows[] = {
    {.id = "open-files",
     .scope = CHECK_POD,
     .why = "Each client, replica and file takes a descriptor: where they run out, clients, and "
            "with them backups, are turned away.",
     .look = look_open_files},
    {.id = "processes",
     .scope = CHECK_POD,
     .why = "A save is a forked child: where no process may be added, nothing is saved, and the "
            "server refuses writes.",
     .look = look_processes},
    {.id = "memory-limit",
     .scope = CHECK_POD,
     .why =
         "While it saves, the server needs memory for its data and for every page that is "
         "written meanwhile: past the limit the kernel kills it, and what was not saved is gone.",
     .look = check_look_memory},
    {.id = "oom-score",
     .scope = CHECK_POD,
     .why = "When memory runs out, the kernel should kill a saving child, which is tried again, "
            "rather than the server with its data.",
     .look = look_oom_score},
    {.id = NULL},
};
