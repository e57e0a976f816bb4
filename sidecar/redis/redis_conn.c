/*
 * Commands and their replies: hiredis puts the one together and takes the other apart, redis_link
 * moves the bytes. The buffer that held a password is wiped here.
 */
#include "redis/redis_conn.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "redis/redis_hint.h"
#include "redis/redis_link.h"
#include "redis/redis_url.h"

#define TIMEOUT_MS_DEFAULT 10000
#define REPLY_MAX REDIS_INFO_MAX /* the longest answer we ask for */
#define ARGS_MAX 4

struct redis {
    struct redis_link link; /* closed: it could not be had again */
    struct redis_address address;
    struct redis_tls_options tls; /* heap text */
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

static int fail_reply(const struct redis *redis, const char *command, const char *words,
                      struct err *err)
{
    (void)err_set(err, ERR_SERVER, "%s: %s: the server said \"%.300s\"%s", redis->label, command,
                  words, redis_hint_of_reply(words));
    err->code = redis_reply_is_for_now(words) ? EBUSY : 0;
    return err_as(err, redis_problem_of_reply(words));
}

/* Sends the requests in one write. */
static int send_requests(struct redis *redis, const struct request *requests, size_t count,
                         struct err *err)
{
    auto_free char *bytes = NULL;
    size_t len = 0;

    if (redis_link_check(&redis->link, requests[0].words[0], err) != 0)
        return -1;
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
    int result = redis_link_send(&redis->link, bytes, len, err);
    explicit_bzero(bytes, len);
    return result;
}

/* The next reply, never NULL; an error reply is a reply. */
static int read_reply(struct redis *redis, const char *command, redisReply **out, struct err *err)
{
    return redis_link_read(&redis->link, command, REPLY_MAX, out, err);
}

static int ask(struct redis *redis, const struct request *request, redisReply **out,
               struct err *err)
{
    if (send_requests(redis, request, 1, err) < 0)
        return -1;
    return read_reply(redis, request->words[0], out, err);
}

static int authenticate(struct redis *redis, struct err *err)
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
static int introduce(struct redis *redis, struct err *err)
{
    auto_reply redisReply *reply = NULL;
    const struct request request = {.words = {"CLIENT", "SETNAME", "redkeep"}, .count = 3};

    if (ask(redis, &request, &reply, err) < 0)
        return -1;
    if (reply->type == REDIS_REPLY_ERROR && redis_reply_closes(reply->str))
        return fail_reply(redis, "connecting", reply->str, err);
    return 0;
}

/* A server that expects TLS ends the connection at our first word. */
static void advise_tls(const struct redis *redis, struct err *err)
{
    if (err->code == EIO && redis->address.kind == REDIS_ADDRESS_TCP && !redis->address.is_tls)
        (void)err_advise(err, "if that port is the server's tls-port, redis-url has to begin with "
                              "rediss://");
}

int redis_reconnect(struct redis *redis, struct err *err)
{
    redis_link_close(&redis->link);
    if (redis_link_open(&redis->link, &redis->address, &redis->tls, err) == 0) {
        if (authenticate(redis, err) == 0 && introduce(redis, err) == 0)
            return 0;
        advise_tls(redis, err);
    }
    redis_link_close(&redis->link);
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
    redis_tls_options_copy(&redis->tls, &options->tls);
    if (redis_tls_check(&redis->tls, &redis->address, err) != 0)
        return -1;
    redis->link.timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS_DEFAULT;
    redis->link.label = redis->label;
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
    redis_link_close(&redis->link);
    redis_address_release(&redis->address);
    redis_tls_options_release(&redis->tls);
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
    redis_link_peer(&redis->link, out, out_len);
}

bool redis_validity(const struct redis *redis, struct redis_tls_validity *out)
{
    return redis->link.tls != NULL && redis_tls_validity(redis->link.tls, out);
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

/* Before Redis 7 each rule is a text of its own, and a pattern of keys comes without its "~". */
static bool has_text(const redisReply *reply, const char *text)
{
    if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
        return strcmp(reply->str, text) == 0;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        if (has_text(reply->element[i], text))
            return true;
    }
    return false;
}

int redis_ask_default_user(struct redis *redis, enum redis_default_user *out, struct err *err)
{
    auto_reply redisReply *reply = NULL;
    const struct request request = {.words = {"ACL", "GETUSER", "default"}, .count = 3};
    bool is_on = false;
    bool has_keys = false;
    bool has_commands = false;

    if (ask(redis, &request, &reply, err) < 0)
        return -1;
    *out = REDIS_DEFAULT_USER_UNKNOWN;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 || reply->elements % 2 != 0)
        return 0;
    for (size_t i = 0; i < reply->elements; i += 2) {
        const redisReply *name = reply->element[i];
        const redisReply *value = reply->element[i + 1];

        is_on = is_on || (has_text(name, "flags") && has_text(value, "on"));
        has_keys =
            has_keys || (has_text(name, "keys") && (has_text(value, "~*") || has_text(value, "*")));
        has_commands = has_commands || (has_text(name, "commands") && has_text(value, "+@all"));
    }
    *out =
        is_on && has_keys && has_commands ? REDIS_DEFAULT_USER_WHOLE : REDIS_DEFAULT_USER_LIMITED;
    return 0;
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
