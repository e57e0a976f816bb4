/*
 * The server's process among those of /proc, see check_read.h. It knows itself by its number in its
 * own PID namespace, which is the last one of NSpid in /proc/<pid>/status (proc_pid_status(5));
 * where redkeep sees the processes of a whole node, several servers may have the same.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/mem.h"
#include "host/check_read.h"

#define COMM_MAX 15 /* what the kernel keeps of a name */
#define STATUS_MAX ((size_t)64 * 1024)
#define START_FIELD 22  /* of /proc/<pid>/stat: when it began, in ticks since the boot */
#define START_SLACK_S 2 /* both count whole seconds */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* Is name, of which the kernel may have kept only the beginning, a server's? */
static bool is_server_name(const char *name, const char *executable)
{
    return strncmp(name, "redis-server", strlen("redis-server")) == 0 ||
           strncmp(name, "valkey-server", strlen("valkey-server")) == 0 ||
           (executable != NULL && executable[0] != '\0' &&
            strncmp(name, executable, COMM_MAX) == 0);
}

static bool is_server(int root_fd, int64_t pid, const char *executable)
{
    char path[64];
    char exe[PATH_MAX];

    (void)snprintf(path, sizeof(path), "proc/%" PRId64 "/comm", pid);
    auto_free char *comm = check_read_text(root_fd, path, PATH_MAX);
    if (comm != NULL && is_server_name(comm, executable))
        return true;
    (void)snprintf(path, sizeof(path), "proc/%" PRId64 "/exe", pid);
    ssize_t len = readlinkat(root_fd, path, exe, sizeof(exe) - 1);
    if (len <= 0)
        return false;
    exe[len] = '\0';
    return is_server_name(base_name(exe), executable);
}

/* Its number in its own PID namespace; *out_is_nested when that is below ours. pid itself where an
 * old kernel does not say. */
static int64_t own_pid(int root_fd, int64_t pid, bool *out_is_nested)
{
    auto_free char *path = xasprintf("proc/%" PRId64 "/status", pid);
    auto_free char *status = check_read_text(root_fd, path, STATUS_MAX);
    char *line = status == NULL ? NULL : strstr(status, "\nNSpid:\t");
    int64_t own = -1;

    *out_is_nested = false;
    if (line == NULL)
        return pid;
    line += strlen("\nNSpid:\t");
    line[strcspn(line, "\n")] = '\0';
    const char *last = strrchr(line, '\t');
    *out_is_nested = last != NULL;
    return pairs_number(last != NULL ? last + 1 : line, &own) ? own : -1;
}

/* Since when it runs, in seconds; -1: not to be seen. */
static int64_t uptime_of(int root_fd, int64_t pid)
{
    auto_free char *path = xasprintf("proc/%" PRId64 "/stat", pid);
    auto_free char *stat = check_read_text(root_fd, path, STATUS_MAX);
    auto_free char *uptime = check_read_text(root_fd, "proc/uptime", STATUS_MAX);
    char *word = stat == NULL ? NULL : strrchr(stat, ')'); /* its name may hold anything */
    int64_t ticks_per_s = sysconf(_SC_CLK_TCK);
    int64_t began = -1;
    int64_t now_s = -1;

    for (int field = 2; word != NULL && field < START_FIELD; field++) {
        word = strchr(word, ' ');
        word += word != NULL;
    }
    if (word == NULL || uptime == NULL || ticks_per_s <= 0)
        return -1;
    word[strcspn(word, " \n")] = '\0';
    uptime[strcspn(uptime, ".")] = '\0';
    if (!pairs_number(word, &began) || !pairs_number(uptime, &now_s) || began < 0)
        return -1;
    return now_s - began / ticks_per_s;
}

struct search {
    int root_fd;
    const char *executable;
    int64_t own_pid;
    int64_t uptime_s; /* that INFO says; -1: it does not */
};

static bool runs_as_long(const struct search *search, int64_t pid)
{
    int64_t uptime_s = uptime_of(search->root_fd, pid);

    return search->uptime_s >= 0 && uptime_s >= search->uptime_s - START_SLACK_S &&
           uptime_s <= search->uptime_s + START_SLACK_S;
}

/* The number alone says little of one in a container: each of these begins with 1. */
static bool is_wanted(const struct search *search, int64_t pid)
{
    bool is_nested = false;

    return is_server(search->root_fd, pid, search->executable) &&
           own_pid(search->root_fd, pid, &is_nested) == search->own_pid &&
           (!is_nested || runs_as_long(search, pid));
}

/* The only one that is wanted, or the only one of them that runs for so long; else -1. */
static int64_t search_all(const struct search *search)
{
    auto_fs_list struct fs_list names = {0};
    int64_t found = -1;
    int64_t found_by_time = -1;
    int count = 0;
    int count_by_time = 0;
    struct err ignored; /* none is visible, then */

    if (fs_list_dir(search->root_fd, "proc", &names, &ignored) != 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        int64_t pid = 0;

        if (!pairs_number(names.names[i], &pid) || pid <= 0 || !is_wanted(search, pid))
            continue;
        found = pid;
        count++;
        if (runs_as_long(search, pid)) {
            found_by_time = pid;
            count_by_time++;
        }
    }
    if (count == 1)
        return found;
    return count_by_time == 1 ? found_by_time : -1;
}

int64_t check_find_server(int root_fd, const struct pairs *info)
{
    const char *executable = pairs_get(info, "executable");
    struct search search = {.root_fd = root_fd, .uptime_s = -1};

    if (!pairs_i64(info, "process_id", &search.own_pid) || search.own_pid <= 0 ||
        search.own_pid > INT_MAX)
        return -1;
    (void)pairs_i64(info, "uptime_in_seconds", &search.uptime_s); /* else it stays unknown */
    search.executable = executable == NULL ? NULL : base_name(executable);
    return search_all(&search);
}

bool check_is_child_of_redkeep(int root_fd, int64_t pid)
{
    char path[64];
    int64_t parent = 0;

    (void)snprintf(path, sizeof(path), "proc/%" PRId64 "/status", pid);
    if (pid <= 0 || !check_read_field(root_fd, path, "PPid", &parent) || parent <= 0)
        return false;
    (void)snprintf(path, sizeof(path), "proc/%" PRId64 "/comm", parent);
    auto_free char *comm = check_read_text(root_fd, path, PATH_MAX);
    return comm != NULL && strcmp(comm, "redkeep") == 0;
}
