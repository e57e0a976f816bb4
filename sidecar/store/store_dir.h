/*
 * What the two halves of the directory store share: ways to the directories below its root, which
 * never follow a symbolic link. Internal to store_dir*.c.
 */
#ifndef STORE_STORE_DIR_H
#define STORE_STORE_DIR_H

#include <stdbool.h>

#include "store/store.h"

/* Less what the umask takes: a backup holds all that the server does. */
#define STORE_DIR_MODE 0750
#define STORE_FILE_MODE 0640

struct store_dir {
    struct store base;
    char *path; /* of the root, for messages */
    int root_fd;
    const struct clock *clock;
};

/* Is this the name of a file that is not an object yet? */
bool store_dir_is_temp(const char *name);
/* Like err_sys, errno kept apart by what it says of the store: missing, refused or a local fault.
 */
int store_dir_fail(const struct store_dir *dir, const char *doing, const char *key,
                   struct err *err);
/* Opens the directory of that many bytes of path below the root, "" being the root itself. Fails
 * with errno. */
int store_dir_open_below(const struct store_dir *dir, const char *path, size_t len, bool create);

/* fs_fsync of a directory. Fails with errno. */
int store_dir_fsync(int fd);
/* Of a key: the length of what precedes its last '/', and what follows it. */
size_t store_dir_parent_len(const char *key);
const char *store_dir_last_name(const char *key);
/* Removes the directories above key that are empty. Best effort: one that is not, or is busy,
 * stays. */
void store_dir_remove_empty_parents(const struct store_dir *dir, const char *key);

int store_dir_put(struct store *store, const char *key, uint64_t max_bytes,
                  struct object_parts *parts, struct sink **out, struct err *err);
/* The directory that an unfinished put will appear in; it cannot be removed before that. */
int store_dir_put_parent(const struct sink *sink);
int store_dir_get_small_tagged(struct store *store, const char *key, struct buf *out,
                               char **out_tag, struct err *err);
int store_dir_put_small_if(struct store *store, const struct store_put_if *put, char **out_tag,
                           struct err *err);
int store_dir_list(struct store *store, const char *prefix, char delimiter, store_list_fn *each,
                   void *context, struct err *err);

int store_dir_sweep(struct store *store, const struct store_sweep *sweep, struct store_swept *out,
                    struct err *err);

#endif
