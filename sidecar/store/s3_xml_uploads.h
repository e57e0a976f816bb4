/*
 * ListMultipartUploads, page by page. Pure; the promises are those of s3_xml.h.
 */
#ifndef STORE_S3_XML_UPLOADS_H
#define STORE_S3_XML_UPLOADS_H

#include "store/s3_xml_versions.h"

struct s3_xml_upload {
    const char *key;
    const char *id;
    int64_t began_ms; /* INT64_MAX: it does not say */
};

/* Return -1 with *err set to stop with that error. The upload is borrowed for the call. */
typedef int s3_xml_upload_fn(void *context, const struct s3_xml_upload *upload, struct err *err);

/* *out_next: behind which upload the next page begins, key NULL when this is the last one; the
 * caller releases it. out_next NULL: this page is enough. */
int s3_xml_parse_uploads(const struct buf *text, s3_xml_upload_fn *each, void *context,
                         struct s3_xml_marker *out_next, struct err *err);

#endif
