/*
 * A directory of a test's own: see tmpdir.h. It does without base/fs.h on purpose: what is tested
 * shall not clean up after its own tests.
 */
#include "support/tmpdir.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

char *tmpdir_new(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = NULL;

    must(asprintf(&path, "%s/redkeep-test-XXXXXX", parent && *parent ? parent : "/tmp") > 0,
         "asprintf");
    must(mkdtemp(path) != NULL, path);
    return path;
}

static int open_up(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)walk;
    if (type == FTW_D || type == FTW_DNR)
        (void)chmod(path, 0700); /* else the removal says so */
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

void tmpdir_remove(char *path)
{
    if (!path)
        return;
    must(nftw(path, open_up, 32, FTW_PHYS) == 0, path);
    must(nftw(path, remove_one, 32, FTW_PHYS | FTW_DEPTH) == 0, path);
    free(path);
}

unsigned fd_count(void)
{
    DIR *entries = opendir("/proc/self/fd");
    unsigned count = 0;

    must(entries != NULL, "/proc/self/fd");
    while (readdir(entries))
        count++;
    (void)closedir(entries); /* only read from */
    return count - 3;        /* ".", ".." and the one that read them */
}
