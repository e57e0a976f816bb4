/*
 * redis.conf as a server reads it: each line is split, by the rules of servers. No include is read:
 * a fuzzer that finds the names of devices would wait for them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "entrypoint/server_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_server_conf struct server_conf conf = {.dir = xstrdup("/nonexistent")};
    auto_free char *text = xstrndup((const char *)data, size);
    struct err err = {0};

    for (char *c = text; *c != '\0'; c++) { /* neither `include` nor another spelling of it */
        if (*c == 'i' || *c == 'I')
            *c = 'j';
        if (strncmp(c, "\\x6", 3) == 0 || strncmp(c, "\\x4", 3) == 0)
            c[2] = '7';
    }
    (void)server_conf_add_text(&conf, text, "fuzz", &err);
    return server_conf_get(&conf, "djr", "") == NULL;
}
