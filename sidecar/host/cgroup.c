/*
 * Control groups: see cgroup.h. proc/<pid>/cgroup names the group of each hierarchy
 * ("4:memory:/docker/abc"; version 2: "0::/..."), mountinfo the place where the hierarchy is
 * mounted and which of its groups is at the top there; both speak from the point of view of who
 * reads them (cgroup_namespaces(7)), so that they fit together. A group outside what is mounted
 * ("/../other") cannot be seen that way.
 */
#include "host/cgroup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/check_read.h"
#include "host/mounts.h"

#define GROUPS_MAX ((size_t)64 * 1024)

/* One hierarchy that a process is in. */
struct place {
    char *path; /* from the hierarchy's top */
    bool is_v2;
};

/* Looks for the line of a controller, or, with controller NULL, that of version 2. */
static char *path_of(const char *groups, const char *controller)
{
    for (const char *line = groups; line != NULL;) {
        const char *end = strchr(line, '\n');
        size_t len = end == NULL ? strlen(line) : (size_t)(end - line);
        auto_free char *copy = xstrndup(line, len);
        char *names = strchr(copy, ':');
        char *path = names == NULL ? NULL : strchr(names + 1, ':');

        if (path != NULL) {
            *path++ = '\0';
            names++;
            if (controller == NULL ? names[0] == '\0' : mounts_has_word(names, controller))
                return xstrdup(path);
        }
        line = end == NULL ? NULL : end + 1;
    }
    return NULL;
}

static bool goes_up(const char *path)
{
    for (const char *at = path; (at = strstr(at, "..")) != NULL; at += 2) {
        if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == '\0'))
            return true;
    }
    return false;
}

/* The directory of path in a mount, below prefix (""; "proc/7/root"); false when it is outside. */
static bool place_in_mount(const struct mount_line *mount, const char *prefix, const char *path,
                           struct cgroup *out)
{
    if (!mounts_is_below(path, mount->root))
        return false;
    const char *rest = path + (strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root));
    rest += strspn(rest, "/");
    const char *point = mount->point + strspn(mount->point, "/");
    if (goes_up(rest) || goes_up(point))
        return false;
    out->path = xasprintf("%s%s%s%s", prefix, point, rest[0] == '\0' ? "" : "/", rest);
    out->top = strlen(prefix) + strlen(point);
    return true;
}

/* Looks in the mountinfo of a process (who: "self" or a number). */
static bool find_mount(int root_fd, const char *who, const struct place *place,
                       const char *controller, struct cgroup *out)
{
    auto_free char *file = xasprintf("proc/%s/mountinfo", who);
    auto_free char *text = check_read_text(root_fd, file, MOUNTS_MAX_BYTES);
    auto_free char *prefix =
        strcmp(who, "self") == 0 ? xstrdup("") : xasprintf("proc/%s/root/", who);
    struct mount_line mount;

    for (char *rest = text; rest != NULL && mounts_next(&rest, &mount);) {
        bool fits = place->is_v2 ? strcmp(mount.kind, "cgroup2") == 0
                                 : strcmp(mount.kind, "cgroup") == 0 &&
                                       mounts_has_word(mount.super, controller);

        if (!fits || !place_in_mount(&mount, prefix, place->path, out))
            continue;
        out->is_v2 = place->is_v2;
        if (faccessat(root_fd, out->path, X_OK, 0) == 0)
            return true;
        cgroup_release(out);
    }
    return false;
}

bool cgroup_find(int root_fd, int64_t pid, const char *controller, struct cgroup *out)
{
    auto_free char *who = xasprintf("%" PRId64, pid);
    auto_free char *file = xasprintf("proc/%" PRId64 "/cgroup", pid);
    auto_free char *groups = check_read_text(root_fd, file, GROUPS_MAX);

    *out = (struct cgroup){0};
    if (groups == NULL)
        return false;
    auto_free char *v1 = path_of(groups, controller);
    auto_free char *v2 = path_of(groups, NULL);
    /* a controller is in one hierarchy only: where it is of version 1, version 2 lacks it */
    struct place place = {.path = v1 != NULL ? v1 : v2, .is_v2 = v1 == NULL};
    if (place.path == NULL || place.path[0] != '/')
        return false;
    return find_mount(root_fd, "self", &place, controller, out) ||
           find_mount(root_fd, who, &place, controller, out);
}

void cgroup_release(struct cgroup *group)
{
    free(group->path);
    *group = (struct cgroup){0};
}

bool cgroup_up(struct cgroup *group)
{
    size_t len = strlen(group->path);

    if (len <= group->top)
        return false;
    while (len > group->top && group->path[len - 1] != '/')
        len--;
    while (len > group->top && group->path[len - 1] == '/')
        len--;
    group->path[len] = '\0';
    return true;
}

bool cgroup_i64(int root_fd, const struct cgroup *group, const char *file, int64_t *out)
{
    auto_free char *path = xasprintf("%s/%s", group->path, file);

    return check_read_i64(root_fd, path, out);
}

bool cgroup_field(int root_fd, const struct cgroup *group, const char *file, const char *name,
                  int64_t *out)
{
    auto_free char *path = xasprintf("%s/%s", group->path, file);

    return check_read_field(root_fd, path, name, out);
}
