/*
 * See https://docs.kernel.org/admin-guide/cgroup-v2.html for cpu.max: "QUOTA PERIOD" in µs, or
 * "max PERIOD" without a limit. Without that file the affinity alone counts.
 */
#include "commands/process.h"

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"

enum { ARENAS_MAX = 2, CPU_MAX_BYTES = 128, HOST_NAME_BYTES = 256 };

void process_prepare(void)
{
    struct rlimit none = {0};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)mallopt(M_ARENA_MAX, ARENAS_MAX);
}

/* Cores of the container's limit, rounded up; 0 when there is none. */
static uint64_t cgroup_cpus(void)
{
    auto_buf struct buf text = {0};
    struct err err;
    uint64_t quota;
    uint64_t period;
    char *blank;

    buf_init(&text, CPU_MAX_BYTES);
    if (fs_read_file(AT_FDCWD, "/sys/fs/cgroup/cpu.max", &text, &err) != 0 || text.len == 0)
        return 0;
    blank = strchr((char *)text.data, ' ');
    if (blank == NULL)
        return 0;
    *blank = '\0';
    blank[1 + strcspn(blank + 1, "\n")] = '\0';
    if (parse_u64((char *)text.data, &quota, &err) != 0 ||
        parse_u64(blank + 1, &period, &err) != 0 || period == 0)
        return 0;
    return quota / period + (quota % period != 0);
}

unsigned process_cpus(void)
{
    cpu_set_t set;
    uint64_t limit = cgroup_cpus();
    unsigned cpus = 1;

    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        cpus = (unsigned)CPU_COUNT(&set);
    return limit > 0 && limit < cpus ? (unsigned)limit : cpus;
}

char *process_host_name(void)
{
    char name[HOST_NAME_BYTES] = {0};

    if (gethostname(name, sizeof name - 1) != 0)
        name[0] = '\0'; /* `instance` is refused when it is empty, with a message of its own */
    return xstrdup(name);
}
