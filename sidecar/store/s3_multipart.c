/*
 * The put sink. Bytes are copied into the buffer of the current part and hashed while they are in
 * the cache; a full buffer goes to the engine, signed with that digest, and the writer takes the
 * next one. An object that fits into one part is stored with a plain PUT at finish.
 *
 * What can go wrong: a part fails for good, so the sink fails and free aborts the upload. The
 * answer to "initiate" is lost: there may be an upload whose id nobody knows, so free looks for
 * uploads of this key. The answer to "complete" is lost: the object may be there, HEAD decides.
 * finish fails after that: free removes the object.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/s3_call.h"

enum {
    MAX_BUFFERS = 13, /* twelve under way, one being filled */
    FIRST_BUFFERS = 2,
    MAX_BUFFER_BYTES = 80 * 1024 * 1024, /* of all together, where parts are large */
    MAX_PARTS = 10000,
    ETAG_SIZE = 128,
    COMPLETE_PATIENCE = 10, /* joining thousands of parts takes minutes */
    LOOK_AGAIN_MS = 20,
};

struct part {
    uint8_t *data; /* NULL while the slot was never used */
    size_t len;
    size_t number; /* from 1 */
    uint8_t sha256[SHA256_BYTES];
    char checksum[S3_CHECKSUM_SIZE]; /* of a locked object */
    struct s3_call *call;            /* NULL while it is not under way */
};

struct put_sink {
    struct sink base;
    struct s3 *s3;
    char *key;
    uint64_t part_bytes;
    struct object_parts *parts;
    struct sha256 *sha;
    struct part slots[MAX_BUFFERS];
    unsigned slot_count; /* in use, of which all but the one being filled may be under way */
    unsigned slot_max;
    bool may_grow;
    struct part *filling; /* NULL until the next byte */
    size_t part_count;    /* submitted */
    char (*etags)[ETAG_SIZE];
    size_t etag_room;
    int64_t observed_ms; /* how long a part takes */
    char *upload_id;
    bool has_lost_upload; /* an "initiate" may have been done whose answer never came */
    bool may_be_stored;   /* the object may have appeared */
    bool is_stored;
};

static struct put_sink *self(struct sink *sink)
{
    return (struct put_sink *)sink;
}

static void keep_etag(struct put_sink *put, const struct part *part)
{
    const char *etag = s3_call_get_answer(part->call)->etag;

    memcpy(put->etags[part->number - 1], etag, strlen(etag) + 1);
}

/* Moves on what is under way; a part that failed for good fails the sink. */
static int reap(struct put_sink *put, struct err *err)
{
    for (unsigned i = 0; i < put->slot_count; i++) {
        struct part *part = &put->slots[i];

        if (part->call == NULL || !s3_call_step(part->call))
            continue;
        if (s3_call_get_result(part->call, err) != 0)
            return err_wrap(err, "part %zu", part->number);
        keep_etag(put, part);
        put->observed_ms = s3_call_get_elapsed_ms(part->call);
        s3_call_free(TAKE_PTR(part->call));
    }
    return 0;
}

static size_t list_calls(const struct put_sink *put, struct s3_call *out[MAX_BUFFERS])
{
    size_t count = 0;

    for (unsigned i = 0; i < put->slot_count; i++)
        if (put->slots[i].call != NULL)
            out[count++] = put->slots[i].call;
    return count;
}

static int wait_any(struct put_sink *put, int64_t timeout_ms, struct err *err)
{
    struct s3_call *calls[MAX_BUFFERS];
    size_t count = list_calls(put, calls);

    if (count > 0 && s3_call_wait_any(calls, count, timeout_ms, err) != 0)
        return -1;
    return reap(put, err);
}

/* There always is one: a part waits for its turn before it goes. */
static struct part *find_free(struct put_sink *put)
{
    unsigned i = 0;

    while (put->slots[i].call != NULL) {
        i++;
        assert(i < put->slot_count);
    }
    return &put->slots[i];
}

/* How long parts take at present: those that are under way have taken that long already. */
static int64_t observe(const struct put_sink *put)
{
    int64_t longest_ms = put->observed_ms;

    for (unsigned i = 0; i < put->slot_count; i++) {
        int64_t ms = put->slots[i].call != NULL ? s3_call_get_elapsed_ms(put->slots[i].call) : 0;

        if (ms > longest_ms)
            longest_ms = ms;
    }
    return longest_ms;
}

/* Waits while as many parts are under way as may be: all buffers but the one to be filled next. */
static int wait_for_turn(struct put_sink *put, struct err *err)
{
    struct s3_call *calls[MAX_BUFFERS];

    while (list_calls(put, calls) + 1 >= put->slot_count) {
        if (put->may_grow &&
            s3_may_grow(put->s3, put->slot_count - 1, put->slot_max - 1, observe(put)))
            put->slot_count++;
        else if (wait_any(put, LOOK_AGAIN_MS, err) != 0)
            return -1;
    }
    return 0;
}

static int take_buffer(struct put_sink *put, struct err *err)
{
    struct part *part = find_free(put);

    if (part->data == NULL && store_map_buffer(put->part_bytes, put->key, &part->data, err) != 0)
        return -1;
    part->len = 0;
    put->filling = part;
    return 0;
}

static int initiate(struct put_sink *put, struct err *err)
{
    struct s3_call_request request = {
        .doing = "begin the upload of",
        .method = "POST",
        .key = put->key,
        .query = {{"uploads", NULL}},
        .query_count = 1,
    };
    auto_s3_call struct s3_call *call = NULL;
    struct s3_lock_text text;
    int rc;

    s3_lock_request(put->s3, NULL, &text, &request);
    rc = s3_call_run(put->s3, &request, &call, err);

    put->has_lost_upload = s3_call_is_ambiguous(call);
    if (rc != 0)
        return -1;
    if (s3_xml_parse_upload_id(&s3_call_get_answer(call)->body, &put->upload_id, err) != 0) {
        put->has_lost_upload = true;
        return err_wrap(err, "begin the upload of %.250s", put->key);
    }
    return 0;
}

static void digest_part(struct put_sink *put, struct part *part)
{
    sha256_finish(put->sha, part->sha256);
    object_parts_push(put->parts, part->sha256);
    if (put->part_count == put->etag_room) {
        put->etag_room = put->etag_room * 2 + 16;
        put->etags = xreallocarray(put->etags, put->etag_room, sizeof(*put->etags));
    }
    part->number = ++put->part_count;
}

static int submit_part(struct put_sink *put, struct err *err)
{
    auto_free char *number = NULL;
    struct part *part;

    if (put->part_count == MAX_PARTS)
        return err_set(err, ERR_FAILED,
                       "store %.250s: it is larger than was announced, more than %d parts",
                       put->key, MAX_PARTS);
    if ((put->upload_id == NULL && initiate(put, err) != 0) || wait_for_turn(put, err) != 0)
        return -1;

    part = TAKE_PTR(put->filling);
    digest_part(put, part);
    number = xasprintf("%zu", part->number);
    s3_lock_format_checksum(part->sha256, part->checksum);
    part->call =
        s3_call_new(put->s3, &(struct s3_call_request){
                                 .doing = "upload a part of",
                                 .method = "PUT",
                                 .key = put->key,
                                 .query = {{"partNumber", number}, {"uploadId", put->upload_id}},
                                 .query_count = 2,
                                 .headers = {{"x-amz-checksum-sha256", part->checksum}},
                                 .header_count = put->s3->lock.days > 0 ? 1 : 0,
                                 .body = part->data,
                                 .body_len = part->len,
                                 .sha256 = part->sha256,
                             });
    (void)s3_call_step(part->call); /* the result is reaped with the others' */
    return 0;
}

static int put_write(struct sink *sink, const void *data, size_t len, struct err *err)
{
    struct put_sink *put = self(sink);
    const uint8_t *from = data;

    if (reap(put, err) != 0) /* so that a part's next attempt does not wait for a full buffer */
        return -1;
    while (len > 0) {
        size_t room;
        size_t n;

        if (put->filling != NULL && put->filling->len == put->part_bytes &&
            submit_part(put, err) != 0)
            return -1;
        if (put->filling == NULL && take_buffer(put, err) != 0)
            return -1;
        room = (size_t)put->part_bytes - put->filling->len;
        n = len < room ? len : room;
        memcpy(put->filling->data + put->filling->len, from, n);
        sha256_update(put->sha, from, n);
        put->filling->len += n;
        from += n;
        len -= n;
    }
    return 0;
}

static int put_whole(struct put_sink *put, struct err *err)
{
    struct part *part = put->filling;
    struct s3_call_request request = {.doing = "store", .method = "PUT", .key = put->key};
    auto_s3_call struct s3_call *call = NULL;
    struct s3_lock_text text;
    uint8_t empty[SHA256_BYTES];

    if (part != NULL) {
        digest_part(put, part);
        request.body = part->data;
        request.body_len = part->len;
        request.sha256 = part->sha256;
    } else {
        sha256_of(NULL, 0, empty);
        request.sha256 = empty;
    }
    s3_lock_request(put->s3, request.sha256, &text, &request);
    put->may_be_stored = true;
    if (s3_call_run(put->s3, &request, &call, err) == 0)
        return 0;
    put->may_be_stored = s3_call_is_ambiguous(call);
    return -1;
}

static int format_etag(const char *etag, struct buf *out, struct err *err)
{
    for (; *etag != '\0'; etag++) {
        const char *text = *etag == '&' ? "&amp;" : *etag == '<' ? "&lt;" : NULL;

        if (buf_append(out, text != NULL ? text : etag, text != NULL ? strlen(text) : 1, err) != 0)
            return -1;
    }
    return 0;
}

/* What each part was sent with, S3 wants to hear again. */
static int format_checksum(const struct put_sink *put, size_t i, struct buf *out, struct err *err)
{
    char checksum[S3_CHECKSUM_SIZE];

    if (put->s3->lock.days == 0)
        return 0;
    s3_lock_format_checksum(put->parts->sha256[i], checksum);
    return buf_printf(out, err, "<ChecksumSHA256>%s</ChecksumSHA256>", checksum);
}

static int format_complete(const struct put_sink *put, struct buf *out, struct err *err)
{
    if (buf_printf(out, err,
                   "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"))
        return -1;
    for (size_t i = 0; i < put->part_count; i++)
        if (buf_printf(out, err, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1) != 0 ||
            format_etag(put->etags[i], out, err) != 0 || buf_printf(out, err, "</ETag>") != 0 ||
            format_checksum(put, i, out, err) != 0 || buf_printf(out, err, "</Part>") != 0)
            return -1;
    return buf_printf(out, err, "</CompleteMultipartUpload>");
}

static int check_stored_size(struct put_sink *put, struct err *err)
{
    uint64_t size = 0;

    if (s3_head(put->s3, put->key, &size, err) != 0)
        return -1;
    if (size != put->base.bytes)
        return err_set(err, ERR_CORRUPT, "store %.250s: %llu bytes were sent, %llu are there",
                       put->key, (unsigned long long)put->base.bytes, (unsigned long long)size);
    return 0;
}

/* Whatever the answer to "complete" was, HEAD has the last word where it could be misleading: an
 * answer that was lost, whose repetition is told that there is no such upload (any more). */
static int complete(struct put_sink *put, struct err *err)
{
    auto_buf struct buf body;
    auto_s3_call struct s3_call *call = NULL;
    struct err ignored;

    buf_init(&body, (size_t)MAX_PARTS * (ETAG_SIZE * 5 + 160));
    if (format_complete(put, &body, err) != 0)
        return -1;

    put->may_be_stored = true;
    if (s3_call_run(put->s3,
                    &(struct s3_call_request){
                        .doing = "complete the upload of",
                        .method = "POST",
                        .key = put->key,
                        .query = {{"uploadId", put->upload_id}},
                        .query_count = 1,
                        .body = body.data,
                        .body_len = body.len,
                        .patience = COMPLETE_PATIENCE,
                    },
                    &call, err) == 0) {
        if (s3_xml_parse_complete(&s3_call_get_answer(call)->body, err) != 0)
            return err_wrap(err, "complete the upload of %.250s", put->key);
        return check_stored_size(put, err);
    }

    put->may_be_stored =
        s3_call_is_ambiguous(call) || strcmp(s3_call_get_code(call), "NoSuchUpload") == 0;
    if (!put->may_be_stored)
        return -1;
    return check_stored_size(put, &ignored);
}

static int put_finish(struct sink *sink, struct err *err)
{
    struct put_sink *put = self(sink);
    struct s3_call *calls[MAX_BUFFERS];

    if (put->upload_id == NULL) {
        if (put_whole(put, err) != 0)
            return -1;
    } else {
        if (put->filling != NULL && submit_part(put, err) != 0)
            return -1;
        while (list_calls(put, calls) > 0)
            if (wait_any(put, INT32_MAX, err) != 0)
                return -1;
        if (complete(put, err) != 0)
            return -1;
    }
    if (s3_lock_stored(put->s3, put->key, err) != 0)
        return -1;
    put->parts->size = sink->bytes;
    put->is_stored = true;
    return 0;
}

static void leave_nothing(struct put_sink *put)
{
    struct err err;
    bool was_cleaning_up = put->s3->is_cleaning_up;

    put->s3->is_cleaning_up = true;
    if (put->upload_id != NULL && !put->is_stored)
        s3_abort_upload(put->s3, put->key, put->upload_id);
    if (put->has_lost_upload)
        s3_abort_uploads(put->s3, put->key);
    if (put->may_be_stored && !put->is_stored && s3_remove(put->s3, put->key, &err) != 0)
        log_debug("%s", err.msg);
    put->s3->is_cleaning_up = was_cleaning_up;
}

static void put_free(struct sink *sink)
{
    struct put_sink *put = self(sink);

    for (unsigned i = 0; i < MAX_BUFFERS; i++) {
        s3_call_free(put->slots[i].call);
        if (put->slots[i].data != NULL)
            (void)munmap(put->slots[i].data, (size_t)put->part_bytes);
    }
    leave_nothing(put);
    sha256_free(put->sha);
    free(put->upload_id);
    free(put->etags);
    free(put->key);
    free(put);
}

static void size_window(struct put_sink *put)
{
    uint64_t affordable = MAX_BUFFER_BYTES / put->part_bytes;
    unsigned wanted = put->s3->upload_parallel;

    put->may_grow = wanted == 0;
    put->slot_max = wanted != 0 && wanted < MAX_BUFFERS ? wanted + 1 : MAX_BUFFERS;
    if (put->slot_max > affordable)
        put->slot_max = affordable > 2 ? (unsigned)affordable : 2;
    put->slot_count = wanted == 0 && put->slot_max > FIRST_BUFFERS ? FIRST_BUFFERS : put->slot_max;
}

int s3_put_new(struct s3 *s3, const char *key, uint64_t max_bytes, struct object_parts *parts,
               struct sink **out, struct err *err)
{
    static const struct sink_ops ops = {.write = put_write, .finish = put_finish, .free = put_free};
    struct put_sink *put;

    if (store_check_put(key, max_bytes, err) != 0)
        return -1;

    put = xcalloc(1, sizeof(*put));
    put->base.ops = &ops;
    put->s3 = s3;
    put->key = xstrdup(key);
    put->part_bytes = store_choose_part_bytes(s3->part_bytes, max_bytes);
    put->sha = sha256_new();
    put->parts = parts;
    *parts = (struct object_parts){.part_bytes = put->part_bytes};
    size_window(put);
    *out = &put->base;
    return 0;
}
