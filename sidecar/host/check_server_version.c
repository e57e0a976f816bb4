/*
 * The ways in which versions of the server are known to lose data, each with what makes it bite and
 * what is to be done. Seen on Redis 7.0.15 to 8.6.3 and Valkey 8.1.1 and 9.1.2, where no other
 * version stands beside it; of what is newer, nobody has looked yet.
 */
#include "host/check_server.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "redis/server_version.h"

#define VALUE_MAX 2048

bool check_is_older(const struct server_version *version, unsigned major, unsigned minor,
                    unsigned patch)
{
    if (version->major != major)
        return version->major < major;
    return version->minor != minor ? version->minor < minor : version->patch < patch;
}

/* Valkey says version 7.2.4 of Redis, and its own beside it. */
bool check_server_version(const struct check_facts *facts, struct server_version *out,
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

typedef bool bites_fn(const struct check_facts *facts, const struct server_version *version);

static bool is_valkey(const struct server_version *version)
{
    return version->flavour == REDIS_FLAVOUR_VALKEY;
}

/* Valkey #4342. */
static bool tears(const struct check_facts *facts, const struct server_version *version)
{
    return check_aof_is_on(facts) == 1 &&
           !(is_valkey(version) && !check_is_older(version, 9, 1, 2));
}

/* With appendfsync always the server ends at the first write that fails. */
static bool leaves_hole(const struct check_facts *facts, const struct server_version *version)
{
    (void)version;
    return check_aof_is_on(facts) == 1 && !pairs_is(facts->config, "appendfsync", "always");
}

static bool passes_over_cut(const struct check_facts *facts, const struct server_version *version)
{
    (void)version;
    return check_aof_is_on(facts) == 1 && !pairs_is(facts->config, "aof-load-truncated", "no");
}

/* Seen in Redis 7.0.15 to 8.0.6 and Valkey 8.1.1, not in Redis 8.6.3 and Valkey 9.1.2 (Redis
 * #14545, Valkey #3984). */
static bool can_drop_transactions(const struct check_facts *facts,
                                  const struct server_version *version)
{
    return check_aof_is_on(facts) == 1 && (is_valkey(version) ? check_is_older(version, 9, 1, 2)
                                                              : check_is_older(version, 8, 6, 0));
}

static bool drops_transactions(const struct check_facts *facts,
                               const struct server_version *version)
{
    return facts->default_user == CHECK_DEFAULT_USER_LIMITED &&
           can_drop_transactions(facts, version);
}

/* Who logs in as the user default has one; before version 6 there is no other. */
static bool may_drop_transactions(const struct check_facts *facts,
                                  const struct server_version *version)
{
    return facts->default_user == CHECK_DEFAULT_USER_UNKNOWN && !facts->is_default_user &&
           !check_is_older(version, 6, 0, 0) && can_drop_transactions(facts, version);
}

/* Older ones and Valkey import such slots. */
static bool deletes_slots(const struct check_facts *facts, const struct server_version *version)
{
    return pairs_is(facts->info, "cluster_enabled", "1") && !is_valkey(version) &&
           !check_is_older(version, 8, 6, 0) && !facts->backup.has_cluster;
}

static bool moves_dump(const struct check_facts *facts, const struct server_version *version)
{
    return check_aof_is_on(facts) == 1 && pairs_is(facts->info, "role", "slave") &&
           is_valkey(version) && !check_is_older(version, 9, 1, 0);
}

#define PREPARE                                                                            \
    "redkeep prepare   # before each start: an init container, ExecStartPre=, or redkeep " \
    "entrypoint; `guard fix` in redkeep.conf says that it is so"

#define UNSEEN                                                                                     \
    "whether a restart drops all transactions of the append-only file, as it does where the user " \
    "default may not do everything, needs ACL GETUSER (ACL: +acl|getuser)"

static const struct bug {
    bites_fn *bites;
    const char *says;
    const char *wanted;
    const char *fix;
} bugs[] = {
    {tears,
     "when a crash has torn a transaction, the second restart drops all writes since the first",
     "`redkeep prepare` before each start", PREPARE},
    {leaves_hole,
     "a full disk leaves a hole in the append-only file, with which it does not start again",
     "`redkeep prepare` before each start", PREPARE},
    {passes_over_cut,
     "an append-only file that is cut short, and not the last one, loads at the second start as if "
     "nothing were missing",
     "`redkeep prepare` before each start", PREPARE},
    {drops_transactions,
     "where an ACL turns the user default off, or limits it, a restart drops all transactions of "
     "the append-only file",
     "a user default that may do everything, with a password that nobody knows",
     "user default on \">$(openssl rand -hex 32)\" ~* &* +@all   # not: user default off"},
    {deletes_slots, "a start deletes the keys of slots that nodes.conf gives to other nodes",
     "nodes.conf in each backup", "backup-include rdb,acl,cluster"},
};

struct found {
    struct buf *says;
    struct buf *wanted;
    struct buf *fix;
    size_t count;
    bool is_mended; /* some are, by prepare */
};

/* Those of several bugs may be the same. */
static void add(struct buf *text, const char *between, const char *what)
{
    struct err ignored; /* shorter than its ceiling: all of it stands in the table */

    if (strstr(buf_text(text), what) == NULL)
        (void)buf_printf(text, &ignored, "%s%s", text->len == 0 ? "" : between, what);
}

static void find(const struct check_facts *facts, const struct server_version *version,
                 struct found *found)
{
    for (size_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++) {
        const struct bug *bug = &bugs[i];

        if (!bug->bites(facts, version))
            continue;
        if (strcmp(bug->fix, PREPARE) == 0 && facts->is_prepared) {
            found->is_mended = true;
            continue;
        }
        add(found->says, "; ", bug->says);
        add(found->wanted, ", ", bug->wanted);
        add(found->fix, "\n", bug->fix);
        found->count++;
    }
}

void check_look_version(const struct check_facts *facts, struct check_result *result)
{
    struct server_version version = {0};
    char name[48];
    auto_buf struct buf says = {0};
    auto_buf struct buf wanted = {0};
    auto_buf struct buf fix = {0};
    struct found found = {.says = &says, .wanted = &wanted, .fix = &fix};

    if (!check_server_version(facts, &version, result))
        return;
    server_version_format(&version, name, sizeof(name));
    if (check_aof_is_on(facts) < 0) {
        (void)check_has_no_aof(facts, result);
        return;
    }
    buf_init(&says, VALUE_MAX);
    buf_init(&wanted, VALUE_MAX);
    buf_init(&fix, VALUE_MAX);
    find(facts, &version, &found);
    const char *moves = moves_dump(facts, &version)
                            ? "; its dump becomes the append-only file's base: with appendonly no "
                              "it would start empty"
                            : "";
    if (may_drop_transactions(facts, &version) && found.count == 0) {
        check_unknown(result, "%s: " UNSEEN, name);
        return;
    }
    if (found.count == 0) {
        check_ok(result, "%s%s%s", name,
                 found.is_mended ? ", whose append-only file `redkeep prepare` mends before a start"
                                 : "",
                 moves);
        return;
    }
    check_bad(result, CHECK_WARN, "%s: %s%s%s", name, buf_text(&says), moves,
              may_drop_transactions(facts, &version) ? "; unknown: " UNSEEN : "");
    check_wants(result, "%s", buf_text(&wanted));
    check_fix_by(result, "%s", buf_text(&fix));
}
