/*
 * The n-th system call fails. A test names the calls that shall go through here with a line
 * `// link: -Wl,--wrap=write -Wl,--wrap=fsync`; the rest of its calls are real. Known: write,
 * pwrite, read, pread, fsync, fdatasync, rename, renameat, renameat2, openat, mkdirat, unlinkat,
 * linkat, ftruncate, fchmod, fchown, close (which closes all the same). All threads share one
 * countdown.
 *
 * A sweep: for (n = 1;; n++) { faults_arm(n, EIO); run(); if (!faults_fired()) break; check(); }
 */
#ifndef SUPPORT_FAULTS_H
#define SUPPORT_FAULTS_H

#include <stdbool.h>

/* From now on the countdown-th wrapped call (1 = the next one) fails once with errno_value, undone.
 * Counts start over. 0 never fires: it only counts. */
void faults_arm(unsigned countdown, int errno_value);
/* The same, but every call from the countdown-th on fails. */
void faults_arm_sticky(unsigned countdown, int errno_value);
/* Nothing fails and nothing is cut any more; the counts stay. */
void faults_disarm(void);
/* How many calls failed, and how many were made, since faults_arm. */
unsigned faults_fired(void);
unsigned faults_calls(void);

/* While on, write and pwrite (read and pread) do half of what they are asked to, at least a byte.
 */
void faults_short_writes(bool on);
void faults_short_reads(bool on);

#endif
