/*
 * What is on a data directory, for the one question that a restore asks: is there anything that a
 * server could load, or that somebody could miss?
 *
 * INVARIANT (a restore never touches a volume that holds data): in doubt it does. Data are dumps
 * (*.rdb) and append-only files (*.aof, *.manifest) under whatever name, in the directory itself
 * and in those right below it. No data are: lost+found, an ACL file, nodes.conf, an empty
 * append-only directory, the append-only files that a server writes on its first empty start,
 * temporary files of an unfinished save, and what a restore has moved aside.
 */
#ifndef BACKUP_VOLUME_H
#define BACKUP_VOLUME_H

#include <stdbool.h>

#include "backup/server_files.h"
#include "base/err.h"

struct volume_names { /* all set */
    const char *dbfilename;
    const char *appendfilename;
    const char *appenddirname;
};

/* Those that are set, else what Redis has by default. Borrowed. Pure. */
struct volume_names volume_names_of(const struct server_names *set);

#define VOLUME_WHAT_MAX 400
/* err_advise, when there is no such directory at all */
#define VOLUME_MISSING_HINT \
    "mount the server's volume here too, or set data-dir to the directory that it is mounted at"
#define VOLUME_ASIDE_PREFIX "before-restore-" /* of what a restore has moved aside */
/* Begins an append-only manifest whose base is another name of the dump. A server reads over it,
 * and drops it when it writes its own; so while it stands there no server has run on the set. */
#define VOLUME_MIRROR_LINE "# redkeep: the base is the dump\n"

/* *out_holds: there is data; what names it, for people. Reads only. dir_fd is the open data
 * directory. */
int volume_holds_data(int dir_fd, const struct volume_names *names, bool *out_holds,
                      char what[VOLUME_WHAT_MAX], struct err *err);

/* The same for one entry of it (a file or directory name); an absent one holds none. */
int volume_entry_holds_data(int dir_fd, const char *entry, const struct volume_names *names,
                            bool *out_holds, char what[VOLUME_WHAT_MAX], struct err *err);

#endif
