/*
 * A tar stream, read by libarchive, member by member. Only what redkeep itself writes is let
 * through: regular files and directories, with relative names that stay inside. A link, a device, a
 * ".." or an absolute name is ERR_CORRUPT before anything of it is written.
 */
#ifndef STREAM_UNTAR_H
#define STREAM_UNTAR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "stream/sink.h"
#include "stream/source.h"

struct untar_entry {
    const char *name; /* borrowed for the call; no leading or trailing '/' */
    bool is_dir;
    uint64_t size; /* 0 for a directory */
    mode_t mode;   /* permission bits */
    uid_t uid;
    gid_t gid;
    int64_t mtime_s;
};

struct untar_handler {
    /* A member begins. For a file, *out is the sink of its bytes, which untar finishes at the end
     * of the member and frees; leave it NULL to pass the bytes over. */
    int (*entry)(void *context, const struct untar_entry *entry, struct sink **out,
                 struct err *err);
    void *context;
};

/* Reads tar (which stays the caller's) to its end. A stream that is no tar, or ends early, is
 * ERR_CORRUPT. */
int untar(struct source *tar, const struct untar_handler *handler, struct err *err);

/* Is name relative, without empty, "." and ".." segments, control characters, or more than 1024
 * bytes? Pure. */
bool untar_name_is_safe(const char *name);

#endif
