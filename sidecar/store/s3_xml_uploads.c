/* The leaves of an upload come in any order: it is given on when its element ends. */
#include "store/s3_xml_uploads.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"
#include "store/s3_xml_walk.h"

struct reader {
    s3_xml_upload_fn *each;
    void *context;
    char *key;
    char *id;
    int64_t began_ms;
    bool is_truncated;
    struct s3_xml_marker next;
};

static void keep(char **out, const char *text)
{
    free(*out);
    *out = xstrdup(text);
}

static void forget_upload(struct reader *reader)
{
    free(TAKE_PTR(reader->key));
    free(TAKE_PTR(reader->id));
    reader->began_ms = INT64_MAX;
}

static int give_upload(struct reader *reader, struct err *err)
{
    const struct s3_xml_upload upload = {
        .key = reader->key, .id = reader->id, .began_ms = reader->began_ms};

    if (upload.key == NULL || upload.id == NULL)
        return err_set(err, ERR_STORE, "the answer lists an upload without its key or id");
    int rc = reader->each(reader->context, &upload, err);
    forget_upload(reader);
    return rc;
}

static int visit(void *context, const char *path, const char *text, struct err *err)
{
    struct reader *reader = context;
    struct err ignored;

    if (s3_xml_check_root(path, text, "ListMultipartUploadsResult", err) != 0)
        return -1;
    if (text == NULL)
        return 0;
    if (s3_xml_is_below_root(path, "Upload/Key"))
        keep(&reader->key, text);
    else if (s3_xml_is_below_root(path, "Upload/UploadId"))
        keep(&reader->id, text);
    else if (s3_xml_is_below_root(path, "Upload/Initiated"))
        (void)parse_rfc3339(text, &reader->began_ms, &ignored); /* else nobody knows */
    else if (s3_xml_is_below_root(path, "Upload"))
        return give_upload(reader, err);
    else if (s3_xml_is_below_root(path, "IsTruncated"))
        reader->is_truncated = s3_xml_is_at(text, "true");
    else if (s3_xml_is_below_root(path, "NextKeyMarker"))
        keep(&reader->next.key, text);
    else if (s3_xml_is_below_root(path, "NextUploadIdMarker"))
        keep(&reader->next.id, text);
    return 0;
}

int s3_xml_parse_uploads(const struct buf *text, s3_xml_upload_fn *each, void *context,
                         struct s3_xml_marker *out_next, struct err *err)
{
    struct reader reader = {.each = each, .context = context, .began_ms = INT64_MAX};
    int rc = s3_xml_walk(text, visit, &reader, err);

    forget_upload(&reader);
    if (rc != 0 || out_next == NULL || !reader.is_truncated)
        s3_xml_marker_release(&reader.next);
    else if (reader.next.key == NULL || reader.next.key[0] == '\0') {
        s3_xml_marker_release(&reader.next);
        return err_set(err, ERR_STORE, "the answer says that there is more, but not where");
    }
    if (rc == 0 && out_next != NULL)
        *out_next = reader.next;
    return rc;
}
