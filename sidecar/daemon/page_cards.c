/*
 * The cards: the server and what it says of its own saves, what the schedule does next, the volume
 * and the last restore, and the jobs.
 */
#include <string.h>

#include "daemon/page_html.h"

#define AS_OF_MS 10000 /* what the server said last is no news any more */

static void open_card(struct buf *out, const char *id, const char *title)
{
    page_printf(out, "<section class=\"card\" aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", id,
                id, title);
}

/* A row of a description list; what follows is its value, up to close_row. */
static void open_row(struct buf *out, const char *term)
{
    page_printf(out, "<div><dt>%s</dt><dd>", term);
}

static void close_row(struct buf *out)
{
    page_put(out, "</dd></div>\n");
}

static void badge(struct buf *out, const char *level, const char *word)
{
    page_printf(out, "<span class=\"badge %s\">%s</span>", level, word);
}

/* percent is anything; a bar shows 0 to 100 */
static void put_bar(struct buf *out, const char *label, double percent)
{
    double shown = percent > 100 ? 100 : percent < 0 ? 0 : percent;

    page_printf(out, "<progress aria-label=\"%s\" max=\"100\" value=\"%.1f\"></progress>\n", label,
                shown);
}

static void put_state(const struct readiness *readiness, struct buf *out)
{
    static const struct {
        const char *level;
        const char *word;
    } words[] = {
        [READINESS_UNREACHABLE] = {"bad", "does not answer"},
        [READINESS_AUTH] = {"bad", "refuses redkeep"},
        [READINESS_LOADING] = {"warn", "loads its data"},
        [READINESS_SYNCING] = {"warn", "waits for its primary"},
        [READINESS_READY] = {"good", "ready"},
    };

    page_put(out, "<p class=\"state\">");
    badge(out, words[readiness->state].level, words[readiness->state].word);
    page_put(out, "</p>\n");
}

static void put_loading(const struct readiness *readiness, struct buf *out)
{
    if (readiness->loading_percent < 0)
        return;
    put_bar(out, "Loaded", readiness->loading_percent);
    page_printf(out, "<p><b>%.0f %%</b>",
                readiness->loading_percent > 100 ? 100 : readiness->loading_percent);
    if (readiness->loaded_bytes >= 0 && readiness->total_bytes > 0) {
        page_put(out, " \xc2\xb7 ");
        page_size(out, (uint64_t)readiness->loaded_bytes);
        page_put(out, " of ");
        page_size(out, (uint64_t)readiness->total_bytes);
    }
    if (readiness->bytes_per_s > 0) {
        page_put(out, " \xc2\xb7 ");
        page_size(out, (uint64_t)readiness->bytes_per_s);
        page_put(out, "/s");
    }
    if (readiness->eta_s >= 0) {
        page_put(out, " \xc2\xb7 ");
        page_span(out, readiness->eta_s < INT64_MAX / 1000 ? readiness->eta_s * 1000 : INT64_MAX);
        page_put(out, " left");
    }
    page_put(out, "</p>\n");
}

static void put_saves(const struct status *status, struct buf *out)
{
    const struct redis_server_info *info = &status->info;

    open_row(out, "Last save");
    if (info->rdb_last_bgsave_ok == 0)
        badge(out, "bad", "failed");
    else if (info->rdb_last_save_time_s > 0 && info->rdb_last_save_time_s < INT64_MAX / 1000)
        page_distance(out, info->rdb_last_save_time_s * 1000, status->now_ms);
    else
        page_put(out, "\xe2\x80\x93");
    close_row(out);
    open_row(out, "Append-only file");
    if (info->aof_enabled == 0)
        page_put(out, "off");
    else if (info->aof_last_write_ok == 0)
        badge(out, "bad", "writes fail");
    else if (info->aof_last_rewrite_ok == 0)
        badge(out, "warn", "rewrite failed");
    else
        page_put(out, info->aof_enabled == 1 ? "on" : "\xe2\x80\x93");
    if (info->aof_enabled == 1 && info->aof_current_bytes >= 0) {
        page_put(out, ", ");
        page_size(out, (uint64_t)info->aof_current_bytes);
    }
    close_row(out);
}

static void put_facts(const struct status *status, struct buf *out)
{
    const struct redis_server_info *info = &status->info;

    if (status->now_ms - status->seen_ms >= AS_OF_MS) {
        open_row(out, "As of");
        page_time(out, status->seen_ms, status->now_ms);
        page_put(out, ", ");
        page_distance(out, status->seen_ms, status->now_ms);
        close_row(out);
    }
    open_row(out, "Server");
    page_text(out, info->flavour == REDIS_FLAVOUR_VALKEY ? "Valkey " : "Redis ");
    page_text(out, info->version);
    if (strcmp(info->role, "slave") == 0)
        page_put(out, ", replica");
    else if (strcmp(info->role, "master") == 0)
        page_put(out, ", primary");
    close_row(out);
    if (info->loading != 1) {
        open_row(out, "Keys");
        page_number(out, redis_info_keys(info));
        close_row(out);
    }
    if (info->used_memory >= 0) {
        open_row(out, "Memory");
        page_size(out, (uint64_t)info->used_memory);
        if (info->maxmemory > 0) {
            page_put(out, " of ");
            page_size(out, (uint64_t)info->maxmemory);
        }
        close_row(out);
    }
    if (info->loading != 1)
        put_saves(status, out);
    if (info->uptime_s >= 0 && info->uptime_s < INT64_MAX / 1000) {
        open_row(out, "Up for");
        page_span(out, info->uptime_s * 1000);
        close_row(out);
    }
}

static void put_server(const struct status *status, struct buf *out)
{
    const struct readiness *readiness = &status->readiness;

    open_card(out, "server", "Server");
    put_state(readiness, out);
    if (readiness->state == READINESS_LOADING)
        put_loading(readiness, out);
    else if (readiness->why[0] != '\0') {
        page_put(out, "<p class=\"foreign\">");
        page_text(out, readiness->why);
        page_put(out, "</p>\n");
    }
    page_put(out, "<dl>\n");
    if (status->has_info)
        put_facts(status, out);
    open_row(out, "Address");
    page_put(out, "<span class=\"foreign\">");
    page_text(out, status->server_url != NULL ? status->server_url : "\xe2\x80\x93");
    page_put(out, "</span>");
    close_row(out);
    page_put(out, "</dl>\n</section>\n");
}

static void put_schedule(const struct status *status, struct buf *out)
{
    open_card(out, "schedule", "Schedule");
    page_put(out, "<dl>\n");
    open_row(out, "Next backup");
    if (status->next_backup_ms >= 0) {
        page_time(out, status->next_backup_ms, status->now_ms);
        page_put(out, ", ");
        page_distance(out, status->next_backup_ms, status->now_ms);
    } else {
        page_put(out, "none is planned");
    }
    close_row(out);
    open_row(out, "Runs");
    page_text(out, status->schedule != NULL ? status->schedule : "\xe2\x80\x93");
    if (status->timezone != NULL) {
        page_put(out, ", ");
        page_text(out, status->timezone);
    }
    close_row(out);
    open_row(out, "Newest backup");
    if (status_backup_age_ms(status) >= 0) {
        page_span(out, status_backup_age_ms(status));
        page_put(out, " old");
    } else {
        page_put(out, "\xe2\x80\x93");
    }
    close_row(out);
    if (status->backup_max_age_ms > 0) {
        open_row(out, "Allowed");
        page_put(out, "up to ");
        page_span(out, status->backup_max_age_ms);
        page_put(out, " old");
        close_row(out);
    }
    if (status->skipped_unchanged > 0) {
        open_row(out, "Skipped");
        page_number(out, status->skipped_unchanged);
        page_put(out, ", nothing had changed");
        close_row(out);
    }
    page_put(out, "</dl>\n");
    if (status->waiting_for != NULL) {
        page_put(out, "<p class=\"note foreign\">Waits for: ");
        page_text(out, status->waiting_for);
        page_put(out, "</p>\n");
    }
    page_put(out, "</section>\n");
}

static void put_volume(const struct status *status, struct buf *out)
{
    if (status->volume_total_bytes <= 0 || status->volume_free_bytes < 0) {
        page_put(out, "<p>It was not looked at yet.</p>\n");
        return;
    }
    double used =
        100 - 100 * (double)status->volume_free_bytes / (double)status->volume_total_bytes;

    page_printf(out,
                "<progress class=\"%s\" aria-label=\"Used\" max=\"100\" value=\"%.1f\">"
                "</progress>\n<p><b>",
                used > 90 ? "bad" : "plain", used);
    page_size(out, (uint64_t)status->volume_free_bytes);
    page_put(out, "</b> of ");
    page_size(out, (uint64_t)status->volume_total_bytes);
    page_put(out, " are free</p>\n");
}

static void put_restore(const struct status *status, struct buf *out)
{
    page_put(out, "<h3>Last restore</h3>\n");
    if (status->restored_ms < 0) {
        page_put(out, "<p>None is known.</p>\n");
        return;
    }
    page_put(out, "<p>");
    page_distance(out, status->restored_ms, status->now_ms);
    if (status->restored_has_keys) {
        page_put(out, ", ");
        page_number(out, status->restored_keys);
        page_put(out, " keys");
    }
    if (status->restore_took_ms >= 0) {
        page_put(out, " in ");
        page_duration(out, status->restore_took_ms);
    }
    page_put(out, "<br><span class=\"soft foreign\">");
    page_text(out, status->restored_backup);
    page_put(out, "</span></p>\n");
    if (status->restored_skipped > 0) {
        page_put(out, "<p class=\"note\">");
        page_number(out, status->restored_skipped);
        page_put(out, " newer backups had to be passed over.</p>\n");
    }
}

static void put_progress(const struct status_job *job, int64_t now_ms, struct buf *out)
{
    if (job->total_bytes > 0)
        put_bar(out, "Done", 100 * (double)job->done_bytes / (double)job->total_bytes);
    page_put(out, "<p class=\"soft foreign\">");
    page_text(out, job->doing);
    if (job->done_bytes > 0) {
        page_put(out, job->doing != NULL ? " \xc2\xb7 " : "");
        page_size(out, job->done_bytes);
        if (job->total_bytes > 0) {
            page_put(out, " of ");
            page_size(out, job->total_bytes);
        }
    }
    if (job->bytes_per_s > 0) {
        page_put(out, " \xc2\xb7 ");
        page_size(out, job->bytes_per_s);
        page_put(out, "/s");
    }
    page_put(out, " \xc2\xb7 started ");
    page_distance(out, job->started_ms, now_ms);
    page_put(out, "</p>\n");
}

static void put_result(const struct status_job *job, int64_t now_ms, struct buf *out)
{
    page_put(out, "<p class=\"soft\">");
    page_distance(out, job->ended_ms, now_ms);
    if (job->last_took_ms >= 0) {
        page_put(out, ", took ");
        page_duration(out, job->last_took_ms);
    }
    page_put(out, "</p>\n");
    if (!job->last_ok && job->last_message != NULL) {
        page_put(out, "<p class=\"detail foreign\">");
        page_text(out, job->last_message);
        page_put(out, "</p>\n");
    }
}

static void put_job(enum job_kind kind, const struct status_job *job, int64_t now_ms,
                    struct buf *out)
{
    static const char *const names[JOB_KIND_COUNT] = {
        [JOB_BACKUP] = "Backup", [JOB_FINAL] = "Final backup",  [JOB_VERIFY] = "Reading back",
        [JOB_DRILL] = "Drill",   [JOB_PRUNE] = "Retention",     [JOB_LIST] = "Reading the list",
        [JOB_CHECK] = "Checks",  [JOB_NOTIFY] = "Notification", [JOB_HEARTBEAT] = "Heartbeat",
    };

    page_printf(out, "<li><p class=\"name\">%s ", names[kind]);
    if (job->is_running)
        badge(out, "busy", "running");
    else if (job->last_ok)
        badge(out, "good", "went well");
    else
        badge(out, "bad", "failed");
    page_put(out, "</p>\n");
    if (job->is_running)
        put_progress(job, now_ms, out);
    else
        put_result(job, now_ms, out);
    page_put(out, "</li>\n");
}

static void put_jobs(const struct status *status, struct buf *out)
{
    bool is_any = false;

    open_card(out, "jobs", "Jobs");
    for (size_t i = 0; i < JOB_KIND_COUNT; i++) {
        const struct status_job *job = &status->jobs[i];

        if (!job->is_running && job->ended_ms < 0)
            continue;
        page_put(out, is_any ? "" : "<ul class=\"jobs\">\n");
        is_any = true;
        put_job((enum job_kind)i, job, status->now_ms, out);
    }
    page_put(out, is_any ? "</ul>\n</section>\n" : "<p>None has run yet.</p>\n</section>\n");
}

void page_cards(const struct status *status, struct buf *out)
{
    page_put(out, "<div class=\"cards\">\n");
    put_server(status, out);
    put_schedule(status, out);
    open_card(out, "volume", "Volume");
    put_volume(status, out);
    put_restore(status, out);
    page_put(out, "</section>\n");
    page_checks(status, out);
    put_jobs(status, out);
    page_put(out, "</div>\n");
}
