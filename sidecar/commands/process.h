/*
 * The process itself: what is done once at its start, and what the machine gives it.
 */
#ifndef COMMANDS_PROCESS_H
#define COMMANDS_PROCESS_H

/* No core files (they would hold secrets), no death by SIGPIPE or SIGXFSZ (writes fail instead),
 * few malloc arenas (threads would keep memory in each). Failing any of it is no reason to stop. */
void process_prepare(void);

/* Makes this process a job of the supervisor that started it, where the environment says that it is
 * one: REDKEEP_JOB_FD, the descriptor for reports (base/report.h), and REDKEEP_JOB_PARENT, the
 * supervisor's pid; both are taken out of the environment. A job stops when the supervisor dies, at
 * the latest 20 s later, and is what the kernel kills first when memory runs out. SIGHUP is that
 * order to stop; SIGINT and SIGTERM are blocked (base/cancel.h), other signals of the mask are not.
 * Call it before process_prepare and before any thread is started. */
void process_become_job(void);

/* Cores that this process may use: by its affinity and by the CPU limit of its container. At
 * least 1. */
unsigned process_cpus(void);

/* Gives back the memory that is a file's: code, and what the dynamic linker read. What is used
 * comes again. For a process that stays, when it has done something that it seldom does. */
void process_drop_clean_pages(void);

/* The host name, which is the pod's name; the caller frees it. */
char *process_host_name(void);

#endif
