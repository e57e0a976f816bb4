/*
 * The manifest: as it comes, and with a right digest put behind it, since who can write to the
 * bucket can compute one. What is taken must come back the same once it is written again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backup/manifest.h"
#include "base/cleanup.h"
#include "support/backup_maker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *parse_and_format(const char *text, size_t len)
{
    auto_manifest struct manifest manifest = {0};
    struct err err = {0};

    if (manifest_parse(text, len, "fuzz", &manifest, &err) != 0) {
        if (err.kind != ERR_CORRUPT && err.kind != ERR_TOO_NEW)
            abort();
        return NULL;
    }
    (void)manifest_find(&manifest, "dump.rdb");
    return manifest_format(&manifest);
}

static void check(const char *text, size_t len)
{
    auto_free char *once = parse_and_format(text, len);

    if (once == NULL)
        return;
    auto_free char *twice = parse_and_format(once, strlen(once));
    if (twice == NULL || strcmp(once, twice) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    static const char digest[] = "  \"digest\": \"sha256:";
    const char *end = memmem(data, size, digest, strlen(digest));

    check(text, size);
    auto_free char *sealed = made_seal(text, end != NULL ? (size_t)(end - text) : size);
    check(sealed, strlen(sealed));
    return 0;
}
