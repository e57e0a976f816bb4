/*
 * See https://docs.kernel.org/admin-guide/cgroup-v2.html for cpu.max: "QUOTA PERIOD" in µs, or
 * "max PERIOD" without a limit. Without that file the affinity alone counts.
 */
#include "commands/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/report.h"

enum {
    ARENAS_MAX = 2,
    CPU_MAX_BYTES = 128,
    HOST_NAME_BYTES = 256,
    ORPHAN_SECONDS = 20,
    OOM_SCORE_MORE = 500,
    OOM_SCORE_MAX = 1000,
};

/* Whoever starts us without a standard stream would have our log written into the next file or
 * connection that is opened. What stands there instead fails when it is used, as the closed one
 * would have: /dev/null the wrong way round. */
static void fill_closed_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        int opened = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        if (opened > STDERR_FILENO) /* cannot be: the lowest is taken */
            (void)close(opened);
    }
}

void process_prepare(void)
{
    struct rlimit none = {0};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    fill_closed_streams();
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL);
    (void)mallopt(M_ARENA_MAX, ARENAS_MAX);
}

/* Runs in any thread, at any instruction: only what may be called there. The pending SIGTERM is
 * what cancel_requested sees; a job that does not ask any more is ended by SIGALRM. */
static void on_orphaned(int signal_number)
{
    int saved_errno = errno;

    (void)signal_number;
    (void)kill(getpid(), SIGTERM);
    (void)alarm(ORPHAN_SECONDS);
    errno = saved_errno;
}

static void take_orders(void)
{
    const struct sigaction orphaned = {.sa_handler = on_orphaned, .sa_flags = SA_RESTART};
    const struct sigaction ends_it = {.sa_handler = SIG_DFL};
    sigset_t blocked;

    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGINT);
    (void)sigaddset(&blocked, SIGTERM);
    (void)sigaction(SIGHUP, &orphaned, NULL);
    (void)sigaction(SIGALRM, &ends_it, NULL);
    /* in one step: a SIGTERM that waits would kill in between */
    (void)pthread_sigmask(SIG_SETMASK, &blocked, NULL);
}

/* INVARIANT (nothing outlives the supervisor): it may have died before the kernel was asked to
 * tell. */
static void stop_with_parent(const char *parent)
{
    struct err ignored;
    uint64_t pid;

    (void)prctl(PR_SET_PDEATHSIG, SIGHUP, 0, 0, 0);
    if (parent != NULL && parse_u64(parent, &pid, &ignored) == 0 && (uint64_t)getppid() != pid)
        (void)raise(SIGHUP);
}

/* Before the server and the supervisor, however the container's own value was chosen. A process may
 * always make itself the likelier victim; without /proc it is as likely as they are. */
static void volunteer_for_oom(void)
{
    static const char path[] = "/proc/self/oom_score_adj";
    auto_close int fd = open(path, O_RDWR | O_CLOEXEC);
    char text[16] = {0};
    struct err ignored;
    uint64_t size;
    int score;

    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    if (parse_u64(text + (text[0] == '-'), &size, &ignored) != 0 || size > OOM_SCORE_MAX)
        return;
    score = (text[0] == '-' ? -(int)size : (int)size) + OOM_SCORE_MORE;
    (void)snprintf(text, sizeof text, "%d", score < OOM_SCORE_MAX ? score : OOM_SCORE_MAX);
    (void)!pwrite(fd, text, strlen(text), 0);
}

void process_become_job(void)
{
    const char *fd_text = getenv("REDKEEP_JOB_FD");
    const char *parent = getenv("REDKEEP_JOB_PARENT");
    struct err ignored;
    uint64_t fd;

    if (fd_text != NULL && parse_u64(fd_text, &fd, &ignored) == 0 && fd > STDERR_FILENO &&
        fd <= INT_MAX && fcntl((int)fd, F_GETFD) >= 0) {
        report_to((int)fd);
        take_orders();
        volunteer_for_oom(); /* not possible any more once the process cannot be dumped */
        stop_with_parent(parent);
    }
    (void)unsetenv("REDKEEP_JOB_FD");
    (void)unsetenv("REDKEEP_JOB_PARENT");
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

/* Segments that are not writable were never written to: relocations are in the others. */
static int drop_segments(struct dl_phdr_info *object, size_t size, void *context)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size;
    (void)context;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t begin = (object->dlpi_addr + segment->p_vaddr) / page * page;
        uintptr_t end = object->dlpi_addr + segment->p_vaddr + segment->p_memsz;

        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0)
            (void)madvise((void *)begin, end - begin, MADV_DONTNEED); /* kept: no harm */
    }
    return 0;
}

void process_drop_clean_pages(void)
{
    (void)dl_iterate_phdr(drop_segments, NULL);
}

char *process_host_name(void)
{
    char name[HOST_NAME_BYTES] = {0};

    if (gethostname(name, sizeof name - 1) != 0)
        name[0] = '\0'; /* `instance` is refused when it is empty, with a message of its own */
    return xstrdup(name);
}
