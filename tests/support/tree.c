#include "support/tree.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/crc64.h"
#include "base/fs.h"
#include "base/mem.h"

#define TEXT_MAX ((size_t)16 << 20)
#define FILE_MAX ((size_t)1 << 30)
#define ASIDE "before-restore-"
#define RUBBISH ".redkeep-restore.partial"

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void say(struct buf *out, const char *text)
{
    struct err err = {0};
    int rc = buf_append(out, text, strlen(text), &err);

    assert(rc == 0);
}

static void say_file(int dir_fd, const char *name, struct buf *out)
{
    auto_buf struct buf content = {0};
    struct err err = {0};

    buf_init(&content, FILE_MAX);
    int rc = fs_read_file(dir_fd, name, &content, &err);
    assert(rc == 0);
    auto_free char *text =
        xasprintf(" %zu %016" PRIx64 "\n", content.len, crc64(0, content.data, content.len));
    say(out, text);
}

static void walk(int dir_fd, const char *above, bool with_rubbish, struct buf *out)
{
    struct dirent **entries = NULL;
    int count = scandirat(dir_fd, ".", &entries, NULL, by_name);

    assert(count >= 0);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        bool is_aside = strncmp(name, ASIDE, strlen(ASIDE)) == 0;
        struct stat st;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            (!with_rubbish && strcmp(name, RUBBISH) == 0) ||
            fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISSOCK(st.st_mode))
            continue;
        auto_free char *path = xasprintf("%s%s", above, is_aside ? ASIDE "*" : name);
        auto_free char *line = xasprintf("%s %c %04o", path,
                                         S_ISDIR(st.st_mode)   ? 'd'
                                         : S_ISREG(st.st_mode) ? 'f'
                                                               : '?',
                                         (unsigned)st.st_mode & 07777);
        say(out, line);
        if (S_ISREG(st.st_mode)) {
            say_file(dir_fd, name, out);
            continue;
        }
        say(out, "\n");
        auto_close int fd = S_ISDIR(st.st_mode) ? openat(dir_fd, name, O_RDONLY | O_CLOEXEC) : -1;
        auto_free char *below = xasprintf("%s/", path);
        if (fd >= 0)
            walk(fd, below, with_rubbish, out);
    }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
}

static char *text_of(int dir_fd, bool with_rubbish)
{
    auto_buf struct buf out = {0};

    buf_init(&out, TEXT_MAX);
    walk(dir_fd, "", with_rubbish, &out);
    return buf_take(&out);
}

char *tree_text(int dir_fd)
{
    return text_of(dir_fd, true);
}

char *tree_text_but_rubbish(int dir_fd)
{
    return text_of(dir_fd, false);
}

bool tree_has(int dir_fd, const char *path)
{
    struct stat st;

    return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

void tree_write(int dir_fd, const char *path, const void *data, unsigned long len)
{
    struct err err = {0};

    for (const char *at = strchr(path, '/'); at != NULL; at = strchr(at + 1, '/')) {
        auto_free char *dir = xstrndup(path, (size_t)(at - path));
        (void)mkdirat(dir_fd, dir, 0755); /* it may be there */
    }
    auto_close int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert(fd >= 0);
    int rc = fs_write_all(fd, data, len, path, &err);
    assert(rc == 0);
}

void tree_replace(int dir_fd, const char *path, const void *data, unsigned long len)
{
    tree_write(dir_fd, "temp-replace", data, len);
    int rc = renameat(dir_fd, "temp-replace", dir_fd, path);
    assert(rc == 0);
}
