/*
 * The text of INFO as typed fields. Pure. Fields that are absent, empty or unreadable are -1 or "";
 * unknown fields are skipped, so that a newer server is no error. Sections may come in any order.
 */
#ifndef REDIS_REDIS_INFO_H
#define REDIS_REDIS_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "redis/server_version.h"

struct redis_keyspace {
    uint32_t db;
    uint64_t keys;
    uint64_t expires;
};

#define REDIS_INFO_DATABASES_MAX 65536

/* Flags are 0, 1 or -1 (not said). */
struct redis_server_info {
    enum redis_flavour flavour;
    char version[32]; /* valkey_version on Valkey, redis_version on Redis */
    char run_id[48];
    int64_t process_id;
    int64_t tcp_port;
    int64_t server_time_usec;
    int64_t uptime_s;
    char *executable;  /* "" when not said */
    char *config_file; /* "" when not said, or when the server runs without one */

    char role[16];       /* "master", "slave" */
    char replid[48];     /* master_replid */
    int64_t repl_offset; /* master_repl_offset */
    int64_t connected_slaves;
    char master_link_status[16]; /* "up", "down", "" on a master */
    int master_sync_in_progress;
    int64_t master_link_down_since_s; /* -1 also for a link that was never up */
    int64_t master_last_io_s;         /* since it was heard of; -1 also while the link is down */

    int loading;
    int async_loading;
    int64_t loading_start_time_s; /* the server's clock; the loading_ ones only while it loads */
    int64_t loading_total_bytes;  /* 0: it comes from a primary that does not say how much */
    int64_t loading_loaded_bytes;
    int64_t loading_eta_s;
    int64_t rdb_saves;
    int rdb_bgsave_in_progress;
    int rdb_last_bgsave_ok; /* rdb_last_bgsave_status:ok */
    int64_t rdb_last_save_time_s;
    int64_t rdb_last_bgsave_s;    /* how long it took; -1 also when there was none */
    int64_t rdb_current_bgsave_s; /* -1 also when there is none */
    int64_t rdb_changes_since_last_save;
    int64_t rdb_last_cow_bytes;
    int64_t rdb_last_load_keys_loaded;
    int64_t rdb_last_load_keys_expired;
    int64_t latest_fork_usec;
    int64_t save_keys_processed; /* current_save_keys_processed, _total: about once a second */
    int64_t save_keys_total;
    int aof_enabled;
    int aof_rewrite_in_progress;
    int aof_rewrite_scheduled;
    int aof_last_write_ok; /* aof_last_write_status:ok */
    int aof_last_rewrite_ok;
    int64_t aof_last_rewrite_s; /* how long it took; -1 also when there was none */
    int64_t aof_last_cow_bytes;
    int64_t aof_current_bytes; /* these three only while it is enabled */
    int64_t aof_base_bytes;
    int64_t aof_delayed_fsync; /* how often */
    int module_fork_in_progress;
    int slot_migration_fork_in_progress;

    int64_t expired_keys; /* since it was started, but for those of its load */
    int64_t used_memory;
    int64_t used_memory_rss;
    int64_t maxmemory;
    int64_t total_system_memory;
    int cluster_enabled;

    struct redis_keyspace *keyspace; /* as listed: databases that hold keys */
    size_t keyspace_count;
};

/* Never fails: what cannot be read stays unknown. At most REDIS_INFO_DATABASES_MAX databases are
 * kept. The caller releases *out, which was not initialised before. */
void redis_info_parse(const char *text, size_t len, struct redis_server_info *out);
/* Every field unknown again, the pointers NULL. */
void redis_info_release(struct redis_server_info *info);

/* A save, an AOF rewrite or a module's fork is running: BGSAVE would be refused. */
bool redis_info_has_child(const struct redis_server_info *info);
/* All keys of all databases; 0 when INFO listed none. */
uint64_t redis_info_keys(const struct redis_server_info *info);
/* The server's version; ERR_SERVER when INFO did not tell. */
int redis_info_version(const struct redis_server_info *info, struct server_version *out,
                       struct err *err);

static inline void cleanup_redis_info(struct redis_server_info *info)
{
    redis_info_release(info);
}
/* Only for a variable that is zero-initialised or parsed into. */
#define auto_redis_info auto_with(cleanup_redis_info)

#endif
