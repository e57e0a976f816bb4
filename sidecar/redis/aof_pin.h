/*
 * A consistent multi-part AOF, held by open descriptors while the server goes on writing and
 * rewriting it: read the manifest, open every base and incr, start over when one has gone (a
 * rewrite finished in between), take the lengths. The set that a manifest lists stays a complete
 * history up to that moment whatever happens later, and names are never used again. Nothing is
 * written or linked on the volume.
 */
#ifndef REDIS_AOF_PIN_H
#define REDIS_AOF_PIN_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "redis/aof_manifest.h"
#include "redis/rdb_probe.h"

/* What a file holds, by its first bytes. */
enum aof_content {
    AOF_CONTENT_COMMANDS,         /* scanned from end to end: a server can load it */
    AOF_CONTENT_RDB,              /* it ends as an RDB must; its checksum is for whoever reads it */
    AOF_CONTENT_RDB_AND_COMMANDS, /* as Redis 6 wrote it and 7 took over: not looked through */
    AOF_CONTENT_UNKNOWN,          /* of a newer server, perhaps */
};

struct aof_pin_file {
    char *name;
    uint64_t seq;
    enum aof_type type;       /* AOF_BASE or AOF_INCR */
    enum aof_content content; /* of an increment: commands */
    struct rdb_ends rdb;      /* of an RDB; of one with commands magic and version alone */
    int fd;                   /* read-only */
    uint64_t length;          /* the file may be longer meanwhile: copy this much */
};

struct aof_pin {
    struct aof_pin_file *files; /* the base first, then the incrs in their order */
    size_t count;
    char *manifest; /* the text of a manifest that lists exactly these files */
    size_t manifest_len;
    char *manifest_name; /* "<appendfilename>.manifest" */
    int64_t last_ts;     /* seconds of the last #TS annotation that is in the set; -1 */
};

struct aof_pin_options {
    int dir_fd;                 /* the open appenddirname */
    const char *dir;            /* its name, for messages */
    const char *appendfilename; /* "appendonly.aof" */
    const struct clock *clock;
};

/* The last file ends at the last whole command outside MULTI. ERR_NOT_FOUND when there is no
 * manifest; ERR_CORRUPT with a HINT when the server could not load the set: a file that is listed
 * but missing, one that is not the last and cut off, bytes that are no commands, a hole of NULs, an
 * RDB as base that is malformed or cut off.
 * The caller releases *out; on failure there is nothing to release. */
int aof_pin_open(const struct aof_pin_options *options, struct aof_pin *out, struct err *err);
void aof_pin_release(struct aof_pin *pin);

static inline void cleanup_aof_pin(struct aof_pin *pin)
{
    aof_pin_release(pin);
}
/* Only for a variable that is zero-initialised or filled by aof_pin_open. */
#define auto_aof_pin auto_with(cleanup_aof_pin)

#endif
