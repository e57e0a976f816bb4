/*
 * Credentials that are asked for over the network: STS with a web identity (EKS service accounts),
 * the container endpoint (ECS, EKS Pod Identity), and the instance's metadata service, version 2.
 *
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "store/s3_creds.h"
#include "store/s3_retry.h"
#include "store/s3_xml.h"

enum {
    ANSWER_MAX = 64 * 1024,
    TOKEN_MAX = 32 * 1024,
    STALL_S = 5,
    LOOK_AROUND_MS = 200,
    LINK_LOCAL_CONNECT_MS = 1000, /* where there is no such service, often nothing answers at all */
    ATTEMPTS = 3,
    RETRY_MS = 250,
};

struct question {
    const char *method;
    const char *url;
    const char *headers[3]; /* NULL-terminated */
    const struct buf *body; /* NULL = none */
    const char *asked;      /* for messages */
    unsigned connect_timeout_ms;
};

static void wait_settled(struct s3_http *http, const struct s3_http_transfer *transfer)
{
    for (;;) {
        uint64_t seen = s3_http_get_settled(http);

        if (s3_http_is_settled(transfer) || cancel_requested())
            return;
        s3_http_wait(http, seen, LOOK_AROUND_MS);
    }
}

static int refuse_answer(const struct question *question, const struct s3_answer *answer,
                         struct err *err)
{
    struct s3_error error = {.code = ""};

    if (answer->fault != HTTP_ANSWERED)
        return err_set(err, ERR_STORE, "ask %s: %s", question->asked, answer->detail);
    (void)s3_xml_parse_error(&answer->body, &error);
    err_set(err, ERR_STORE, "ask %s: HTTP status %ld%s%s%s%s", question->asked, answer->status,
            error.code[0] != '\0' ? " " : "", error.code, error.message[0] != '\0' ? ": " : "",
            error.message);
    err->code = (int)answer->status;
    return -1;
}

static int ask_once(const struct s3_creds_options *options, const struct question *question,
                    struct buf *out, enum s3_verdict *verdict, struct err *err)
{
    const struct s3_http_request request = {
        .method = question->method,
        .url = question->url,
        .headers = question->headers,
        .body = question->body != NULL ? question->body->data : NULL,
        .body_len = question->body != NULL ? question->body->len : 0,
        .body_max = ANSWER_MAX,
        .connect_timeout_ms = question->connect_timeout_ms,
        .stall_s = STALL_S,
    };
    struct s3_http_transfer *transfer = s3_http_submit(options->http, &request);
    const struct s3_answer *answer = s3_http_get_answer(transfer);
    const struct s3_retry_policy policy = s3_retry_quick();
    int rc = -1;

    *verdict = S3_GIVE_UP;
    wait_settled(options->http, transfer);
    if (!s3_http_is_settled(transfer)) {
        rc = cancel_check(err);
    } else {
        const struct s3_outcome outcome = {answer->fault, answer->status, "", -1, 0};

        *verdict =
            s3_retry_decide(&outcome, &(struct s3_retry_state){1, true, true}, &policy, 0).verdict;
        if (*verdict == S3_DONE)
            rc = buf_append(out, buf_text(&answer->body), answer->body.len, err);
        else
            rc = refuse_answer(question, answer, err);
    }
    s3_http_transfer_free(transfer);
    return rc;
}

static int ask(const struct s3_creds_options *options, const struct question *question,
               struct buf *out, struct err *err)
{
    for (unsigned attempt = 1;; attempt++) {
        enum s3_verdict verdict;

        if (ask_once(options, question, out, &verdict, err) == 0)
            return 0;
        if (verdict != S3_RETRY || attempt == ATTEMPTS)
            return -1;
        clock_sleep_ms(options->clock, RETRY_MS * (int64_t)attempt);
    }
}

static void release_wiped(struct buf *buf)
{
    if (buf->data != NULL)
        explicit_bzero(buf->data, buf->cap);
    buf_release(buf);
}

static bool web_identity_is_set(const struct s3_creds_options *options)
{
    return s3_creds_env(options, "AWS_WEB_IDENTITY_TOKEN_FILE") != NULL &&
           s3_creds_env(options, "AWS_ROLE_ARN") != NULL;
}

static int format_assume_role(const struct s3_creds_options *options, const char *token,
                              struct buf *out, struct err *err)
{
    const char *session = s3_creds_env(options, "AWS_ROLE_SESSION_NAME");
    const struct s3_param params[] = {
        {"Action", "AssumeRoleWithWebIdentity"},
        {"Version", "2011-06-15"},
        {"RoleArn", s3_creds_env(options, "AWS_ROLE_ARN")},
        {"RoleSessionName", session != NULL ? session : "redkeep"},
        {"WebIdentityToken", token},
    };

    return s3_query_format(params, sizeof(params) / sizeof(params[0]), out, err);
}

static char *sts_url(const struct s3_creds_options *options)
{
    const char *endpoint = s3_creds_env(options, "AWS_ENDPOINT_URL_STS");

    if (endpoint == NULL)
        endpoint = s3_creds_env(options, "AWS_ENDPOINT_URL");
    if (endpoint != NULL)
        return xasprintf("%s%s", endpoint, endpoint[strlen(endpoint) - 1] == '/' ? "" : "/");
    return xasprintf("https://sts.%s.amazonaws.com%s/", options->region,
                     strncmp(options->region, "cn-", 3) == 0 ? ".cn" : "");
}

static int assume_role(const struct s3_creds_options *options, const struct buf *body,
                       struct s3_keys *out, struct err *err)
{
    auto_free char *url = sts_url(options);
    const struct question question = {
        .method = "POST",
        .url = url,
        .headers = {"Content-Type: application/x-www-form-urlencoded"},
        .body = body,
        .asked = "STS (AssumeRoleWithWebIdentity)",
    };
    struct buf answer;
    int rc;

    buf_init(&answer, ANSWER_MAX);
    rc = ask(options, &question, &answer, err);
    if (rc == 0)
        rc = s3_xml_parse_credentials(&answer, out, err);
    release_wiped(&answer);
    if (rc == 0 && (out->access_key == NULL || out->secret_key.text == NULL))
        return err_set(err, ERR_STORE, "ask %s: no keys in the answer", question.asked);
    return rc;
}

static int web_identity_fetch(const struct s3_creds_options *options, struct s3_keys *out,
                              struct err *err)
{
    struct buf token;
    struct buf body;
    int rc;

    buf_init(&token, TOKEN_MAX);
    buf_init(&body, 4 * TOKEN_MAX);
    rc = s3_creds_read_file(s3_creds_env(options, "AWS_WEB_IDENTITY_TOKEN_FILE"), &token, err);
    if (rc == 0)
        rc = format_assume_role(options, buf_text(&token), &body, err);
    if (rc == 0)
        rc = assume_role(options, &body, out, err);
    release_wiped(&token);
    release_wiped(&body);
    return rc;
}

const struct s3_creds_source s3_creds_web_identity = {
    .name = "web identity",
    .is_fetched = true,
    .is_set = web_identity_is_set,
    .fetch = web_identity_fetch,
};

static bool container_is_set(const struct s3_creds_options *options)
{
    return s3_creds_env(options, "AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL ||
           s3_creds_env(options, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL;
}

/* The token must not travel in the clear but to this machine or AWS' own link-local addresses. */
static bool is_trusted_url(const char *url)
{
    static const char *const hosts[] = {"localhost",     "127.0.0.1",      "[::1]",
                                        "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};

    if (strncasecmp(url, "https://", 8) == 0)
        return true;
    if (strncasecmp(url, "http://", 7) != 0 || strchr(url, '@') != NULL)
        return false;
    url += 7;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        size_t len = strlen(hosts[i]);

        if (strncasecmp(url, hosts[i], len) == 0 && strchr(":/?", url[len]) != NULL)
            return true; /* strchr finds the end of the text, too */
    }
    return false;
}

/* The Authorization header's value, if there is to be one. */
static int container_token(const struct s3_creds_options *options, struct buf *out, struct err *err)
{
    const char *file = s3_creds_env(options, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = s3_creds_env(options, "AWS_CONTAINER_AUTHORIZATION_TOKEN");

    if (file != NULL && s3_creds_read_file(file, out, err) != 0)
        return -1;
    if (file == NULL && token != NULL && buf_append(out, token, strlen(token), err) != 0)
        return -1;
    if (strpbrk(buf_text(out), "\r\n") != NULL)
        return err_set(err, ERR_STORE, "the container authorization token has a line break in it");
    return 0;
}

static int ask_for_json(const struct s3_creds_options *options, const struct question *question,
                        struct s3_keys *out, struct err *err)
{
    struct buf answer;
    int rc;

    buf_init(&answer, ANSWER_MAX);
    rc = ask(options, question, &answer, err);
    if (rc == 0 && s3_creds_parse_json(&answer, out, err) != 0)
        rc = err_wrap(err, "ask %s", question->asked);
    release_wiped(&answer);
    return rc;
}

static int ask_container(const struct s3_creds_options *options, const char *url,
                         struct s3_keys *out, struct err *err)
{
    struct question question = {.method = "GET",
                                .url = url,
                                .asked = "the container credentials endpoint",
                                .connect_timeout_ms = LINK_LOCAL_CONNECT_MS};
    struct buf token;
    char *header = NULL;
    int rc;

    buf_init(&token, TOKEN_MAX);
    rc = container_token(options, &token, err);
    if (rc == 0 && token.len > 0) {
        header = xasprintf("Authorization: %s", buf_text(&token));
        question.headers[0] = header;
    }
    if (rc == 0)
        rc = ask_for_json(options, &question, out, err);
    if (header != NULL)
        explicit_bzero(header, strlen(header));
    free(header);
    release_wiped(&token);
    return rc;
}

static int container_fetch(const struct s3_creds_options *options, struct s3_keys *out,
                           struct err *err)
{
    const char *relative = s3_creds_env(options, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = s3_creds_env(options, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    auto_free char *url =
        relative != NULL ? xasprintf("http://169.254.170.2%s", relative) : xstrdup(full);

    if (!is_trusted_url(url))
        return err_set(err, ERR_CONFIG,
                       "AWS_CONTAINER_CREDENTIALS_FULL_URI: neither https nor this machine nor "
                       "one of AWS' own addresses");
    return ask_container(options, url, out, err);
}

const struct s3_creds_source s3_creds_container = {
    .name = "the container endpoint",
    .is_fetched = true,
    .is_set = container_is_set,
    .fetch = container_fetch,
};

static bool instance_is_set(const struct s3_creds_options *options)
{
    const char *disabled = s3_creds_env(options, "AWS_EC2_METADATA_DISABLED");

    return disabled == NULL || strcasecmp(disabled, "true") != 0;
}

static int ask_instance_role(const struct s3_creds_options *options, const char *base,
                             const char *token_header, struct s3_keys *out, struct err *err)
{
    static const char path[] = "latest/meta-data/iam/security-credentials/";
    auto_free char *list_url = xasprintf("%s/%s", base, path);
    auto_free char *url = NULL;
    auto_buf struct buf role;
    struct question question = {.method = "GET",
                                .url = list_url,
                                .headers = {token_header},
                                .asked = "the instance metadata service",
                                .connect_timeout_ms = LINK_LOCAL_CONNECT_MS};

    buf_init(&role, ANSWER_MAX);
    if (ask(options, &question, &role, err) != 0)
        return -1;
    if (role.len > 0)
        role.data[strcspn(buf_text(&role), "\r\n/?# ")] = '\0';
    url = xasprintf("%s/%s%s", base, path, buf_text(&role));
    question.url = url;
    return ask_for_json(options, &question, out, err);
}

static int instance_fetch(const struct s3_creds_options *options, struct s3_keys *out,
                          struct err *err)
{
    const char *endpoint = s3_creds_env(options, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    auto_free char *base = xstrdup(endpoint != NULL ? endpoint : "http://169.254.169.254");
    auto_free char *url = NULL;
    auto_free char *header = NULL;
    auto_buf struct buf token;
    struct question question = {.method = "PUT",
                                .headers = {"X-aws-ec2-metadata-token-ttl-seconds: 21600"},
                                .asked = "the instance metadata service",
                                .connect_timeout_ms = LINK_LOCAL_CONNECT_MS};

    buf_init(&token, TOKEN_MAX);
    for (size_t n = strlen(base); n > 0 && base[n - 1] == '/'; n--)
        base[n - 1] = '\0';
    url = xasprintf("%s/latest/api/token", base);
    question.url = url;
    if (ask(options, &question, &token, err) != 0) {
        err_set(err, ERR_STORE,
                "no key is set in the environment or in a credentials file, and the instance "
                "metadata service does not help. HINT: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE");
        return -1;
    }
    header = xasprintf("X-aws-ec2-metadata-token: %s", buf_text(&token));
    return ask_instance_role(options, base, header, out, err);
}

const struct s3_creds_source s3_creds_instance = {
    .name = "the instance",
    .is_fetched = true,
    .is_set = instance_is_set,
    .fetch = instance_fetch,
};
