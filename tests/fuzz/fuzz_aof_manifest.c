/*
 * AOF manifests: what is read can be written, and is read the same again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/aof_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_aof_manifest struct aof_manifest first = {0};
    auto_aof_manifest struct aof_manifest again = {0};
    auto_buf struct buf text;
    struct err err = {0};

    buf_init(&text, AOF_MANIFEST_MAX * 8);
    if (aof_manifest_parse((const char *)data, size, "m", &first, &err) < 0 || first.count == 0)
        return 0;
    check(aof_manifest_format(first.files, first.count, &text, &err) == 0);
    /* quoting may make a line longer than it was, and then too long */
    if (aof_manifest_parse(buf_text(&text), text.len, "m", &again, &err) < 0) {
        check(strstr(err.msg, "too long") != NULL);
        return 0;
    }
    check(again.count == first.count);
    for (size_t i = 0; i < first.count; i++) {
        check(strcmp(first.files[i].name, again.files[i].name) == 0);
        check(first.files[i].seq == again.files[i].seq);
        check(first.files[i].type == again.files[i].type);
        check(strchr(first.files[i].name, '/') == NULL);
    }
    return 0;
}
