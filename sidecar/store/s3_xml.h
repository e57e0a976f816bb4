/*
 * The XML documents that S3 and STS answer with, and the only user of expat. Pure. A document type
 * declaration is refused (so no entity is ever expanded), nesting and text have ceilings. A
 * document that is malformed, cut short or of another kind is ERR_STORE: no answer is not an empty
 * answer.
 */
#ifndef STORE_S3_XML_H
#define STORE_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/s3_sign.h"

/* From <Error>; printable ASCII, cut where too long, "" where missing. */
struct s3_error {
    char code[64];
    char message[256];
    char request_id[128];
    char region[64];
};

/* Fills *out when the document is an error document; else leaves it alone and returns false. */
bool s3_xml_parse_error(const struct buf *text, struct s3_error *out);

struct s3_xml_entry {
    const char *key; /* as stored, decoded */
    uint64_t size;
    int64_t modified_ms;
    bool is_prefix;
};

/* Return -1 with *err set to stop with that error. The entry is borrowed for the call. */
typedef int s3_xml_entry_fn(void *context, const struct s3_xml_entry *entry, struct err *err);

/* One page of ListObjectsV2, its objects and common prefixes in the order of the document.
 * *out_token: what to ask the next page with, heap text; NULL when this is the last one. */
int s3_xml_parse_list(const struct buf *text, s3_xml_entry_fn *each, void *context,
                      char **out_token, struct err *err);

/* InitiateMultipartUpload: *out_id is heap text. */
int s3_xml_parse_upload_id(const struct buf *text, char **out_id, struct err *err);
/* CompleteMultipartUpload: succeeds when the document says that it was completed. */
int s3_xml_parse_complete(const struct buf *text, struct err *err);

/* STS AssumeRoleWithWebIdentity. *out is filled as far as the document goes, also on failure. */
int s3_xml_parse_credentials(const struct buf *text, struct s3_keys *out, struct err *err);

#endif
