/*
 * Canonical request -> its digest -> string to sign -> a chain of HMACs that starts with the secret
 * key. The session token is part of the canonical request, so those buffers are wiped.
 */
#include "store/s3_sign.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

enum { CANONICAL_MAX = 64 * 1024, MAX_HEADERS = 16, MAX_PARAMS = 16 };

void s3_keys_release(struct s3_keys *keys)
{
    free(keys->access_key);
    keys->access_key = NULL;
    secret_release(&keys->secret_key);
    secret_release(&keys->session_token);
    keys->expires_ms = 0;
}

void s3_headers_release(struct s3_headers *headers)
{
    free(headers->authorization);
    headers->authorization = NULL;
}

int s3_uri_encode(const char *text, bool keep_slash, struct buf *out, struct err *err)
{
    static const char digits[] = "0123456789ABCDEF";

    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~' || (keep_slash && c == '/');
        char coded[3] = {'%', digits[c >> 4], digits[c & 15]};

        if (buf_append(out, plain ? p : coded, plain ? 1 : 3, err) != 0)
            return -1;
    }
    return 0;
}

struct pair {
    char *name;
    char *value;
};

static int by_name_then_value(const void *a, const void *b)
{
    const struct pair *left = a;
    const struct pair *right = b;
    int order = strcmp(left->name, right->name);

    return order != 0 ? order : strcmp(left->value, right->value);
}

static int encode_whole(const char *text, char **out, struct err *err)
{
    auto_buf struct buf coded;

    buf_init(&coded, CANONICAL_MAX);
    if (s3_uri_encode(text, false, &coded, err) != 0)
        return -1;
    *out = buf_take(&coded);
    return 0;
}

static int format_pairs(const struct s3_param *params, size_t count, struct pair *pairs,
                        struct buf *out, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = params[i].value != NULL ? params[i].value : "";

        if (encode_whole(params[i].name, &pairs[i].name, err) != 0 ||
            encode_whole(value, &pairs[i].value, err) != 0)
            return -1;
    }
    qsort(pairs, count, sizeof(*pairs), by_name_then_value);

    for (size_t i = 0; i < count; i++)
        if (buf_printf(out, err, "%s%s=%s", i == 0 ? "" : "&", pairs[i].name, pairs[i].value) != 0)
            return -1;
    return 0;
}

int s3_query_format(const struct s3_param *params, size_t count, struct buf *out, struct err *err)
{
    struct pair pairs[MAX_PARAMS] = {{0}};
    int rc;

    if (count > MAX_PARAMS)
        return err_set(err, ERR_FAILED, "sign a request: %zu query parameters, at most %d", count,
                       MAX_PARAMS);
    rc = format_pairs(params, count, pairs, out, err);
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
    return rc;
}

static int by_header_name(const void *a, const void *b)
{
    const struct s3_header *left = a;
    const struct s3_header *right = b;

    return strcmp(left->name, right->name);
}

/* Our own headers and the caller's, sorted; the number of them. */
static size_t collect_headers(const struct s3_request *request, const struct s3_keys *keys,
                              const struct s3_headers *ours, struct s3_header *out)
{
    size_t count = 0;

    out[count++] = (struct s3_header){"host", request->host};
    out[count++] = (struct s3_header){"x-amz-date", ours->amz_date};
    if (strcmp(request->service, "s3") == 0)
        out[count++] = (struct s3_header){"x-amz-content-sha256", ours->content_sha256};
    if (keys->session_token.text != NULL)
        out[count++] = (struct s3_header){"x-amz-security-token", keys->session_token.text};
    for (size_t i = 0; i < request->header_count; i++)
        out[count++] = request->headers[i];
    qsort(out, count, sizeof(*out), by_header_name);
    return count;
}

static int format_canonical(const struct s3_request *request, const struct s3_header *headers,
                            const char *signed_names, struct buf *out, struct err *err)
{
    char payload[SHA256_HEX_SIZE];

    hex_encode(request->payload_sha256, SHA256_BYTES, payload);
    if (buf_printf(out, err, "%s\n%s\n%s\n", request->method, request->path, request->query) != 0)
        return -1;
    for (const struct s3_header *h = headers; h->name != NULL; h++)
        if (buf_printf(out, err, "%s:%s\n", h->name, h->value) != 0)
            return -1;
    return buf_printf(out, err, "\n%s\n%s", signed_names, payload);
}

static void sign_scope(const struct s3_request *request, const struct secret *secret_key,
                       const char *date, const char *to_sign, char out[SHA256_HEX_SIZE])
{
    const char *steps[] = {date, request->region, request->service, "aws4_request", to_sign};
    size_t seed_len = 4 + secret_key->len;
    char *seed = xmalloc(seed_len);
    uint8_t key[SHA256_BYTES];

    memcpy(seed, "AWS4", 4);
    memcpy(seed + 4, secret_key->text, secret_key->len);
    hmac_sha256(seed, seed_len, steps[0], strlen(steps[0]), key);
    explicit_bzero(seed, seed_len);
    free(seed);

    for (size_t i = 1; i < sizeof(steps) / sizeof(steps[0]); i++) {
        uint8_t next[SHA256_BYTES];

        hmac_sha256(key, sizeof(key), steps[i], strlen(steps[i]), next);
        memcpy(key, next, sizeof(key));
    }
    hex_encode(key, sizeof(key), out);
    explicit_bzero(key, sizeof(key));
}

static int format_authorization(const struct s3_request *request, const struct s3_keys *keys,
                                const char *canonical_hex, const char *signed_names,
                                struct s3_headers *out)
{
    char date[9] = {0};
    char signature[SHA256_HEX_SIZE];
    auto_free char *scope = NULL;
    auto_free char *to_sign = NULL;

    memcpy(date, out->amz_date, 8);
    scope = xasprintf("%s/%s/%s/aws4_request", date, request->region, request->service);
    to_sign = xasprintf("AWS4-HMAC-SHA256\n%s\n%s\n%s", out->amz_date, scope, canonical_hex);
    sign_scope(request, &keys->secret_key, date, to_sign, signature);
    out->authorization =
        xasprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                  keys->access_key, scope, signed_names, signature);
    return 0;
}

static int sign_headers(const struct s3_request *request, const struct s3_keys *keys,
                        struct s3_headers *ours, struct err *err)
{
    struct s3_header headers[MAX_HEADERS + 1] = {{0}};
    size_t count = collect_headers(request, keys, ours, headers);
    uint8_t digest[SHA256_BYTES];
    char canonical_hex[SHA256_HEX_SIZE];
    auto_buf struct buf names;
    auto_buf struct buf canonical;
    int rc;

    buf_init(&names, CANONICAL_MAX);
    buf_init(&canonical, CANONICAL_MAX);
    for (size_t i = 0; i < count; i++)
        if (buf_printf(&names, err, "%s%s", i == 0 ? "" : ";", headers[i].name) != 0)
            return -1;

    rc = format_canonical(request, headers, buf_text(&names), &canonical, err);
    if (rc == 0)
        sha256_of(canonical.data, canonical.len, digest);
    if (canonical.data != NULL)
        explicit_bzero(canonical.data, canonical.len);
    if (rc != 0)
        return -1;

    hex_encode(digest, sizeof(digest), canonical_hex);
    return format_authorization(request, keys, canonical_hex, buf_text(&names), ours);
}

int s3_sign(const struct s3_request *request, const struct s3_keys *keys, int64_t now_s,
            struct s3_headers *out, struct err *err)
{
    struct s3_headers ours = {0};
    time_t now = (time_t)now_s;
    struct tm utc;

    if (keys->access_key == NULL || keys->secret_key.text == NULL)
        return err_set(err, ERR_CONFIG, "sign a request: no access key or no secret key");
    if (request->header_count + 4 > MAX_HEADERS)
        return err_set(err, ERR_FAILED, "sign a request: too many headers");
    if (gmtime_r(&now, &utc) == NULL ||
        strftime(ours.amz_date, sizeof(ours.amz_date), "%Y%m%dT%H%M%SZ", &utc) != 16)
        return err_set(err, ERR_FAILED, "sign a request: the clock says %lld", (long long)now_s);

    hex_encode(request->payload_sha256, SHA256_BYTES, ours.content_sha256);
    if (sign_headers(request, keys, &ours, err) != 0)
        return -1;
    *out = ours;
    return 0;
}
