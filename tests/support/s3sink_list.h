/*
 * The answers of the benchmark's S3 server to ListObjects and ListObjectsV2: the token of the one
 * is, as the marker of the other, the last key given.
 */
#ifndef SUPPORT_S3SINK_LIST_H
#define SUPPORT_S3SINK_LIST_H

#include "base/buf.h"
#include "base/err.h"
#include "support/s3sink_http.h"
#include "support/s3sink_store.h"

/* Appends the XML for request, whose path begins with a bucket. Fails when out is full. */
int sink_format_list(struct sink_store *store, const struct sink_request *request, struct buf *out,
                     struct err *err);

#endif
