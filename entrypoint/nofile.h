/*
 * The open-file limit that a server needs for its clients (redis: maxclients + 32). A server that
 * has less lowers maxclients, and says so in one line of its log.
 */
#ifndef ENTRYPOINT_NOFILE_H
#define ENTRYPOINT_NOFILE_H

#include <stdbool.h>
#include <stdint.h>

#define NOFILE_RESERVED 32 /* CONFIG_MIN_RESERVED_FDS */
#define NOFILE_MAXCLIENTS 10000

struct nofile {
    uint64_t wanted;
    uint64_t before; /* the soft limits */
    uint64_t now;
};

/* Raises the soft limit of this process to wanted, as far as the hard limit lets it; root may raise
 * that too. It is never lowered. */
void nofile_raise(uint64_t wanted, struct nofile *out);

#endif
