/*
 * What a test of restore() needs: a repository in memory, an empty data directory, options that can
 * be changed, and the result.
 */
#ifndef SUPPORT_RESTORING_H
#define SUPPORT_RESTORING_H

#include <stdbool.h>

#include "backup/restore.h"
#include "base/buf.h"
#include "support/backup_maker.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"

#define RESTORING_INSTANCE "cache-0"
#define RESTORING_OLD "20261120T100000Z-00000a"
#define RESTORING_MID "20261120T110000Z-00000b"
#define RESTORING_NEW "20261120T120000Z-00000c"

struct restoring {
    struct fake_store fake;
    struct fake_clock clock;
    char *path; /* of the data directory */
    int fd;
    struct restore_options options;
    struct restore_result result; /* of the last run */
    struct err err;
    bool unreachable; /* opening the store fails */
    unsigned opened;
    unsigned checked;                        /* how often it was asked whether a server runs */
    unsigned server_from;                    /* the time from which on one does; 0: none */
    void (*on_check)(struct restoring *run); /* called each time, what happens meanwhile; NULL */
    struct buf events; /* a line each; "warning: " before, " [CODE]" behind those that are one */
};

/* Small parts, so that a fault can hit in the middle. */
void restoring_begin(struct restoring *run);
void restoring_end(struct restoring *run);
/* Another, empty data directory. */
void restoring_new_dir(struct restoring *run);

/* Stores a backup of a dump and an ACL file, which both begin with its id. */
void restoring_add(struct restoring *run, const char *id, void (*edit)(struct manifest *to));
/* Stores a backup of these files. */
void restoring_add_files(struct restoring *run, const char *id, const struct made_file *files,
                         size_t count);
/* OLD, MID and NEW. */
void restoring_add_three(struct restoring *run);

/* What restore() returns. */
int restoring_run(struct restoring *run);
/* The same; it must restore the backup of that id, whose dump must be where it belongs. */
void restoring_must_restore(struct restoring *run, const char *id);
/* The same; it must fail so, with nothing done. */
void restoring_must_fail(struct restoring *run, enum err_kind kind);

#endif
