/*
 * JSON from foreign hands: what is accepted must print as JSON that reads back as the same text,
 * and no getter may stumble over anything.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void try_getters(const struct json *object, const char *key)
{
    struct err err;
    const struct json *member;
    const char *text;
    uint64_t number;
    int64_t signed_number;
    bool yes;

    if (json_get_u64(object, key, &number, &err) == 0)
        must(number <= UINT64_C(1) << 53);
    if (json_get_string(object, key, &text, &err) == 0)
        must(json_has(object, key));
    (void)json_get(object, key, &member, &err);
    (void)json_get_i64(object, key, &signed_number, &err);
    (void)json_get_bool(object, key, &yes, &err);
    (void)json_get_time(object, key, &signed_number, &err);
}

static void walk(const struct json *value)
{
    static const char *const keys[] = {"a", "b", "k", "id", "format", "created_at", "files", ""};
    size_t count = 0;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        try_getters(value, keys[i]);
    for (const struct json *member = json_first(value); member; member = json_next(member)) {
        if (count < 8)
            walk(member);
        if (++count == 64)
            return;
    }
    must(json_size(value) == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct json *parsed = NULL;
    struct json *parsed_again = NULL;

    if (json_parse((const char *)data, size, &parsed, &err) != 0)
        return 0;

    auto_json struct json *value = parsed;
    auto_free char *text = json_print(value, false);
    auto_free char *pretty = json_print(value, true);

    must(json_parse(pretty, strlen(pretty), &parsed_again, &err) == 0);

    auto_json struct json *again = parsed_again;
    auto_free char *text_again = json_print(again, false);

    must(strcmp(text, text_again) == 0);
    try_getters(value, "a");
    walk(value);
    return 0;
}
