/* Times are of a clock that never goes back. */
#include "entrypoint/pair.h"

#include <signal.h>
#include <sys/wait.h>

static void act(struct pair_actions *out, struct pair_action action)
{
    if (out->count < PAIR_ACTIONS_MAX)
        out->list[out->count++] = action;
}

static void start(struct pair *pair, enum pair_who who, struct pair_actions *out)
{
    pair->runs[who] = true;
    act(out, (struct pair_action){.what = PAIR_START, .who = who});
}

static void send_to(const struct pair *pair, enum pair_who who, int signal_number,
                    struct pair_actions *out)
{
    if (pair->runs[who])
        act(out, (struct pair_action){.what = PAIR_SIGNAL, .who = who, .signal = signal_number});
}

static void start_sidecar(struct pair *pair, int64_t now_ms, struct pair_actions *out)
{
    pair->sidecar_since_ms = now_ms;
    pair->again_at_ms = -1;
    start(pair, PAIR_SIDECAR, out);
}

void pair_begin(struct pair *pair, int64_t drain_ms, int64_t now_ms, struct pair_actions *out)
{
    *pair = (struct pair){.drain_ms = drain_ms, .again_at_ms = -1, .drain_until_ms = -1};
    start(pair, PAIR_SERVER, out);
    start_sidecar(pair, now_ms, out);
}

int pair_exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void on_server_end(struct pair *pair, int status, int64_t now_ms, struct pair_actions *out)
{
    pair->server_ended = true;
    pair->exit_code = pair_exit_code(status);
    pair->again_at_ms = -1;
    pair->drain_until_ms = now_ms + pair->drain_ms;
    if (pair->runs[PAIR_SIDECAR])
        send_to(pair, PAIR_SIDECAR, SIGTERM, out);
    else
        start(pair, PAIR_LAST, out);
}

static void on_sidecar_end(struct pair *pair, int status, int64_t now_ms, struct pair_actions *out)
{
    if (pair->server_ended) {
        if (WIFSIGNALED(status)) /* it has not said that it was done */
            start(pair, PAIR_LAST, out);
        else
            act(out, (struct pair_action){.what = PAIR_EXIT});
        return;
    }
    if (now_ms - pair->sidecar_since_ms >= PAIR_AGAIN_MAX_MS)
        pair->again_ms = 0;
    pair->again_ms = pair->again_ms == 0 ? PAIR_AGAIN_MS : pair->again_ms * 2;
    if (pair->again_ms > PAIR_AGAIN_MAX_MS)
        pair->again_ms = PAIR_AGAIN_MAX_MS;
    pair->again_at_ms = now_ms + pair->again_ms;
}

void pair_on_end(struct pair *pair, enum pair_who who, int status, int64_t now_ms,
                 struct pair_actions *out)
{
    pair->runs[who] = false;
    if (who == PAIR_SERVER)
        on_server_end(pair, status, now_ms, out);
    else if (who == PAIR_SIDECAR)
        on_sidecar_end(pair, status, now_ms, out);
    else
        act(out, (struct pair_action){.what = PAIR_EXIT});
}

void pair_on_signal(const struct pair *pair, int signal_number, struct pair_actions *out)
{
    if (pair->server_ended) {
        send_to(pair, PAIR_SIDECAR, signal_number, out);
        send_to(pair, PAIR_LAST, signal_number, out);
        return;
    }
    send_to(pair, PAIR_SERVER, signal_number, out);
    if (signal_number == SIGHUP) /* read the settings again; nothing to a server */
        send_to(pair, PAIR_SIDECAR, signal_number, out);
}

void pair_on_time(struct pair *pair, int64_t now_ms, struct pair_actions *out)
{
    if (pair->drain_until_ms >= 0 && now_ms >= pair->drain_until_ms) {
        send_to(pair, PAIR_SIDECAR, SIGKILL, out);
        send_to(pair, PAIR_LAST, SIGKILL, out);
        act(out, (struct pair_action){.what = PAIR_EXIT});
        return;
    }
    if (pair->again_at_ms >= 0 && now_ms >= pair->again_at_ms)
        start_sidecar(pair, now_ms, out);
}

int64_t pair_wait_ms(const struct pair *pair, int64_t now_ms)
{
    int64_t at_ms = pair->server_ended ? pair->drain_until_ms : pair->again_at_ms;

    if (at_ms < 0)
        return -1;
    return at_ms > now_ms ? at_ms - now_ms : 0;
}
