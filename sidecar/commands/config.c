/*
 * `redkeep config`: the effective settings and where each came from. Reaching this command already
 * proves that all of them are good.
 */
#include "commands/command.h"

static int run(const struct command_context *context, struct err *err)
{
    auto_json struct json *answer = NULL;

    (void)err; /* nothing here can fail: main.c checks that the answer was written */
    if (!command_flag(context, "json")) {
        settings_print_text(context->settings, context->out);
        return 0;
    }
    answer = json_object();
    json_set(answer, "settings", settings_to_json(context->settings));
    command_answer(context, answer);
    return 0;
}

static const struct option_spec options[] = {
    {.name = "json", .help = "answer with one JSON object"},
    {0},
};

const struct command command_config = {
    .name = "config",
    .help = "shows the effective settings and where each came from",
    .options = options,
    .run = run,
};
