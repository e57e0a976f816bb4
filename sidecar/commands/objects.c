/* Nothing here decides anything: settings in, option structs out. */
#include "commands/objects.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/report.h"
#include "commands/process.h"

int command_load_settings(const struct arguments *arguments, struct settings *out, struct err *err)
{
    auto_free char *host_name = process_host_name();
    struct settings_input input = {
        .arguments = arguments,
        .environment = environ,
        .default_file = COMMAND_DEFAULT_FILE,
        .host_name = host_name,
        .cpus = process_cpus(),
    };

    return settings_load(&input, out, err);
}

int command_as_of(const struct command_context *context, int64_t *out_ms, struct err *err)
{
    const char *text = command_option(context, "as-of");
    int64_t ms;

    if (text == NULL) {
        *out_ms = -1;
        return 0;
    }
    if (parse_rfc3339(text, &ms, err) != 0)
        return err_wrap(err, "--as-of");
    if (ms > clock_wall_ms(context->clock))
        return err_set(err, ERR_CONFIG,
                       "--as-of %.64s: that is in the future; it names a moment at which the "
                       "repository was still whole",
                       text);
    *out_ms = ms;
    return 0;
}

int command_wrap_as_of(int64_t as_of_ms, struct err *err)
{
    char time[32];

    if (as_of_ms < 0)
        return -1;
    format_rfc3339(as_of_ms, time, sizeof(time));
    return err_wrap(err, "as of %s", time);
}

int command_open_store(const struct command_context *context, const char *writes_below,
                       struct store **out, struct err *err)
{
    const struct settings *settings = context->settings;
    int64_t as_of_ms;

    if (command_as_of(context, &as_of_ms, err) != 0)
        return -1;
    struct store_options options = {
        .is_past = as_of_ms >= 0 && writes_below == NULL,
        .as_of_ms = as_of_ms,
        .url = settings->repository,
        .upload_parallel = settings->upload_parallel,
        .part_bytes = settings->part_bytes,
        .bandwidth_limit = settings->bandwidth_limit,
        .lock = {.days = settings->lock_days,
                 .is_compliance = settings->lock_mode == SETTINGS_LOCK_COMPLIANCE,
                 .small_name = "backup.json"},
        .writes_below = writes_below,
        .clock = context->clock,
    };

    return store_open(&options, out, err);
}

struct redis_tls_options command_tls(const struct settings *settings)
{
    return (struct redis_tls_options){
        .ca_file = settings->redis_tls_ca_file,
        .cert_file = settings->redis_tls_cert_file,
        .key_file = settings->redis_tls_key_file,
        .server_name = settings->redis_tls_server_name,
    };
}

int command_connect(const struct command_context *context, int timeout_ms, struct redis **out,
                    struct err *err)
{
    const struct settings *settings = context->settings;
    struct secret username = {.text = settings->redis_username};
    struct redis_options options = {
        .url = settings->redis_url,
        .username = settings->redis_username != NULL ? &username : NULL,
        .password = &settings->redis_password,
        .tls = command_tls(settings),
        .timeout_ms = timeout_ms,
        .bgsave_command = settings->bgsave_command,
        .config_command = settings->config_command,
    };

    if (settings->redis_username != NULL)
        username.len = strlen(settings->redis_username);
    return redis_connect(&options, out, err);
}

struct server_names command_names(const struct command_context *context)
{
    const struct settings *settings = context->settings;

    return (struct server_names){
        .dbfilename = settings->dbfilename,
        .appendfilename = settings->appendfilename,
        .appenddirname = settings->appenddirname,
        .aclfile = settings->aclfile,
    };
}

void command_on_event(void *context, const char *text)
{
    (void)context;
    log_info("%s", text);
    report_event(text);
}

void command_on_warning(void *context, enum problem problem, const char *text)
{
    (void)context;
    log_text(LOG_LEVEL_WARN, problem, text);
    report_warning(problem, text);
}
