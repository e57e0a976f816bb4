/*
 * A real redis-server of the machine, in a directory of its own, on a unix socket, without save
 * points. It is killed when the test process dies. Failing to start it fails the test.
 */
#ifndef SUPPORT_REDIS_SERVER_H
#define SUPPORT_REDIS_SERVER_H

#include <stdint.h>
#include <sys/types.h>

struct redis_server {
    pid_t pid; /* 0: not running */
    int port;  /* 0: the unix socket only */
    int owns_dir;
    int dir_fd;
    char dir[64];
    char url[96];      /* unix://... */
    char tcp_url[48];  /* redis://127.0.0.1:port, when there is a port */
    char password[32]; /* for redis_server_ask, as the default user; "" */
};

struct redis_server_options {
    const char *dir;         /* NULL: a new one, which is removed at the stop */
    int with_tcp;            /* listen on a port of 127.0.0.1 too */
    const char *password;    /* what `args` set as requirepass, so that asking works */
    const char *const *args; /* NULL-terminated, behind ours: {"--appendonly", "yes", NULL} */
};

/* Returns when the server answers and has loaded. options may be NULL. */
void redis_server_start(struct redis_server *server, const struct redis_server_options *options);
/* SIGKILL; the directory is removed when it was ours. */
void redis_server_stop(struct redis_server *server);
/* SIGTERM, and waits; the directory stays. Returns the wait status. */
int redis_server_shutdown(struct redis_server *server);

/* Sends one command (hiredis' format) and returns the answer as text, which the caller frees:
 * arrays are joined with blanks, an error begins with '-'. Never NULL. */
char *redis_server_ask(const struct redis_server *server, const char *format, ...);
/* The same, freed; the test fails when the answer is an error. */
void redis_server_do(const struct redis_server *server, const char *format, ...);
/* count SETs of key0, key1, ... in one pipeline. */
void redis_server_fill(const struct redis_server *server, unsigned count);
/* The process that is saving right now, 0 when there is none. */
pid_t redis_server_save_child(const struct redis_server *server);

#endif
