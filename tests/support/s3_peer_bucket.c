/*
 * A list of objects, uploads and parts, searched from the front: tests have few.
 */
#include "support/s3_peer_bucket.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"

enum { MAX_OBJECT = 64 * 1024 * 1024 };

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct peer_object *)a)->name, ((const struct peer_object *)b)->name);
}

struct peer_object *peer_bucket_find(struct peer_bucket *bucket, const char *name,
                                     const char *upload_id, unsigned part)
{
    for (size_t i = 0; i < bucket->count; i++) {
        struct peer_object *object = &bucket->objects[i];

        if (strcmp(object->name, name) == 0 && object->part == part &&
            (upload_id == NULL) == (object->upload_id == NULL) &&
            (upload_id == NULL || strcmp(object->upload_id, upload_id) == 0))
            return object;
    }
    return NULL;
}

static void drop(struct peer_bucket *bucket, struct peer_object *object)
{
    free(object->name);
    free(object->upload_id);
    buf_release(&object->data);
    *object = bucket->objects[--bucket->count];
}

static struct peer_object *add(struct peer_bucket *bucket, const char *name, const char *upload_id,
                               unsigned part)
{
    struct peer_object *object = peer_bucket_find(bucket, name, upload_id, part);

    if (object == NULL) {
        bucket->objects =
            xreallocarray(bucket->objects, bucket->count + 1, sizeof(*bucket->objects));
        object = &bucket->objects[bucket->count++];
        *object = (struct peer_object){.name = xstrdup(name), .part = part};
        object->upload_id = upload_id != NULL ? xstrdup(upload_id) : NULL;
        buf_init(&object->data, MAX_OBJECT);
    }
    buf_clear(&object->data);
    return object;
}

struct peer_object *peer_bucket_put(struct peer_bucket *bucket, const char *name, const void *data,
                                    size_t len)
{
    struct peer_object *object = add(bucket, name, NULL, 0);
    struct err ignored;

    (void)buf_append(&object->data, data, len, &ignored);
    object->etag = ++bucket->last_etag;
    return object;
}

void peer_bucket_release(struct peer_bucket *bucket)
{
    while (bucket->count > 0)
        drop(bucket, &bucket->objects[0]);
    free(bucket->objects);
    bucket->objects = NULL;
}

static void fail(struct peer_answer *out, int status, const char *code)
{
    struct err ignored;

    out->status = status;
    (void)buf_printf(&out->body, &ignored,
                     "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>no</Message>"
                     "<RequestId>req-1</RequestId></Error>",
                     code);
}

static void decode(char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        bool coded = *from == '%' && from[1] != '\0' && from[2] != '\0';

        *to++ = coded ? (char)((strchr(digits, from[1]) - digits) * 16 +
                               (strchr(digits, from[2]) - digits))
                      : *from;
        from += coded ? 2 : 0;
    }
    *to = '\0';
}

/* The value of a query parameter, to be freed; NULL = not there. */
static char *find_param(const char *query, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = query; *at != '\0'; at += *at == '&' ? 1 : 0) {
        size_t pair = strcspn(at, "&");

        if (strncmp(at, name, len) == 0 && (at[len] == '=' || at[len] == '&' || at[len] == '\0')) {
            char *value = at[len] == '=' ? xstrndup(at + len + 1, pair - len - 1) : xstrdup("");

            decode(value);
            return value;
        }
        at += pair;
    }
    return NULL;
}

static void do_upload_part(struct peer_bucket *bucket, const struct peer_request *request,
                           const char *upload_id, struct peer_answer *out)
{
    auto_free char *number = find_param(request->query, "partNumber");
    struct peer_object *part;
    struct err ignored;
    uint64_t part_number = 0;

    if (peer_bucket_find(bucket, request->path, upload_id, 0) == NULL ||
        parse_u64(number, &part_number, &ignored) != 0) {
        fail(out, 404, "NoSuchUpload");
        return;
    }
    part = add(bucket, request->path, upload_id, (unsigned)part_number);
    (void)buf_append(&part->data, request->body, request->body_len, &ignored);
    (void)snprintf(out->headers, sizeof(out->headers), "ETag: \"part-%s\"\r\n", number);
}

static void drop_upload(struct peer_bucket *bucket, const char *name, const char *upload_id)
{
    for (size_t i = bucket->count; i-- > 0;)
        if (strcmp(bucket->objects[i].name, name) == 0 && bucket->objects[i].upload_id != NULL &&
            strcmp(bucket->objects[i].upload_id, upload_id) == 0)
            drop(bucket, &bucket->objects[i]);
}

static void do_complete(struct peer_bucket *bucket, const struct peer_request *request,
                        const char *upload_id, struct peer_answer *out)
{
    auto_buf struct buf whole;
    struct err ignored;
    const char *text = (const char *)request->body;
    unsigned count = 0;

    buf_init(&whole, MAX_OBJECT);
    if (peer_bucket_find(bucket, request->path, upload_id, 0) == NULL) {
        fail(out, 404, "NoSuchUpload");
        return;
    }
    while (text != NULL && (text = strstr(text, "<PartNumber>")) != NULL) {
        const struct peer_object *part =
            peer_bucket_find(bucket, request->path, upload_id, ++count);
        auto_free char *wanted =
            xasprintf("<PartNumber>%u</PartNumber><ETag>\"part-%u\"", count, count);

        if (part == NULL || strncmp(text, wanted, strlen(wanted)) != 0) {
            fail(out, 400, "InvalidPart");
            return;
        }
        (void)buf_append(&whole, part->data.data, part->data.len, &ignored);
        text++;
    }
    drop_upload(bucket, request->path, upload_id);
    (void)peer_bucket_put(bucket, request->path, whole.data, whole.len);
    /* as radosgw 16.2 does: no ETag in it */
    (void)buf_printf(&out->body, &ignored,
                     "<CompleteMultipartUploadResult><ETag></ETag>"
                     "</CompleteMultipartUploadResult>");
}

static void do_initiate(struct peer_bucket *bucket, const struct peer_request *request,
                        struct peer_answer *out)
{
    auto_free char *id = xasprintf("upload-%u", ++bucket->last_upload);
    struct err ignored;

    (void)add(bucket, request->path, id, 0);
    (void)buf_printf(&out->body, &ignored,
                     "<InitiateMultipartUploadResult><UploadId>%s</UploadId>"
                     "</InitiateMultipartUploadResult>",
                     id);
}

static const char *key_of(const struct peer_object *object)
{
    return strchr(object->name + 1, '/') + 1;
}

static void do_list(struct peer_bucket *bucket, const struct peer_request *request,
                    struct peer_answer *out)
{
    auto_free char *prefix = find_param(request->query, "prefix");
    struct err ignored;

    if (bucket->count > 0)
        qsort(bucket->objects, bucket->count, sizeof(*bucket->objects), by_name);
    (void)buf_printf(&out->body, &ignored, "<ListBucketResult>");
    for (size_t i = 0; i < bucket->count; i++)
        if (bucket->objects[i].upload_id == NULL &&
            (prefix == NULL || strncmp(key_of(&bucket->objects[i]), prefix, strlen(prefix)) == 0))
            (void)buf_printf(&out->body, &ignored,
                             "<Contents><Key>%s</Key><Size>%zu</Size></Contents>",
                             key_of(&bucket->objects[i]), bucket->objects[i].data.len);
    (void)buf_printf(&out->body, &ignored, "<IsTruncated>false</IsTruncated></ListBucketResult>");
}

static void do_list_uploads(struct peer_bucket *bucket, struct peer_answer *out)
{
    struct err ignored;

    (void)buf_printf(&out->body, &ignored, "<ListMultipartUploadsResult>");
    for (size_t i = 0; i < bucket->count; i++)
        if (bucket->objects[i].upload_id != NULL && bucket->objects[i].part == 0)
            (void)buf_printf(&out->body, &ignored,
                             "<Upload><Key>%s</Key><UploadId>%s</UploadId></Upload>",
                             key_of(&bucket->objects[i]), bucket->objects[i].upload_id);
    (void)buf_printf(&out->body, &ignored, "</ListMultipartUploadsResult>");
}

static void format_etag(const struct peer_object *object, char *out, size_t out_size)
{
    (void)snprintf(out, out_size, "\"etag-%u\"", object->etag);
}

static void do_read(struct peer_bucket *bucket, const struct peer_request *request,
                    struct peer_answer *out)
{
    const struct peer_object *object = peer_bucket_find(bucket, request->path, NULL, 0);
    unsigned long long from = 0;
    unsigned long long to;
    char etag[32];
    struct err ignored;

    if (object == NULL) {
        fail(out, 404, "NoSuchKey");
        return;
    }
    format_etag(object, etag, sizeof(etag));
    (void)snprintf(out->headers, sizeof(out->headers), "ETag: %s\r\n", etag);
    out->head_length = object->data.len;
    to = object->data.len;
    if (request->range != NULL && sscanf(request->range, "bytes=%llu-%llu", &from, &to) == 2) {
        if (from >= object->data.len) {
            fail(out, 416, "InvalidRange");
            return;
        }
        to = to + 1 < object->data.len ? to + 1 : object->data.len;
        out->status = 206;
        (void)snprintf(out->headers, sizeof(out->headers), "Content-Range: bytes %llu-%llu/%zu\r\n",
                       from, to - 1, object->data.len);
    }
    if (object->data.len > 0)
        (void)buf_append(&out->body, object->data.data + from, (size_t)(to - from), &ignored);
}

static void do_list_parts(struct peer_bucket *bucket, const struct peer_request *request,
                          const char *upload_id, struct peer_answer *out)
{
    struct err ignored;

    if (peer_bucket_find(bucket, request->path, upload_id, 0) == NULL)
        fail(out, 404, "NoSuchUpload");
    else
        (void)buf_printf(&out->body, &ignored, "<ListPartsResult></ListPartsResult>");
}

static void do_remove(struct peer_bucket *bucket, const struct peer_request *request,
                      struct peer_answer *out)
{
    struct peer_object *object = peer_bucket_find(bucket, request->path, NULL, 0);

    out->status = 204;
    if (object != NULL)
        drop(bucket, object);
}

static void do_abort(struct peer_bucket *bucket, const struct peer_request *request,
                     const char *upload_id, struct peer_answer *out)
{
    out->status = 204;
    if (peer_bucket_find(bucket, request->path, upload_id, 0) == NULL)
        fail(out, 404, "NoSuchUpload");
    drop_upload(bucket, request->path, upload_id);
}

static void do_put(struct peer_bucket *bucket, const struct peer_request *request,
                   struct peer_answer *out)
{
    const struct peer_object *object = peer_bucket_find(bucket, request->path, NULL, 0);
    char etag[32] = "";

    if (object != NULL)
        format_etag(object, etag, sizeof(etag));
    if ((request->if_match != NULL && strcmp(request->if_match, etag) != 0) ||
        (request->if_none_match != NULL && object != NULL)) {
        fail(out, 412, "PreconditionFailed");
        return;
    }
    object = peer_bucket_put(bucket, request->path, request->body, request->body_len);
    format_etag(object, etag, sizeof(etag));
    (void)snprintf(out->headers, sizeof(out->headers), "ETag: %s\r\n", etag);
}

void peer_bucket_do(struct peer_bucket *bucket, const struct peer_request *request,
                    struct peer_answer *out)
{
    auto_free char *upload_id = find_param(request->query, "uploadId");
    auto_free char *list_type = find_param(request->query, "list-type");
    auto_free char *uploads = find_param(request->query, "uploads");
    char method = request->method[0];

    out->status = 200;
    if (strcmp(request->query, "retention=") == 0)
        return; /* it locks nothing, and says that it did */
    if (method == 'P' && request->method[1] == 'U' && upload_id != NULL)
        do_upload_part(bucket, request, upload_id, out);
    else if (method == 'P' && request->method[1] == 'U')
        do_put(bucket, request, out);
    else if (method == 'P' && uploads != NULL)
        do_initiate(bucket, request, out);
    else if (method == 'P' && upload_id != NULL)
        do_complete(bucket, request, upload_id, out);
    else if (method == 'D' && upload_id != NULL)
        do_abort(bucket, request, upload_id, out);
    else if (method == 'D')
        do_remove(bucket, request, out);
    else if (list_type != NULL)
        do_list(bucket, request, out);
    else if (uploads != NULL)
        do_list_uploads(bucket, out);
    else if (upload_id != NULL)
        do_list_parts(bucket, request, upload_id, out);
    else
        do_read(bucket, request, out);
}
