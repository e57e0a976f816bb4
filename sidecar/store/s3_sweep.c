/*
 * Uploads in parts that whoever began them has left behind: no listing shows them, and they are
 * paid for. Not everybody who may remove objects may list uploads; that is no failure.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "store/s3_call.h"
#include "store/s3_xml_uploads.h"

struct found {
    char *key; /* relative to the repository */
    char *id;
};

struct page {
    const struct s3 *s3;
    const struct store_sweep *sweep;
    struct found *found;
    size_t count;
};

static void release_page(struct page *page)
{
    for (size_t i = 0; i < page->count; i++) {
        free(page->found[i].key);
        free(page->found[i].id);
    }
    free(page->found);
}
#define auto_page auto_with(release_page)

static int note_old(void *context, const struct s3_xml_upload *upload, struct err *err)
{
    struct page *page = context;
    const char *prefix = page->s3->target.prefix;
    size_t len = strlen(prefix);

    (void)err;
    /* what it says is by its own clock, and ours may be days ahead */
    if (upload->began_ms > page->sweep->before_ms + page->s3->clock_offset_ms)
        return 0;
    /* some servers pass over the prefix that was asked for */
    if (strncmp(upload->key, prefix, len) != 0 ||
        strncmp(upload->key + len, page->sweep->prefix, strlen(page->sweep->prefix)) != 0 ||
        !page->sweep->is_ours(upload->key + len))
        return 0;
    page->found = xreallocarray(page->found, page->count + 1, sizeof(*page->found));
    page->found[page->count++] =
        (struct found){.key = xstrdup(upload->key + len), .id = xstrdup(upload->id)};
    return 0;
}

/* *next: behind which upload the page begins, and then the next one. */
static int fetch_page(struct s3 *s3, struct page *page, struct s3_xml_marker *next,
                      bool *out_is_refused, struct err *err)
{
    auto_free char *prefix = xasprintf("%s%s", s3->target.prefix, page->sweep->prefix);
    struct s3_call_request request = {
        .doing = "list the uploads of",
        .method = "GET",
        .query = {{"uploads", NULL}, {"max-uploads", "1000"}, {"prefix", prefix}},
        .query_count = 3,
    };
    struct s3_xml_marker after = {0};
    auto_s3_call struct s3_call *call = NULL;

    if (next->key != NULL)
        request.query[request.query_count++] = (struct s3_param){"key-marker", next->key};
    if (next->id != NULL)
        request.query[request.query_count++] = (struct s3_param){"upload-id-marker", next->id};
    if (s3_call_run(s3, &request, &call, err) != 0) {
        long status = s3_call_get_answer(call)->status;

        *out_is_refused = status == 400 || status == 403 || status == 405 || status == 501;
        return -1;
    }
    if (s3_xml_parse_uploads(&s3_call_get_answer(call)->body, note_old, page, &after, err) != 0)
        return err_wrap(err, "list the uploads of s3://%.100s/%.250s", s3->target.bucket, prefix);
    if (after.key != NULL && next->key != NULL && strcmp(after.key, next->key) == 0 &&
        (after.id == NULL || (next->id != NULL && strcmp(after.id, next->id) == 0))) {
        s3_xml_marker_release(&after);
        return err_set(err, ERR_STORE, "list the uploads of s3://%.100s/%.250s: in circles",
                       s3->target.bucket, prefix);
    }
    s3_xml_marker_release(next);
    *next = after;
    return 0;
}

/* One that is not there any more is gone, as it should be. */
static int abort_one(struct s3 *s3, const struct found *found, struct err *err)
{
    const struct s3_call_request request = {
        .doing = "abort the upload of",
        .method = "DELETE",
        .key = found->key,
        .query = {{"uploadId", found->id}},
        .query_count = 1,
    };
    auto_s3_call struct s3_call *call = NULL;

    if (cancel_check(err) != 0)
        return -1;
    if (s3_call_run(s3, &request, &call, err) != 0)
        return strcmp(s3_call_get_code(call), "NoSuchUpload") == 0 ? 0 : -1;
    return 0;
}

static int sweep_pages(struct s3 *s3, const struct store_sweep *sweep, struct s3_xml_marker *next,
                       struct store_swept *out, struct err *err)
{
    do {
        auto_page struct page page = {.s3 = s3, .sweep = sweep};
        bool is_refused = false;

        if (fetch_page(s3, &page, next, &is_refused, err) != 0) {
            out->is_unknown = is_refused;
            return is_refused ? 0 : -1;
        }
        for (size_t i = 0; i < page.count; i++) {
            if (sweep->confirm && abort_one(s3, &page.found[i], err) != 0)
                return -1;
            out->count++;
        }
    } while (next->key != NULL);
    return 0;
}

int s3_sweep(struct s3 *s3, const struct store_sweep *sweep, struct store_swept *out,
             struct err *err)
{
    struct s3_xml_marker next = {0};
    int rc = sweep_pages(s3, sweep, &next, out, err);

    s3_xml_marker_release(&next);
    return rc;
}
