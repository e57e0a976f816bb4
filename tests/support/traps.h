/*
 * Data directories that hold a trap, each by the files that it is made of.
 */
#ifndef SUPPORT_TRAPS_H
#define SUPPORT_TRAPS_H

#include <stdbool.h>
#include <stddef.h>

#include "backup/restore.h"

#define TRAP_NOW_S 1800000000
#define DIR "appendonlydir/"
#define MANIFEST DIR "appendonly.aof.manifest"
#define BASE DIR "appendonly.aof.1.base.rdb"
#define INCR DIR "appendonly.aof.1.incr.aof"
#define INCR2 DIR "appendonly.aof.2.incr.aof"
#define OLD "appendonly.aof"

#define LINE_BASE "file appendonly.aof.1.base.rdb seq 1 type b\n"
#define LINE_INCR "file appendonly.aof.1.incr.aof seq 1 type i\n"
#define LINE_INCR2 "file appendonly.aof.2.incr.aof seq 2 type i\n"
#define LINES LINE_BASE LINE_INCR
#define MIRROR "# redkeep: the base is the dump\n" LINE_BASE

#define SET "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n" /* 27 bytes */
#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define EXEC "*1\r\n$4\r\nEXEC\r\n"
#define DB0 "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n" /* 23 bytes */
#define DB1 "*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n"

enum trap_what {
    TEXT,
    RDB,         /* a whole one */
    RDB_HALF,    /* cut off */
    RDB_FLIPPED, /* one bit of it */
    RDB_EMPTY,   /* without keys */
    RDB_AND,     /* a whole one, and the text behind it */
};

struct trap_piece {
    const char *path;
    enum trap_what what;
    const char *text;
    size_t len;
    int age_s;
};

#define BYTES(text) TEXT, text, sizeof(text) - 1
#define WHOLE_SET                                       \
    {BASE, RDB, NULL, 0, 0}, {INCR, BYTES(DB0 SET), 0}, \
    {                                                   \
        MANIFEST, BYTES(LINES), 0                       \
    }
#define WITH_INCR(bytes)                              \
    {BASE, RDB, NULL, 0, 0}, {INCR, BYTES(bytes), 0}, \
    {                                                 \
        MANIFEST, BYTES(LINES), 0                     \
    }

#define YES RESTORE_APPENDONLY_YES
#define NO RESTORE_APPENDONLY_NO
#define AUTO RESTORE_APPENDONLY_AUTO

struct trap {
    const char *id; /* NULL: no finding */
    bool loses;
    bool fixable;
    enum restore_appendonly appendonly;
    struct trap_piece pieces[6];
};

extern const struct trap traps[];
extern const size_t trap_count;

void trap_put(int dir_fd, const struct trap_piece *piece);
void trap_build(int dir_fd, const struct trap *trap);

#endif
