/* A head, a number, perhaps with a dot inside, and a tail. */
#include "redis/temp_file.h"

#include <stddef.h>
#include <string.h>

bool temp_file_is_name(const char *name)
{
    static const struct {
        const char *head;
        const char *tail;
    } kinds[] = {{"temp-rewriteaof-bg-", ".aof"}, {"temp-rewriteaof-", ".aof"}, {"temp-", ".rdb"}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t len = strlen(kinds[i].head);

        if (strncmp(name, kinds[i].head, len) != 0)
            continue;
        size_t digits = strspn(name + len, "0123456789.");
        /* the dot of the tail is one of them */
        return digits > 1 && name[len] != '.' &&
               strcmp(name + len + digits - 1, kinds[i].tail) == 0;
    }
    return false;
}
