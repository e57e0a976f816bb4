/*
 * The documents that tell of a bucket's versions. Pure, over bytes; its promises are those of
 * s3_xml.h: what is malformed, cut short or of another kind is ERR_STORE.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
 */
#ifndef STORE_S3_XML_VERSIONS_H
#define STORE_S3_XML_VERSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct s3_xml_version {
    const char *key; /* as stored, decoded */
    const char *id;  /* "null" of what was stored while no versions were kept */
    uint64_t size;
    int64_t modified_ms;
    bool is_marker; /* from here on the key was deleted; size 0 */
};

/* Return -1 with *err set to stop with that error. The version is borrowed for the call. */
typedef int s3_xml_version_fn(void *context, const struct s3_xml_version *version, struct err *err);

/* Behind which version the next page begins; heap text. */
struct s3_xml_marker {
    char *key; /* NULL: there is no next page */
    char *id;  /* NULL: not said */
};

void s3_xml_marker_release(struct s3_xml_marker *marker);

/* One page of ListObjectVersions, versions and delete markers in the order of the document. */
int s3_xml_parse_versions(const struct buf *text, s3_xml_version_fn *each, void *context,
                          struct s3_xml_marker *out_next, struct err *err);

enum s3_xml_versioning {
    S3_XML_VERSIONING_NEVER,
    S3_XML_VERSIONING_SUSPENDED, /* those of then are there; what is stored now has none */
    S3_XML_VERSIONING_ENABLED,
};

/* GetBucketVersioning. */
int s3_xml_parse_versioning(const struct buf *text, enum s3_xml_versioning *out, struct err *err);

#endif
