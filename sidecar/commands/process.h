/*
 * The process itself: what is done once at its start, and what the machine gives it.
 */
#ifndef COMMANDS_PROCESS_H
#define COMMANDS_PROCESS_H

/* No core files (they would hold secrets), no death by SIGPIPE (writes fail with EPIPE instead),
 * few malloc arenas (threads would keep memory in each). Failing any of it is no reason to stop. */
void process_prepare(void);

/* Cores that this process may use: by its affinity and by the CPU limit of its container. At
 * least 1. */
unsigned process_cpus(void);

/* The host name, which is the pod's name; the caller frees it. */
char *process_host_name(void);

#endif
