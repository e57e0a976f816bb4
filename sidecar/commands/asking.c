/*
 * Each question has a function that runs in the child and makes its answer bytes, and one that
 * waits for these.
 */
#include "commands/asking.h"

#include <netdb.h>
#include <string.h>

#include "base/mem.h"
#include "commands/objects.h"
#include "host/apart.h"
#include "redis/redis_url.h"
#include "store/s3_deleting.h"

enum { BUCKET_MS = 6000, ANSWER_MAX = ERR_MSG_MAX + 64 };

static void look_up(void *context, struct buf *answer)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    (void)answer; /* that it comes to an end is the answer */
    if (getaddrinfo(context, NULL, &wanted, &found) == 0)
        freeaddrinfo(found);
}

bool asking_name(const char *redis_url, const struct clock *clock, int timeout_ms)
{
    auto_redis_address struct redis_address address = {0};
    auto_buf struct buf answer = {0};
    struct err ignored; /* a URL that is none leads nowhere */

    if (redis_url_parse(redis_url, &address, &ignored) != 0 || address.kind != REDIS_ADDRESS_TCP)
        return true;
    buf_init(&answer, ANSWER_MAX);
    return apart_ask(look_up, address.host, clock, timeout_ms, &answer);
}

static void ask_store(void *context, struct buf *answer)
{
    const struct command_context *command = context;
    auto_store struct store *store = NULL;
    struct s3_deleting deleting = {.keeps_versions = -1, .may_delete = -1};
    struct err err = {0};
    struct err ignored; /* it fits */
    auto_free char *below = xasprintf("%s/backups", command->settings->instance);

    if (command_open_store(command, NULL, &store, &err) == 0)
        (void)s3_deleting_ask(store, below, &deleting, &err); /* err says the rest */
    (void)buf_append(answer, &deleting, sizeof(deleting), &ignored);
    (void)buf_append(answer, err.msg, strlen(err.msg), &ignored);
}

/* The message without its hint: it stands in the middle of a line. */
static char *words_of(const char *message)
{
    const char *hint = err_hint(message);
    size_t len = hint != NULL ? (size_t)(hint - message) : strlen(message);

    while (len > 0 && strchr(". ", message[len - 1]) != NULL)
        len--;
    return xstrndup(message, len);
}

void asking_bucket(const struct command_context *context, struct check_backup *out, char **out_why)
{
    struct command_context asked = *context;
    struct s3_deleting deleting;
    auto_buf struct buf answer = {0};

    *out_why = NULL;
    buf_init(&answer, ANSWER_MAX);
    if (!apart_ask(ask_store, &asked, context->clock, BUCKET_MS, &answer) ||
        answer.len < sizeof(deleting)) {
        *out_why = xasprintf("the bucket has not answered within %d seconds", BUCKET_MS / 1000);
        return;
    }
    memcpy(&deleting, answer.data, sizeof(deleting));
    out->is_versioned = deleting.keeps_versions;
    out->may_delete = deleting.may_delete;
    if (answer.len > sizeof(deleting))
        *out_why = words_of(buf_text(&answer) + sizeof(deleting));
    else if (deleting.keeps_versions == 0 && deleting.may_delete < 0)
        *out_why = xstrdup("the bucket's versioning is suspended: what is deleted now is gone; "
                           "whether these credentials may delete is not tried there, since that "
                           "would leave a delete marker");
}
