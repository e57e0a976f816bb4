/*
 * Uploads in parts that are not to be finished: aborted until they are gone. Best effort: the error
 * to tell is the one that led here.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/s3_call.h"
#include "store/s3_xml_uploads.h"

enum { ABORT_ROUNDS = 3, ABORT_PAUSE_MS = 200 };

/* Asks something about an upload; is it known no more? */
static int ask_upload(struct s3 *s3, const struct s3_call_request *request, bool *out_is_gone)
{
    auto_s3_call struct s3_call *call = NULL;
    struct err err;
    int rc = s3_call_run(s3, request, &call, &err);

    if (rc != 0)
        log_debug("%s", err.msg);
    *out_is_gone = rc != 0 && strcmp(s3_call_get_code(call), "NoSuchUpload") == 0;
    return rc;
}

/* INVARIANT (nothing stays): no part is sent any more, yet one that we hung up on may still be
 * taken in, and what comes while S3 aborts can stay behind and be paid for: so again until the
 * upload is gone. Where that may not be asked, once more. */
void s3_abort_upload(struct s3 *s3, const char *key, const char *upload_id)
{
    const struct s3_call_request abort = {
        .doing = "abort the upload of",
        .method = "DELETE",
        .key = key,
        .query = {{"uploadId", upload_id}},
        .query_count = 1,
    };
    const struct s3_call_request list = {
        .doing = "list the parts of",
        .method = "GET",
        .key = key,
        .query = {{"uploadId", upload_id}, {"max-parts", "1"}},
        .query_count = 2,
    };
    bool is_gone = false;

    for (int round = 1; round <= ABORT_ROUNDS && !is_gone; round++) {
        if (round > 1)
            clock_sleep_ms(s3->clock, ABORT_PAUSE_MS);
        if (ask_upload(s3, &abort, &is_gone) == 0)
            (void)ask_upload(s3, &list, &is_gone);
        else if (!is_gone)
            return; /* it was tried patiently */
    }
}

struct lost {
    struct s3 *s3;
    const char *key;
};

static int abort_if_lost(void *context, const struct s3_xml_upload *upload, struct err *err)
{
    const struct lost *lost = context;
    const char *prefix = lost->s3->target.prefix;
    size_t prefix_len = strlen(prefix);

    (void)err;
    if (strncmp(upload->key, prefix, prefix_len) == 0 &&
        strcmp(upload->key + prefix_len, lost->key) == 0)
        s3_abort_upload(lost->s3, lost->key, upload->id);
    return 0;
}

void s3_abort_uploads(struct s3 *s3, const char *key)
{
    auto_free char *prefix = xasprintf("%s%s", s3->target.prefix, key);
    const struct s3_call_request request = {
        .doing = "list the uploads of",
        .method = "GET",
        .query = {{"uploads", NULL}, {"prefix", prefix}},
        .query_count = 2,
    };
    struct lost lost = {s3, key};
    auto_s3_call struct s3_call *call = NULL;
    struct err err;

    if (s3_call_run(s3, &request, &call, &err) != 0 ||
        s3_xml_parse_uploads(&s3_call_get_answer(call)->body, abort_if_lost, &lost, NULL, &err) !=
            0)
        log_debug("%s", err.msg);
}
