/*
 * hiredis connects and reads the replies; the requests are sent from here, for two reasons: send()
 * can be told not to raise SIGPIPE, and the buffer that held a password can be wiped. Works with
 * hiredis 0.14 (Debian 12) and 1.x.
 */
#include "redis/redis_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/mem.h"
#include "redis/redis_hint.h"
#include "redis/redis_url.h"

#define TIMEOUT_MS_DEFAULT 10000
#define REPLY_MAX REDIS_INFO_MAX /* the longest answer we ask for */
#define ARGS_MAX 4

struct redis {
    redisContext *context; /* NULL: it could not be had again */
    struct redis_address address;
    int timeout_ms;
    char *bgsave_command;
    char *config_command;
    char label[REDIS_LABEL_MAX];
};

/* One request: words without their lengths, since none of ours holds a NUL. */
struct request {
    const char *words[ARGS_MAX];
    int count;
};

DEFINE_CLEANUP(cleanup_reply, redisReply *, freeReplyObject);
#define auto_reply auto_with(cleanup_reply)

/* The connection is unusable; says why in the words of the operating system or of hiredis. */
static int fail_io(const struct redis *redis, const char *command, const char *why, struct err *err)
{
    (void)err_set(err, ERR_SERVER, "%s: %s: %.128s%s", redis->label, command, why,
                  redis_hint_of_io(why));
    err->code = EIO;
    return -1;
}

static int fail_context(const struct redis *redis, const char *command, struct err *err)
{
    const char *why = redis->context->errstr;

    /* a receive timeout looks like this in a blocking socket */
    if (redis->context->err != REDIS_ERR_IO || strcmp(why, strerror(EAGAIN)) != 0)
        return fail_io(redis, command, why, err);
    (void)err_set(err, ERR_SERVER,
                  "%s: %s: no answer within %d s. HINT: the server may be stopped, swapping, or in "
                  "a long command (SLOWLOG GET)",
                  redis->label, command, (redis->timeout_ms + 999) / 1000);
    err->code = EIO;
    return -1;
}

static int fail_reply(const struct redis *redis, const char *command, const char *words,
                      struct err *err)
{
    (void)err_set(err, ERR_SERVER, "%s: %s: the server said \"%.300s\"%s", redis->label, command,
                  words, redis_hint_of_reply(words));
    err->code = redis_reply_is_for_now(words) ? EBUSY : 0;
    return err_as(err, redis_problem_of_reply(words));
}

static int send_all(const struct redis *redis, const char *data, size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t n = send(redis->context->fd, data, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        /* whoever closed may have said why first: let the reader find out */
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return 0;
        if (n < 0)
            return fail_io(redis, "sending", strerror(errno), err);
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Sends the requests in one write. */
static int send_requests(const struct redis *redis, const struct request *requests, size_t count,
                         struct err *err)
{
    auto_free char *bytes = NULL;
    size_t len = 0;

    if (redis->context == NULL)
        return fail_io(redis, "sending", strerror(ENOTCONN), err);
    if (redis->context->err != 0) /* it broke */
        return fail_context(redis, requests[0].words[0], err);
    for (size_t i = 0; i < count; i++) {
        char *one = NULL;
        long long one_len = redisFormatCommandArgv(
            &one, requests[i].count, (const char **)(uintptr_t)requests[i].words, NULL);
        if (one_len < 0)
            return err_set(err, ERR_SERVER, "%s: no memory for a request", redis->label);
        bytes = xrealloc(bytes, len + (size_t)one_len);
        memcpy(bytes + len, one, (size_t)one_len);
        len += (size_t)one_len;
        explicit_bzero(one, (size_t)one_len); /* it may be AUTH */
        redisFreeCommand(one);
    }
    int result = send_all(redis, bytes, len, err);
    explicit_bzero(bytes, len);
    return result;
}

/* Waits for more of a reply until end_ms: hiredis bounds each read, and a reply that drips has
 * many. What is left of it would be taken for the next one, so the connection is given up. */
static int await_more(const struct redis *redis, const char *command, int64_t end_ms,
                      struct err *err)
{
    redisContext *context = redis->context;
    struct pollfd readable = {.fd = context->fd, .events = POLLIN};
    int rc;

    do {
        int64_t left_ms = end_ms - clock_mono_ms(clock_system());
        rc = left_ms <= 0 ? 0 : poll(&readable, 1, (int)left_ms);
    } while (rc < 0 && errno == EINTR);
    if (rc != 0 || context->err != 0) /* what is wrong, the read tells */
        return 0;
    context->err = REDIS_ERR_IO;
    (void)snprintf(context->errstr, sizeof(context->errstr), "%s", strerror(EAGAIN));
    return fail_context(redis, command, err);
}

/* The next reply, never NULL; an error reply is a reply. */
static int read_reply(const struct redis *redis, const char *command, redisReply **out,
                      struct err *err)
{
    redisContext *context = redis->context;
    int64_t end_ms = clock_mono_ms(clock_system()) + redis->timeout_ms;
    void *reply = NULL;

    for (;;) {
        if (redisGetReplyFromReader(context, &reply) != REDIS_OK)
            return fail_context(redis, command, err);
        if (reply != NULL)
            break;
        if (context->reader->len > REPLY_MAX)
            return err_set(err, ERR_SERVER, "%s: %s: the answer is longer than %zu bytes",
                           redis->label, command, (size_t)REPLY_MAX);
        if (await_more(redis, command, end_ms, err) != 0)
            return -1;
        if (redisBufferRead(context) != REDIS_OK)
            return fail_context(redis, command, err);
    }
    *out = reply;
    return 0;
}

static int ask(const struct redis *redis, const struct request *request, redisReply **out,
               struct err *err)
{
    if (send_requests(redis, request, 1, err) < 0)
        return -1;
    return read_reply(redis, request->words[0], out, err);
}

static int authenticate(const struct redis *redis, struct err *err)
{
    auto_reply redisReply *reply = NULL;
    const char *username = redis->address.username.text;
    const char *password = redis->address.password.text;
    struct request request = {.words = {"AUTH"}, .count = 1};

    if (username == NULL && password == NULL)
        return 0;
    if (username != NULL)
        request.words[request.count++] = username;
    request.words[request.count++] = password == NULL ? "" : password;
    if (ask(redis, &request, &reply, err) < 0)
        return -1;
    if (reply->type != REDIS_REPLY_ERROR)
        return 0;
    /* "unknown command 'AUTH', with args beginning with: 'user' 'password'" */
    reply->str[strcspn(reply->str, "'`\"")] = '\0';
    return fail_reply(redis, "AUTH", reply->str, err);
}

/* Names the connection for CLIENT LIST. That is a courtesy and may be refused; but as the first
 * command it also learns whether this server talks to us at all. */
static int introduce(const struct redis *redis, struct err *err)
{
    auto_reply redisReply *reply = NULL;
    const struct request request = {.words = {"CLIENT", "SETNAME", "redkeep"}, .count = 3};

    if (ask(redis, &request, &reply, err) < 0)
        return -1;
    if (reply->type == REDIS_REPLY_ERROR && redis_reply_closes(reply->str))
        return fail_reply(redis, "connecting", reply->str, err);
    return 0;
}

static int open_socket(struct redis *redis, struct err *err)
{
    const struct redis_address *address = &redis->address;
    const struct timeval timeout = {
        .tv_sec = redis->timeout_ms / 1000,
        .tv_usec = (redis->timeout_ms % 1000) * 1000,
    };

    redis->context = address->kind == REDIS_ADDRESS_UNIX
                         ? redisConnectUnixWithTimeout(address->path, timeout)
                         : redisConnectWithTimeout(address->host, address->port, timeout);
    if (redis->context == NULL)
        return err_set(err, ERR_SERVER, "%s: connecting: no memory", redis->label);
    if (redis->context->err != 0)
        return fail_io(redis, "connecting", redis->context->errstr, err);
    if (redisSetTimeout(redis->context, timeout) != REDIS_OK)
        return fail_io(redis, "connecting", redis->context->errstr, err);
    /* hiredis does not ask for it, and our children must not inherit the connection */
    (void)fcntl(redis->context->fd, F_SETFD, FD_CLOEXEC); /* cannot fail on an open descriptor */
    return 0;
}

int redis_reconnect(struct redis *redis, struct err *err)
{
    if (redis->context != NULL)
        redisFree(redis->context);
    redis->context = NULL;
    if (open_socket(redis, err) == 0 && authenticate(redis, err) == 0 && introduce(redis, err) == 0)
        return 0;
    if (redis->context != NULL)
        redisFree(redis->context);
    redis->context = NULL;
    return -1;
}

static void set_if_given(struct secret *to, const struct secret *from)
{
    if (from != NULL && from->text != NULL)
        secret_copy(to, from);
}

int redis_connect(const struct redis_options *options, struct redis **out, struct err *err)
{
    auto_redis struct redis *redis = xcalloc(1, sizeof(*redis));

    if (redis_url_parse(options->url, &redis->address, err) < 0)
        return -1;
    set_if_given(&redis->address.username, options->username);
    set_if_given(&redis->address.password, options->password);
    redis->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS_DEFAULT;
    redis->bgsave_command = xstrdup(options->bgsave_command ? options->bgsave_command : "BGSAVE");
    redis->config_command = xstrdup(options->config_command ? options->config_command : "CONFIG");
    redis_address_label(&redis->address, redis->label);
    if (redis_reconnect(redis, err) < 0)
        return -1;

    *out = TAKE_PTR(redis);
    return 0;
}

void redis_free(struct redis *redis)
{
    if (redis == NULL)
        return;
    if (redis->context != NULL)
        redisFree(redis->context);
    redis_address_release(&redis->address);
    free(redis->bgsave_command);
    free(redis->config_command);
    free(redis);
}

const char *redis_label(const struct redis *redis)
{
    return redis->label;
}

void redis_peer(const struct redis *redis, struct sockaddr_storage *out, socklen_t *out_len)
{
    *out_len = sizeof(*out);
    if (redis->context == NULL ||
        getpeername(redis->context->fd, (struct sockaddr *)out, out_len) != 0)
        *out_len = 0;
}

static int take_text(const struct redis *redis, const char *command, const redisReply *reply,
                     struct buf *out, struct err *err)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return fail_reply(redis, command, reply->str, err);
    if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)
        return err_set(err, ERR_SERVER, "%s: %s: the answer is no text", redis->label, command);
    return buf_append(out, reply->str, reply->len, err);
}

int redis_info(struct redis *redis, const char *section, struct buf *out, struct err *err)
{
    auto_reply redisReply *reply = NULL;
    const struct request request = {.words = {"INFO", section}, .count = section == NULL ? 1 : 2};

    if (ask(redis, &request, &reply, err) < 0)
        return -1;
    return take_text(redis, "INFO", reply, out, err);
}

int redis_cluster_info(struct redis *redis, struct buf *out, struct err *err)
{
    auto_reply redisReply *reply = NULL;
    const struct request request = {.words = {"CLUSTER", "INFO"}, .count = 2};

    if (ask(redis, &request, &reply, err) < 0)
        return -1;
    return take_text(redis, "CLUSTER INFO", reply, out, err);
}

/* REDIS_CONFIG_VALUE for a list of pairs. */
static int judge_config(const struct redis *redis, const redisReply *reply,
                        enum redis_config_answer *out, struct err *err)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        if (!redis_reply_is(reply->str, "NOPERM") && !redis_reply_is(reply->str, "ERR"))
            return fail_reply(redis, "CONFIG GET", reply->str, err);
        *out = REDIS_CONFIG_FORBIDDEN;
        return 0;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
        return err_set(err, ERR_SERVER, "%s: CONFIG GET: the answer is no list of pairs",
                       redis->label);
    *out = REDIS_CONFIG_VALUE;
    return 0;
}

int redis_config_get(struct redis *redis, const char *name, enum redis_config_answer *out_answer,
                     char **out_value, struct err *err)
{
    auto_reply redisReply *reply = NULL;
    const struct request request = {.words = {redis->config_command, "GET", name}, .count = 3};

    if (ask(redis, &request, &reply, err) < 0)
        return -1;
    if (judge_config(redis, reply, out_answer, err) < 0)
        return -1;
    *out_value = NULL;
    if (*out_answer == REDIS_CONFIG_FORBIDDEN)
        return 0;
    *out_answer = REDIS_CONFIG_UNKNOWN;
    for (size_t i = 0; i < reply->elements; i += 2) {
        const redisReply *key = reply->element[i];
        const redisReply *value = reply->element[i + 1];

        if (key->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING ||
            strcasecmp(key->str, name) != 0)
            continue;
        *out_answer = REDIS_CONFIG_VALUE;
        *out_value = xstrndup(value->str, value->len);
        break;
    }
    return 0;
}

/* The settings that hold a password, by CONFIG's names. */
static bool is_secret(const char *name)
{
    static const char *const names[] = {"requirepass", "masterauth", "primaryauth",
                                        "tls-key-file-pass", "tls-client-key-file-pass"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

int redis_config_all(struct redis *redis, redis_setting_fn *on_setting, void *context,
                     enum redis_config_answer *out_answer, struct err *err)
{
    auto_reply redisReply *reply = NULL;
    const struct request request = {.words = {redis->config_command, "GET", "*"}, .count = 3};

    if (ask(redis, &request, &reply, err) < 0 || judge_config(redis, reply, out_answer, err) < 0)
        return -1;
    if (*out_answer == REDIS_CONFIG_FORBIDDEN)
        return 0;
    for (size_t i = 0; i < reply->elements; i += 2) {
        const redisReply *name = reply->element[i];
        const redisReply *value = reply->element[i + 1];

        if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
            continue;
        if (!is_secret(name->str) || value->len == 0) {
            on_setting(context, name->str, value->str);
            continue;
        }
        explicit_bzero(value->str, value->len);
        on_setting(context, name->str, "***");
    }
    return 0;
}

int redis_config_set(struct redis *redis, const char *name, const char *value, struct err *err)
{
    auto_reply redisReply *reply = NULL;
    const struct request request = {.words = {redis->config_command, "SET", name, value},
                                    .count = 4};

    if (ask(redis, &request, &reply, err) < 0)
        return -1;
    if (reply->type == REDIS_REPLY_ERROR)
        return fail_reply(redis, "CONFIG SET", reply->str, err);
    if (reply->type != REDIS_REPLY_STATUS)
        return err_set(err, ERR_SERVER, "%s: CONFIG SET: the answer is neither OK nor an error",
                       redis->label);
    return 0;
}

static int judge_bgsave(const struct redis *redis, const redisReply *reply,
                        enum redis_bgsave_answer *out, struct err *err)
{
    if (reply->type == REDIS_REPLY_STATUS) {
        *out = REDIS_BGSAVE_ACCEPTED;
        return 0;
    }
    if (reply->type != REDIS_REPLY_ERROR || reply->str == NULL)
        return err_set(err, ERR_SERVER, "%s: BGSAVE: the answer is neither OK nor an error",
                       redis->label);
    if (!redis_reply_is(reply->str, "ERR") || redis_reply_is_unknown_command(reply->str))
        return fail_reply(redis, redis->bgsave_command, reply->str, err);
    *out = strcmp(reply->str, "ERR") == 0 || strcmp(reply->str, "ERR ") == 0
               ? REDIS_BGSAVE_FORK_FAILED
               : REDIS_BGSAVE_BUSY;
    return 0;
}

int redis_bgsave(struct redis *redis, enum redis_bgsave_answer *out_answer, struct buf *out_reply,
                 struct buf *out_info, struct err *err)
{
    auto_reply redisReply *reply = NULL;
    auto_reply redisReply *info = NULL;
    const struct request requests[] = {
        {.words = {redis->bgsave_command}, .count = 1},
        {.words = {"INFO"}, .count = 1},
    };

    if (send_requests(redis, requests, 2, err) < 0 ||
        read_reply(redis, redis->bgsave_command, &reply, err) < 0 ||
        read_reply(redis, "INFO", &info, err) < 0)
        return -1;

    buf_clear(out_reply);
    buf_clear(out_info);
    if (reply->str != NULL && buf_append(out_reply, reply->str, reply->len, err) < 0)
        return -1;
    if (judge_bgsave(redis, reply, out_answer, err) < 0)
        return -1;
    return take_text(redis, "INFO", info, out_info, err);
}
