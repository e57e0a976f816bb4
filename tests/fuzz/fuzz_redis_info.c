/*
 * INFO of a server that says anything.
 */
#include <stdint.h>
#include <stdlib.h>

#include "redis/redis_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_redis_info struct redis_server_info info = {0};
    struct server_version version;
    struct err err = {0};

    redis_info_parse((const char *)data, size, &info);
    (void)redis_info_keys(&info);
    (void)redis_info_has_child(&info);
    (void)redis_info_version(&info, &version, &err);
    return 0;
}
