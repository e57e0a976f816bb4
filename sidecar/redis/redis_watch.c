/* A lost connection is given up and made anew at each look, until that works or took too long. */
#include "redis/redis_watch.h"

#include <errno.h>
#include <string.h>

int redis_watch_forgive(struct redis_watch *watch, struct err *err)
{
    int64_t now_ms = clock_mono_ms(watch->clock);

    if (err->kind != ERR_SERVER || (err->code != EIO && err->code != EBUSY))
        return -1;
    if (err->code == EBUSY)
        return 0; /* it answers: whoever waits sets the limit */
    if (!watch->is_lost)
        watch->lost_ms = now_ms;
    watch->is_lost = true;
    if (now_ms - watch->lost_ms < REDIS_WATCH_LOST_MAX_MS)
        return 0;
    return err_wrap(err, "the server cannot be reached for %d s",
                    (int)((now_ms - watch->lost_ms) / 1000));
}

static int ask(const struct redis_watch *watch, struct buf *text, struct err *err)
{
    if (watch->is_lost && redis_reconnect(watch->redis, err) < 0)
        return -1;
    return redis_info(watch->redis, NULL, text, err);
}

int redis_watch_look(struct redis_watch *watch, struct redis_server_info *out, struct err *err)
{
    auto_buf struct buf text = {0};
    struct err failed = {0};

    buf_init(&text, REDIS_INFO_MAX);
    if (ask(watch, &text, &failed) < 0) {
        if (redis_watch_forgive(watch, &failed) == 0)
            return 0;
        *err = failed;
        return -1;
    }
    watch->is_lost = false;
    redis_info_release(out);
    redis_info_parse(buf_text(&text), text.len, out);
    if (watch->run_id[0] != '\0' && strcmp(watch->run_id, out->run_id) != 0)
        return err_set(err, ERR_SERVER,
                       "%s: the server was restarted meanwhile. HINT: try again when it has loaded "
                       "its data",
                       redis_label(watch->redis));
    return 1;
}
