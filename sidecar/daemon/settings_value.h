/*
 * The value of one setting: text to field, by the type of its row, and back. Pure.
 */
#ifndef DAEMON_SETTINGS_VALUE_H
#define DAEMON_SETTINGS_VALUE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "daemon/settings.h"
#include "daemon/settings_table.h"

/* Checks text and puts it into the field of row, releasing what was there. ERR_CONFIG with a
 * message that says what would be right; it quotes neither secrets nor URLs. */
int setting_value_parse(const struct setting_row *row, const char *text, struct settings *settings,
                        struct err *err);
/* Releases the field of row, wiping what may be secret; it is as zero-initialised afterwards. */
void setting_value_release(const struct setting_row *row, struct settings *settings);

/* Appends the field to object under key: a number, a text, a list; null when it is not set. */
void setting_value_to_json(const struct setting_row *row, const struct settings *settings,
                           struct json *object, const char *key);
/* text as it may be shown, on the heap. */
char *setting_value_masked(const struct setting_row *row, const char *text);
/* Does url begin with one of them (NULL: any will do)? Else ERR_CONFIG. */
int settings_url_check_beginning(const char *url, const char *const *beginnings, struct err *err);
/* ERR_CONFIG for a URL (scheme://...) that names no host. */
int settings_url_check_host(const char *url, struct err *err);
/* Is there a password between "://" and '@'? */
bool settings_url_has_password(const char *url);

#endif
