/*
 * A client of an HTTP server, one raw socket, that does what no library would: half requests, bytes
 * now and then, answers that are not read. Whatever waits here gives up after ten seconds, and the
 * test fails.
 */
#ifndef SUPPORT_HTTP_VISITOR_H
#define SUPPORT_HTTP_VISITOR_H

#include <stdbool.h>
#include <stddef.h>

/* Connects to "127.0.0.1:PORT" or "[::1]:PORT". */
int visitor_dial(const char *address);
/* The same with the smallest receive buffer there is. */
int visitor_dial_narrow(const char *address);
/* Sends all of text; false when the other side has closed. */
bool visitor_send(int fd, const char *text);
/* One whole answer, head and body, to be freed; of HEAD the head alone. NULL when the connection
 * ends before, or instead. */
char *visitor_read_answer(int fd, bool is_head);
/* Sends a GET of path and reads its answer. */
char *visitor_get(int fd, const char *path);
/* The same on a connection of its own. */
char *visitor_get_once(const char *address, const char *path);
/* The status of an answer, 0 for NULL. */
unsigned visitor_status(const char *answer);
/* Has the other side closed? Looks for wait_ms; what is there to be read is thrown away. */
bool visitor_is_closed(int fd, int wait_ms);

#endif
