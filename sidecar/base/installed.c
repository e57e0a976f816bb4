/*
 * Where the program lies is asked of /proc, since nothing else knows it: argv[0] is what somebody
 * says, and a folder fixed at build time would be wrong for whoever copies the files elsewhere.
 */
#include "base/installed.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

char *installed_beside(const char *program, const char *name)
{
    char path[PATH_MAX];
    ssize_t len = readlink(program, path, sizeof(path) - 1);
    auto_free char *found = NULL;
    char *slash;

    if (len <= 0)
        return NULL;
    path[len] = '\0';
    slash = strrchr(path, '/');
    if (slash == NULL)
        return NULL;
    *slash = '\0';
    found = xasprintf("%s/../share/%s", path, name);
    return access(found, R_OK) == 0 ? TAKE_PTR(found) : NULL;
}

char *installed_unless(const char *system, const char *name)
{
    return access(system, R_OK) == 0 ? NULL : installed_beside("/proc/self/exe", name);
}

char *installed_ca_bundle(void)
{
    /* where libcurl looks by itself, as Debian and Alpine have it */
    return installed_unless("/etc/ssl/certs/ca-certificates.crt", "ca-certificates.crt");
}
