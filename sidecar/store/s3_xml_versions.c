/*
 * A version is a <Version> or a <DeleteMarker>, whose leaves may come in any order: it is given on
 * when its element ends.
 */
#include "store/s3_xml_versions.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parse.h"
#include "store/s3_xml_walk.h"

struct reader {
    s3_xml_version_fn *each;
    void *context;
    bool is_encoded;
    bool is_truncated;
    char *key;
    char *id;
    bool has_size;
    bool has_time;
    struct s3_xml_version version;
    char *last_key; /* of the version that was given last */
    struct s3_xml_marker next;
};

void s3_xml_marker_release(struct s3_xml_marker *marker)
{
    free(marker->key);
    free(marker->id);
    *marker = (struct s3_xml_marker){0};
}

static void keep(char **out, const char *text)
{
    free(*out);
    *out = xstrdup(text);
}

static void forget_version(struct reader *reader)
{
    free(TAKE_PTR(reader->key));
    free(TAKE_PTR(reader->id));
    reader->has_size = false;
    reader->has_time = false;
    reader->version = (struct s3_xml_version){0};
}

static int give_version(struct reader *reader, bool is_marker, struct err *err)
{
    bool has_id = reader->id != NULL && reader->id[0] != '\0';

    if (reader->key == NULL || !has_id || !reader->has_time || (!is_marker && !reader->has_size))
        return err_set(err, ERR_STORE,
                       "the answer lists a version without its key, id, time or size");
    if (reader->is_encoded && s3_xml_decode_key(reader->key, err) != 0)
        return -1;
    reader->version.key = reader->key;
    reader->version.id = reader->id;
    reader->version.is_marker = is_marker;
    if (is_marker)
        reader->version.size = 0;

    int rc = reader->each(reader->context, &reader->version, err);
    free(reader->last_key);
    reader->last_key = TAKE_PTR(reader->key);
    forget_version(reader);
    return rc;
}

/* name: of a leaf of a version */
static int visit_leaf(struct reader *reader, const char *name, const char *text, struct err *err)
{
    struct err why;

    if (s3_xml_is_at(name, "Key")) {
        keep(&reader->key, text);
    } else if (s3_xml_is_at(name, "VersionId")) {
        keep(&reader->id, text);
    } else if (s3_xml_is_at(name, "Size")) {
        if (parse_u64(text, &reader->version.size, &why) != 0)
            return err_set(err, ERR_STORE, "the answer lists a version of no known size");
        reader->has_size = true;
    } else if (s3_xml_is_at(name, "LastModified")) {
        if (parse_rfc3339(text, &reader->version.modified_ms, &why) != 0)
            return err_set(err, ERR_STORE, "the answer lists a version of no known time");
        reader->has_time = true;
    }
    return 0;
}

static int visit_version(void *context, const char *path, const char *text, struct err *err)
{
    struct reader *reader = context;
    const char *slash = strchr(path, '/');

    if (s3_xml_check_root(path, text, "ListVersionsResult", err) != 0)
        return -1;
    if (text == NULL || slash == NULL)
        return 0;

    const char *name = slash + 1;
    if (strncmp(name, "Version/", 8) == 0)
        return visit_leaf(reader, name + 8, text, err);
    if (strncmp(name, "DeleteMarker/", 13) == 0)
        return visit_leaf(reader, name + 13, text, err);
    if (s3_xml_is_at(name, "Version") || s3_xml_is_at(name, "DeleteMarker"))
        return give_version(reader, name[0] == 'D', err);
    if (s3_xml_is_at(name, "IsTruncated"))
        reader->is_truncated = s3_xml_is_at(text, "true");
    else if (s3_xml_is_at(name, "NextKeyMarker"))
        keep(&reader->next.key, text);
    else if (s3_xml_is_at(name, "NextVersionIdMarker"))
        keep(&reader->next.id, text);
    return 0;
}

/* What says where the next page begins may be said on the last one too. Some servers (seen: radosgw
 * 16.2) encode the keys of the versions, but not this one: then it reads as the last of them. */
static int judge_next(struct reader *reader, struct err *err)
{
    struct s3_xml_marker *next = &reader->next;
    bool is_plain =
        next->key != NULL && reader->last_key != NULL && strcmp(next->key, reader->last_key) == 0;

    if (!reader->is_truncated) {
        s3_xml_marker_release(next);
        return 0;
    }
    if (next->key == NULL || next->key[0] == '\0')
        return err_set(err, ERR_STORE, "the answer says that there is more, but not where");
    if (next->id != NULL && next->id[0] == '\0')
        free(TAKE_PTR(next->id));
    return reader->is_encoded && !is_plain ? s3_xml_decode_key(next->key, err) : 0;
}

int s3_xml_parse_versions(const struct buf *text, s3_xml_version_fn *each, void *context,
                          struct s3_xml_marker *out_next, struct err *err)
{
    struct reader reader = {.each = each, .context = context};
    int rc = s3_xml_find_encoding(text, &reader.is_encoded, err);

    if (rc == 0)
        rc = s3_xml_walk(text, visit_version, &reader, err);
    if (rc == 0)
        rc = judge_next(&reader, err);
    forget_version(&reader);
    free(reader.last_key);
    if (rc == 0)
        *out_next = reader.next;
    else
        s3_xml_marker_release(&reader.next);
    return rc;
}

static int visit_versioning(void *context, const char *path, const char *text, struct err *err)
{
    enum s3_xml_versioning *versioning = context;

    if (s3_xml_check_root(path, text, "VersioningConfiguration", err) != 0)
        return -1;
    if (text != NULL && s3_xml_is_below_root(path, "Status"))
        *versioning = s3_xml_is_at(text, "Enabled")     ? S3_XML_VERSIONING_ENABLED
                      : s3_xml_is_at(text, "Suspended") ? S3_XML_VERSIONING_SUSPENDED
                                                        : S3_XML_VERSIONING_NEVER;
    return 0;
}

int s3_xml_parse_versioning(const struct buf *text, enum s3_xml_versioning *out, struct err *err)
{
    enum s3_xml_versioning versioning = S3_XML_VERSIONING_NEVER;

    if (s3_xml_walk(text, visit_versioning, &versioning, err) != 0)
        return -1;
    *out = versioning;
    return 0;
}
