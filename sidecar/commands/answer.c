/*
 * Answers as JSON.
 */
#include "base/cleanup.h"
#include "commands/command.h"

void command_answer(const struct command_context *context, const struct json *value)
{
    auto_free char *text = json_print(value, true);

    (void)fprintf(context->out, "%s\n", text);
}
