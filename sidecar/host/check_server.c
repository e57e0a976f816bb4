/*
 * The checks of the server's configuration; those of what it has done so far are in
 * check_server_state.c. Each judges INFO and CONFIG GET as texts that anybody may have written.
 * What the settings mean, and which of them CONFIG SET can change, was seen on Redis 7.0 to 8.6 and
 * Valkey 8.1 and 9.1.
 */
#include "host/check_server.h"

#include <ctype.h>
#include <string.h>

#include "base/parse.h"

/* As a command and not as a line of redis.conf: who restarts a server without persistence to read
 * that line has an empty one. */
#define SAVE_NOW                                     \
    "redis-cli CONFIG SET save \"" CHECK_SAVE_POINTS \
    "\"   # then in redis.conf: save " CHECK_SAVE_POINTS

#define SAVE_BOUND_S 3600 /* what the save points that servers come with promise for one write */

/* A setting that should have one value, and CONFIG SET can give it. */
static void look_set(const struct check_facts *facts, const char *name, const char *wanted,
                     struct check_result *result)
{
    const char *is = check_config_text(facts, name, result);

    if (is == NULL)
        return;
    if (strcmp(is, wanted) == 0) {
        check_ok(result, "%s", is);
        return;
    }
    check_bad(result, CHECK_WARN, "%.*s", CHECK_TEXT_MAX, is);
    check_wants(result, "%s", wanted);
    check_set_by(result, name, wanted);
}

static void save_from_now_on(struct check_result *result)
{
    check_wants(result, "save points, an append-only file, or both");
    check_fix_by(result, SAVE_NOW);
    check_act_by(result, CHECK_ACT_CONFIG, "save", CHECK_SAVE_POINTS);
}

/* Whether anything is saved at all: 1, 0, or -1 with the result unknown. */
static int has_persistence(const struct check_facts *facts, struct check_result *result)
{
    int aof = check_aof_is_on(facts);
    int saves = check_has_saves(facts);

    if (aof == 1 || saves == 1)
        return 1;
    if (saves < 0)
        (void)check_config_text(facts, "save", result);
    else if (aof < 0 && check_info_text(facts, "aof_enabled", result) != NULL)
        check_unknown(result, "this needs aof_enabled, which is neither 0 nor 1");
    return aof == 0 && saves == 0 ? 0 : -1;
}

/* Of a cache: what says that it is one. */
static const char *cache_by(const struct check_facts *facts)
{
    return facts->is_cache ? "by the setting use" : "by its maxmemory-policy";
}

static void look_persistence(const struct check_facts *facts, struct check_result *result)
{
    int has = has_persistence(facts, result);

    if (has < 0)
        return;
    if (has == 1) {
        check_ok(result, "%s%s%s", check_aof_is_on(facts) == 1 ? "append-only file" : "",
                 check_aof_is_on(facts) == 1 && check_has_saves(facts) == 1 ? " and " : "",
                 check_has_saves(facts) == 1 ? "save points" : "");
        return;
    }
    if (check_is_bare_cache(facts)) {
        check_ok(result, "none: a cache, %s", cache_by(facts));
        return;
    }
    if (pairs_is(facts->info, "role", "slave"))
        check_bad(result, CHECK_WARN,
                  "none; it is a replica, which begins with its primary's data");
    else
        check_bad(result, CHECK_FAIL, "none: no append-only file and no save points");
    save_from_now_on(result);
}

static void look_replicas(const struct check_facts *facts, struct check_result *result)
{
    int64_t replicas = 0;
    const char *role = check_info_text(facts, "role", result);

    if (role == NULL)
        return;
    if (strcmp(role, "slave") == 0) {
        check_ok(result, "a replica itself");
        return;
    }
    if (strcmp(role, "master") != 0) {
        check_unknown(result, "its role is \"%.*s\"", CHECK_TEXT_MAX, role);
        return;
    }
    if (!check_info_count(facts, "connected_slaves", &replicas, result))
        return;
    if (replicas == 0) {
        check_ok(result, "no replicas");
        return;
    }
    int has = has_persistence(facts, result);
    if (has == 1) {
        check_ok(result, "%lld replicas of a primary that persists", (long long)replicas);
    } else if (has == 0) {
        bool is_cache = check_is_bare_cache(facts);

        check_bad(result, is_cache ? CHECK_WARN : CHECK_FAIL,
                  "%lld replicas of a %s without persistence", (long long)replicas,
                  is_cache ? "cache" : "primary");
        save_from_now_on(result);
    }
}

static void look_appendfsync(const struct check_facts *facts, struct check_result *result)
{
    if (check_has_no_aof(facts, result))
        return;
    const char *when = check_config_text(facts, "appendfsync", result);
    if (when == NULL)
        return;
    if (strcmp(when, "everysec") != 0 && strcmp(when, "always") != 0) {
        check_bad(result, CHECK_WARN, "%.*s", CHECK_TEXT_MAX, when);
        check_wants(result, "everysec, or always");
        check_set_by(result, "appendfsync", "everysec");
    } else if (pairs_is(facts->config, "no-appendfsync-on-rewrite", "yes")) {
        check_bad(result, CHECK_WARN, "%s, but not while a save or rewrite runs", when);
        check_wants(result, "no-appendfsync-on-rewrite no");
        check_set_by(result, "no-appendfsync-on-rewrite", "no");
    } else {
        check_ok(result, "%s", when);
    }
}

static void look_preamble(const struct check_facts *facts, struct check_result *result)
{
    if (!check_has_no_aof(facts, result))
        look_set(facts, "aof-use-rdb-preamble", "yes", result);
}

static void look_load_truncated(const struct check_facts *facts, struct check_result *result)
{
    if (check_has_no_aof(facts, result))
        return;
    look_set(facts, "aof-load-truncated", "yes", result);
}

static void look_stop_writes(const struct check_facts *facts, struct check_result *result)
{
    if (check_is_bare_cache(facts) && pairs_is(facts->config, "stop-writes-on-bgsave-error", "no"))
        check_ok(result, "no; a cache, %s", cache_by(facts));
    /* what an append-only file cannot take is refused, whatever this says */
    else if (check_aof_is_on(facts) == 1 &&
             pairs_is(facts->config, "stop-writes-on-bgsave-error", "no"))
        check_ok(result, "no; the append-only file is the record");
    else
        look_set(facts, "stop-writes-on-bgsave-error", "yes", result);
}

static void look_rdbchecksum(const struct check_facts *facts, struct check_result *result)
{
    const char *is = check_config_text(facts, "rdbchecksum", result);

    if (is == NULL)
        return;
    if (strcmp(is, "yes") == 0) {
        check_ok(result, "yes");
        return;
    }
    check_bad(result, CHECK_WARN, "%.*s", CHECK_TEXT_MAX, is);
    check_wants(result, "yes");
    check_fix_by(result, "rdbchecksum yes"); /* CONFIG SET cannot: it is read at the start */
}

static void look_rdbcompression(const struct check_facts *facts, struct check_result *result)
{
    const char *is = check_config_text(facts, "rdbcompression", result);

    if (is == NULL)
        return;
    if (strcmp(is, "yes") == 0)
        check_ok(result, "yes; no makes saves, backups and loads faster, and the dump larger");
    else if (strcmp(is, "no") == 0)
        check_ok(result, "no");
    else
        check_unknown(result, "rdbcompression is \"%.*s\"", CHECK_TEXT_MAX, is);
}

static bool take_number(const char **cursor, uint64_t *out)
{
    char digits[24] = "";
    struct err ignored; /* no number is an answer here */
    size_t len = 0;

    while (**cursor == ' ')
        (*cursor)++;
    while (isdigit((unsigned char)**cursor) && len < sizeof(digits) - 1)
        digits[len++] = *(*cursor)++;
    return (**cursor == ' ' || **cursor == '\0') && parse_u64(digits, out, &ignored) == 0;
}

/* How long a single write can wait for a save; UINT64_MAX: for ever. False when save is no list of
 * pairs. */
static bool save_bound(const char *save, uint64_t *out_s)
{
    uint64_t bound = UINT64_MAX;

    while (*save != '\0') {
        uint64_t seconds = 0;
        uint64_t changes = 0;

        if (!take_number(&save, &seconds) || !take_number(&save, &changes))
            return false;
        if (changes <= 1 && seconds < bound)
            bound = seconds;
    }
    *out_s = bound;
    return true;
}

static void look_save_points(const struct check_facts *facts, struct check_result *result)
{
    int aof = check_aof_is_on(facts);
    const char *save = check_config_text(facts, "save", result);
    uint64_t bound_s = 0;

    if (save == NULL)
        return;
    if (aof == 1) {
        check_ok(result, "%.*s, beside an append-only file", CHECK_TEXT_MAX,
                 save[0] == '\0' ? "none" : save);
        return;
    }
    if (aof < 0) {
        check_unknown(result, "this needs aof_enabled of the server's INFO");
        return;
    }
    if (check_is_bare_cache(facts)) {
        check_ok(result, "none: a cache, %s", cache_by(facts));
        return;
    }
    if (!save_bound(save, &bound_s)) {
        check_unknown(result, "save is \"%.*s\", which is no list of seconds and changes",
                      CHECK_TEXT_MAX, save);
        return;
    }
    if (bound_s <= SAVE_BOUND_S) {
        check_ok(result, "%.*s", CHECK_TEXT_MAX, save);
        return;
    }
    if (save[0] == '\0')
        check_bad(result, CHECK_WARN, "none");
    else if (bound_s == UINT64_MAX)
        check_bad(result, CHECK_WARN, "%.*s: few changes are never saved", CHECK_TEXT_MAX, save);
    else
        check_bad(result, CHECK_WARN, "%.*s: a change can wait longer than an hour", CHECK_TEXT_MAX,
                  save);
    check_wants(result, "any change is saved within an hour");
    check_fix_by(result, SAVE_NOW);
    check_act_by(result, CHECK_ACT_CONFIG, "save", CHECK_SAVE_POINTS);
}

static void look_eviction(const struct check_facts *facts, struct check_result *result)
{
    int64_t maxmemory = 0;
    int aof = check_aof_is_on(facts);

    if (!check_info_count(facts, "maxmemory", &maxmemory, result))
        return;
    const char *policy = check_info_text(facts, "maxmemory_policy", result);
    if (policy == NULL)
        return;
    if (maxmemory == 0) {
        check_ok(result, "%.*s; no maxmemory, so that nothing is evicted", CHECK_TEXT_MAX, policy);
    } else if (strcmp(policy, "noeviction") == 0) {
        check_ok(result, "%s", policy);
    } else if (strncmp(policy, "volatile-", 9) == 0) {
        check_ok(result, "%.*s: only keys with a time to live", CHECK_TEXT_MAX, policy);
    } else if (strncmp(policy, "allkeys-", 8) != 0) {
        check_unknown(result, "redkeep does not know the policy \"%.*s\"", CHECK_TEXT_MAX, policy);
    } else if (facts->is_cache || check_is_bare_cache(facts)) {
        check_ok(result, "%.*s: a cache, %s", CHECK_TEXT_MAX, policy, cache_by(facts));
    } else {
        int64_t evicted = check_info_or(facts, "evicted_keys", 0);

        /* who writes every command to the disk means to keep it */
        check_bad(result, aof == 1 && evicted > 0 ? CHECK_FAIL : CHECK_WARN,
                  "%.*s, %lld keys evicted so far", CHECK_TEXT_MAX, policy, (long long)evicted);
        check_wants(result, "noeviction, for data that is meant to last");
        check_set_by(result, "maxmemory-policy", "noeviction");
    }
}

/* No address but of this machine ("127.0.0.1 -::1"); none at all is no TCP. */
static bool is_loopback(const char *bind)
{
    while (*bind != '\0') {
        size_t len = strcspn(bind, " ");
        size_t skip = *bind == '-'; /* an address that may be missing */

        if (len > 0 && strncmp(bind + skip, "127.", 4) != 0 &&
            !(len - skip == 3 && strncmp(bind + skip, "::1", 3) == 0) &&
            !(len - skip == 9 && strncmp(bind + skip, "localhost", 9) == 0))
            return false;
        bind += len;
        bind += strspn(bind, " ");
    }
    return true;
}

static void look_protection(const struct check_facts *facts, struct check_result *result)
{
    const char *password = check_config_text(facts, "requirepass", result);

    if (password == NULL)
        return;
    const char *mode = check_config_text(facts, "protected-mode", result);
    if (mode == NULL)
        return;
    const char *bind = check_config_text(facts, "bind", result);
    if (bind == NULL)
        return;
    const char *acl = pairs_get(facts->config, "aclfile");

    bool is_sure = facts->login != CHECK_LOGIN_UNKNOWN;
    bool has_acl = acl != NULL && acl[0] != '\0';

    if (facts->login == CHECK_LOGIN_PASSWORD || (!is_sure && !has_acl && password[0] != '\0')) {
        check_ok(result, "a password");
    } else if (strcmp(mode, "yes") == 0) {
        check_ok(result, "protected-mode yes");
    } else if (is_loopback(bind)) {
        check_ok(result, "reachable from this machine only");
    } else if (pairs_is(facts->config, "port", "0") && pairs_is(facts->config, "tls-port", "0")) {
        check_ok(result, "reachable by its socket only");
    } else if (pairs_is(facts->config, "port", "0") &&
               pairs_is(facts->config, "tls-auth-clients", "yes")) {
        check_ok(result, "client certificates");
    } else if (!is_sure && has_acl) {
        check_unknown(result, "what aclfile says of the password needs ACL GETUSER default");
    } else {
        check_bad(result, CHECK_WARN, "no password%s, protected-mode no, bind %.*s",
                  password[0] != '\0' ? " (an ACL has lifted requirepass)" : "", CHECK_TEXT_MAX,
                  bind);
        check_wants(result, "a password");
        if (password[0] != '\0' || has_acl)
            check_fix_by(result, "redis-cli ACL SETUSER default resetpass \">$PASSWORD\"   # then "
                                 "the same in the ACL file or redis.conf");
        else
            check_fix_by(result, "requirepass <what `openssl rand -hex 32` prints>");
    }
}

const struct check_row check_server_rows[] = {
    {"persistence", CHECK_SERVER,
     "Without persistence every restart of the server, and every crash, empties it.",
     look_persistence},
    {"replicas-without-persistence", CHECK_SERVER,
     "A primary that starts empty makes its replicas empty too, within seconds.", look_replicas},
    {"last-save", CHECK_SERVER,
     "While saves fail, a crash loses everything since the last good one, and the server may "
     "refuse "
     "writes.",
     check_look_last_save},
    {"last-aof-write", CHECK_SERVER,
     "What could not be written to the append-only file is lost when the server stops.",
     check_look_last_aof_write},
    {"save-points", CHECK_SERVER,
     "Without an append-only file, a crash loses all that was written since the last save.",
     look_save_points},
    {"appendfsync", CHECK_SERVER,
     "What was not synced is lost when the node dies: with no, some thirty seconds of writes.",
     look_appendfsync},
    {"aof-use-rdb-preamble", CHECK_SERVER,
     "An append-only file of commands alone is larger and loads several times slower.",
     look_preamble},
    {"aof-load-truncated", CHECK_SERVER,
     "With no, the server does not start after a crash that cut the last command short.",
     look_load_truncated},
    {"aof-growth", CHECK_SERVER,
     "An append-only file that is not rewritten fills the volume, and takes ever longer to load.",
     check_look_aof_growth},
    {"delayed-fsync", CHECK_SERVER,
     "A disk that cannot keep up makes every client wait, and a crash costs more than a second.",
     check_look_delayed_fsync},
    {"stop-writes-on-bgsave-error", CHECK_SERVER,
     "With no, the server takes writes that it cannot save, and nobody notices until they are "
     "lost.",
     look_stop_writes},
    {"rdbchecksum", CHECK_SERVER,
     "Without the checksum, a dump that the disk has damaged loads as if it were whole.",
     look_rdbchecksum},
    {"rdbcompression", CHECK_SERVER,
     "redkeep compresses better than the server does, on cores that the server does not use.",
     look_rdbcompression},
    {"fork-time", CHECK_SERVER,
     "The server answers nobody while it forks, which every save and every rewrite begins with.",
     check_look_fork_time},
    {"eviction-policy", CHECK_SERVER,
     "When memory runs out, allkeys policies delete any key, whether or not it was meant to last.",
     look_eviction},
    {"protection", CHECK_SERVER,
     "Whoever reaches an open server can empty it, or make it load a file of theirs.",
     look_protection},
    {"tls-certificate", CHECK_SERVER,
     "From the moment at which a certificate runs out nobody is let in: no client, no backup.",
     check_look_tls_certificate},
    {"version", CHECK_SERVER,
     "Some versions lose acknowledged writes after a crash, without a word in the log.",
     check_look_version},
    {"cluster-slots", CHECK_SERVER,
     "Keys of a slot that no node serves can be neither read nor written.",
     check_look_cluster_slots},
    {.id = NULL},
};
