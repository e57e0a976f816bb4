/*
 * The checks of what the server has done since it started: its saves, its append-only file, its
 * forks and its part of a cluster. A counter that is zero because nothing has happened
 * yet has shown nothing.
 */
#include "host/check_server.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"

#define FORK_LIMIT_US 1000000
#define CLUSTER_SLOTS 16384
#define HOUR_S 3600
#define DAY_S 86400
#define LATELY_S 600 /* a shorter while without one says nothing */
#define DAY_MS INT64_C(86400000)
#define RENEW_MS (14 * DAY_MS) /* certificates are renewed weeks before their end, */
#define RENEW_PART 5           /* and those that live for hours when a third is left */

void check_look_tls_certificate(const struct check_facts *facts, struct check_result *result)
{
    const struct check_tls *tls = &facts->tls;
    int64_t left_ms = tls->until_ms - facts->now_ms;
    int64_t part_ms = (tls->until_ms - tls->from_ms) / RENEW_PART;
    char until[32];
    char left[16];

    if (!tls->is_used) {
        if (check_info_text(facts, "redis_version", result) != NULL)
            check_ok(result, "not used: redis-url is without TLS");
        return;
    }
    format_rfc3339(tls->until_ms, until, sizeof(until));
    format_duration(left_ms < 0 ? 0 : left_ms, left, sizeof(left));
    if (left_ms >= (part_ms < RENEW_MS ? part_ms : RENEW_MS)) {
        check_ok(result, "good until %s, for %s", until, left);
        return;
    }
    check_bad(result, CHECK_WARN, "%s runs out on %s, in %s",
              tls->is_ours ? "redkeep's own" : "the server's", until, left);
    check_wants(result, "one that was renewed");
    if (tls->is_ours)
        check_fix_by(result, "renew redis-tls-cert-file   # it is read at the next connection");
    else
        check_fix_by(result, "redis-cli CONFIG SET tls-cert-file FILE tls-key-file FILE   # when "
                             "they were renewed, so that it reads them");
}

/* "3m 20s" of a number of seconds; out holds at least 16 bytes. */
static void format_seconds(int64_t seconds, char *out, size_t out_size)
{
    format_duration(seconds < 0 ? -1 : check_times(seconds, 1000), out, out_size);
}

/* By the server's own clock where it tells, as rdb_last_save_time is; -1: unknown. */
static int64_t seconds_since_save(const struct check_facts *facts)
{
    int64_t now_us = check_info_or(facts, "server_time_usec", check_times(facts->now_ms, 1000));
    int64_t saved_s = check_info_or(facts, "rdb_last_save_time", -1);

    return saved_s < 0 || saved_s > now_us / 1000000 ? -1 : now_us / 1000000 - saved_s;
}

/* A failed save makes the server refuse every write. */
static bool refuses_writes(const struct check_facts *facts)
{
    return check_has_saves(facts) == 1 &&
           !pairs_is(facts->config, "stop-writes-on-bgsave-error", "no");
}

void check_look_last_save(const struct check_facts *facts, struct check_result *result)
{
    const char *status = check_info_text(facts, "rdb_last_bgsave_status", result);
    char ago[16];

    if (status == NULL)
        return;
    format_seconds(seconds_since_save(facts), ago, sizeof(ago));
    if (strcmp(status, "ok") == 0) {
        /* both say so: the one is reset by CONFIG RESETSTAT, the other not by a SAVE */
        if (check_info_or(facts, "rdb_saves", 0) <= 0 &&
            check_info_or(facts, "rdb_last_bgsave_time_sec", -1) < 0)
            check_unknown(result, "the server has not saved since it started");
        else
            check_ok(result, "ok, %s ago, %lld changes since", ago,
                     (long long)check_info_or(facts, "rdb_changes_since_last_save", 0));
        return;
    }
    if (strcmp(status, "err") != 0) {
        check_unknown(result, "rdb_last_bgsave_status is \"%.*s\"", CHECK_TEXT_MAX, status);
        return;
    }
    check_bad(result,
              check_aof_is_on(facts) == 1 && !refuses_writes(facts) ? CHECK_WARN : CHECK_FAIL,
              "failed; the last good one %s ago%s", ago,
              refuses_writes(facts) ? "; the server refuses writes" : "");
    check_wants(result, "ok; the server's log says why it failed");
    check_fix_by(result, "redis-cli BGSAVE");
}

void check_look_last_aof_write(const struct check_facts *facts, struct check_result *result)
{
    if (check_has_no_aof(facts, result))
        return;
    const char *status = check_info_text(facts, "aof_last_write_status", result);
    if (status == NULL)
        return;
    const char *rewrite = check_info_text(facts, "aof_last_bgrewrite_status", result);
    if (rewrite == NULL)
        return;
    if (strcmp(status, "ok") == 0 && strcmp(rewrite, "ok") == 0) {
        check_ok(result, "ok");
        return;
    }
    if (strcmp(status, "ok") == 0)
        check_bad(result, CHECK_WARN, "ok, but the last rewrite failed: %.*s", CHECK_TEXT_MAX,
                  rewrite);
    else
        check_bad(result, CHECK_FAIL, "%.*s", CHECK_TEXT_MAX, status);
    check_wants(result, "ok; the server's log says why it failed");
    /* a fresh file from memory, which also heals the hole that a full disk has left */
    check_fix_by(result, "redis-cli BGREWRITEAOF");
}

void check_look_fork_time(const struct check_facts *facts, struct check_result *result)
{
    int64_t fork_us = 0;
    char took[16];

    if (!check_info_count(facts, "latest_fork_usec", &fork_us, result))
        return;
    if (fork_us == 0) {
        check_unknown(result, "the server has not forked since it started");
        return;
    }
    format_duration(fork_us / 1000, took, sizeof(took));
    if (fork_us < FORK_LIMIT_US) {
        check_ok(result, "%s", took);
        return;
    }
    check_bad(result, CHECK_WARN, "%s", took);
    check_wants(result, "less than a second");
    check_fix_by(result, "# redkeep.conf: only the replica forks for backups\nbackup-role replica");
}

static void want_fewer_delays(const struct check_facts *facts, struct check_result *result)
{
    check_wants(result, "less than one an hour");
    if (pairs_is(facts->config, "aof-rewrite-incremental-fsync", "no"))
        check_set_by(result, "aof-rewrite-incremental-fsync", "yes");
    else if (pairs_is(facts->config, "rdb-save-incremental-fsync", "no"))
        check_set_by(result, "rdb-save-incremental-fsync", "yes");
    else
        check_fix_by(result, "storageClassName: <one of faster disks; see fsync-latency>");
}

/* The server counts since it started, which says little of today when that was long ago. */
static void look_delays_of_late(const struct check_facts *facts, int64_t total, const char *up,
                                struct check_result *result)
{
    char span[16];

    format_seconds(facts->delays.span_s, span, sizeof(span));
    if (facts->delays.count <= 1) {
        check_ok(result, "%lld in the last %s (%lld in %s, since the server started)",
                 (long long)facts->delays.count, span, (long long)total, up);
        return;
    }
    check_bad(result, CHECK_WARN, "%lld in the last %s", (long long)facts->delays.count, span);
    want_fewer_delays(facts, result);
}

void check_look_delayed_fsync(const struct check_facts *facts, struct check_result *result)
{
    int64_t total = 0;
    int64_t uptime_s = 0;
    char up[16];

    if (check_has_no_aof(facts, result) ||
        !check_info_count(facts, "aof_delayed_fsync", &total, result) ||
        !check_info_count(facts, "uptime_in_seconds", &uptime_s, result))
        return;
    format_seconds(uptime_s, up, sizeof(up));
    /* one an hour is a disk's bad moment, also in the first */
    bool is_seldom = total <= 1 || check_times(total, HOUR_S) <= uptime_s;
    if (is_seldom && facts->delays.count <= 1) {
        check_ok(result, "%lld in %s, since the server started", (long long)total, up);
    } else if (facts->delays.span_s >= LATELY_S || facts->delays.count > 1) {
        look_delays_of_late(facts, total, up, result);
    } else if (uptime_s <= DAY_S) {
        check_bad(result, CHECK_WARN, "%lld in %s, since the server started", (long long)total, up);
        want_fewer_delays(facts, result);
    } else {
        check_unknown(result,
                      "%lld in %s, since the server started; whether they go on needs a sidecar "
                      "(redkeep run) at http-listen, which has counted the last hour",
                      (long long)total, up);
    }
}

void check_look_aof_growth(const struct check_facts *facts, struct check_result *result)
{
    int64_t current = 0;
    int64_t base = 0;
    int64_t percentage = 0;
    int64_t min_bytes = 0;
    char current_text[16];
    char base_text[16];

    if (check_has_no_aof(facts, result) ||
        !check_info_count(facts, "aof_current_size", &current, result) ||
        !check_info_count(facts, "aof_base_size", &base, result) ||
        !check_config_count(facts, "auto-aof-rewrite-percentage", &percentage, result) ||
        !check_config_count(facts, "auto-aof-rewrite-min-size", &min_bytes, result))
        return;
    format_size((uint64_t)current, current_text, sizeof(current_text));
    format_size((uint64_t)base, base_text, sizeof(base_text));
    if (percentage == 0) {
        check_bad(result, CHECK_WARN, "%s, and auto-aof-rewrite-percentage 0: never rewritten",
                  current_text);
        check_wants(result, "a rewrite when it has doubled");
        check_set_by(result, "auto-aof-rewrite-percentage", "100");
        return;
    }
    int64_t limit = check_add(base, check_times(base / 100 + 1, percentage));
    if (limit < min_bytes)
        limit = min_bytes;
    if (current <= check_times(limit, 2)) {
        check_ok(result, "%s, %s after its last rewrite", current_text, base_text);
        return;
    }
    check_bad(result, CHECK_WARN, "%s, %s after its last rewrite: rewrites do not keep up",
              current_text, base_text);
    format_size((uint64_t)limit, base_text, sizeof(base_text));
    check_wants(result, "a rewrite at %s", base_text);
    check_fix_by(result, "redis-cli BGREWRITEAOF");
}

static void look_slots(const struct check_facts *facts, struct check_result *result)
{
    int64_t assigned = 0;
    int64_t ok = 0;
    const char *state = check_info_text(facts, "cluster_state", result);

    if (state == NULL) {
        check_unknown(result, "this needs CLUSTER INFO (ACL: +cluster|info)");
        return;
    }
    if (!check_info_count(facts, "cluster_slots_assigned", &assigned, result) ||
        !check_info_count(facts, "cluster_slots_ok", &ok, result))
        return;
    if (strcmp(state, "ok") == 0 && assigned == CLUSTER_SLOTS && ok == CLUSTER_SLOTS) {
        check_ok(result, "ok, all %d", CLUSTER_SLOTS);
        return;
    }
    check_bad(result, CHECK_WARN, "%.*s, %lld of %d assigned, %lld served", CHECK_TEXT_MAX, state,
              (long long)assigned, CLUSTER_SLOTS, (long long)ok);
    check_wants(result, "ok, all %d assigned and served", CLUSTER_SLOTS);
    check_fix_by(result, "redis-cli --cluster %s 127.0.0.1:%lld",
                 assigned < CLUSTER_SLOTS ? "fix" : "check",
                 (long long)check_info_or(facts, "tcp_port", 6379));
}

void check_look_cluster_slots(const struct check_facts *facts, struct check_result *result)
{
    const char *is_enabled = check_info_text(facts, "cluster_enabled", result);

    if (is_enabled == NULL)
        return;
    if (strcmp(is_enabled, "0") == 0)
        check_ok(result, "no cluster");
    else
        look_slots(facts, result);
}
