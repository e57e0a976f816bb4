/*
 * The checks of what the server has done since it started: its saves, its append-only file, its
 * forks, its version and its part of a cluster. A counter that is zero because nothing has happened
 * yet has shown nothing.
 */
#include "host/check_server.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"
#include "redis/server_version.h"

#define FORK_LIMIT_US 1000000
#define CLUSTER_SLOTS 16384
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

void check_look_delayed_fsync(const struct check_facts *facts, struct check_result *result)
{
    int64_t delayed = 0;
    int64_t uptime_s = 0;
    char up[16];

    if (check_has_no_aof(facts, result) ||
        !check_info_count(facts, "aof_delayed_fsync", &delayed, result) ||
        !check_info_count(facts, "uptime_in_seconds", &uptime_s, result))
        return;
    format_seconds(uptime_s, up, sizeof(up));
    /* one an hour is a disk's bad moment, also in the first */
    if (delayed <= 1 || check_times(delayed, 3600) <= uptime_s) {
        check_ok(result, "%lld in %s", (long long)delayed, up);
        return;
    }
    check_bad(result, CHECK_WARN, "%lld in %s", (long long)delayed, up);
    check_wants(result, "less than one an hour");
    if (pairs_is(facts->config, "aof-rewrite-incremental-fsync", "no"))
        check_set_by(result, "aof-rewrite-incremental-fsync", "yes");
    else if (pairs_is(facts->config, "rdb-save-incremental-fsync", "no"))
        check_set_by(result, "rdb-save-incremental-fsync", "yes");
    else
        check_fix_by(result, "storageClassName: <one of faster disks; see fsync-latency>");
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

/* Is it older than major.minor.patch? */
static bool is_older(const struct server_version *version, unsigned major, unsigned minor,
                     unsigned patch)
{
    if (version->major != major)
        return version->major < major;
    return version->minor != minor ? version->minor < minor : version->patch < patch;
}

/* Valkey says version 7.2.4 of Redis, and its own beside it. */
static bool read_version(const struct check_facts *facts, struct server_version *out,
                         struct check_result *result)
{
    const char *valkey = pairs_get(facts->info, "valkey_version");
    const char *text = valkey != NULL ? valkey : check_info_text(facts, "redis_version", result);
    struct err ignored; /* said in our own words */

    if (text == NULL)
        return false;
    auto_free char *named =
        xasprintf("%s %.*s", valkey != NULL ? "valkey" : "redis", CHECK_TEXT_MAX, text);
    if (server_version_parse(named, out, &ignored) < 0) {
        check_unknown(result, "the server says version \"%.*s\"", CHECK_TEXT_MAX, text);
        return false;
    }
    return true;
}

/* The bug that redkeep knows of needs an append-only file: after a crash inside a transaction, the
 * server leaves an open MULTI in the file, writes on behind it, and drops all that at its next
 * start. Seen in Redis up to 8.6.3 and in Valkey 8.1.1; fixed in Valkey 9.1.2. */
void check_look_version(const struct check_facts *facts, struct check_result *result)
{
    struct server_version version = {0};
    char name[48];

    if (!read_version(facts, &version, result))
        return;
    server_version_format(&version, name, sizeof(name));
    bool is_valkey = version.flavour == REDIS_FLAVOUR_VALKEY;
    bool is_fixed = is_valkey && !is_older(&version, 9, 1, 2);

    int aof = check_aof_is_on(facts);
    if (is_fixed || aof == 0) {
        check_ok(result, "%s", name);
        return;
    }
    if (aof < 0) {
        (void)check_has_no_aof(facts, result);
        return;
    }
    check_bad(
        result, CHECK_WARN,
        "%s: after a transaction that a crash tore, the second restart drops all writes since "
        "the first",
        name);
    check_wants(result, "%s`redkeep prepare` before every start, which mends the file",
                is_valkey ? "Valkey 9.1.2 or newer, or " : "");
    check_fix_by(result, "redkeep prepare");
}

/* Redis from 8.6 on; older ones and Valkey import such slots. */
static bool deletes_foreign_keys(const struct check_facts *facts)
{
    struct check_result unused = {0};
    struct server_version version = {0};
    bool is_known = read_version(facts, &version, &unused);

    free(unused.value);
    return is_known && version.flavour == REDIS_FLAVOUR_REDIS && !is_older(&version, 8, 6, 0);
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
        check_ok(
            result, "ok, all %d%s", CLUSTER_SLOTS,
            deletes_foreign_keys(facts)
                ? "; this version deletes at its start the keys of slots that nodes.conf gives "
                  "to others: back that file up too (backup-include)"
                : "");
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
