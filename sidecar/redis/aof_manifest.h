/*
 * The manifest of a multi-part AOF (Redis 7.0 and newer, Valkey): one line per file. Pure. It is
 * read by the servers' own rules: an even number of at least six words, keys and values in any
 * order, unknown keys skipped, '#' comments, quoted names, CRLF allowed, no blank lines, at most
 * 1024 bytes in a line with its newline, the last line ended too, names without '/', incr seqs
 * rising, at most one base. What a server would refuse is ERR_CORRUPT here.
 */
#ifndef REDIS_AOF_MANIFEST_H
#define REDIS_AOF_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum aof_type {
    AOF_BASE = 'b',
    AOF_HISTORY = 'h', /* replaced, about to be deleted by the server */
    AOF_INCR = 'i',
};

struct aof_file {
    char *name; /* a basename */
    uint64_t seq;
    enum aof_type type;
};

struct aof_manifest {
    struct aof_file *files; /* in the order of the text */
    size_t count;
};

#define AOF_MANIFEST_MAX ((size_t)4 << 20) /* bytes; a ceiling for buf_init too */
#define AOF_LINE_MAX 1024                  /* a line with its newline */

/* label names the file in messages, which give the line. On failure there is nothing to release. */
int aof_manifest_parse(const char *text, size_t len, const char *label, struct aof_manifest *out,
                       struct err *err);
/* Appends the text of `files`: names with odd characters quoted, each line ended. */
int aof_manifest_format(const struct aof_file *files, size_t count, struct buf *out,
                        struct err *err);
void aof_manifest_release(struct aof_manifest *manifest);

static inline void cleanup_aof_manifest(struct aof_manifest *manifest)
{
    aof_manifest_release(manifest);
}
#define auto_aof_manifest auto_with(cleanup_aof_manifest)

#endif
