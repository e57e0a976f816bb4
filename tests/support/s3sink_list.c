/*
 * One entry in two answers: a key that was folded at a delimiter is a CommonPrefix. Names are
 * percent-encoded when the client asked for it, else anything unusual becomes a character
 * reference.
 */
#include "support/s3sink_list.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"

enum { KEY_SIZE = 4096, LIST_MAX = 1000 };

struct listing {
    struct buf *text;
    struct err *err;
    bool failed;
    bool url_encoded;
    size_t bucket_len; /* of "bucket/", which keys here begin with */
    char last[KEY_SIZE];
};

static void append(struct listing *listing, const char *text)
{
    listing->failed |= buf_append(listing->text, text, strlen(text), listing->err) != 0;
}

static void append_name(struct listing *listing, const char *name, size_t len)
{
    static const char safe[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)name[i];
        char text[8];

        if (byte != 0 && strchr(safe, byte) != NULL)
            (void)snprintf(text, sizeof(text), "%c", byte);
        else
            (void)snprintf(text, sizeof(text), listing->url_encoded ? "%%%02X" : "&#%u;", byte);
        append(listing, text);
    }
}

static void append_entry(void *context, const struct sink_object *object, const char *name,
                         size_t len)
{
    struct listing *listing = context;
    char date[64], rest[256];

    (void)snprintf(listing->last, sizeof(listing->last), "%.*s", (int)len, name);
    append(listing, object != NULL ? "<Contents><Key>" : "<CommonPrefixes><Prefix>");
    append_name(listing, name + listing->bucket_len, len - listing->bucket_len);
    if (object == NULL) {
        append(listing, "</Prefix></CommonPrefixes>");
        return;
    }
    format_rfc3339(object->modified_s * 1000, date, sizeof(date));
    (void)snprintf(rest, sizeof(rest),
                   "</Key><LastModified>%s</LastModified><ETag>&quot;%032llx-1&quot;</ETag>"
                   "<Size>%llu</Size><StorageClass>STANDARD</StorageClass></Contents>",
                   date, (unsigned long long)object->serial, (unsigned long long)object->size);
    append(listing, rest);
}

/* What to list, from the query; prefix and after hold KEY_SIZE bytes. */
static void read_query(const struct sink_request *request, char *prefix, char *after,
                       struct sink_list *out)
{
    char value[KEY_SIZE] = "";
    int bucket_len = (int)strcspn(request->path, "/");
    uint64_t max = LIST_MAX;
    struct err err;

    (void)sink_query(request, "prefix", value, sizeof(value) / 2);
    (void)snprintf(prefix, KEY_SIZE, "%.*s/%s", bucket_len, request->path, value);
    bool given = sink_query(request, "continuation-token", value, sizeof(value) / 2) ||
                 sink_query(request, "marker", value, sizeof(value) / 2) ||
                 sink_query(request, "start-after", value, sizeof(value) / 2);
    after[0] = '\0';
    if (given && value[0] != '\0')
        (void)snprintf(after, KEY_SIZE, "%.*s/%s", bucket_len, request->path, value);
    if (sink_query(request, "max-keys", value, sizeof(value)) &&
        (parse_u64(value, &max, &err) != 0 || max > LIST_MAX))
        max = LIST_MAX;
    *out = (struct sink_list){.prefix = prefix, .after = after, .max = (size_t)max};
    out->delimiter = sink_query(request, "delimiter", value, sizeof(value)) && value[0] == '/';
}

int sink_format_list(struct sink_store *store, const struct sink_request *request, struct buf *out,
                     struct err *err)
{
    static const char *const markers[] = {"NextContinuationToken", "NextMarker"};
    struct listing listing = {.text = out, .err = err};
    char prefix[KEY_SIZE], after[KEY_SIZE], value[8];
    struct sink_list list;

    listing.bucket_len = strcspn(request->path, "/") + 1;
    read_query(request, prefix, after, &list);
    append(&listing, "<?xml version=\"1.0\"?><ListBucketResult>");
    listing.url_encoded = sink_query(request, "encoding-type", value, sizeof(value));
    if (listing.url_encoded)
        append(&listing, "<EncodingType>url</EncodingType>");
    bool more = sink_store_list(store, &list, append_entry, &listing);
    append(&listing, more ? "<IsTruncated>true</IsTruncated>" : "<IsTruncated>false</IsTruncated>");
    for (size_t i = 0; more && i < sizeof(markers) / sizeof(markers[0]); i++) {
        append(&listing, "<");
        append(&listing, markers[i]);
        append(&listing, ">");
        append_name(&listing, listing.last + listing.bucket_len,
                    strlen(listing.last) - listing.bucket_len);
        append(&listing, "</");
        append(&listing, markers[i]);
        append(&listing, ">");
    }
    append(&listing, "</ListBucketResult>");
    return listing.failed ? -1 : 0;
}
