/*
 * The documents about a bucket's versions, in any order of bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "store/s3_xml_versions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visit(void *context, const struct s3_xml_version *version, struct err *err)
{
    (void)context;
    (void)err;
    if (version->key == NULL || version->id == NULL || version->id[0] == '\0' ||
        (version->is_marker && version->size != 0))
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_buf struct buf text;
    struct s3_xml_marker next = {0};
    enum s3_xml_versioning versioning;
    struct err err = {0};

    buf_init(&text, size + 1);
    if (buf_append(&text, data, size, &err) != 0)
        return 0;
    if (s3_xml_parse_versions(&text, visit, NULL, &next, &err) == 0 && next.key != NULL &&
        next.key[0] == '\0')
        abort();
    (void)s3_xml_parse_versioning(&text, &versioning, &err);
    s3_xml_marker_release(&next);
    return 0;
}
