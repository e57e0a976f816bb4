/*
 * The values are those of the servers' own documentation ("Redis persistence", and the comments of
 * redis.conf). What a profile rests on is set even where it is the default: an image or a fork may
 * have another one. All of them are known to Redis 7.0 to 8.6 and Valkey 8.1 to 9.1.
 */
#include "entrypoint/profile.h"

#include <string.h>

#define CACHE (1U << PROFILE_CACHE)
#define RDB (1U << PROFILE_RDB)
#define AOF (1U << PROFILE_AOF)
#define HYBRID (1U << PROFILE_HYBRID)
#define DURABLE (1U << PROFILE_DURABLE)
#define LOG (AOF | HYBRID | DURABLE)

const struct profile_setting profile_table[] = {
    {CACHE, "save", "\"\"", "no snapshots: the data can be had again"},
    {AOF, "save", "\"\"", "the log has everything; a failed snapshot would only stop writes"},
    {RDB | HYBRID | DURABLE, "save", "3600 1 300 100 60 10000",
     "a snapshot after an hour with one change, 5 minutes with 100, a minute with 10000"},
    {CACHE, "appendonly", "no", "no log: the data can be had again"},
    {RDB, "appendonly", "no", "no log: what came after the last snapshot can be lost"},
    {LOG, "appendonly", "yes", "every write is logged before the next start needs it"},
    {AOF | HYBRID, "appendfsync", "everysec",
     "a power loss costs two seconds at most, and writes stay fast"},
    {DURABLE, "appendfsync", "always", "a write is on the disk before its answer"},
    {DURABLE, "no-appendfsync-on-rewrite", "no", "also while the log is rewritten"},
    {AOF | HYBRID, "no-appendfsync-on-rewrite", "no",
     "a rewrite is no time in which more may be lost"},
    {AOF, "aof-use-rdb-preamble", "no", "the whole log is text that people and tools can read"},
    {HYBRID | DURABLE, "aof-use-rdb-preamble", "yes",
     "the log begins with a snapshot: it is smaller and loads several times as fast"},
    {LOG, "auto-aof-rewrite-percentage", "100", "the log is rewritten when it has doubled"},
    {LOG, "auto-aof-rewrite-min-size", "64mb", "but not while it is small"},
    {LOG, "aof-load-truncated", "yes",
     "the half command that a power loss leaves does not keep the server down"},
    {RDB | HYBRID | DURABLE, "rdbcompression", "yes", "smaller snapshots for a little CPU"},
    {RDB | LOG, "rdbchecksum", "yes", "a damaged snapshot is found when it is loaded, and sooner"},
    {RDB | HYBRID | DURABLE, "stop-writes-on-bgsave-error", "yes",
     "writes stop when they can no longer be kept, so that somebody notices"},
    {CACHE, "stop-writes-on-bgsave-error", "no", "a cache goes on whatever becomes of a snapshot"},
    {CACHE, "maxmemory-policy", "allkeys-lru", "at maxmemory the least used keys make room"},
};

const size_t profile_table_count = sizeof(profile_table) / sizeof(profile_table[0]);

static const struct {
    const char *name;
    const char *purpose;
} profiles[] = {
    [PROFILE_NONE] = {"none", "as the user has it"},
    [PROFILE_CACHE] = {"cache", "nothing is kept on the disk: for data that can be had again"},
    [PROFILE_RDB] = {"rdb", "snapshots: a crash costs what came after the last, at most minutes"},
    [PROFILE_AOF] = {"aof", "a log of all writes, as text: a power loss costs two seconds at most"},
    [PROFILE_HYBRID] = {"hybrid",
                        "a log with a snapshot as its base, and snapshots: a power loss costs two "
                        "seconds at most, and a start is fast"},
    [PROFILE_DURABLE] = {"durable",
                         "as hybrid, each write on the disk before its answer: nothing that was "
                         "answered is lost, and writes are as slow as the disk"},
};

int profile_parse(const char *name, enum profile *out, struct err *err)
{
    for (size_t i = PROFILE_CACHE; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        if (strcmp(profiles[i].name, name) == 0) {
            *out = (enum profile)i;
            return 0;
        }
    }
    return err_set(err, ERR_CONFIG,
                   "--profile: \"%.64s\" is none of cache, rdb, aof, hybrid, durable", name);
}

const char *profile_name(enum profile profile)
{
    return profiles[profile].name;
}

const char *profile_purpose(enum profile profile)
{
    return profiles[profile].purpose;
}

bool profile_has(enum profile profile, const struct profile_setting *setting)
{
    return profile != PROFILE_NONE && (setting->profiles & (1U << profile)) != 0;
}
