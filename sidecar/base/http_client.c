/*
 * One libcurl easy handle for one exchange. The library's own words for a failure hold host names
 * and no more of the URL; a URL that it cannot read is refused in words of ours.
 */
#include "base/http_client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <strings.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/installed.h"
#include "base/mem.h"

enum { HEADERS_MAX = 64 * 1024 };

struct answer {
    struct buf *body; /* NULL: not wanted */
    bool is_cut;      /* what was wanted is there, the rest was not waited for */
    size_t head_bytes;
};

DEFINE_CLEANUP(cleanup_easy, CURL *, curl_easy_cleanup);
DEFINE_CLEANUP(cleanup_slist, struct curl_slist *, curl_slist_free_all);

/* What goes over the ceiling ends the exchange: a peer without an end is not listened to. */
static size_t on_write(char *data, size_t size, size_t count, void *context)
{
    struct answer *answer = context;
    struct buf *body = answer->body;
    size_t room = body != NULL ? body->max - body->len : 0;
    size_t len = size * count;
    struct err ignored;

    answer->is_cut = len > room;
    if (body != NULL && buf_append(body, data, answer->is_cut ? room : len, &ignored) != 0)
        return 0;
    return answer->is_cut ? 0 : len;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct answer *answer = context;

    (void)data;
    answer->head_bytes += size * count;
    return answer->head_bytes <= HEADERS_MAX ? size * count : 0;
}

/* Called about once a second also while nothing happens. */
static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    (void)context;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return cancel_requested() ? 1 : 0;
}

static void set_options(CURL *easy, const struct http_client_request *request,
                        struct curl_slist *headers, struct answer *answer)
{
    auto_free char *installed = installed_ca_bundle(); /* libcurl keeps a copy */

    (void)curl_easy_setopt(easy, CURLOPT_URL, request->url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* a name server that does not answer must not hold up the end; the process ends soon itself */
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "redkeep/" REDKEEP_VERSION);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
    (void)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    if (request->content_type != NULL)
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body); /* and its strlen */
    if (request->no_proxy)
        (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    if (request->ca_file != NULL || installed != NULL)
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO,
                               request->ca_file != NULL ? request->ca_file : installed);
}

static int refuse(const struct http_client_request *request, CURLcode code, const char *words,
                  struct err *err)
{
    if (code == CURLE_URL_MALFORMAT)
        return err_set(err, ERR_CONFIG, "ask %s: it is not a URL of http or https", request->label);
    if (code == CURLE_ABORTED_BY_CALLBACK && cancel_check(err) != 0)
        return -1;
    return err_set(err, ERR_FAILED, "ask %s: %s", request->label,
                   words[0] != '\0' ? words : curl_easy_strerror(code));
}

static struct curl_slist *add_header(struct curl_slist *headers, const char *line)
{
    struct curl_slist *longer = curl_slist_append(headers, line);

    if (longer == NULL)
        abort(); /* out of memory, as in xmalloc */
    return longer;
}

static int exchange(const struct http_client_request *request, unsigned *out_status,
                    struct buf *out_body, struct err *err)
{
    auto_with(cleanup_slist) struct curl_slist *headers = add_header(NULL, "Expect:");
    auto_with(cleanup_easy) CURL *easy = curl_easy_init();
    auto_free char *type = NULL;
    struct answer answer = {.body = out_body};
    char words[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURLcode code;

    if (easy == NULL)
        return err_set(err, ERR_FAILED, "start libcurl: it refuses");
    if (request->content_type != NULL) {
        type = xasprintf("Content-Type: %s", request->content_type);
        headers = add_header(headers, type);
    }
    set_options(easy, request, headers, &answer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, words);
    code = curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    /* who has answered has answered, also when no end of it comes that nobody asked for */
    if (code != CURLE_OK && (status < 200 || (out_body != NULL && !answer.is_cut)))
        return refuse(request, code, words, err);
    *out_status = (unsigned)status;
    return 0;
}

int http_client_do(const struct http_client_request *request, unsigned *out_status,
                   struct buf *out_body, struct err *err)
{
    int rc;

    /* the library guesses a scheme where there is none */
    if (strncasecmp(request->url, "http://", 7) != 0 &&
        strncasecmp(request->url, "https://", 8) != 0)
        return refuse(request, CURLE_URL_MALFORMAT, "", err);
    /* counted by the library: another user of it in the process is not disturbed */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_FAILED, "start libcurl: it refuses");
    rc = exchange(request, out_status, out_body, err);
    curl_global_cleanup();
    return rc;
}
