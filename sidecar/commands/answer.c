/*
 * Answers as JSON.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "commands/command.h"

void command_answer(const struct command_context *context, const struct json *value)
{
    auto_free char *text = json_print(value, true);

    (void)fprintf(context->out, "%s\n", text);
}

struct json *command_list_words(const char *words)
{
    struct json *list = json_array();
    auto_free char *text = xstrdup(words != NULL ? words : "");
    char *rest = text;
    char *word;

    while (words != NULL && (word = strsep(&rest, ",")) != NULL)
        json_push_string(list, word + (*word == ' '));
    return list;
}
