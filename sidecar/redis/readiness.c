/*
 * The rule of readiness.h. What INFO does not say is not held against a server: one that loads says
 * so, and so does a replica whose link is up. But an answer with neither role nor loading is of
 * something else (a sentinel, a proxy), and proves nothing.
 */
#include "redis/readiness.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/text.h"

#define MS_PER_S 1000
#define ETA_MAX_S (366 * 86400.0) /* longer is a load that stands still */
#define TEXT_BYTES_MAX 1024

static const struct readiness unknown = {
    .state = READINESS_UNREACHABLE,
    .loading_percent = -1,
    .loaded_bytes = -1,
    .total_bytes = -1,
    .bytes_per_s = -1,
    .eta_s = -1,
};

const char *readiness_name(enum readiness_state state)
{
    switch (state) {
    case READINESS_UNREACHABLE:
        return "unreachable";
    case READINESS_AUTH:
        return "auth";
    case READINESS_LOADING:
        return "loading";
    case READINESS_SYNCING:
        return "syncing";
    case READINESS_READY:
        return "ready";
    }
    return "unreachable";
}

/* text up to its hint, on one line of UTF-8, cut between characters. */
static void set_why(struct readiness *readiness, const char *text)
{
    const char *hint = err_hint(text);
    size_t len = hint == NULL ? strlen(text) : (size_t)(hint - text);
    size_t used = 0;
    char escaped[TEXT_ESCAPE_MAX + 1];

    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '.'))
        len--;
    readiness->why[0] = '\0';
    for (size_t i = 0; i < len;) {
        i += text_escape_plain(text + i, len - i, escaped);
        if (used + strlen(escaped) >= sizeof(readiness->why))
            return;
        memcpy(readiness->why + used, escaped, strlen(escaped) + 1);
        used += strlen(escaped);
    }
}

static bool is_replica(const struct redis_server_info *info)
{
    return strcmp(info->role, "slave") == 0 || strcmp(info->role, "replica") == 0;
}

static enum readiness_state state_of(const struct redis_server_info *info)
{
    if (info->loading == 1 || info->async_loading == 1)
        return READINESS_LOADING;
    if (info->loading < 0 && info->role[0] == '\0')
        return READINESS_UNREACHABLE;
    if (is_replica(info) &&
        (strcmp(info->master_link_status, "up") != 0 || info->master_sync_in_progress == 1))
        return READINESS_SYNCING;
    return READINESS_READY;
}

/* A number of bytes or seconds that may be more than fits. */
static int64_t whole(double value)
{
    return value >= 9.2e18 ? INT64_MAX : (int64_t)value;
}

/* How long it has loaded, by the server's own clock; -1 unknown. */
static int64_t loading_ms(const struct redis_server_info *info)
{
    if (info->loading_start_time_s < 0 || info->loading_start_time_s > INT64_MAX / MS_PER_S ||
        info->server_time_usec < 0)
        return -1;

    int64_t ms = info->server_time_usec / 1000 - info->loading_start_time_s * MS_PER_S;

    return ms < 0 ? -1 : ms;
}

static bool is_same_load(const struct readiness *now, const struct readiness *before)
{
    return before != NULL && before->state == READINESS_LOADING && before->loaded_bytes >= 0 &&
           before->total_bytes == now->total_bytes && before->loaded_bytes <= now->loaded_bytes;
}

/* A start in whole seconds tells nothing in the first one: the server's eta is made up then. */
static void set_speed(const struct redis_server_info *info, const struct readiness *before,
                      int64_t elapsed_ms, struct readiness *out)
{
    int64_t since_start_ms = loading_ms(info);
    bool is_measured = elapsed_ms > 0 && is_same_load(out, before);

    if (is_measured)
        out->bytes_per_s = whole((double)(out->loaded_bytes - before->loaded_bytes) * MS_PER_S /
                                 (double)elapsed_ms);
    else if (since_start_ms >= MS_PER_S)
        out->bytes_per_s = whole((double)out->loaded_bytes * MS_PER_S / (double)since_start_ms);
    if ((!is_measured || out->total_bytes < 0) && info->loading_eta_s >= 0) {
        out->eta_s = since_start_ms >= 0 && since_start_ms < MS_PER_S ? -1 : info->loading_eta_s;
        return;
    }
    if (out->total_bytes < 0 || out->bytes_per_s <= 0)
        return;

    double left = (double)out->total_bytes - (double)out->loaded_bytes;
    double eta_s = left <= 0 ? 0 : ceil(left / (double)out->bytes_per_s);

    out->eta_s = eta_s <= ETA_MAX_S ? whole(eta_s) : -1;
}

static void set_progress(const struct redis_server_info *info, const struct readiness *before,
                         int64_t elapsed_ms, struct readiness *out)
{
    if (info->loading_loaded_bytes < 0)
        return;
    out->loaded_bytes = info->loading_loaded_bytes;
    if (info->loading_total_bytes > 0) {
        double part = (double)out->loaded_bytes / (double)info->loading_total_bytes;

        out->total_bytes = info->loading_total_bytes;
        /* an append-only file may be found to be longer than it was */
        out->loading_percent = part >= 1 ? 100 : floor(part * 1000.0) / 10.0;
    }
    set_speed(info, before, elapsed_ms, out);
}

static void explain_sync(const struct redis_server_info *info, struct readiness *out)
{
    if (info->master_sync_in_progress == 1)
        set_why(out, "the replica is being sent its primary's data");
    else if (info->master_link_down_since_s >= 0)
        (void)snprintf(out->why, sizeof(out->why),
                       "the replica's link to its primary has been down for %lld s",
                       (long long)info->master_link_down_since_s);
    else
        set_why(out, "the replica has no link to its primary");
}

void readiness_from_info(const struct redis_server_info *info, const struct readiness *before,
                         int64_t elapsed_ms, struct readiness *out)
{
    struct readiness found = unknown;

    found.state = state_of(info);
    switch (found.state) {
    case READINESS_LOADING:
        set_progress(info, before, elapsed_ms, &found);
        set_why(&found, info->loading == 1 ? "the server is loading its data"
                                           : "the replica is loading its primary's data");
        break;
    case READINESS_SYNCING:
        explain_sync(info, &found);
        break;
    case READINESS_UNREACHABLE:
        set_why(&found, "the answer to INFO tells neither of loading nor of a role: this is no "
                        "Redis or Valkey server that holds data");
        break;
    case READINESS_AUTH:
    case READINESS_READY:
        break;
    }
    *out = found;
}

void readiness_from_error(const struct err *why, const struct readiness *before,
                          struct readiness *out)
{
    struct readiness found = unknown;
    enum problem problem = err_problem(why);
    bool is_known =
        before != NULL && before->state != READINESS_UNREACHABLE && before->state != READINESS_AUTH;

    if (problem == PROBLEM_SERVER_BUSY && is_known) {
        *out = *before;
        return;
    }
    if (problem == PROBLEM_SERVER_BUSY && strstr(why->msg, "max number of clients") == NULL) {
        found.state = READINESS_READY;
        *out = found;
        return;
    }
    if (problem == PROBLEM_SERVER_AUTH || problem == PROBLEM_SERVER_DENIED)
        found.state = READINESS_AUTH;
    else if (problem == PROBLEM_SERVER_LOADING)
        found.state = READINESS_LOADING;
    set_why(&found, why->msg);
    *out = found;
}

static void set_number(struct json *object, const char *key, int64_t value)
{
    if (value >= 0)
        json_set_i64(object, key, value);
    else
        json_set_null(object, key);
}

struct json *readiness_to_json(const struct readiness *readiness)
{
    struct json *answer = json_object();

    json_set_bool(answer, "ready", readiness->state == READINESS_READY);
    json_set_string(answer, "state", readiness_name(readiness->state));
    if (readiness->loading_percent >= 0)
        json_set_double(answer, "loading_percent", readiness->loading_percent);
    else
        json_set_null(answer, "loading_percent");
    set_number(answer, "eta_seconds", readiness->eta_s);
    json_set_string(answer, "why", readiness->why[0] == '\0' ? NULL : readiness->why);
    set_number(answer, "loaded_bytes", readiness->loaded_bytes);
    set_number(answer, "total_bytes", readiness->total_bytes);
    set_number(answer, "bytes_per_second", readiness->bytes_per_s);
    return answer;
}

/* "4 s", "3m 20s" */
static void format_left(int64_t eta_s, char *out, size_t out_size)
{
    if (eta_s < 10)
        (void)snprintf(out, out_size, "%d s", (int)eta_s);
    else
        format_duration(eta_s > INT64_MAX / MS_PER_S ? INT64_MAX : eta_s * MS_PER_S, out, out_size);
}

/* Each piece that is known, the first behind a colon. */
static char *loading_text(const struct readiness *readiness)
{
    auto_buf struct buf text = {0};
    struct err unused; /* it fits */
    char loaded[16];
    char total[16];
    char rate[16];
    char left[32];

    buf_init(&text, TEXT_BYTES_MAX);
    (void)buf_printf(&text, &unused, "%s", readiness_name(readiness->state));
    const char *between = ": ";
    if (readiness->loading_percent >= 0) {
        (void)buf_printf(&text, &unused, "%s%d %%", between, (int)readiness->loading_percent);
        between = ", ";
    }
    if (readiness->loaded_bytes >= 0) {
        format_size((uint64_t)readiness->loaded_bytes, loaded, sizeof(loaded));
        (void)buf_printf(&text, &unused, "%s%s", between, loaded);
        between = ", ";
    }
    if (readiness->loaded_bytes >= 0 && readiness->total_bytes >= 0) {
        format_size((uint64_t)readiness->total_bytes, total, sizeof(total));
        (void)buf_printf(&text, &unused, " of %s", total);
    }
    if (readiness->bytes_per_s >= 0) {
        format_size((uint64_t)readiness->bytes_per_s, rate, sizeof(rate));
        (void)buf_printf(&text, &unused, "%s%s/s", between, rate);
        between = ", ";
    }
    if (readiness->eta_s >= 0) {
        format_left(readiness->eta_s, left, sizeof(left));
        (void)buf_printf(&text, &unused, "%s%s left", between, left);
    }
    return buf_take(&text);
}

char *readiness_text(const struct readiness *readiness)
{
    if (readiness->state == READINESS_LOADING)
        return loading_text(readiness);
    if (readiness->why[0] == '\0')
        return xstrdup(readiness_name(readiness->state));
    return xasprintf("%s: %s", readiness_name(readiness->state), readiness->why);
}
