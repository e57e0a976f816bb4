/*
 * How much memory the server's next fork can use.
 */
#ifndef BACKUP_MEMORY_ROOM_H
#define BACKUP_MEMORY_ROOM_H

#include <stdint.h>

/* Bytes, -1 when unknown: the MemAvailable of the machine. The limit of the cgroup that the server
 * is in cannot be seen from another container. */
int64_t memory_room(void);

#endif
