/*
 * Small objects that are changed on conditions: If-None-Match: * (there is none), If-Match: ETag
 * (it is still that one).
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 *
 * A request whose answer was lost is sent again, here or in libcurl, and is then refused by what it
 * has done itself. So every refusal is judged by what is there now: no two writers write the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/s3_call.h"

enum { ERROR_BODY_MAX = 64 * 1024, READ_MAX = 16 * 1024 * 1024 };

/* An ETag that was cut, or a weak one, matches nothing; some servers send an empty one. */
static bool is_tag(const struct s3_answer *answer)
{
    size_t len = strlen(answer->etag);

    return len > 0 && len < sizeof(answer->etag) - 1 && strncmp(answer->etag, "W/", 2) != 0;
}

int s3_get_small(struct s3 *s3, const struct s3_object *object, struct buf *out,
                 char **out_tag_or_null, struct err *err)
{
    const char *key = object->key;
    size_t room = out->max - out->len;
    const struct s3_call_request request = {
        .doing = "read",
        .method = "GET",
        .key = key,
        .version = object->version,
        .body_max = room > ERROR_BODY_MAX ? room : ERROR_BODY_MAX,
    };
    auto_s3_call struct s3_call *call = NULL;
    const struct s3_answer *answer;

    if (store_check_key(key, err) != 0 || s3_call_run(s3, &request, &call, err) != 0)
        return -1;
    answer = s3_call_get_answer(call);
    if (answer->body.len > room)
        return err_set(err, ERR_CORRUPT, "read %.250s: it is larger than the %zu bytes it may have",
                       key, room);
    if (out_tag_or_null != NULL && !is_tag(answer))
        return err_set(err, ERR_STORE,
                       "read %.250s: the answer has no ETag to change it by (\"%.60s\"): this "
                       "store, or a proxy before it, knows no conditional writes",
                       key, answer->etag);
    if (buf_append(out, answer->body.data, answer->body.len, err) != 0)
        return -1;
    if (out_tag_or_null != NULL)
        *out_tag_or_null = xstrdup(answer->etag);
    return 0;
}

static bool is_same(const char *tag, const char *other)
{
    return tag != NULL && other != NULL && strcmp(tag, other) == 0;
}

enum outcome {
    STORED,
    NOT_STORED, /* *err says why */
    UNCHANGED,  /* refused, and what is there is still what the condition names */
};

/* What became of it, by what is there now. */
static enum outcome judge_by_content(struct s3 *s3, const struct store_put_if *put, char **out_tag,
                                     struct err *err)
{
    const char *found = put->tag == NULL ? "is there already" : "was changed meanwhile";
    auto_buf struct buf bytes;
    auto_free char *tag = NULL;

    buf_init(&bytes, READ_MAX);
    if (s3_get_small(s3, &(struct s3_object){.key = put->key}, &bytes, &tag, err) != 0) {
        if (err->kind != ERR_NOT_FOUND) {
            (void)err_wrap(err, "find out whether %.250s was stored", put->key);
            return NOT_STORED;
        }
        found = "was removed meanwhile";
    } else if (bytes.len == put->len && memcmp(buf_text(&bytes), put->data, put->len) == 0) {
        *out_tag = TAKE_PTR(tag);
        return STORED;
    }
    if (is_same(tag, put->tag))
        return UNCHANGED;
    (void)err_set(err, ERR_BUSY, "store %.250s: it %s", put->key, found);
    return NOT_STORED;
}

static bool is_refused_by_condition(const struct s3_call *call, const struct store_put_if *put,
                                    const struct err *why)
{
    const struct s3_answer *answer = s3_call_get_answer(call);

    if (answer->fault != HTTP_ANSWERED)
        return false;
    return answer->status == 412 || (put->tag != NULL && why->kind == ERR_NOT_FOUND) ||
           strcmp(s3_call_get_code(call), "ConditionalRequestConflict") == 0;
}

static enum outcome put_on(struct s3 *s3, const struct store_put_if *put,
                           const struct s3_header *condition, char **out_tag, struct err *err)
{
    const struct s3_call_request request = {
        .doing = "store",
        .method = "PUT",
        .key = put->key,
        .headers = {*condition},
        .header_count = 1,
        .body = put->data,
        .body_len = put->len,
    };
    auto_s3_call struct s3_call *call = NULL;
    const struct s3_answer *answer;

    if (s3_call_run(s3, &request, &call, err) != 0) {
        answer = s3_call_get_answer(call);
        if (is_refused_by_condition(call, put, err))
            return judge_by_content(s3, put, out_tag, err);
        if (answer->fault == HTTP_ANSWERED && answer->status == 501)
            (void)err_wrap(err, "this store knows no conditional writes");
        return NOT_STORED;
    }
    answer = s3_call_get_answer(call);
    if (!is_tag(answer))
        return judge_by_content(s3, put, out_tag, err);
    *out_tag = xstrdup(answer->etag);
    return STORED;
}

/* Ceph's radosgw (seen: 16.2) sends ETags in quotes as it should, and then matches only what comes
 * back without them. */
static enum outcome put_if_same(struct s3 *s3, const struct store_put_if *put, char **out_tag,
                                struct err *err)
{
    size_t len = strlen(put->tag);
    bool is_quoted = len > 2 && put->tag[0] == '"' && put->tag[len - 1] == '"';
    auto_free char *bare = is_quoted ? xstrndup(put->tag + 1, len - 2) : NULL;
    const struct s3_header as_it_came = {"if-match", put->tag};
    const struct s3_header without_quotes = {"if-match", bare};
    enum outcome outcome = UNCHANGED;

    if (!is_quoted || !s3->wants_bare_etags)
        outcome = put_on(s3, put, &as_it_came, out_tag, err);
    if (!is_quoted || outcome != UNCHANGED)
        return outcome;
    outcome = put_on(s3, put, &without_quotes, out_tag, err);
    s3->wants_bare_etags = s3->wants_bare_etags || outcome == STORED;
    return outcome;
}

int s3_put_small_if(struct s3 *s3, const struct store_put_if *put, char **out_tag, struct err *err)
{
    const struct s3_header none = {"if-none-match", "*"};
    enum outcome outcome;
    struct err why;

    if (store_check_key(put->key, err) != 0)
        return -1;
    s3->is_cleaning_up = put->even_if_stopped; /* goes on, but not for long */
    s3->is_opening = put->even_if_stopped;
    outcome = put->tag == NULL ? put_on(s3, put, &none, out_tag, &why)
                               : put_if_same(s3, put, out_tag, &why);
    s3->is_cleaning_up = false;
    s3->is_opening = false;
    if (outcome == UNCHANGED)
        return err_set(err, ERR_STORE,
                       "store %.250s: it was refused as changed, and is not: this store knows no "
                       "conditional writes",
                       put->key);
    if (outcome == NOT_STORED)
        *err = why;
    return outcome == STORED ? 0 : -1;
}
