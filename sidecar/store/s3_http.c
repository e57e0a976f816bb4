/*
 * The engine. The owner puts a transfer on the list of new ones (or marks it cancelled) under the
 * lock and wakes the loop; the loop hands it to curl, and when curl is done with it fills the
 * answer and counts it as settled. A transfer is in exactly one place at a time: `state` says
 * which, and only a settled one is touched by the owner again.
 *
 * A server may answer an upload early (403, 503) and leave the rest of the body unread: libcurl
 * then closes the connection instead of sending the next request into the middle of that body, as
 * long as CURLOPT_KEEP_SENDING_ON_ERROR stays off and no "Expect: 100-continue" is in play.
 */
#include "store/s3_http.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cond.h"
#include "base/installed.h"
#include "base/mem.h"

enum {
    UPLOAD_BUFFER_BYTES = 256 * 1024,
    DOWNLOAD_BUFFER_BYTES = 128 * 1024,
    MAX_IDLE = 16, /* handles and connections */
    ANSWER_HEADERS_MAX = 64 * 1024,
    STALL_BYTES_PER_SECOND = 256,
    LOOK_AROUND_MS = 60 * 1000,
};

enum transfer_state { NEW, RUNNING, SETTLED };

struct s3_http_transfer {
    struct s3_http *http;
    struct s3_http_transfer *next; /* in http->fresh */
    enum transfer_state state;     /* under the lock */
    struct s3_http_request request;
    char *url;
    struct curl_slist *headers;
    CURL *easy;
    size_t sent;
    size_t header_bytes;
    struct s3_answer answer;
    char curl_error[CURL_ERROR_SIZE];
};

struct s3_http {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    CURLM *multi;
    struct s3_http_options options;
    char *ca_file;
    struct s3_http_transfer *fresh;  /* under the lock, like the next four */
    struct s3_http_transfer *cancel; /* the one that the owner waits to be rid of */
    uint64_t settled;
    bool stop;
    CURL *idle[MAX_IDLE];
    size_t idle_count;
};

static size_t on_read(char *out, size_t size, size_t count, void *context)
{
    struct s3_http_transfer *transfer = context;
    size_t left = transfer->request.body_len - transfer->sent;
    size_t len = size * count < left ? size * count : left;

    if (len > 0)
        memcpy(out, (const char *)transfer->request.body + transfer->sent, len);
    transfer->sent += len;
    return len;
}

/* libcurl rewinds when a kept-alive connection turns out to be dead. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct s3_http_transfer *transfer = context;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > transfer->request.body_len)
        return CURL_SEEKFUNC_FAIL;
    transfer->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_write(char *data, size_t size, size_t count, void *context)
{
    struct s3_http_transfer *transfer = context;
    const struct s3_http_request *request = &transfer->request;
    struct s3_answer *answer = &transfer->answer;
    size_t len = size * count;
    struct err ignored;
    long status = 0;

    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (request->into == NULL || status < 200 || status > 299)
        return buf_append(&answer->body, data, len, &ignored) == 0 ? len : 0;
    if (len > request->into_size - answer->into_len)
        return 0;
    memcpy(request->into + answer->into_len, data, len);
    answer->into_len += len;
    return len;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct s3_http_transfer *transfer = context;
    size_t len = size * count;

    transfer->header_bytes += len;
    if (transfer->header_bytes > ANSWER_HEADERS_MAX)
        return 0;
    s3_answer_add_header(&transfer->answer, data, len);
    return len;
}

static enum s3_fault fault_of(CURLcode code)
{
    switch ((int)code) { /* the many others are faults of this machine */
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_UNRESOLVED;
    case CURLE_COULDNT_CONNECT:
        return HTTP_REFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMEOUT;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* an HTTP version that does not exist */
    case CURLE_HTTP_RETURNED_ERROR:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_SSL_CONNECT_ERROR:
        return HTTP_BROKEN;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_UNTRUSTED;
    case CURLE_WRITE_ERROR:
        return HTTP_TOO_LONG;
    default:
        return HTTP_LOCAL;
    }
}

static void fill_answer(struct s3_http_transfer *transfer, CURLcode code)
{
    struct s3_answer *answer = &transfer->answer;
    curl_off_t length = -1;
    curl_off_t elapsed_us = 0;
    const char *words = transfer->curl_error;

    answer->fault = fault_of(code);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &elapsed_us);
    answer->content_length = length;
    answer->elapsed_ms = elapsed_us / 1000;
    if (code == CURLE_OK)
        return;
    if (words[0] == '\0')
        words = curl_easy_strerror(code);
    s3_answer_copy_text(answer->detail, sizeof(answer->detail), words, strlen(words));
}

/* Gives the easy handle back; the connection stays in the multi handle's cache. */
static void settle(struct s3_http *http, struct s3_http_transfer *transfer)
{
    curl_easy_reset(transfer->easy);
    (void)pthread_mutex_lock(&http->lock);
    if (http->idle_count < MAX_IDLE) {
        http->idle[http->idle_count++] = transfer->easy;
        transfer->easy = NULL;
    }
    transfer->state = SETTLED;
    http->settled++;
    (void)pthread_cond_signal(&http->changed);
    (void)pthread_mutex_unlock(&http->lock);
}

static void finish_transfers(struct s3_http *http)
{
    int left = 0;

    for (CURLMsg *msg; (msg = curl_multi_info_read(http->multi, &left)) != NULL;) {
        struct s3_http_transfer *transfer = NULL;
        CURL *easy = msg->easy_handle;
        CURLcode code = msg->data.result;

        if (msg->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
        (void)curl_multi_remove_handle(http->multi, easy);
        fill_answer(transfer, code);
        settle(http, transfer);
    }
}

static void start_transfer(struct s3_http *http, struct s3_http_transfer *transfer)
{
    static const char refusal[] = "libcurl refuses the transfer";

    if (curl_multi_add_handle(http->multi, transfer->easy) == CURLM_OK)
        return;

    transfer->answer.fault = HTTP_LOCAL;
    s3_answer_copy_text(transfer->answer.detail, sizeof(transfer->answer.detail), refusal,
                        strlen(refusal));
    settle(http, transfer);
}

/* Takes what the owner has asked for since the last look; false when it is time to end. */
static bool obey(struct s3_http *http)
{
    struct s3_http_transfer *fresh;
    struct s3_http_transfer *cancel;
    bool stop;

    (void)pthread_mutex_lock(&http->lock);
    fresh = TAKE_PTR(http->fresh);
    cancel = TAKE_PTR(http->cancel);
    if (cancel != NULL && cancel->state == SETTLED)
        cancel = NULL; /* it may be freed as soon as the lock is */
    (void)pthread_cond_signal(&http->changed);
    for (struct s3_http_transfer *t = fresh; t != NULL; t = t->next)
        t->state = RUNNING;
    stop = http->stop;
    (void)pthread_mutex_unlock(&http->lock);

    while (fresh != NULL) {
        struct s3_http_transfer *next = fresh->next;

        start_transfer(http, fresh);
        fresh = next;
    }
    if (cancel != NULL) {
        (void)curl_multi_remove_handle(http->multi, cancel->easy);
        cancel->answer.fault = HTTP_BROKEN;
        settle(http, cancel);
    }
    return !stop;
}

static void *run_engine(void *context)
{
    struct s3_http *http = context;
    int running = 0;

    while (obey(http)) {
        (void)curl_multi_perform(http->multi, &running);
        finish_transfers(http);
        (void)curl_multi_poll(http->multi, NULL, 0, LOOK_AROUND_MS, NULL);
    }
    return NULL;
}

/* Signals are the business of the threads that know what to do with them. */
static int start_engine(struct s3_http *http)
{
    sigset_t all;
    sigset_t before;
    int rc;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&http->thread, NULL, run_engine, http);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static void release_engine(struct s3_http *http)
{
    for (size_t i = 0; i < http->idle_count; i++)
        curl_easy_cleanup(http->idle[i]);
    if (http->multi != NULL)
        (void)curl_multi_cleanup(http->multi);
    (void)pthread_cond_destroy(&http->changed);
    (void)pthread_mutex_destroy(&http->lock);
    free(http->ca_file);
    free(http);
    curl_global_cleanup();
}

int s3_http_new(const struct s3_http_options *options, struct s3_http **out, struct err *err)
{
    struct s3_http *http;
    int rc;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_FAILED, "start libcurl: it refuses");

    http = xcalloc(1, sizeof(*http));
    http->options = *options;
    http->ca_file = options->ca_file != NULL ? xstrdup(options->ca_file) : installed_ca_bundle();
    (void)pthread_mutex_init(&http->lock, NULL);
    cond_init(&http->changed);
    http->multi = curl_multi_init();
    if (http->multi == NULL) {
        release_engine(http);
        return err_set(err, ERR_FAILED, "start libcurl: no multi handle");
    }
    (void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)MAX_IDLE);

    rc = start_engine(http);
    if (rc != 0) {
        release_engine(http);
        errno = rc;
        return err_sys(err, ERR_FAILED, "start the transfer thread");
    }
    *out = http;
    return 0;
}

void s3_http_free(struct s3_http *http)
{
    if (http == NULL)
        return;

    (void)pthread_mutex_lock(&http->lock);
    assert(http->fresh == NULL);
    http->stop = true;
    (void)pthread_mutex_unlock(&http->lock);
    (void)curl_multi_wakeup(http->multi);
    (void)pthread_join(http->thread, NULL);
    release_engine(http);
}

static void set_network_options(const struct s3_http *http, CURL *easy,
                                const struct s3_http_request *request)
{
    unsigned own_ms = request->connect_timeout_ms;
    unsigned connect_ms = own_ms != 0 ? own_ms : http->options.connect_timeout_ms;
    curl_off_t rate = (curl_off_t)http->options.bytes_per_second;

    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)DOWNLOAD_BUFFER_BYTES);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_PER_SECOND);
    (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)request->stall_s);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "redkeep/" REDKEEP_VERSION);
    if (http->ca_file != NULL)
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
    if (rate > 0) {
        (void)curl_easy_setopt(easy, CURLOPT_MAX_SEND_SPEED_LARGE, rate);
        (void)curl_easy_setopt(easy, CURLOPT_MAX_RECV_SPEED_LARGE, rate);
    }
}

static void set_method(struct s3_http_transfer *transfer, CURL *easy)
{
    const struct s3_http_request *request = &transfer->request;

    if (strcmp(request->method, "HEAD") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(request->method, "PUT") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_len);
    } else if (strcmp(request->method, "POST") == 0) {
        /* libcurl silently sends a request again when a kept-alive connection dies on it; what must
         * not be done twice unnoticed opens a connection, which others then use */
        (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    } else {
        (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    }
}

static void set_request(struct s3_http_transfer *transfer)
{
    CURL *easy = transfer->easy;

    set_network_options(transfer->http, easy, &transfer->request);
    (void)curl_easy_setopt(easy, CURLOPT_URL, transfer->url);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
    (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    (void)curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    set_method(transfer, easy);
}

static void add_header(struct s3_http_transfer *transfer, const char *line)
{
    transfer->headers = curl_slist_append(transfer->headers, line);
    if (transfer->headers == NULL)
        abort(); /* out of memory, as in xmalloc */
}

struct s3_http_transfer *s3_http_submit(struct s3_http *http, const struct s3_http_request *request)
{
    struct s3_http_transfer *transfer = xcalloc(1, sizeof(*transfer));

    transfer->http = http;
    transfer->request = *request;
    transfer->url = xstrdup(request->url);
    s3_answer_init(&transfer->answer, request->body_max);
    for (const char *const *line = request->headers; *line != NULL; line++)
        add_header(transfer, *line);
    add_header(transfer, "Expect:");

    (void)pthread_mutex_lock(&http->lock);
    if (http->idle_count > 0)
        transfer->easy = http->idle[--http->idle_count];
    (void)pthread_mutex_unlock(&http->lock);
    if (transfer->easy == NULL && (transfer->easy = curl_easy_init()) == NULL)
        abort(); /* out of memory */
    set_request(transfer);

    (void)pthread_mutex_lock(&http->lock);
    transfer->next = http->fresh;
    http->fresh = transfer;
    (void)pthread_mutex_unlock(&http->lock);
    (void)curl_multi_wakeup(http->multi);
    return transfer;
}

bool s3_http_is_settled(const struct s3_http_transfer *transfer)
{
    bool settled;

    (void)pthread_mutex_lock(&transfer->http->lock);
    settled = transfer->state == SETTLED;
    (void)pthread_mutex_unlock(&transfer->http->lock);
    return settled;
}

const struct s3_answer *s3_http_get_answer(const struct s3_http_transfer *transfer)
{
    return &transfer->answer;
}

static void cancel_transfer(struct s3_http_transfer *transfer)
{
    struct s3_http *http = transfer->http;

    (void)pthread_mutex_lock(&http->lock);
    http->cancel = transfer;
    (void)pthread_mutex_unlock(&http->lock);
    (void)curl_multi_wakeup(http->multi);

    (void)pthread_mutex_lock(&http->lock);
    while (transfer->state != SETTLED || http->cancel == transfer)
        cond_wait_ms(&http->changed, &http->lock, 100);
    (void)pthread_mutex_unlock(&http->lock);
}

void s3_http_transfer_free(struct s3_http_transfer *transfer)
{
    if (transfer == NULL)
        return;

    if (!s3_http_is_settled(transfer))
        cancel_transfer(transfer);
    if (transfer->easy != NULL)
        curl_easy_cleanup(transfer->easy);
    for (struct curl_slist *line = transfer->headers; line != NULL; line = line->next)
        explicit_bzero(line->data, strlen(line->data)); /* a session token may be among them */
    curl_slist_free_all(transfer->headers);
    buf_release(&transfer->answer.body);
    free(transfer->url);
    free(transfer);
}

uint64_t s3_http_get_settled(struct s3_http *http)
{
    uint64_t settled;

    (void)pthread_mutex_lock(&http->lock);
    settled = http->settled;
    (void)pthread_mutex_unlock(&http->lock);
    return settled;
}

void s3_http_wait(struct s3_http *http, uint64_t seen, int64_t timeout_ms)
{
    (void)pthread_mutex_lock(&http->lock);
    if (http->settled == seen && timeout_ms != 0)
        cond_wait_ms(&http->changed, &http->lock, timeout_ms);
    (void)pthread_mutex_unlock(&http->lock);
}
