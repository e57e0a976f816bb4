/*
 * What `guard` and `prepare` share: the look at the volume, and the answer.
 */
#ifndef COMMANDS_GUARDING_H
#define COMMANDS_GUARDING_H

#include "backup/guard.h"
#include "commands/command.h"
#include "commands/restoring.h"

enum guarding {
    GUARDING_LOOK,
    GUARDING_FIX,
    GUARDING_BESIDE, /* looks beside a server that runs there */
};

/* Looks at the data directory as guard() does, for what restoring says of the server. *out is to be
 * released in success and failure; it is success whatever was found. */
int guarding_look(const struct restoring *restoring, const struct restore_options *options,
                  enum guarding how, struct guard_result *out, struct err *err);
/* Adds the members of the answer to object. */
void guarding_answer(const struct guard_result *result, struct json *object);
void guarding_print(const struct guard_result *result, const char *dir, FILE *out);

#endif
