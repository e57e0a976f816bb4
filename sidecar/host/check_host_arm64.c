/*
 * The arm64 kernel bug that loses the dirty state of pages at fork (fixed by Linux commit
 * ff1712f953e2, "Ensure dirty bit is preserved across pte_wrprotect()"; redis issue 8124). Servers
 * since 6.2 test for it when they start, and do not start where they find it or cannot test, unless
 * ignore-warnings ARM64-COW-BUG is set: one that runs without that has proven the kernel. Else the
 * kernel's version says.
 */
#include "host/check_host_arm64.h"

#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "host/check_read.h"
#include "redis/server_version.h"

#define OSRELEASE "proc/sys/kernel/osrelease"
#define CPUINFO "proc/cpuinfo"
#define ARCH "proc/sys/kernel/arch"
#define TEXT_MAX ((size_t)1024 * 1024) /* cpuinfo of many processors */

enum machine { MACHINE_UNKNOWN, MACHINE_ARM64, MACHINE_OTHER };

static enum machine find_machine(const struct check_facts *facts)
{
    const char *os = pairs_get(facts->info, "os"); /* "Linux 5.10.0 aarch64" */
    auto_free char *arch = check_read_text(facts->root_fd, ARCH, TEXT_MAX);
    auto_free char *cpuinfo = check_read_text(facts->root_fd, CPUINFO, TEXT_MAX);

    if (os != NULL && strrchr(os, ' ') != NULL)
        return strcmp(strrchr(os, ' ') + 1, "aarch64") == 0 ? MACHINE_ARM64 : MACHINE_OTHER;
    if (arch != NULL && arch[0] != '\0')
        return strcmp(arch, "aarch64") == 0 ? MACHINE_ARM64 : MACHINE_OTHER;
    if (cpuinfo == NULL || cpuinfo[0] == '\0')
        return MACHINE_UNKNOWN;
    return strstr(cpuinfo, "CPU implementer") != NULL ? MACHINE_ARM64 : MACHINE_OTHER;
}

struct kernel {
    uint64_t major;
    uint64_t minor;
    uint64_t patch;
};

/* Takes a number and the dot behind it from *rest. */
static bool take_number(const char **rest, uint64_t *out)
{
    char digits[12];
    size_t len = strspn(*rest, "0123456789");
    struct err ignored; /* no number is an answer here */

    if (len == 0 || len >= sizeof(digits))
        return false;
    memcpy(digits, *rest, len);
    digits[len] = '\0';
    *rest += len + ((*rest)[len] == '.');
    return parse_u64(digits, out, &ignored) == 0;
}

static bool parse_kernel(const char *text, struct kernel *out)
{
    struct kernel kernel = {0};

    if (!take_number(&text, &kernel.major) || !take_number(&text, &kernel.minor))
        return false;
    (void)take_number(&text, &kernel.patch); /* "6.1-rc3" has none */
    *out = kernel;
    return true;
}

static bool has_fix(const struct kernel *kernel)
{
    /* the first of each series that was still kept when it was fixed */
    static const struct kernel fixed[] = {{4, 4, 247},  {4, 9, 247}, {4, 14, 210},
                                          {4, 19, 161}, {5, 4, 81},  {5, 9, 12}};

    if (kernel->major > 5 || (kernel->major == 5 && kernel->minor >= 10))
        return true;
    if (kernel->major < 4 || (kernel->major == 4 && kernel->minor < 3))
        return true; /* from before the bug */
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        if (kernel->major == fixed[i].major && kernel->minor == fixed[i].minor)
            return kernel->patch >= fixed[i].patch;
    }
    return false;
}

/* Did the running server find out at its start? */
static bool has_server_tested(const struct check_facts *facts)
{
    const char *ignored_warnings = pairs_get(facts->config, "ignore-warnings");
    const char *text = pairs_get(facts->info, "redis_version");
    struct server_version version;
    struct err ignored;

    if (ignored_warnings == NULL || strcasestr(ignored_warnings, "ARM64-COW-BUG") != NULL)
        return false;
    return text != NULL && server_version_parse(text, &version, &ignored) == 0 &&
           (version.major > 6 || (version.major == 6 && version.minor >= 2));
}

void check_look_arm64(const struct check_facts *facts, struct check_result *result)
{
    enum machine machine = find_machine(facts);
    auto_free char *release = check_read_text(facts->root_fd, OSRELEASE, 256);
    struct kernel kernel;

    if (machine == MACHINE_OTHER) {
        check_ok(result, "this machine is no arm64");
        return;
    }
    if (machine == MACHINE_UNKNOWN) {
        check_unknown(result, "this needs to read /" CPUINFO);
        return;
    }
    if (has_server_tested(facts)) {
        check_ok(result, "the server has tested the kernel at its start");
        return;
    }
    if (release == NULL || !parse_kernel(release, &kernel)) {
        check_unknown(result, "this needs to read /" OSRELEASE);
        return;
    }
    if (has_fix(&kernel)) {
        check_ok(result, "Linux %s", release);
        return;
    }
    const char *warnings = pairs_get(facts->config, "ignore-warnings");
    if (warnings != NULL && strcasestr(warnings, "ARM64-COW-BUG") != NULL)
        check_bad(result, CHECK_FAIL, "Linux %s, and the server was told to ignore the bug",
                  release);
    else
        check_bad(result, CHECK_WARN, "Linux %s, unless its distribution has brought the fix back",
                  release);
    check_wants(result, "Linux 5.10 or later (5.4.81, 4.19.161, 4.14.210)");
    check_fix_by(result, "upgrade the node's kernel, and take ignore-warnings ARM64-COW-BUG out of "
                         "redis.conf");
}
