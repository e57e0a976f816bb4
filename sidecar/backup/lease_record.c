/*
 * Strict where a decision hangs on it (owner, term, free), and content with anything else: the rest
 * is for people, and a later redkeep may say more.
 */
#include "backup/lease_record.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

enum { MS_PER_S = 1000 };

char *lease_record_format(const struct lease_record *record)
{
    auto_json struct json *object = json_object();

    json_set_string(object, "owner", record->owner);
    json_set_string(object, "instance", record->instance);
    json_set_time(object, "taken_at", record->taken_ms);
    json_set_u64(object, "term_seconds", (uint64_t)(record->term_ms + MS_PER_S - 1) / MS_PER_S);
    json_set_u64(object, "renewals", record->renewals);
    json_set_bool(object, "free", record->is_free);
    return json_print(object, true);
}

int lease_record_parse(const char *text, size_t len, struct lease_record *out, struct err *err)
{
    auto_json struct json *object = NULL;
    struct lease_record record = {.instance = "?", .taken_ms = -1};
    const char *owner;
    const char *instance;
    uint64_t term_s;
    struct err ignored;

    if (json_parse(text, len, &object, err) != 0 ||
        json_get_string(object, "owner", &owner, err) != 0 ||
        json_get_u64(object, "term_seconds", &term_s, err) != 0 ||
        json_get_bool(object, "free", &record.is_free, err) != 0)
        return err_wrap(err, "a lease");
    if (strlen(owner) + 1 > sizeof(record.owner) || term_s == 0)
        return err_set(err, ERR_CORRUPT, "a lease: not an owner, or no term");
    memcpy(record.owner, owner, strlen(owner) + 1);
    record.term_ms = (int64_t)(term_s < LEASE_TERM_MAX_S ? term_s : LEASE_TERM_MAX_S) * MS_PER_S;

    if (json_get_string(object, "instance", &instance, &ignored) == 0)
        (void)snprintf(record.instance, sizeof(record.instance), "%s", instance);
    if (json_get_time(object, "taken_at", &record.taken_ms, &ignored) != 0)
        record.taken_ms = -1;
    if (json_get_u64(object, "renewals", &record.renewals, &ignored) != 0)
        record.renewals = 0;
    *out = record;
    return 0;
}
