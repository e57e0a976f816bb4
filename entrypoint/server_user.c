/*
 * The entrypoints of the official images do the same with find(1), chown(1) and setpriv(1); here
 * for images that have none of them. Files are opened by descriptor and never through a link: the
 * directory belongs to somebody whom a root process should not trust.
 */
#include "entrypoint/server_user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"

enum {
    DEPTH_MAX = 8,
    CAPABILITIES = 64,
};

/* ---- who ---- */

static int read_numbers(const char *text, struct server_user *out, struct err *err)
{
    size_t len = strcspn(text, ":");
    auto_free char *first = xstrndup(text, len);
    uint64_t uid;
    uint64_t gid;

    if (parse_u64(first, &uid, err) != 0)
        return -1;
    gid = uid;
    if (text[len] == ':' && parse_u64(text + len + 1, &gid, err) != 0)
        return -1;
    if (uid >= UINT32_MAX || gid >= UINT32_MAX)
        return err_set(err, ERR_CONFIG, "\"%.64s\" is too large for a user", text);
    *out = (struct server_user){.uid = (uid_t)uid, .gid = (gid_t)gid};
    return 0;
}

static void close_file(FILE *file)
{
    if (file != NULL)
        (void)fclose(file); /* it was only read */
}
DEFINE_CLEANUP(cleanup_file, FILE *, close_file);

static bool find_name(const char *passwd, const char *name, struct server_user *out)
{
    auto_with(cleanup_file) FILE *file = fopen(passwd, "re");
    const struct passwd *entry;

    while (file != NULL && (entry = fgetpwent(file)) != NULL) {
        if (strcmp(entry->pw_name, name) == 0) {
            *out = (struct server_user){.uid = entry->pw_uid, .gid = entry->pw_gid};
            return true;
        }
    }
    return false;
}

int server_user_find(const char *passwd, const char *wanted, struct server_user *out,
                     bool *out_found, struct err *err)
{
    struct server_user user = {0};

    if (wanted == NULL) {
        *out_found = find_name(passwd, "redis", &user) || find_name(passwd, "valkey", &user);
    } else if (wanted[0] >= '0' && wanted[0] <= '9') {
        if (read_numbers(wanted, &user, err) != 0)
            return err_wrap(err, "server-user");
        *out_found = true;
    } else {
        if (!find_name(passwd, wanted, &user))
            return err_set(err, ERR_CONFIG,
                           "server-user: %s has no user %.64s. HINT: a number (UID or UID:GID) "
                           "needs none",
                           passwd, wanted);
        *out_found = true;
    }
    *out = user;
    return 0;
}

/* ---- whose files ---- */

struct giving {
    const struct server_user *user;
    const char *appenddirname;
};

static bool ends_with(const char *name, const char *tail)
{
    size_t len = strlen(name);
    size_t tail_len = strlen(tail);

    return len >= tail_len && strcmp(name + len - tail_len, tail) == 0;
}

/* At the top, what a server or a restore has made; below, all of it. */
static bool is_ours(const struct giving *giving, const char *name)
{
    return strcmp(name, giving->appenddirname) == 0 || ends_with(name, ".rdb") ||
           ends_with(name, ".aof") || ends_with(name, ".conf") || ends_with(name, ".acl") ||
           strncmp(name, ".redkeep-restore.", strlen(".redkeep-restore.")) == 0;
}

/* Files and directories only; nothing else of a server's lies there but sockets. */
static int give_one(const struct giving *giving, int dir_fd, const char *name, bool *out_is_dir,
                    struct err *err)
{
    auto_close int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    *out_is_dir = false;
    if (fd < 0 && errno == ENOENT)
        return 0; /* gone meanwhile */
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "cannot look at %s", name);
    *out_is_dir = S_ISDIR(st.st_mode);
    if ((!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) ||
        (st.st_uid == giving->user->uid && st.st_gid == giving->user->gid))
        return 0;
    if (fchownat(fd, "", giving->user->uid, giving->user->gid, AT_EMPTY_PATH) != 0)
        return err_sys(err, ERR_FAILED, "cannot give %s to user %u", name,
                       (unsigned)giving->user->uid);
    return 0;
}

static int give_below(const struct giving *giving, int parent_fd, const char *path, unsigned depth,
                      struct err *err)
{
    auto_close int fd =
        openat(parent_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (depth > 0 ? O_NOFOLLOW : 0));
    auto_fs_list struct fs_list list = {0};

    if (fd < 0)
        return err_sys(err, ERR_FAILED, "cannot open %s", path);
    if (fs_list_dir(fd, ".", &list, err) != 0)
        return err_wrap(err, "%s", path);
    for (size_t i = 0; i < list.count; i++) {
        bool is_dir;

        if (depth == 0 && !is_ours(giving, list.names[i]))
            continue;
        if (give_one(giving, fd, list.names[i], &is_dir, err) != 0 ||
            (is_dir && depth < DEPTH_MAX &&
             give_below(giving, fd, list.names[i], depth + 1, err) != 0))
            return err_wrap(err, "%s", path);
    }
    return 0;
}

int server_user_give(const struct server_user *user, const char *dir, const char *appenddirname,
                     struct err *err)
{
    const struct giving giving = {.user = user, .appenddirname = appenddirname};
    auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAILED, "cannot open %s", dir);
    if ((st.st_uid != user->uid || st.st_gid != user->gid) && fchown(fd, user->uid, user->gid) != 0)
        return err_sys(err, ERR_FAILED, "cannot give %s to user %u", dir, (unsigned)user->uid);
    return give_below(&giving, AT_FDCWD, dir, 0, err);
}

/* ---- becoming ---- */

static int clear_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    return (int)syscall(SYS_capset, &header, none);
}

int server_user_become(const struct server_user *user, struct err *err)
{
    /* where this is refused, no_new_privs has the same effect */
    for (unsigned long capability = 0; capability < CAPABILITIES; capability++)
        (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    if (setgroups(1, &user->gid) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0) {
        (void)err_sys(err, ERR_FAILED, "cannot become user %u", (unsigned)user->uid);
        return err_advise(err, "start the container as that user, or leave it the capabilities "
                               "SETUID and SETGID");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || clear_capabilities() != 0)
        return err_sys(err, ERR_FAILED, "cannot give up capabilities");
    if (user->uid != 0 && setresuid(0, 0, 0) == 0) /* INVARIANT: there is no way back */
        return err_set(err, ERR_FAILED, "root was not given up");
    return 0;
}
