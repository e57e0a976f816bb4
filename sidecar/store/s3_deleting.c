/*
 * GetBucketVersioning, and a DELETE where that is harmless; see s3_deleting.h.
 */
#include "store/s3_deleting.h"

#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/s3_xml_versions.h"
#include "store/store_s3.h"

static int ask_versioning(struct s3 *s3, enum s3_xml_versioning *out, struct err *err)
{
    const struct s3_call_request request = {
        .doing = "ask for the versioning of",
        .method = "GET",
        .query = {{"versioning", NULL}},
        .query_count = 1,
    };
    auto_s3_call struct s3_call *call = NULL;

    if (s3_call_run(s3, &request, &call, err) != 0)
        return -1;
    if (s3_xml_parse_versioning(&s3_call_get_answer(call)->body, out, err) != 0)
        return err_wrap(err, "ask for the versioning of s3://%.100s", s3->target.bucket);
    return 0;
}

/* Refused is what AccessDenied says alone: a key that is unknown or has expired is 403 as well. */
static int try_to_delete(struct s3 *s3, const char *below, int *out, struct err *err)
{
    uint64_t random[2];
    auto_s3_call struct s3_call *call = NULL;
    struct err why;

    fs_random(random, sizeof(random));
    /* INVARIANT (retention never removes what must stay): nobody has written a key of that name */
    auto_free char *key =
        xasprintf("%s/none-%016" PRIx64 "%016" PRIx64 "/data.tar.zst", below, random[0], random[1]);
    const struct s3_call_request request = {
        .doing = "try to remove the missing", .method = "DELETE", .key = key};

    if (s3_call_run(s3, &request, &call, &why) == 0 || why.kind == ERR_NOT_FOUND) {
        *out = 1;
        return 0;
    }
    const struct s3_answer *answer = s3_call_get_answer(call);
    if (answer->fault != HTTP_ANSWERED || answer->status != 403 ||
        strcmp(s3_call_get_code(call), "AccessDenied") != 0) {
        *err = why;
        return -1;
    }
    *out = 0;
    return 0;
}

int s3_deleting_ask(struct store *store, const struct s3_deleting_question *question,
                    struct s3_deleting *out, struct err *err)
{
    struct s3 *s3 = s3_of(store);
    enum s3_xml_versioning versioning = S3_XML_VERSIONING_NEVER;

    *out = (struct s3_deleting){.keeps_versions = -1, .may_delete = -1};
    s3->is_opening = true; /* somebody waits */
    int rc = ask_versioning(s3, &versioning, err);
    if (rc == 0) {
        out->keeps_versions = versioning == S3_XML_VERSIONING_ENABLED;
        if (versioning == S3_XML_VERSIONING_NEVER && question->known_may_delete >= 0)
            out->may_delete = question->known_may_delete;
        else if (versioning == S3_XML_VERSIONING_NEVER)
            rc = try_to_delete(s3, question->below, &out->may_delete, err);
    }
    s3->is_opening = false;
    return rc;
}
