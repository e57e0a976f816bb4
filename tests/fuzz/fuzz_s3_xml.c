/*
 * The documents that S3 answers with, in any order of bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "store/s3_xml.h"
#include "store/s3_xml_uploads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visit_entry(void *context, const struct s3_xml_entry *entry, struct err *err)
{
    (void)context;
    (void)err;
    if (entry->key == NULL)
        abort();
    return 0;
}

static int visit_upload(void *context, const struct s3_xml_upload *upload, struct err *err)
{
    (void)context;
    (void)err;
    if (upload->key == NULL || upload->id == NULL)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_buf struct buf text;
    auto_s3_keys struct s3_keys keys = {0};
    struct s3_error error;
    struct s3_xml_marker next = {0};
    struct err err = {0};
    char *token = NULL;
    char *id = NULL;

    buf_init(&text, size + 1);
    if (buf_append(&text, data, size, &err) != 0)
        return 0;
    (void)s3_xml_parse_error(&text, &error);
    (void)s3_xml_parse_list(&text, visit_entry, NULL, &token, &err);
    (void)s3_xml_parse_uploads(&text, visit_upload, NULL, &next, &err);
    s3_xml_marker_release(&next);
    (void)s3_xml_parse_upload_id(&text, &id, &err);
    (void)s3_xml_parse_complete(&text, &err);
    (void)s3_xml_parse_credentials(&text, &keys, &err);
    free(token);
    free(id);
    return 0;
}
