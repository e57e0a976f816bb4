/*
 * INFO as names with values: every pair is found, and numbers go there and back.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "host/pairs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pairs pairs = {0};

    pairs_add_info(&pairs, (const char *)data, size);
    for (size_t i = 0; i < pairs.count && i < 64; i++) {
        int64_t number = 0;

        check(pairs_get(&pairs, pairs.names[i]) != NULL);
        if (!pairs_number(pairs.values[i], &number))
            continue;
        char *text = xasprintf("%" PRId64, number);
        int64_t again = 0;
        check(pairs_number(text, &again) && again == number);
        free(text);
    }
    pairs_release(&pairs);
    return 0;
}
