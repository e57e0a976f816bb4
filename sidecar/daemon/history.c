/*
 * Of a load the first and the last look count, since it began at a whole second and goes on between
 * two looks. Delays are counted by the server since it started: what matters is the difference to
 * an hour ago.
 */
#include "daemon/history.h"

#include <string.h>

static void look_at_load(struct history *history, const struct redis_server_info *info,
                         int64_t wall_ms)
{
    if (info->loading != 1 || info->loading_start_time_s <= 0 || info->loading_loaded_bytes < 0 ||
        info->server_time_usec <= 0) {
        history->load_start_s = 0;
        return;
    }
    if (history->load_start_s != info->loading_start_time_s ||
        info->loading_loaded_bytes < history->load_from_bytes ||
        info->server_time_usec < history->load_from_usec) {
        history->load_start_s = info->loading_start_time_s;
        history->load_from_usec = info->server_time_usec;
        history->load_from_bytes = info->loading_loaded_bytes;
        return;
    }
    int64_t took_ms = (info->server_time_usec - history->load_from_usec) / 1000;
    int64_t bytes = info->loading_loaded_bytes - history->load_from_bytes;
    if (took_ms >= HISTORY_LOAD_MS && bytes > 0)
        history->load = (struct history_load){.bytes = bytes, .took_ms = took_ms, .at_ms = wall_ms};
}

static void forget_delays(struct history *history)
{
    history->sample_count = 0;
    history->delays = (struct history_delays){0};
}

static void add_sample(struct history *history, int64_t count, int64_t mono_ms)
{
    size_t used = history->sample_count;

    if (used > 0 && mono_ms - history->samples[used - 1].mono_ms < HISTORY_STEP_MS)
        return;
    if (used == HISTORY_SAMPLES) {
        memmove(history->samples, history->samples + 1, (used - 1) * sizeof(history->samples[0]));
        used--;
    }
    history->samples[used].mono_ms = mono_ms;
    history->samples[used].count = count;
    history->sample_count = used + 1;
}

static void look_at_delays(struct history *history, const struct redis_server_info *info,
                           int64_t mono_ms)
{
    int64_t count = info->aof_delayed_fsync;
    size_t used = history->sample_count;

    /* another process, no append-only file, CONFIG RESETSTAT */
    if (strcmp(history->run_id, info->run_id) != 0 || count < 0 ||
        (used > 0 && count < history->samples[used - 1].count)) {
        forget_delays(history);
        memcpy(history->run_id, info->run_id, sizeof(history->run_id));
    }
    if (count < 0)
        return;
    add_sample(history, count, mono_ms);
    history->delays = (struct history_delays){.count = count - history->samples[0].count,
                                              .span_ms = mono_ms - history->samples[0].mono_ms};
}

void history_look(struct history *history, const struct redis_server_info *info, int64_t wall_ms,
                  int64_t mono_ms)
{
    look_at_load(history, info, wall_ms);
    look_at_delays(history, info, mono_ms);
}
