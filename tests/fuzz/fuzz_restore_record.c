/*
 * The record of a restore that somebody left in the repository. What is taken is bounded, and is
 * refused in one way only.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backup/restore_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct restore_record record;
    struct err err = {0};

    if (restore_record_parse((const char *)data, size, "label", &record, &err) != 0) {
        if (err.kind != ERR_CORRUPT)
            abort();
        return 0;
    }
    if (!catalog_is_id(record.backup) || record.time_ms < 0 || record.took_ms < -1 ||
        record.skipped > size || (!record.has_keys && record.keys != 0))
        abort();
    return 0;
}
