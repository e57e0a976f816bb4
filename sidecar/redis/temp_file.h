/*
 * The names of what a server writes before it is renamed: "temp-<pid>.rdb",
 * "temp-<time>.<pid>.rdb", "temp-rewriteaof-<pid>.aof", "temp-rewriteaof-bg-<pid>.aof" (rdb.c and
 * aof.c of Redis and Valkey).
 */
#ifndef REDIS_TEMP_FILE_H
#define REDIS_TEMP_FILE_H

#include <stdbool.h>

/* Is the file name one of those? Whatever else begins so is somebody's. Pure. */
bool temp_file_is_name(const char *name);

/* The same as conditions for find(1), of GNU and of busybox, behind -type f. */
#define TEMP_FILE_FIND                                   \
    "\\( -regex '.*/temp-[0-9][0-9.]*[.]rdb' -o -regex " \
    "'.*/temp-rewriteaof-[bg-]*[0-9][0-9]*[.]aof' \\)"

#endif
