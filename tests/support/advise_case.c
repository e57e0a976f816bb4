/*
 * Servers as texts for the tests of the advice, see advise_case.h.
 */
#include "support/advise_case.h"

#include <string.h>

void advise_case_fill(const struct advise_case *seen, struct pairs *info, struct pairs *config,
                      struct advise_server *out)
{
    *out = (struct advise_server)ADVISE_SERVER_UNKNOWN;
    if (seen->info != NULL) {
        pairs_add_info(info, seen->info, strlen(seen->info));
        out->info = info;
    }
    if (seen->config != NULL) {
        pairs_add_info(config, seen->config, strlen(seen->config));
        out->config = config;
    }
    out->dump_bytes = seen->dump_bytes;
    out->volume_bytes = seen->volume_bytes;
    out->memory_limit_bytes = seen->limit_bytes;
}

const char *advise_case_value(const struct advise_lines *lines, const char *name)
{
    for (size_t i = 0; i < lines->count; i++) {
        if (strcmp(lines->lines[i].name, name) == 0)
            return lines->lines[i].value;
    }
    return "?";
}

bool advise_case_says(const struct advise_texts *texts, const char *part)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (strstr(texts->texts[i], part) != NULL)
            return true;
    }
    return false;
}

void advise_case_run(const struct advise_case *seen, enum advise_durability durability,
                     enum advise_use use, struct advice *out)
{
    const struct advise_wish wish = {
        .durability = durability, .use = use, .storage = ADVISE_SSD, .recovery_point_s = -1};
    struct pairs info = {0};
    struct pairs config = {0};
    struct advise_server server;

    advise_case_fill(seen, &info, &config, &server);
    advise(&wish, &server, out);
    pairs_release(&info);
    pairs_release(&config);
}
