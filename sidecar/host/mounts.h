/*
 * The lines of proc/<pid>/mountinfo (proc_pid_mountinfo(5)). Pure.
 */
#ifndef HOST_MOUNTS_H
#define HOST_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#define MOUNTS_MAX_BYTES ((size_t)4 * 1024 * 1024) /* of a mountinfo that is worth reading */

/* Borrowed from the text. */
struct mount_line {
    const char *root;  /* what of the file system is mounted */
    const char *point; /* where */
    const char *kind;  /* "ext4", "cgroup2" */
    const char *super; /* options of the file system; "rw,memory" */
};

/* Takes the next line that is one from *rest, a text of which it makes strings; false at the end.
 * Spaces and the like that the kernel wrote as \040 are themselves again. */
bool mounts_next(char **rest, struct mount_line *out);
/* Is path inside prefix, or the same? "/" holds everything. */
bool mounts_is_below(const char *path, const char *prefix);
/* Is word one of those between the commas of list? */
bool mounts_has_word(const char *list, const char *word);

#endif
