/*
 * A call is idle (until its pause is over), under way, or settled. A step begins an attempt, or
 * judges one that has come back: s3_retry decides, this file acts on it.
 */
#include "store/s3_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "store/s3_error.h"

enum {
    XML_MAX = 8 * 1024 * 1024, /* 1000 keys of 1024 bytes, each byte as three, and what is around */
    URL_MAX = 32 * 1024,
    LOOK_AROUND_MS = 200,
    GRACE_LOOKS = 25,
    MAX_LINES = 10,
    OPENING_STALL_S = 10,
};

enum call_state { IDLE, UNDER_WAY, SETTLED };

struct s3_call {
    struct s3 *s3;
    struct s3_call_request request;
    char *doing;
    char *key;
    char *query; /* encoded, sorted */
    char range[64];
    uint8_t sha256[SHA256_BYTES];
    enum call_state state;
    struct s3_retry_state retry;
    bool wants_new_keys;
    bool is_ambiguous;
    int64_t not_before_ms;
    int64_t started_ms;
    int64_t signed_ms;                 /* the wall time that the signature names */
    struct s3_http_transfer *transfer; /* of the last attempt */
    struct s3_answer answer;           /* a view: its body belongs to the transfer */
    struct s3_error error;
    int result;
    struct err err;
};

static void settle(struct s3_call *call, int result)
{
    call->state = SETTLED;
    call->result = result;
}

static int copy_query(struct s3_call *call, const struct s3_call_request *request)
{
    auto_buf struct buf query;

    buf_init(&query, URL_MAX);
    if (s3_query_format(request->query, request->query_count, &query, &call->err) != 0)
        return -1;
    call->query = buf_take(&query);
    return 0;
}

struct s3_call *s3_call_new(struct s3 *s3, const struct s3_call_request *request)
{
    struct s3_call *call = xcalloc(1, sizeof(*call));

    call->s3 = s3;
    call->request = *request;
    call->doing = xstrdup(request->doing);
    call->key = request->key != NULL ? xstrdup(request->key) : NULL;
    if (request->sha256 != NULL)
        memcpy(call->sha256, request->sha256, SHA256_BYTES);
    else
        sha256_of(request->body, request->body_len, call->sha256);
    if (request->into != NULL)
        (void)snprintf(call->range, sizeof(call->range), "bytes=%llu-%llu",
                       (unsigned long long)request->range_from,
                       (unsigned long long)(request->range_from + request->into_size - 1));
    if (request->into != NULL)
        call->request.headers[call->request.header_count++] =
            (struct s3_header){"range", call->range};
    if (request->version != NULL)
        call->request.query[call->request.query_count++] =
            (struct s3_param){"versionId", request->version};
    if (copy_query(call, &call->request) != 0)
        settle(call, -1);
    return call;
}

void s3_call_free(struct s3_call *call)
{
    if (call == NULL)
        return;
    s3_http_transfer_free(call->transfer);
    free(call->doing);
    free(call->key);
    free(call->query);
    free(call);
}

static int format_path(const struct s3_call *call, char **out, struct err *err)
{
    auto_buf struct buf path;

    buf_init(&path, URL_MAX);
    if (s3_target_format_path(&call->s3->target, call->key, &path, err) != 0)
        return -1;
    *out = buf_take(&path);
    return 0;
}

/* The lines of the request's head; a session token is among them, so they are wiped. */
struct head {
    char *lines[MAX_LINES + 1];
    size_t count;
};

static void release_head(struct head *head)
{
    for (size_t i = 0; i < head->count; i++) {
        explicit_bzero(head->lines[i], strlen(head->lines[i]));
        free(head->lines[i]);
    }
}

static void add_line(struct head *head, const char *name, const char *value)
{
    head->lines[head->count++] = xasprintf("%s: %s", name, value);
}

static int sign_attempt(struct s3_call *call, const char *path, struct head *head, struct err *err)
{
    struct s3 *s3 = call->s3;
    const struct s3_request request = {
        .method = call->request.method,
        .host = s3->target.host,
        .path = path,
        .query = call->query,
        .headers = call->request.headers,
        .header_count = call->request.header_count,
        .payload_sha256 = call->sha256,
        .region = s3->target.region,
        .service = "s3",
    };
    auto_s3_headers struct s3_headers headers = {0};
    const struct s3_keys *keys;

    if (s3_creds_get(s3->creds, call->wants_new_keys, &keys, err) != 0)
        return -1;
    call->wants_new_keys = false;
    call->signed_ms = clock_wall_ms(s3->clock) + s3->clock_offset_ms;
    if (s3_sign(&request, keys, call->signed_ms / 1000, &headers, err) != 0)
        return -1;

    add_line(head, "x-amz-date", headers.amz_date);
    add_line(head, "x-amz-content-sha256", headers.content_sha256);
    add_line(head, "Authorization", headers.authorization);
    if (keys->session_token.text != NULL)
        add_line(head, "x-amz-security-token", keys->session_token.text);
    for (size_t i = 0; i < request.header_count; i++)
        add_line(head, request.headers[i].name, request.headers[i].value);
    if (call->request.method[0] == 'P')
        add_line(head, "Content-Type", "application/octet-stream");
    return 0;
}

/* How long next to nothing may move; sooner when a person waits for the first answer. */
static unsigned stall_s(const struct s3 *s3, const struct s3_call_request *request)
{
    unsigned seconds = s3->stall_s * (request->patience != 0 ? request->patience : 1);

    return s3->is_opening && seconds > OPENING_STALL_S ? OPENING_STALL_S : seconds;
}

static void submit(struct s3_call *call, const char *path, const struct head *head)
{
    const struct s3_call_request *request = &call->request;
    const struct s3 *s3 = call->s3;
    auto_free char *url = xasprintf("%s://%s%s%s%s", s3->target.scheme, s3->target.host, path,
                                    call->query[0] != '\0' ? "?" : "", call->query);
    const char *lines[MAX_LINES + 1] = {0};

    for (size_t i = 0; i < head->count; i++)
        lines[i] = head->lines[i];
    s3_http_transfer_free(call->transfer);
    call->transfer = s3_http_submit(
        s3->http, &(struct s3_http_request){
                      .method = request->method,
                      .url = url,
                      .headers = lines,
                      .body = request->body,
                      .body_len = request->body_len,
                      .into = request->into,
                      .into_size = request->into_size,
                      .body_max = request->body_max != 0 ? request->body_max : XML_MAX,
                      .stall_s = stall_s(s3, request),
                  });
}

static void begin_attempt(struct s3_call *call)
{
    auto_free char *path = NULL;
    struct head head = {0};
    int rc = format_path(call, &path, &call->err);

    if (rc == 0)
        rc = sign_attempt(call, path, &head, &call->err);
    if (rc == 0) {
        submit(call, path, &head);
        call->retry.attempts++;
        call->started_ms = clock_mono_ms(call->s3->clock);
        call->state = UNDER_WAY;
    } else {
        (void)err_wrap(&call->err, "%s s3://%.100s/%.150s%.250s", call->doing,
                       call->s3->target.bucket, call->s3->target.prefix,
                       call->key != NULL ? call->key : "");
        if (call->err.kind == ERR_STORE) /* whoever should have given us credentials */
            (void)err_as(&call->err, PROBLEM_STORE_DENIED);
        settle(call, -1);
    }
    release_head(&head);
}

/* Is this the range that was asked for? What is not is taken for a broken answer and asked for
 * again, except where the object really is too short. */
static void check_range(struct s3_call *call, struct s3_answer *answer)
{
    uint64_t wanted_from = call->request.range_from;
    uint64_t wanted = call->request.into_size;
    struct s3_range range = {0};
    bool has_range = s3_answer_get_range(answer, &range);

    if (answer->status == 206 && has_range && range.from == wanted_from &&
        range.to == range.from + wanted - 1 && answer->into_len == wanted)
        return;
    if (answer->status == 200 && wanted_from == 0 && answer->into_len == wanted)
        return; /* the whole object, by a server that does not say so */

    if (answer->status == 206 && has_range && range.total < wanted_from + wanted) {
        answer->status = 416;
        s3_answer_copy_text(call->error.message, sizeof(call->error.message),
                            "the object is shorter than it should be", 39);
        return;
    }
    answer->fault = HTTP_BROKEN;
    (void)snprintf(answer->detail, sizeof(answer->detail),
                   "the answer (HTTP %ld, %zu bytes, Content-Range \"%.60s\") is not the range "
                   "asked for",
                   answer->status, answer->into_len, answer->content_range);
}

/* A HEAD is asked for the size; an answer without it was cut off. */
static void check_size(struct s3_answer *answer)
{
    static const char why[] = "the answer does not say the object's size";

    if (answer->fault != HTTP_ANSWERED || answer->status > 299 || answer->content_length >= 0)
        return;
    answer->fault = HTTP_BROKEN;
    s3_answer_copy_text(answer->detail, sizeof(answer->detail), why, strlen(why));
}

/* S3 begins to answer a long POST with 200 and may find out later that it failed. */
static void read_error_document(struct s3_call *call, struct s3_answer *answer)
{
    bool is_success = answer->status >= 200 && answer->status <= 299;

    if (answer->fault == HTTP_TOO_LONG && !is_success)
        answer->fault = HTTP_ANSWERED; /* whatever it says so wordily, the status is enough */
    if (answer->fault == HTTP_ANSWERED &&
        (!is_success || strcmp(call->request.method, "POST") == 0))
        (void)s3_xml_parse_error(&answer->body, &call->error);
}

static struct s3_outcome outcome_of(const struct s3_call *call)
{
    const struct s3_answer *answer = &call->answer;

    return (struct s3_outcome){
        .fault = answer->fault,
        .status = answer->status,
        .code = call->error.code,
        .retry_after_ms = answer->retry_after_s >= 0 ? answer->retry_after_s * 1000 : -1,
        .skew_ms = answer->date_s >= 0 ? answer->date_s * 1000 - call->signed_ms : 0,
    };
}

/* The region that S3 says the bucket is in, if it is another and was not tried yet. */
static bool follow_region(struct s3_call *call)
{
    const struct s3_answer *answer = &call->answer;
    const char *region = answer->region[0] != '\0' ? answer->region : call->error.region;
    struct s3 *s3 = call->s3;

    if (answer->fault != HTTP_ANSWERED || answer->status < 300 || region[0] == '\0' ||
        s3->was_moved || strcmp(region, s3->target.region) == 0 ||
        strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(region))
        return false;
    if (answer->status != 301 && answer->status != 307 && answer->status != 400)
        return false;
    s3->was_moved = true;
    s3_target_set_region(&s3->target, region);
    return true;
}

static void give_up(struct s3_call *call)
{
    const struct s3_failure failure = {
        .doing = call->doing,
        .key = call->key,
        .target = &call->s3->target,
        .answer = &call->answer,
        .error = &call->error,
        .attempts = call->retry.attempts,
        .is_small_object = call->request.body_max != 0,
        .is_locked = call->request.is_locked,
        .is_past = call->s3->is_past,
    };

    settle(call, s3_error_set(&failure, &call->err));
}

static void try_again(struct s3_call *call, int64_t delay_ms)
{
    s3_counts_add_retry(&call->s3->counts);
    call->state = IDLE;
    call->not_before_ms = clock_mono_ms(call->s3->clock) + delay_ms;
}

static void act_on(struct s3_call *call, const struct s3_decision *decision)
{
    struct s3 *s3 = call->s3;

    switch (decision->verdict) {
    case S3_DONE:
        settle(call, 0);
        break;
    case S3_RETRY:
        try_again(call, decision->delay_ms);
        break;
    case S3_RETRY_CLOCK:
        call->retry.clock_corrected = true;
        s3->clock_offset_ms = call->answer.date_s * 1000 - clock_wall_ms(s3->clock);
        try_again(call, 0);
        break;
    case S3_RETRY_KEYS:
        call->retry.keys_renewed = true;
        call->wants_new_keys = true;
        try_again(call, 0);
        break;
    case S3_GIVE_UP:
        give_up(call);
        break;
    }
}

static void judge_attempt(struct s3_call *call)
{
    struct s3 *s3 = call->s3;
    const struct s3_retry_policy policy =
        s3->is_opening || s3->is_cleaning_up ? s3_retry_quick() : s3_retry_patient();
    struct s3_outcome outcome;
    struct s3_decision decision;

    call->answer = *s3_http_get_answer(call->transfer);
    s3_counts_add(&s3->counts, &call->answer);
    call->error = (struct s3_error){.code = ""};
    read_error_document(call, &call->answer);
    if (call->request.into != NULL && call->answer.fault == HTTP_ANSWERED &&
        (call->answer.status == 200 || call->answer.status == 206))
        check_range(call, &call->answer);
    if (strcmp(call->request.method, "HEAD") == 0)
        check_size(&call->answer);

    outcome = outcome_of(call);
    if (outcome.fault == HTTP_TIMEOUT || outcome.fault == HTTP_BROKEN || outcome.status >= 500 ||
        (outcome.status < 300 && outcome.code[0] != '\0'))
        call->is_ambiguous = true;
    if (follow_region(call)) {
        try_again(call, 0);
        return;
    }
    decision = s3_retry_decide(&outcome, &call->retry, &policy, s3->random(s3->random_context));
    act_on(call, &decision);
}

bool s3_call_step(struct s3_call *call)
{
    if (call->state == IDLE && clock_mono_ms(call->s3->clock) >= call->not_before_ms)
        begin_attempt(call);
    if (call->state == UNDER_WAY && s3_http_is_settled(call->transfer))
        judge_attempt(call);
    return call->state == SETTLED;
}

static int64_t at_most(int64_t value, int64_t limit)
{
    return value < limit ? value : limit;
}

int s3_call_wait_any(struct s3_call *const *calls, size_t count, int64_t timeout_ms,
                     struct err *err)
{
    struct s3 *s3 = calls[0]->s3;
    uint64_t seen = s3_http_get_settled(s3->http);
    int64_t now_ms = clock_mono_ms(s3->clock);
    int64_t pause_ms = at_most(timeout_ms, LOOK_AROUND_MS);
    bool is_under_way = false;

    if (!s3->is_cleaning_up && cancel_check(err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (s3_call_step(calls[i]))
            return 0;
        is_under_way = is_under_way || calls[i]->state == UNDER_WAY;
        if (calls[i]->state == IDLE)
            pause_ms = at_most(pause_ms, calls[i]->not_before_ms - now_ms);
    }
    if (pause_ms <= 0)
        return 0;

    /* INVARIANT (no lost wake-up): `seen` was read before the calls were looked at */
    if (is_under_way)
        s3_http_wait(s3->http, seen, pause_ms);
    else
        clock_sleep_ms(s3->clock, pause_ms);
    return 0;
}

/* A change that was sent may be carried out after we hung up, and after we looked for it in order
 * to undo it: so its answer is waited for, for a while, even when asked to stop. */
static bool let_settle(struct s3_call *call)
{
    if (call->request.method[0] != 'P')
        return false;
    for (int i = 0; i < GRACE_LOOKS && call->state == UNDER_WAY; i++) {
        uint64_t seen = s3_http_get_settled(call->s3->http);

        if (!s3_call_step(call) && call->state == UNDER_WAY)
            s3_http_wait(call->s3->http, seen, LOOK_AROUND_MS);
    }
    return call->state == SETTLED;
}

int s3_call_wait(struct s3_call *call, struct err *err)
{
    struct err why;

    while (!s3_call_step(call))
        if (s3_call_wait_any(&call, 1, LOOK_AROUND_MS, &why) != 0 && !let_settle(call)) {
            *err = why;
            return -1;
        }
    return s3_call_get_result(call, err);
}

int s3_call_get_result(const struct s3_call *call, struct err *err)
{
    if (call->result != 0)
        *err = call->err;
    return call->result;
}

const struct s3_answer *s3_call_get_answer(const struct s3_call *call)
{
    return &call->answer;
}

const char *s3_call_get_code(const struct s3_call *call)
{
    return call->error.code;
}

bool s3_call_is_ambiguous(const struct s3_call *call)
{
    return call->is_ambiguous || call->state == UNDER_WAY;
}

int64_t s3_call_get_elapsed_ms(const struct s3_call *call)
{
    if (call->state == UNDER_WAY)
        return clock_mono_ms(call->s3->clock) - call->started_ms;
    return call->answer.elapsed_ms;
}

int s3_call_run(struct s3 *s3, const struct s3_call_request *request, struct s3_call **out,
                struct err *err)
{
    *out = s3_call_new(s3, request);
    if (s3_call_wait(*out, err) != 0)
        return -1;

    int64_t took_ms = s3_call_get_elapsed_ms(*out);
    if (s3->quickest_ms < 0 || took_ms < s3->quickest_ms)
        s3->quickest_ms = took_ms;
    return 0;
}
