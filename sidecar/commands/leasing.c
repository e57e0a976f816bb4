/*
 * auto: the servers that replicate one another share a replication id, and with it a lease. A
 * server alone has nobody to take turns with.
 */
#include "commands/leasing.h"

#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "commands/objects.h"
#include "redis/redis_info.h"

/* Asks the server. *out, which the caller frees, stays NULL for one that is alone. */
static int find_name(struct redis *redis, char **out, struct err *err)
{
    auto_redis_info struct redis_server_info info = {0};
    auto_buf struct buf text;

    buf_init(&text, REDIS_INFO_MAX);
    if (redis_info(redis, NULL, &text, err) != 0)
        return -1;
    redis_info_parse(buf_text(&text), text.len, &info);
    if ((strcmp(info.role, "slave") == 0 || info.connected_slaves > 0) && info.replid[0] != '\0')
        *out = xstrdup(info.replid);
    return 0;
}

static int take(const struct command_context *context, const char *name, struct lease **out,
                struct err *err)
{
    const struct lease_options options = {
        .name = name,
        .instance = context->settings->instance,
        .term_ms = LEASE_TERM_MS,
        .wait_max_ms = LEASE_WAIT_MAX_MS,
        .clock = context->clock,
        .on_event = command_on_event,
        .on_warning = command_on_warning,
    };
    auto_store struct store *store = NULL;
    struct err why;

    if (command_open_store(context, "leases", &store, &why) == 0)
        return lease_take(TAKE_PTR(store), &options, out, err);
    if (cancel_requested()) {
        *err = why;
        return -1;
    }
    auto_free char *warning = xasprintf("without a lease another backup of this server set may run "
                                        "beside this one: %s",
                                        why.msg);
    command_on_warning(NULL, err_problem(&why), warning);
    return 0;
}

int command_take_lease(const struct command_context *context, struct redis *redis,
                       struct lease **out, struct err *err)
{
    const char *wanted = context->settings->backup_lease;
    auto_free char *name = NULL;
    struct err why;

    if (strcmp(wanted, "off") == 0)
        return 0;
    if (strcmp(wanted, "auto") != 0)
        return take(context, wanted, out, err);
    if (find_name(redis, &name, &why) != 0) {
        auto_free char *warning = xasprintf("whether other servers share a lease with this one "
                                            "cannot be found out: %s",
                                            why.msg);
        command_on_warning(NULL, err_problem(&why), warning);
        return 0;
    }
    return name != NULL ? take(context, name, out, err) : 0;
}
