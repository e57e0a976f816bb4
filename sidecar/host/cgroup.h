/*
 * The control group of a process, of version 1, 2, or one of each (hybrid), as far as it can be
 * seen from here: in this mount namespace, else through proc/<pid>/root, where the process sees it
 * itself. In a container often only the group of the container is visible, not those above it.
 */
#ifndef HOST_CGROUP_H
#define HOST_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct cgroup { /* zero-initialised: none */
    char *path; /* its directory below root_fd */
    size_t top; /* length of path's part that is the mount */
    bool is_v2;
};

/* The group of process pid for controller ("memory", "pids", "cpu"). False when it cannot be seen.
 * The caller releases *out. */
bool cgroup_find(int root_fd, int64_t pid, const char *controller, struct cgroup *out);
void cgroup_release(struct cgroup *group);
/* Goes to the group above; false, and nothing changes, when that cannot be seen. */
bool cgroup_up(struct cgroup *group);

/* A number of one of the group's files; false when there is none ("max", or no such file). */
bool cgroup_i64(int root_fd, const struct cgroup *group, const char *file, int64_t *out);
/* The number of a line "name number". */
bool cgroup_field(int root_fd, const struct cgroup *group, const char *file, const char *name,
                  int64_t *out);

static inline void cleanup_cgroup(struct cgroup *group)
{
    cgroup_release(group);
}
#define auto_cgroup auto_with(cleanup_cgroup)

#endif
