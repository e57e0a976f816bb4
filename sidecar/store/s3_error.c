/*
 * INVARIANT (fails closed): only an answer that names the object as missing is ERR_NOT_FOUND. A 404
 * about the bucket, or one without an S3 error document, means that the question was not answered.
 */
#include "store/s3_error.h"

#include <stdio.h>
#include <string.h>

struct hint {
    const char *code;
    const char *text;
};

/* Where the status does not tell: S3 answers 400 to credentials that have expired. */
static enum problem problem_of_code(const char *code)
{
    static const char *const denied[] = {"ExpiredToken", "ExpiredTokenException", "InvalidToken",
                                         "TokenRefreshRequired"};

    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
        if (strcmp(code, denied[i]) == 0)
            return PROBLEM_STORE_DENIED;
    return strcmp(code, "QuotaExceeded") == 0 ? PROBLEM_DISK_FULL : PROBLEM_NONE;
}

static const char *hint_for_code(const struct s3_error *error)
{
    static const struct hint hints[] = {
        {"AccessDenied", "check the key pair, and that it may list, read, write and delete there"},
        {"InvalidAccessKeyId", "the access key id is not known there; check AWS_ACCESS_KEY_ID"},
        {"SignatureDoesNotMatch", "the secret key does not belong to the access key id"},
        {"ExpiredToken", "the session token has expired; renew the credentials"},
        {"ExpiredTokenException", "the session token has expired; renew the credentials"},
        {"InvalidToken", "the session token is not valid; renew the credentials"},
        {"NoSuchBucket", "create the bucket, or correct the repository's URL"},
        {"RequestTimeTooSkewed", "set the clock of this machine"},
        {"QuotaExceeded", "the store's quota is used up; raise it or free space"},
        {"UserSuspended", "the store has suspended the owner of this key"},
        {"SlowDown", "the store asks for fewer requests; lower upload-parallel"},
        {"AuthorizationHeaderMalformed", "set AWS_REGION to the bucket's region"},
        {"PermanentRedirect", "set AWS_REGION, or the endpoint, to where the bucket is"},
    };

    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
        if (strcmp(error->code, hints[i].code) == 0)
            return hints[i].text;
    return NULL;
}

static const char *hint_for_denied(const struct s3_failure *failure)
{
    const char *code = failure->error->code;

    if (failure->is_past && failure->answer->fault == HTTP_ANSWERED &&
        failure->answer->status == 403 && (code[0] == '\0' || strcmp(code, "AccessDenied") == 0))
        return "a bucket is read as it was with the permissions s3:GetBucketVersioning, "
               "s3:ListBucketVersions and s3:GetObjectVersion";
    return NULL;
}

static const char *hint_for_fault(const struct s3_answer *answer)
{
    switch (answer->fault) {
    case HTTP_UNRESOLVED:
    case HTTP_REFUSED:
    case HTTP_TIMEOUT:
        return "check AWS_ENDPOINT_URL_S3, AWS_REGION and the network";
    case HTTP_UNTRUSTED:
        return "AWS_CA_BUNDLE names a file of certificates to trust";
    case HTTP_BROKEN:
    case HTTP_ANSWERED:
    case HTTP_TOO_LONG: /* a server, or a proxy before it, that passes over Range */
    case HTTP_LOCAL:
        break;
    }
    if (answer->fault == HTTP_ANSWERED && answer->status >= 301 && answer->status <= 308)
        return "set AWS_REGION, or the endpoint, to where the bucket is";
    return NULL;
}

static enum err_kind kind_of(const struct s3_failure *failure)
{
    const struct s3_answer *answer = failure->answer;
    const char *code = failure->error->code;

    if (answer->fault == HTTP_LOCAL)
        return ERR_FAILED;
    if (answer->fault == HTTP_TOO_LONG)
        return failure->is_small_object ? ERR_CORRUPT : ERR_STORE;
    if (answer->fault != HTTP_ANSWERED)
        return ERR_STORE;
    if (answer->status == 404 && failure->key != NULL &&
        (strcmp(code, "NoSuchKey") == 0 || strcmp(code, "NoSuchVersion") == 0))
        return ERR_NOT_FOUND;
    if (answer->status == 416 || strcmp(code, "BadDigest") == 0 ||
        strcmp(code, "XAmzContentSHA256Mismatch") == 0)
        return ERR_CORRUPT;
    return ERR_STORE;
}

/* ": 503 SlowDown: Reduce your request rate", or libcurl's words. */
static void format_why(const struct s3_failure *failure, char *out, size_t out_size)
{
    const struct s3_answer *answer = failure->answer;
    const struct s3_error *error = failure->error;

    if (answer->fault == HTTP_TOO_LONG)
        (void)snprintf(out, out_size, "the answer is longer than what was asked for");
    else if (answer->fault != HTTP_ANSWERED)
        (void)snprintf(out, out_size, "%s", answer->detail);
    else
        (void)snprintf(out, out_size, "HTTP %ld%s%s%s%s", answer->status,
                       error->code[0] != '\0' ? " " : "", error->code,
                       error->message[0] != '\0' ? ": " : "", error->message);
}

/* " (host x, region y, request id z, 10 attempts)" */
static void format_circumstances(const struct s3_failure *failure, char *out, size_t out_size)
{
    const char *id = failure->error->request_id[0] != '\0' ? failure->error->request_id
                                                           : failure->answer->request_id;
    const char *region =
        failure->answer->region[0] != '\0' ? failure->answer->region : failure->error->region;
    char attempts[32] = "";

    if (failure->attempts > 1)
        (void)snprintf(attempts, sizeof(attempts), ", %u attempts", failure->attempts);
    (void)snprintf(out, out_size, " (host %.100s%s%s%s%s%s)", failure->target->host,
                   region[0] != '\0' ? ", bucket's region " : "", region,
                   id[0] != '\0' ? ", request id " : "", id, attempts);
}

int s3_error_set(const struct s3_failure *failure, struct err *err)
{
    const struct s3_target *target = failure->target;
    const char *key = failure->key != NULL ? failure->key : "";
    const char *hint = hint_for_denied(failure);
    char why[512];
    char circumstances[400];

    if (hint == NULL)
        hint = hint_for_code(failure->error);
    if (failure->is_locked && failure->answer->status == 400 && hint == NULL)
        hint = "s3-object-lock-days needs a bucket that was made with object lock";
    if (hint == NULL)
        hint = hint_for_fault(failure->answer);
    format_why(failure, why, sizeof(why));
    format_circumstances(failure, circumstances, sizeof(circumstances));
    (void)err_set(err, kind_of(failure), "%s s3://%.100s/%.150s%.250s: %.330s%.200s%s%s",
                  failure->doing, target->bucket, target->prefix, key, why, circumstances,
                  hint != NULL ? ". HINT: " : "", hint != NULL ? hint : "");
    err->code = (int)failure->answer->status;
    return err_as(err, problem_of_code(failure->error->code));
}
