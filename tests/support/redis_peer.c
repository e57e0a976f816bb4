#include "support/redis_peer.h"

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

enum { COMMAND_MAX = 1024, PATH_ROOM = 64 };

struct redis_peer {
    const struct redis_peer_step *steps;
    void *arg;
    int listen_fd;
    pthread_t thread;
    char dir[PATH_ROOM];
    char url[PATH_ROOM + 16];
    char problem[COMMAND_MAX + 256]; /* "" while all is as expected */
};

static void complain(struct redis_peer *peer, const char *what, const char *expected,
                     const char *got)
{
    (void)snprintf(peer->problem, sizeof(peer->problem), "%s: expected \"%.100s\", got \"%.900s\"",
                   what, expected, got);
}

/* One command as words joined by blanks. False at the end of the connection. */
static bool read_command(FILE *in, char out[COMMAND_MAX])
{
    char line[COMMAND_MAX];
    int words = 0;
    size_t used = 0;

    if (fgets(line, sizeof(line), in) == NULL || sscanf(line, "*%d", &words) != 1)
        return false;
    for (int i = 0; i < words; i++) {
        size_t len = 0;
        if (fgets(line, sizeof(line), in) == NULL || sscanf(line, "$%zu", &len) != 1 ||
            len + 2 > sizeof(line) || fread(line, 1, len + 2, in) != len + 2)
            return false;
        line[len] = '\0';
        used += (size_t)snprintf(out + used, COMMAND_MAX - used, "%s%s", i == 0 ? "" : " ", line);
        if (used >= COMMAND_MAX)
            return false;
    }
    return true;
}

static void answer(const struct redis_peer_step *step, int fd)
{
    auto_free char *bulk = NULL;
    const char *text = step->reply;
    const struct timespec pause = {.tv_nsec = step->drip_ms * 1000000L};

    if (step->bulk != NULL) {
        bulk = xasprintf("$%zu\r\n%s\r\n", strlen(step->bulk), step->bulk);
        text = bulk;
    }
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = send(fd, text, step->drip_ms > 0 ? 1 : left, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the other side has seen enough */
        text += n;
        left -= (size_t)n;
        if (step->drip_ms > 0)
            (void)nanosleep(&pause, NULL); /* woken early, it drips faster */
    }
}

/* Serves one connection. Returns the step that comes next. */
static const struct redis_peer_step *serve_one(struct redis_peer *peer, int fd,
                                               const struct redis_peer_step *step)
{
    char command[COMMAND_MAX] = "";
    FILE *in = fdopen(fd, "r");
    bool hung_up = false;

    while (!hung_up && read_command(in, command)) {
        if (step->expect == NULL || strncasecmp(command, step->expect, strlen(step->expect)) != 0) {
            complain(peer, "a wrong command", step->expect == NULL ? "the end" : step->expect,
                     command);
            break;
        }
        if (step->act != NULL)
            step->act(peer->arg);
        hung_up = step->hang_up != 0;
        if (!hung_up)
            answer(step, fd);
        step++;
    }
    if (hung_up && step->expect == NULL) /* nobody is there for whoever connects again */
        (void)shutdown(peer->listen_fd, SHUT_RDWR);
    (void)fclose(in);
    return step;
}

static void *serve(void *context)
{
    struct redis_peer *peer = context;
    const struct redis_peer_step *step = peer->steps;

    do {
        int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0) {
            if (step->expect != NULL)
                complain(peer, "nobody connected", step->expect, "");
            break;
        }
        step = serve_one(peer, fd, step);
    } while (peer->problem[0] == '\0' && step->expect != NULL);
    return NULL;
}

struct redis_peer *redis_peer_start(const struct redis_peer_step *steps, void *arg)
{
    struct redis_peer *peer = xcalloc(1, sizeof(*peer));
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    peer->steps = steps;
    peer->arg = arg;
    (void)snprintf(peer->dir, sizeof(peer->dir), "/tmp/redkeep-peer-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(peer->dir));
    (void)snprintf(peer->url, sizeof(peer->url), "unix://%s/s", peer->dir);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", peer->dir);
    peer->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(peer->listen_fd, 0);
    ck_assert_int_eq(bind(peer->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(peer->listen_fd, 1), 0);
    ck_assert_int_eq(pthread_create(&peer->thread, NULL, serve, peer), 0);
    return peer;
}

const char *redis_peer_url(const struct redis_peer *peer)
{
    return peer->url;
}

void redis_peer_stop(struct redis_peer *peer)
{
    char problem[sizeof(peer->problem)];

    (void)shutdown(peer->listen_fd, SHUT_RDWR); /* wakes an accept that nobody came to */
    (void)pthread_join(peer->thread, NULL);
    (void)close(peer->listen_fd);
    (void)unlink(peer->url + strlen("unix://"));
    (void)rmdir(peer->dir);
    memcpy(problem, peer->problem, sizeof(problem));
    free(peer);
    ck_assert_msg(problem[0] == '\0', "%s", problem);
}
