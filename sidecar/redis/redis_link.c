/*
 * A plain request is sent from here, since send() can be told not to raise SIGPIPE. Once something
 * has failed, the context keeps the words: what is left of a reply would be taken for the next one.
 */
#include "redis/redis_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "base/clock.h"
#include "redis/redis_hint.h"

#define CHUNK_BYTES 16384  /* a TLS record's content */
#define ELEMENTS_MAX 65536 /* CONFIG GET * has a thousand */

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

/* The connection is unusable; says why in the words of the operating system or of hiredis. */
static int fail_io(const struct redis_link *link, const char *command, const char *why,
                   struct err *err)
{
    (void)err_set(err, ERR_SERVER, "%s: %s: %.128s%s", link->label, command, why,
                  redis_hint_of_io(why));
    err->code = EIO;
    return -1;
}

static int fail_late(const struct redis_link *link, const char *command, struct err *err)
{
    (void)err_set(err, ERR_SERVER,
                  "%s: %s: no answer within %d s. HINT: the server may be stopped, swapping, or in "
                  "a long command (SLOWLOG GET)",
                  link->label, command, (link->timeout_ms + 999) / 1000);
    err->code = EIO;
    return -1;
}

static int fail_context(const struct redis_link *link, const char *command, struct err *err)
{
    const char *why = link->context->errstr;

    /* a receive timeout looks like this in a blocking socket */
    if (link->context->err == REDIS_ERR_IO && strcmp(why, strerror(EAGAIN)) == 0)
        return fail_late(link, command, err);
    return fail_io(link, command, why, err);
}

static void set_broken(struct redis_link *link, const char *why)
{
    link->context->err = REDIS_ERR_IO;
    (void)snprintf(link->context->errstr, sizeof(link->context->errstr), "%.120s", why);
}

/* TLS has failed with *err, which becomes ours. */
static int fail_tls(struct redis_link *link, const char *command, struct err *err)
{
    if (err->kind == ERR_SERVER && err->code == ETIMEDOUT) {
        set_broken(link, strerror(EAGAIN));
        return fail_late(link, command, err);
    }
    set_broken(link, "TLS has failed before");
    return err_wrap(err, "%s: %s", link->label, command);
}

static int64_t end_ms(const struct redis_link *link)
{
    return clock_mono_ms(clock_system()) + link->timeout_ms;
}

/* hiredis believes the number and makes room for all of them at once, level by level; and where
 * memory is given without being there, as servers want it, it looks at all of that room again when
 * it frees it. NULL ends the reply. */
static void *make_array(const redisReadTask *task, element_count count)
{
    const struct redis_link *link = task->privdata;

    return count <= ELEMENTS_MAX ? link->hiredis->createArray(task, count) : NULL;
}

static void bound_arrays(struct redis_link *link)
{
    redisReader *reader = link->context->reader;

    link->hiredis = reader->fn;
    link->makers = *reader->fn;
    link->makers.createArray = make_array;
    reader->fn = &link->makers;
    reader->privdata = link;
}

int redis_link_open(struct redis_link *link, const struct redis_address *address,
                    const struct redis_tls_options *tls, struct err *err)
{
    const struct timeval timeout = {
        .tv_sec = link->timeout_ms / 1000,
        .tv_usec = (link->timeout_ms % 1000) * 1000,
    };

    link->context = address->kind == REDIS_ADDRESS_UNIX
                        ? redisConnectUnixWithTimeout(address->path, timeout)
                        : redisConnectWithTimeout(address->host, address->port, timeout);
    if (link->context == NULL)
        return err_set(err, ERR_SERVER, "%s: connecting: no memory", link->label);
    if (link->context->err != 0)
        return fail_io(link, "connecting", link->context->errstr, err);
    bound_arrays(link);
    if (redisSetTimeout(link->context, timeout) != REDIS_OK)
        return fail_io(link, "connecting", link->context->errstr, err);
    /* hiredis does not ask for it, and our children must not inherit the connection */
    (void)fcntl(link->context->fd, F_SETFD, FD_CLOEXEC); /* cannot fail on an open descriptor */
    if (!address->is_tls)
        return 0;
    if (redis_tls_open(link->context->fd, address->host, tls, link->timeout_ms, &link->tls, err) !=
        0)
        return fail_tls(link, "connecting", err);
    return 0;
}

void redis_link_close(struct redis_link *link)
{
    redis_tls_free(link->tls);
    link->tls = NULL;
    if (link->context != NULL)
        redisFree(link->context);
    link->context = NULL;
}

int redis_link_check(const struct redis_link *link, const char *command, struct err *err)
{
    if (link->context == NULL)
        return fail_io(link, "sending", strerror(ENOTCONN), err);
    return link->context->err != 0 ? fail_context(link, command, err) : 0;
}

int redis_link_send(struct redis_link *link, const char *data, size_t len, struct err *err)
{
    if (link->tls != NULL)
        return redis_tls_send(link->tls, data, len, end_ms(link), err) == 0
                   ? 0
                   : fail_tls(link, "sending", err);
    while (len > 0) {
        ssize_t n = send(link->context->fd, data, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        /* whoever closed may have said why first: let the reader find out */
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return 0;
        if (n < 0)
            return fail_io(link, "sending", strerror(errno), err);
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* hiredis bounds each read, and a reply that drips has many. */
static int await_more(struct redis_link *link, const char *command, int64_t until_ms,
                      struct err *err)
{
    struct pollfd readable = {.fd = link->context->fd, .events = POLLIN};
    int rc;

    do {
        int64_t left_ms = until_ms - clock_mono_ms(clock_system());
        rc = left_ms <= 0 ? 0 : poll(&readable, 1, (int)left_ms);
    } while (rc < 0 && errno == EINTR);
    if (rc != 0) /* what is wrong, the read tells */
        return 0;
    set_broken(link, strerror(EAGAIN));
    return fail_late(link, command, err);
}

static int read_tls(struct redis_link *link, const char *command, int64_t until_ms, struct err *err)
{
    char chunk[CHUNK_BYTES];
    ssize_t n = redis_tls_read(link->tls, chunk, sizeof(chunk), until_ms, err);

    if (n < 0)
        return fail_tls(link, command, err);
    if (n == 0) {
        set_broken(link, "Server closed the connection");
        return fail_context(link, command, err);
    }
    if (redisReaderFeed(link->context->reader, chunk, (size_t)n) == REDIS_OK)
        return 0;
    set_broken(link, link->context->reader->errstr);
    return fail_context(link, command, err);
}

static int read_more(struct redis_link *link, const char *command, int64_t until_ms,
                     struct err *err)
{
    if (link->tls != NULL)
        return read_tls(link, command, until_ms, err);
    if (await_more(link, command, until_ms, err) != 0)
        return -1;
    return redisBufferRead(link->context) == REDIS_OK ? 0 : fail_context(link, command, err);
}

int redis_link_read(struct redis_link *link, const char *command, size_t max_bytes,
                    redisReply **out, struct err *err)
{
    const redisReader *reader = link->context->reader;
    size_t got = reader->len - reader->pos;
    int64_t until_ms = end_ms(link);
    void *reply = NULL;

    for (;;) {
        if (redisGetReplyFromReader(link->context, &reply) != REDIS_OK) {
            if (link->context->err == REDIS_ERR_OOM)
                set_broken(link, "the answer has more elements than there is room for");
            return fail_context(link, command, err);
        }
        if (reply != NULL)
            break;
        if (got > max_bytes) {
            set_broken(link, "the answer before was too long");
            return err_set(err, ERR_SERVER, "%s: %s: the answer is longer than %zu bytes",
                           link->label, command, max_bytes);
        }
        size_t before = reader->len; /* the parser takes elements out, a read only adds */
        if (read_more(link, command, until_ms, err) != 0)
            return -1;
        got += reader->len - before;
    }
    *out = reply;
    return 0;
}

void redis_link_peer(const struct redis_link *link, struct sockaddr_storage *out,
                     socklen_t *out_len)
{
    *out_len = sizeof(*out);
    if (link->context == NULL ||
        getpeername(link->context->fd, (struct sockaddr *)out, out_len) != 0)
        *out_len = 0;
}
