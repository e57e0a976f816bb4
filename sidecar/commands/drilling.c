#include "commands/drilling.h"

#include "commands/objects.h"
#include "commands/target.h"

static int open_store(void *context, struct store **out, struct err *err)
{
    return command_open_store(context, NULL, out, err);
}

static const char *find_program(const struct command_context *context, struct target *target)
{
    static const char *const programs[] = {"redis-server", "valkey-server"};
    const char *set = context->settings->drill_server;

    if (set != NULL)
        return target_ask_program(set, target) ? set : NULL;
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        if (target_ask_program(programs[i], target))
            return programs[i];
    }
    return NULL;
}

int command_drill(const struct command_context *context, const char *id, struct drill_result *out,
                  struct err *err)
{
    const struct settings *settings = context->settings;
    struct target target = {0};
    const char *program = find_program(context, &target);
    struct drill_options options = {
        .parent = settings->drill_dir,
        .program = program,
        .restore = {.instance = settings->instance,
                    .backup_id = id,
                    .target = &target.version,
                    .target_from = target.from,
                    .workers = settings->compress_workers,
                    .clock = context->clock,
                    .open_store = open_store,
                    .on_event = command_on_event,
                    .on_warning = command_on_warning,
                    .context = (void *)(uintptr_t)context},
    };

    if (program == NULL)
        return err_set(err, ERR_CONFIG,
                       "%s is no Redis or Valkey server that can be started here. HINT: "
                       "drill-server names one",
                       settings->drill_server != NULL ? settings->drill_server
                                                      : "neither redis-server nor valkey-server");
    return drill(&options, out, err);
}
