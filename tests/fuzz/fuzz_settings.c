/*
 * redkeep.conf, and what its lines say: each line that the syntax takes is tried as a setting too.
 */
#include <stdint.h>
#include <stdlib.h>

#include "daemon/settings.h"
#include "daemon/settings_conf.h"
#include "daemon/settings_table.h"
#include "daemon/settings_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_line(void *context, const struct settings_conf_line *line, struct err *err)
{
    const struct setting_row *row = setting_find(line->name);
    struct settings *settings = context;

    if (row == NULL)
        return setting_nearest(line->name, NULL) != NULL ? 0 : err_set(err, ERR_FAILED, "no name");
    if (setting_value_parse(row, line->value, settings, err) == 0)
        free(setting_value_masked(row, line->value));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_settings struct settings settings = {0};
    struct err err = {0};

    (void)settings_conf_parse((const char *)data, size, on_line, &settings, &err);
    return 0;
}
