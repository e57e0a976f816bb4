/*
 * The rows of metrics_table.h. Names follow the conventions of Prometheus: base units, _total for
 * what only counts up. Labels called job and instance are the scraper's own, and are not used.
 */
#include "daemon/metrics_table.h"

#include "daemon/status.h"

#define AT(field) offsetof(struct status, field)
#define JOB(field) offsetof(struct status_job, field)
#define GAUGE(NAME, FIELD, KIND, HELP)                                                             \
    {                                                                                              \
        .name = "redkeep_" NAME, .type = "gauge", .help = HELP, .field = KIND, .offset = AT(FIELD) \
    }
#define COUNTER(NAME, FIELD, KIND, HELP)                                         \
    {                                                                            \
        .name = "redkeep_" NAME, .type = "counter", .help = HELP, .field = KIND, \
        .offset = AT(FIELD)                                                      \
    }

const struct metric metrics_table[] = {
    /* redkeep itself */
    GAUGE("start_time_seconds", started_ms, METRIC_I64_MS, "When this sidecar was started"),
    GAUGE("stopping", is_stopping, METRIC_BOOL, "Is it on its way to a clean end?"),
    GAUGE("next_backup_timestamp_seconds", next_backup_ms, METRIC_I64_MS,
          "When the next scheduled backup is due"),
    GAUGE("backup_max_age_seconds", backup_max_age_ms, METRIC_I64_MS,
          "How old the newest proven backup may become; 0 is no bound"),
    GAUGE("backups_read_timestamp_seconds", backups_read_ms, METRIC_I64_MS,
          "When the repository was listed last"),
    GAUGE("changes_since_backup", changes_since_backup, METRIC_I64,
          "Writes since the newest backup of this sidecar"),
    COUNTER("store_retries_total", store_retries, METRIC_U64,
            "Requests to the repository that were repeated"),
    COUNTER("notifications_dropped_total", notify_dropped, METRIC_U64,
            "Messages that could not be delivered"),
    COUNTER("log_lines_lost_total", log_lost, METRIC_U64,
            "Lines of the log that could not be written"),
    COUNTER("http_requests_total", http_requests, METRIC_U64,
            "Requests that this listener has answered"),
    COUNTER("http_clients_refused_total", http_refused, METRIC_U64,
            "Clients dropped or refused for going over a limit"),

    /* the volume */
    GAUGE("volume_free_bytes", volume_free_bytes, METRIC_I64,
          "Bytes that may still be written to the volume of the server"),
    GAUGE("volume_size_bytes", volume_total_bytes, METRIC_I64, "Bytes of that volume"),

    /* the server */
    GAUGE("server_seen_timestamp_seconds", seen_ms, METRIC_I64_MS, "When the server answered last"),
    GAUGE("server_loading_loaded_bytes", readiness.loaded_bytes, METRIC_I64,
          "What the server has loaded so far, while it loads"),
    GAUGE("server_loading_size_bytes", readiness.total_bytes, METRIC_I64,
          "What the server has to load, while it loads"),
    GAUGE("server_loading_left_seconds", readiness.eta_s, METRIC_I64,
          "How long the load will still take, while the server loads"),
    GAUGE("server_uptime_seconds", info.uptime_s, METRIC_I64, "How long the server has been up"),
    GAUGE("server_memory_used_bytes", info.used_memory, METRIC_I64,
          "Memory that the server has allocated"),
    GAUGE("server_memory_resident_bytes", info.used_memory_rss, METRIC_I64,
          "Memory that the server occupies"),
    GAUGE("server_memory_max_bytes", info.maxmemory, METRIC_I64,
          "The maxmemory setting; 0 is no limit"),
    GAUGE("server_connected_replicas", info.connected_slaves, METRIC_I64, "Replicas of the server"),
    GAUGE("server_last_fork_duration_seconds", info.latest_fork_usec, METRIC_I64_US,
          "How long the last fork stopped the server"),

    /* its dump */
    GAUGE("server_rdb_save_in_progress", info.rdb_bgsave_in_progress, METRIC_INT,
          "Does the server save?"),
    GAUGE("server_rdb_last_save_ok", info.rdb_last_bgsave_ok, METRIC_INT,
          "Did the last save of the server succeed? After one that did not, it may refuse writes"),
    GAUGE("server_rdb_last_save_timestamp_seconds", info.rdb_last_save_time_s, METRIC_I64,
          "When the server saved last"),
    GAUGE("server_rdb_last_save_duration_seconds", info.rdb_last_bgsave_s, METRIC_I64,
          "How long that took"),
    GAUGE("server_rdb_changes_since_last_save", info.rdb_changes_since_last_save, METRIC_I64,
          "Writes since the last save of the server"),
    GAUGE("server_rdb_last_cow_bytes", info.rdb_last_cow_bytes, METRIC_I64,
          "Memory that the last save copied"),
    GAUGE("server_rdb_last_load_keys_loaded", info.rdb_last_load_keys_loaded, METRIC_I64,
          "Keys of the dump that the server loaded last"),
    GAUGE("server_rdb_last_load_keys_expired", info.rdb_last_load_keys_expired, METRIC_I64,
          "Keys of that dump that were past their time"),

    /* its append-only files */
    GAUGE("server_aof_enabled", info.aof_enabled, METRIC_INT, "Is it on?"),
    GAUGE("server_aof_last_write_ok", info.aof_last_write_ok, METRIC_INT,
          "Did the last write to the append-only file succeed? Until one does, writes are refused"),
    GAUGE("server_aof_rewrite_in_progress", info.aof_rewrite_in_progress, METRIC_INT,
          "Does the server rewrite its append-only files?"),
    GAUGE("server_aof_last_rewrite_ok", info.aof_last_rewrite_ok, METRIC_INT,
          "Did the last rewrite succeed?"),
    GAUGE("server_aof_last_rewrite_duration_seconds", info.aof_last_rewrite_s, METRIC_I64,
          "How long the last rewrite took"),
    GAUGE("server_aof_last_cow_bytes", info.aof_last_cow_bytes, METRIC_I64,
          "Memory that the last rewrite copied"),
    GAUGE("server_aof_size_bytes", info.aof_current_bytes, METRIC_I64,
          "Bytes of the append-only files"),
    GAUGE("server_aof_base_size_bytes", info.aof_base_bytes, METRIC_I64,
          "Bytes of the same after the last rewrite"),
    COUNTER("server_aof_delayed_fsyncs_total", info.aof_delayed_fsync, METRIC_I64,
            "Writes that had to wait for a sync of the append-only file"),
    COUNTER("server_rdb_saves_total", info.rdb_saves, METRIC_I64,
            "Saves since the server was started"),
};

const size_t metrics_table_count = sizeof(metrics_table) / sizeof(metrics_table[0]);

const struct metric metrics_job_table[] = {
    {"redkeep_job_running", "gauge", "Does a job of the kind run?", JOB(is_running), METRIC_BOOL,
     METRIC_ALWAYS},
    {"redkeep_job_done_bytes", "gauge", "What the running one has done", JOB(done_bytes),
     METRIC_U64, METRIC_RUNNING},
    {"redkeep_job_starts_total", "counter", "Jobs that were started", JOB(count_started),
     METRIC_U64, METRIC_ALWAYS},
    {"redkeep_job_successes_total", "counter", "Jobs that went well", JOB(count_ok), METRIC_U64,
     METRIC_ALWAYS},
    {"redkeep_job_failures_total", "counter", "Jobs that failed", JOB(count_failed), METRIC_U64,
     METRIC_ALWAYS},
    {"redkeep_job_crashes_total", "counter", "Failed jobs that had died of a signal",
     JOB(count_crashed), METRIC_U64, METRIC_ALWAYS},
    {"redkeep_job_hangs_total", "counter", "Failed jobs that were killed for their silence",
     JOB(count_hung), METRIC_U64, METRIC_ALWAYS},
    {"redkeep_job_last_success", "gauge", "Did the last job of the kind go well?", JOB(last_ok),
     METRIC_BOOL, METRIC_ENDED},
    {"redkeep_job_last_end_timestamp_seconds", "gauge", "When that one ended", JOB(ended_ms),
     METRIC_I64_MS, METRIC_ENDED},
    {"redkeep_job_last_duration_seconds", "gauge", "How long that one took", JOB(last_took_ms),
     METRIC_I64_MS, METRIC_ENDED},
};

const size_t metrics_job_table_count = sizeof(metrics_job_table) / sizeof(metrics_job_table[0]);
