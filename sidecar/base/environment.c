/* The entries stay where they are. */
#include "base/environment.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

static bool is_ours(const char *entry)
{
    static const char *const prefixes[] = {"REDKEEP_", "AWS_"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(entry, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

char **environment_of_others(char *const *environment)
{
    size_t count = 0;
    char **list;

    while (environment[count] != NULL)
        count++;
    list = xcalloc(count + 1, sizeof(*list));
    count = 0;
    for (; *environment != NULL; environment++) {
        if (!is_ours(*environment))
            list[count++] = *environment;
    }
    return list;
}
