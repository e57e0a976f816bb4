/*
 * Who owns the data directory, beside who the server runs as, see check_volume.h. The server's ids
 * are those that the kernel judges files by, of its /proc/<pid>/status.
 */
#include "host/check_volume.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"
#include "host/check_read.h"

#define STATUS_MAX (64 << 10)

bool check_has_volume(const struct check_facts *facts, struct check_result *result)
{
    if (facts->volume.path == NULL)
        check_unknown(result, "%s",
                      facts->volume.why != NULL
                          ? facts->volume.why
                          : "this needs data-dir: the server's data directory, mounted here");
    return facts->volume.path != NULL;
}

bool check_is_plain(const char *name)
{
    return name[0] != '\0' && name[0] != '-' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "._-+@:/,")] == '\0';
}

const char *check_shell_path(const struct check_facts *facts)
{
    return check_is_plain(facts->volume.path) ? facts->volume.path : "\"${DATA_DIR:?}\"";
}

/* Whose rights the server's process has; -1: not visible. */
struct rights {
    int64_t uid;
    int64_t gid;
    char *groups; /* "4 24 999", NULL */
};

/* The last number of a "Name:\treal\teffective\tsaved\tfs" line: the one that files are judged by;
 * -1: there is none. */
static int64_t last_id(const char *line)
{
    size_t len = strcspn(line, "\n");
    size_t start = len;
    struct err ignored; /* no number is an answer here */
    uint64_t id = 0;

    while (start > 0 && line[start - 1] != '\t' && line[start - 1] != ' ')
        start--;
    auto_free char *text = xstrndup(line + start, len - start);
    return parse_u64(text, &id, &ignored) == 0 && id <= UINT32_MAX ? (int64_t)id : -1;
}

static struct rights rights_of_server(const struct check_facts *facts)
{
    struct rights rights = {.uid = -1, .gid = -1};

    if (facts->server_pid < 0)
        return rights;
    auto_free char *path = xasprintf("proc/%" PRId64 "/status", facts->server_pid);
    auto_free char *status = check_read_text(facts->root_fd, path, STATUS_MAX);
    if (status == NULL)
        return rights;
    const char *uid = strstr(status, "\nUid:");
    const char *gid = strstr(status, "\nGid:");
    const char *groups = strstr(status, "\nGroups:");

    if (uid != NULL && gid != NULL) {
        rights.uid = last_id(uid + 1);
        rights.gid = last_id(gid + 1);
    }
    if (groups != NULL) {
        groups += strlen("\nGroups:");
        rights.groups = xstrndup(groups, strcspn(groups, "\n"));
    }
    return rights;
}

static bool has_group(const struct rights *rights, int64_t gid)
{
    const char *rest = rights->groups == NULL ? "" : rights->groups;

    if (rights->gid == gid)
        return true;
    auto_free char *wanted = xasprintf("%" PRId64, gid);
    while (*rest != '\0') {
        rest += strspn(rest, " \t");
        size_t len = strcspn(rest, " \t");
        if (len > 0 && len == strlen(wanted) && strncmp(rest, wanted, len) == 0)
            return true;
        rest += len;
    }
    return false;
}

/* May it make and remove files there? */
static bool may_write(const struct check_volume *volume, const struct rights *rights)
{
    if (rights->uid == 0)
        return true;
    if (rights->uid == volume->owner_uid)
        return (volume->mode & 0300) == 0300;
    if (has_group(rights, volume->owner_gid))
        return (volume->mode & 0030) == 0030;
    return (volume->mode & 0003) == 0003;
}

/* A server that writes there as anybody may needs to own the directory first: an emptyDir is
 * root's, mode 0777. */
static void close_to_others(const struct check_facts *facts, int64_t uid, int64_t gid,
                            bool can_write_then, struct check_result *result)
{
    const char *path = check_shell_path(facts);

    check_wants(result, "not writable by others");
    if (uid < 0)
        check_fix_by(result, "chown <uid of the server> %s && chmod u+rwx,o-w %s", path, path);
    else if (can_write_then)
        check_fix_by(result, "chmod o-w %s", path);
    else
        check_fix_by(result, "chown %" PRId64 ":%" PRId64 " %s && chmod u+rwx,o-w %s", uid, gid,
                     path, path);
}

/* Then it may write there, whoever it is. */
static bool server_writes_now(const struct check_facts *facts)
{
    return facts->info != NULL && check_server_writes(facts);
}

static void look_unseen(const struct check_facts *facts, const char *is,
                        struct check_result *result)
{
    if (facts->info == NULL && facts->server_why != NULL)
        check_unknown(result, "%s; whether the server may write there needs the server: %s", is,
                      facts->server_why);
    else
        check_unknown(
            result,
            "%s; whether the server may write there shows at its next save; else " CHECK_NEEDS_PID,
            is);
}

void check_look_ownership(const struct check_facts *facts, struct check_result *result)
{
    const struct check_volume *volume = &facts->volume;

    if (!check_has_volume(facts, result) ||
        !check_has_seen(volume->owner_uid >= 0 && volume->owner_gid >= 0 && volume->mode >= 0,
                        "the owner", result))
        return;
    struct rights rights = rights_of_server(facts);
    bool can_write = may_write(volume, &rights);
    struct check_volume closed = *volume;
    closed.mode &= ~INT64_C(0002);
    bool can_write_then = may_write(&closed, &rights);
    free(rights.groups);
    unsigned mode = (unsigned)(volume->mode & 07777);
    auto_free char *is =
        xasprintf("%" PRId64 ":%" PRId64 " mode %04o", volume->owner_uid, volume->owner_gid, mode);

    if (rights.uid >= 0 && !can_write) {
        check_bad(result, CHECK_FAIL, "%s; the server runs as %" PRId64 ":%" PRId64, is, rights.uid,
                  rights.gid);
        check_wants(result, "a directory that the server may write to");
        check_fix_by(result, "chown -R %" PRId64 ":%" PRId64 " %s && chmod u+rwx %s", rights.uid,
                     rights.gid, check_shell_path(facts), check_shell_path(facts));
    } else if ((mode & 0002) != 0 && !volume->is_mount) {
        check_bad(result, CHECK_WARN, "%s: anybody may remove the files", is);
        close_to_others(facts, rights.uid, rights.gid, can_write_then, result);
    } else if (rights.uid < 0 && server_writes_now(facts)) {
        check_ok(result, "%s; the server's last write succeeded", is);
    } else if (rights.uid < 0) {
        look_unseen(facts, is, result);
    } else {
        check_ok(result, "%s; the server runs as %" PRId64 ":%" PRId64, is, rights.uid, rights.gid);
    }
}
