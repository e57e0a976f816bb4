/*
 * `redkeep run`: the sidecar. Settings in, the supervisor's options out; read once more on SIGHUP.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"
#include "commands/objects.h"
#include "commands/process.h"
#include "daemon/supervisor.h"

_Static_assert((int)SETTINGS_ROLE_ANY == (int)AGENT_ROLE_ANY &&
                   (int)SETTINGS_ROLE_REPLICA == (int)AGENT_ROLE_REPLICA,
               "roles");

struct running { /* what the supervisor's options point to */
    const struct command_context *context;
    struct settings again; /* read on SIGHUP */
    struct secret username;
    char *repository;
    char *server_url;
    char **flags;
};

static void running_release(struct running *running)
{
    settings_release(&running->again);
    secret_release(&running->username);
    free(running->repository);
    free(running->server_url);
    for (size_t i = 0; running->flags != NULL && running->flags[i] != NULL; i++)
        free(running->flags[i]);
    free(running->flags);
}
#define auto_running auto_with(running_release)

/* The settings that were given as flags; the jobs find the others where we found them, but for the
 * directory, which is the one that was claimed. */
static char **flags_of(const struct command_context *context)
{
    const struct arguments *arguments = context->arguments;
    char **flags = xcalloc(arguments->setting_count + 2, sizeof(*flags));
    bool has_dir = false;

    for (size_t i = 0; i < arguments->setting_count; i++) {
        has_dir = has_dir || strcmp(arguments->settings[i].name, "data-dir") == 0;
        flags[i] = xasprintf("--%s=%s", arguments->settings[i].name, arguments->settings[i].value);
    }
    if (!has_dir)
        flags[arguments->setting_count] = xasprintf("--data-dir=%s", context->settings->data_dir);
    return flags;
}

/* Runs that begin later than the next is due would leave some out, and no default bound of the age
 * would hold. */
static int check_jitter(const struct command_context *context, const struct schedule *schedule,
                        int64_t jitter_ms, struct err *err)
{
    int64_t period_ms = schedule_period(schedule, clock_wall_ms(context->clock));
    char jitter[32];
    char period[32];

    if (schedule->kind == SCHEDULE_OFF || jitter_ms <= period_ms)
        return 0;
    format_duration(jitter_ms, jitter, sizeof(jitter));
    format_duration(period_ms, period, sizeof(period));
    return err_set(err, ERR_CONFIG,
                   "backup-jitter: %s is more than the %s that lie between two backups of "
                   "backup-schedule",
                   jitter, period);
}

static int fill(struct running *running, const struct settings *settings,
                struct supervisor_options *out, struct err *err)
{
    struct schedule schedule;
    struct schedule verify_schedule;

    if (schedule_parse(settings->backup_schedule, &schedule, err) != 0)
        return err_wrap(err, "backup-schedule");
    if (check_jitter(running->context, &schedule, settings->backup_jitter_ms, err) != 0)
        return -1;
    if (schedule_parse(settings->verify_schedule, &verify_schedule, err) != 0)
        return err_wrap(err, "verify-schedule");
    free(running->repository);
    free(running->server_url);
    running->repository = settings_masked_url(settings->repository);
    running->server_url = settings_masked_url(settings->redis_url);
    secret_release(&running->username);
    if (settings->redis_username != NULL)
        secret_set(&running->username, settings->redis_username, strlen(settings->redis_username));
    *out = (struct supervisor_options){
        .agent = {.schedule = schedule,
                  .verify_schedule = verify_schedule,
                  .has_drill = settings->drill_server != NULL,
                  .prunes = settings->prune == SETTINGS_PRUNE_ON,
                  .jitter_ms = settings->backup_jitter_ms,
                  .max_age_ms = settings->backup_max_age_ms,
                  .role = (enum agent_role)settings->backup_role,
                  .on_changes = settings->backup_on_changes,
                  .drain_ms = settings->drain_timeout_ms,
                  .has_notify = settings->notify_url != NULL,
                  .has_heartbeat = settings->heartbeat_url != NULL},
        .redis = {.url = settings->redis_url,
                  .username = &running->username,
                  .password = &settings->redis_password,
                  .tls = command_tls(settings),
                  .config_command = settings->config_command,
                  .bgsave_command = settings->bgsave_command},
        .data_dir = settings->data_dir,
        .instance = settings->instance,
        .repository = running->repository,
        .server_url = running->server_url,
        .schedule = settings->backup_schedule,
        .timezone = settings->timezone,
        .http_listen = settings->http_listen,
        .http_token = &settings->http_token,
        .log_level = settings->log_level,
        .log_format = settings->log_format,
        .program = "/proc/self/exe",
        .flags = (const char *const *)running->flags,
        .clock = running->context->clock,
        .settle = process_drop_clean_pages,
    };
    return 0;
}

static int read_again(void *context, struct supervisor_options *out, struct err *err)
{
    struct running *running = context;
    struct settings settings = {0};

    if (command_load_settings(running->context->arguments, &settings, err) != 0)
        return -1;
    settings_release(&running->again);
    running->again = settings;
    if (settings.repository == NULL)
        return err_set(err, ERR_CONFIG, "the repository is no longer set");
    if (strcmp(settings.data_dir, running->context->settings->data_dir) != 0)
        return err_set(
            err, ERR_CONFIG,
            "data-dir: %.300s was claimed at the start, and %.300s is not taken up while "
            "redkeep runs. HINT: restart it",
            running->context->settings->data_dir, settings.data_dir);
    return fill(running, &running->again, out, err);
}

static int run(const struct command_context *context, struct err *err)
{
    auto_running struct running running = {
        .context = context,
        .flags = flags_of(context),
    };
    struct supervisor_options options;
    int exit_code;

    if (fill(&running, context->settings, &options, err) != 0 ||
        supervisor_run(&options, read_again, &running, &exit_code, err) != 0)
        return -1;
    if (exit_code != 0) {
        (void)err_set(err, ERR_FAILED, "what the server wrote at its end is not stored");
        return err_as(err, PROBLEM_DRAIN_TIMEOUT);
    }
    return 0;
}

const struct command command_run = {
    .name = "run",
    .help = "the sidecar: backups on schedule, readiness, health, metrics",
    .needs_repository = true,
    .run = run,
};
