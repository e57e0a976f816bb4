/*
 * A bucket as a store: the operations that are one request each, or a page after another. Uploads
 * are in s3_multipart.c, ranged reads in s3_get.c.
 */
#include "store/store_s3.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/report.h"
#include "store/s3_versions.h"

enum {
    FEW_TRANSFERS = 4,
    SLOW_MS = 80,
    NOT_QUICK_MS = 20,
    NEAR_MS = 2,        /* it answers within a machine or a rack */
    VERY_SLOW_MS = 400, /* no busy processor explains that */
    LIMITED_TRANSFERS = 2,
};

bool s3_may_grow(const struct s3 *s3, unsigned count, unsigned max, int64_t observed_ms)
{
    bool is_near = s3->quickest_ms >= 0 && s3->quickest_ms < NEAR_MS;

    if (is_near)
        return count < max && observed_ms > VERY_SLOW_MS;
    return count < max && observed_ms > (count < FEW_TRANSFERS ? NOT_QUICK_MS : SLOW_MS);
}

int s3_remove(struct s3 *s3, const char *key, struct err *err)
{
    const struct s3_call_request request = {.doing = "remove", .method = "DELETE", .key = key};
    auto_s3_call struct s3_call *call = NULL;
    struct err why;

    if (s3_call_run(s3, &request, &call, &why) == 0 || why.kind == ERR_NOT_FOUND)
        return 0;
    *err = why;
    return -1;
}

/* A HEAD has no error document: whether it is the object or the bucket that is missing, a GET of
 * the first byte tells. */
static int explain_missing(struct s3 *s3, const char *key, struct err *err)
{
    uint8_t byte;
    const struct s3_call_request request = {
        .doing = "look for", .method = "GET", .key = key, .into = &byte, .into_size = 1};
    auto_s3_call struct s3_call *call = NULL;

    if (s3_call_run(s3, &request, &call, err) != 0)
        return -1;
    return err_set(err, ERR_STORE, "look for %.250s: it is there to GET, but not to HEAD", key);
}

int s3_head(struct s3 *s3, const char *key, uint64_t *out_size, struct err *err)
{
    const struct s3_call_request request = {.doing = "look for", .method = "HEAD", .key = key};
    auto_s3_call struct s3_call *call = NULL;
    const struct s3_answer *answer;

    if (s3_call_run(s3, &request, &call, err) != 0) {
        answer = s3_call_get_answer(call);
        return answer->fault == HTTP_ANSWERED && answer->status == 404
                   ? explain_missing(s3, key, err)
                   : -1;
    }
    *out_size = (uint64_t)s3_call_get_answer(call)->content_length;
    return 0;
}

void s3_lock_request(const struct s3 *s3, const uint8_t *sha256, struct s3_lock_text *text,
                     struct s3_call_request *request)
{
    request->header_count = s3_lock_format(
        &s3->lock, clock_wall_ms(s3->clock) + s3->clock_offset_ms, sha256, text, request->headers);
    request->is_locked = request->header_count > 0;
}

/* Some servers (seen: radosgw 16.2) pass over the headers: of an upload in parts, and of any where
 * the bucket has no object lock. This question they answer. A lock is only made longer by it. */
int s3_lock_stored(struct s3 *s3, const char *key, struct err *err)
{
    struct s3_header headers[S3_LOCK_HEADERS];
    struct s3_lock_text text;
    auto_s3_call struct s3_call *call = NULL;
    auto_free char *body = NULL;
    uint8_t sha256[SHA256_BYTES] = {0};

    if (s3_lock_format(&s3->lock, clock_wall_ms(s3->clock) + s3->clock_offset_ms, sha256, &text,
                       headers) == 0)
        return 0;
    body = xasprintf("<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>%s</Mode>"
                     "<RetainUntilDate>%s</RetainUntilDate></Retention>",
                     headers[0].value, text.until);
    sha256_of(body, strlen(body), sha256);
    s3_lock_format_checksum(sha256, text.checksum);
    return s3_call_run(s3,
                       &(struct s3_call_request){
                           .doing = "lock",
                           .method = "PUT",
                           .key = key,
                           .query = {{"retention", NULL}},
                           .query_count = 1,
                           .headers = {{"x-amz-checksum-sha256", text.checksum}},
                           .header_count = 1,
                           .is_locked = true,
                           .body = body,
                           .body_len = strlen(body),
                       },
                       &call, err);
}

static bool is_to_lock(const struct store_lock *lock, const char *key)
{
    const char *slash = strrchr(key, '/');

    return lock->small_name != NULL &&
           strcmp(slash != NULL ? slash + 1 : key, lock->small_name) == 0;
}

static int s3_op_put_small(struct store *store, const char *key, const void *data, size_t len,
                           struct err *err)
{
    struct s3 *s3 = s3_of(store);
    struct s3_call_request request = {
        .doing = "store", .method = "PUT", .key = key, .body = data, .body_len = len};
    struct s3_lock_text text;
    uint8_t sha256[SHA256_BYTES];
    auto_s3_call struct s3_call *call = NULL;
    struct err ignored;

    if (store_check_key(key, err) != 0)
        return -1;
    sha256_of(data, len, sha256);
    request.sha256 = sha256;
    if (is_to_lock(&s3->lock, key))
        s3_lock_request(s3, sha256, &text, &request);
    if (s3_call_run(s3, &request, &call, err) == 0)
        return 0;
    if (s3_call_is_ambiguous(call)) { /* what failed must not be there later all the same */
        s3->is_cleaning_up = true;
        (void)s3_remove(s3, key, &ignored);
        s3->is_cleaning_up = false;
    }
    return -1;
}

static int s3_op_put(struct store *store, const char *key, uint64_t max_bytes,
                     struct object_parts *parts, struct sink **out, struct err *err)
{
    return s3_put_new(s3_of(store), key, max_bytes, parts, out, err);
}

static int s3_op_get_small(struct store *store, const char *key, struct buf *out, struct err *err)
{
    return s3_get_small(s3_of(store), &(struct s3_object){.key = key}, out, NULL, err);
}

static int s3_op_get_small_tagged(struct store *store, const char *key, struct buf *out,
                                  char **out_tag, struct err *err)
{
    return s3_get_small(s3_of(store), &(struct s3_object){.key = key}, out, out_tag, err);
}

static int s3_op_put_small_if(struct store *store, const struct store_put_if *put, char **out_tag,
                              struct err *err)
{
    return s3_put_small_if(s3_of(store), put, out_tag, err);
}

static int s3_op_get(struct store *store, const struct store_get_request *request,
                     struct source **out, struct err *err)
{
    return s3_get_new(s3_of(store), request, NULL, out, err);
}

static int s3_op_head(struct store *store, const char *key, uint64_t *out_size, struct err *err)
{
    if (store_check_key(key, err) != 0)
        return -1;
    return s3_head(s3_of(store), key, out_size, err);
}

static int s3_op_remove(struct store *store, const char *key, struct err *err)
{
    if (store_check_key(key, err) != 0)
        return -1;
    return s3_remove(s3_of(store), key, err);
}

static int s3_op_sweep(struct store *store, const struct store_sweep *sweep,
                       struct store_swept *out, struct err *err)
{
    return s3_sweep(s3_of(store), sweep, out, err);
}

/* A page's objects and prefixes come as two lists; together they are in order. */
struct page {
    struct store_entry *entries; /* keys are heap text */
    size_t count;
    size_t room;
    const char *prefix; /* the repository's own */
    size_t prefix_len;
};

static void release_page(struct page *page)
{
    for (size_t i = 0; i < page->count; i++)
        free((void *)(uintptr_t)page->entries[i].key);
    free(page->entries);
    page->entries = NULL;
    page->count = 0;
    page->room = 0;
}

static int keep_entry(void *context, const struct s3_xml_entry *entry, struct err *err)
{
    struct page *page = context;
    const char *key = entry->key + page->prefix_len;
    size_t len = strlen(entry->key);

    if (strncmp(entry->key, page->prefix, page->prefix_len) != 0)
        return err_set(err, ERR_STORE, "the answer lists a key that was not asked for");
    if (!entry->is_prefix && (len == page->prefix_len || entry->key[len - 1] == '/'))
        return 0; /* what consoles make to show a directory; no object of ours */

    if (page->count == page->room) {
        page->room = page->room * 2 + 64;
        page->entries = xreallocarray(page->entries, page->room, sizeof(*page->entries));
    }
    page->entries[page->count++] = (struct store_entry){
        .key = xstrdup(key), .size = entry->size, .modified_ms = entry->modified_ms};
    return 0;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct store_entry *)a)->key, ((const struct store_entry *)b)->key);
}

struct page_request {
    const char *prefix; /* the repository's included */
    const char *delimiter;
    const char *max_keys;
};

/* One page into *page; *token is what it is asked with, and then what the next is (NULL: none). */
static int fetch_page(struct s3 *s3, const struct page_request *which, struct page *page,
                      char **token, struct err *err)
{
    struct s3_call_request request = {
        .doing = "list",
        .method = "GET",
        .query = {{"list-type", "2"},
                  {"encoding-type", "url"},
                  {"max-keys", which->max_keys},
                  {"prefix", which->prefix}},
        .query_count = 4,
    };
    auto_s3_call struct s3_call *call = NULL;
    auto_free char *next = NULL;

    if (which->delimiter[0] != '\0')
        request.query[request.query_count++] = (struct s3_param){"delimiter", which->delimiter};
    if (*token != NULL)
        request.query[request.query_count++] = (struct s3_param){"continuation-token", *token};
    if (s3_call_run(s3, &request, &call, err) != 0)
        return -1;
    if (s3_xml_parse_list(&s3_call_get_answer(call)->body, keep_entry, page, &next, err) != 0)
        return err_wrap(err, "list s3://%.100s/%.250s", s3->target.bucket, which->prefix);
    if (next != NULL && *token != NULL && strcmp(next, *token) == 0)
        return err_set(err, ERR_STORE, "list s3://%.100s/%.250s: the pages go in circles",
                       s3->target.bucket, which->prefix);
    free(*token);
    *token = TAKE_PTR(next);
    return 0;
}

static int give_page(struct page *page, store_list_fn *each, void *context, struct err *err)
{
    if (page->count > 0)
        qsort(page->entries, page->count, sizeof(*page->entries), by_key);
    for (size_t i = 0; i < page->count; i++)
        if (each(context, &page->entries[i], err) != 0)
            return -1;
    return 0;
}

static int s3_op_list(struct store *store, const char *prefix, char delimiter, store_list_fn *each,
                      void *context, struct err *err)
{
    struct s3 *s3 = s3_of(store);
    const char delimiter_text[2] = {delimiter, '\0'};
    auto_free char *full = xasprintf("%s%s", s3->target.prefix, prefix);
    const struct page_request which = {full, delimiter_text, "1000"}; /* more is not to be had */
    auto_free char *token = NULL;
    int rc;

    do {
        struct page page = {.prefix = s3->target.prefix, .prefix_len = strlen(s3->target.prefix)};

        rc = fetch_page(s3, &which, &page, &token, err);
        if (rc == 0)
            rc = give_page(&page, each, context, err);
        release_page(&page);
    } while (rc == 0 && token != NULL);
    store->clock_offset_ms = s3->clock_offset_ms;
    return rc;
}

void store_s3_free(struct store *store)
{
    struct s3 *s3 = s3_of(store);
    struct json *counts = s3_counts_to_json(&s3->counts);

    if (counts != NULL)
        report_counts(counts); /* also of a store that could not be opened */
    s3_creds_free(s3->creds);
    s3_http_free(s3->http);
    s3_target_release(&s3->target);
    free(store);
}

/* The first question: is there such a bucket, and are we let in? */
static int ask_bucket(struct s3 *s3, struct err *err)
{
    struct page page = {.prefix = s3->target.prefix, .prefix_len = strlen(s3->target.prefix)};
    auto_free char *token = NULL;
    int rc;

    s3->is_opening = true;
    rc = s3->is_past ? s3_versions_check(s3, err)
                     : fetch_page(s3, &(struct page_request){s3->target.prefix, "", "1"}, &page,
                                  &token, err);
    s3->is_opening = false;
    release_page(&page);
    return rc;
}

static const char *first_set(const struct store_env *env, const char *name, const char *other)
{
    const char *value = env->get(env->context, name);

    return value != NULL ? value : env->get(env->context, other);
}

static int connect_s3(struct s3 *s3, const struct store_options *options,
                      const struct store_s3_tuning *tuning, struct err *err)
{
    const struct store_env *env = &tuning->env;
    const char *ca_file = options->ca_file;
    bool is_limited = options->bandwidth_limit > 0;

    if (is_limited && (s3->upload_parallel == 0 || s3->upload_parallel > LIMITED_TRANSFERS))
        s3->upload_parallel = LIMITED_TRANSFERS; /* each connection gets its share of the limit */
    if (ca_file == NULL)
        ca_file = env->get(env->context, "AWS_CA_BUNDLE");
    if (s3_http_new(
            &(struct s3_http_options){
                .ca_file = ca_file,
                .connect_timeout_ms = tuning->connect_timeout_ms,
                .bytes_per_second =
                    is_limited ? options->bandwidth_limit / s3->upload_parallel + 1 : 0},
            &s3->http, err) != 0)
        return -1;
    s3->creds = s3_creds_new(&(struct s3_creds_options){
        .env = *env, .http = s3->http, .clock = s3->clock, .region = s3->target.region});
    return ask_bucket(s3, err);
}

int store_s3_open(const struct store_options *options, const struct store_s3_tuning *tuning,
                  const char *place, struct store **out, struct err *err)
{
    static const struct store_ops ops = {
        .put_small = s3_op_put_small,
        .put = s3_op_put,
        .get_small = s3_op_get_small,
        .get_small_tagged = s3_op_get_small_tagged,
        .put_small_if = s3_op_put_small_if,
        .get = s3_op_get,
        .list = s3_op_list,
        .head = s3_op_head,
        .remove = s3_op_remove,
        .sweep = s3_op_sweep,
        .free = store_s3_free,
    };
    struct store_s3 *store = xcalloc(1, sizeof(*store));
    auto_store struct store *owner = &store->base;
    struct s3 *s3 = &store->s3;
    const struct s3_place where = {
        .url_rest = place,
        .endpoint = first_set(&tuning->env, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        .region = first_set(&tuning->env, "AWS_REGION", "AWS_DEFAULT_REGION"),
    };

    store->base.ops = options->is_past ? &store_s3_past_ops : &ops;
    s3->clock = options->clock;
    s3->random = tuning->random;
    s3->random_context = tuning->random_context;
    s3->stall_s = tuning->stall_s;
    s3->upload_parallel = options->upload_parallel;
    s3->quickest_ms = -1;
    s3->part_bytes = options->part_bytes;
    s3->lock = options->lock;
    s3->is_past = options->is_past;
    s3->as_of_ms = options->as_of_ms;
    if (s3_target_parse(&where, &s3->target, err) != 0 || connect_s3(s3, options, tuning, err) != 0)
        return -1;
    *out = TAKE_PTR(owner);
    return 0;
}
