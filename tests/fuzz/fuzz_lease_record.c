/*
 * A lease that somebody left in the repository. What is taken must come back the same once it is
 * written again, and no term is longer than what one waits for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backup/lease_record.h"
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lease_record record = {0};
    struct lease_record again = {0};
    struct err err = {0};

    if (lease_record_parse((const char *)data, size, &record, &err) != 0) {
        if (err.kind != ERR_CORRUPT)
            abort();
        return 0;
    }
    if (record.term_ms <= 0 || record.term_ms > LEASE_TERM_MAX_S * 1000)
        abort();
    for (const char *at = record.owner; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            return 0; /* ours is hex; what is not UTF-8 does not come back the same */
    auto_free char *text = lease_record_format(&record);
    if (lease_record_parse(text, strlen(text), &again, &err) != 0 ||
        strcmp(record.owner, again.owner) != 0 || record.term_ms != again.term_ms ||
        record.is_free != again.is_free || record.renewals != again.renewals)
        abort();
    return 0;
}
