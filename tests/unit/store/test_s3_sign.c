/*
 * Published vectors: the examples of the S3 documentation (sig-v4-header-based-auth) and of AWS'
 * signature test suite (get-vanilla and its family).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/s3_sign.h"

#define S3_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SUITE_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define S3_HOST "examplebucket.s3.amazonaws.com"
#define SUITE_HOST "example.amazonaws.com"
#define S3_TIME 1369353600    /* 2013-05-24T00:00:00Z */
#define SUITE_TIME 1440938160 /* 2015-08-30T12:36:00Z */

struct vector {
    const char *name;
    const char *service;
    const char *method;
    const char *path;
    const char *query;
    struct s3_header headers[2];
    size_t header_count;
    const char *payload;
    const char *signed_headers;
    const char *signature;
};

static const struct vector vectors[] = {
    {"GET object with a range",
     "s3",
     "GET",
     "/test.txt",
     "",
     {{"range", "bytes=0-9"}},
     1,
     "",
     "host;range;x-amz-content-sha256;x-amz-date",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PUT object",
     "s3",
     "PUT",
     "/test%24file.text",
     "",
     {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
     2,
     "Welcome to Amazon S3.",
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"GET bucket lifecycle",
     "s3",
     "GET",
     "/",
     "lifecycle=",
     {{0}},
     0,
     "",
     "host;x-amz-content-sha256;x-amz-date",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"list objects",
     "s3",
     "GET",
     "/",
     "max-keys=2&prefix=J",
     {{0}},
     0,
     "",
     "host;x-amz-content-sha256;x-amz-date",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    {"get-vanilla",
     "service",
     "GET",
     "/",
     "",
     {{0}},
     0,
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-query-order-key-case",
     "service",
     "GET",
     "/",
     "Param1=value1&Param2=value2",
     {{0}},
     0,
     "",
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-utf8",
     "service",
     "GET",
     "/%E1%88%B4",
     "",
     {{0}},
     0,
     "",
     "host;x-amz-date",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-unreserved",
     "service",
     "GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     "",
     {{0}},
     0,
     "",
     "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"post-vanilla",
     "service",
     "POST",
     "/",
     "",
     {{0}},
     0,
     "",
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
};

static void make_keys(struct s3_keys *keys, const char *access_key, const char *secret_key)
{
    *keys = (struct s3_keys){.access_key = xstrdup(access_key)};
    secret_set(&keys->secret_key, secret_key, strlen(secret_key));
}

static struct s3_request request_of(const struct vector *vector, const uint8_t *digest)
{
    bool is_s3 = strcmp(vector->service, "s3") == 0;

    return (struct s3_request){
        .method = vector->method,
        .host = is_s3 ? S3_HOST : SUITE_HOST,
        .path = vector->path,
        .query = vector->query,
        .headers = vector->headers,
        .header_count = vector->header_count,
        .payload_sha256 = digest,
        .region = "us-east-1",
        .service = vector->service,
    };
}

START_TEST(published_vectors_are_met)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct vector *vector = &vectors[i];
        bool is_s3 = strcmp(vector->service, "s3") == 0;
        uint8_t digest[SHA256_BYTES];
        struct s3_request request = request_of(vector, digest);
        auto_s3_keys struct s3_keys keys = {0};
        auto_s3_headers struct s3_headers headers = {0};
        auto_free char *wanted = NULL;
        struct err err = {0};

        sha256_of(vector->payload, strlen(vector->payload), digest);
        make_keys(&keys, is_s3 ? "AKIAIOSFODNN7EXAMPLE" : "AKIDEXAMPLE",
                  is_s3 ? S3_SECRET : SUITE_SECRET);
        ck_assert_int_eq(s3_sign(&request, &keys, is_s3 ? S3_TIME : SUITE_TIME, &headers, &err), 0);
        wanted = xasprintf("AWS4-HMAC-SHA256 Credential=%s/%s/us-east-1/%s/aws4_request, "
                           "SignedHeaders=%s, Signature=%s",
                           keys.access_key, is_s3 ? "20130524" : "20150830", vector->service,
                           vector->signed_headers, vector->signature);
        ck_assert_msg(strcmp(headers.authorization, wanted) == 0, "%s\n%s\n%s", vector->name,
                      headers.authorization, wanted);
        ck_assert_str_eq(headers.amz_date, is_s3 ? "20130524T000000Z" : "20150830T123600Z");
    }
}
END_TEST

START_TEST(a_session_token_is_signed)
{
    uint8_t digest[SHA256_BYTES];
    struct s3_request request = request_of(&vectors[3], digest);
    auto_s3_keys struct s3_keys keys = {0};
    auto_s3_headers struct s3_headers headers = {0};
    struct err err = {0};

    sha256_of("", 0, digest);
    make_keys(&keys, "AKIAIOSFODNN7EXAMPLE", S3_SECRET);
    secret_set(&keys.session_token, "token", 5);
    ck_assert_int_eq(s3_sign(&request, &keys, S3_TIME, &headers, &err), 0);
    ck_assert_ptr_nonnull(
        strstr(headers.authorization,
               "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, "));
    ck_assert_ptr_null(strstr(headers.authorization, vectors[3].signature));
}
END_TEST

START_TEST(signing_without_keys_or_a_time_is_an_error)
{
    uint8_t digest[SHA256_BYTES] = {0};
    struct s3_request request = request_of(&vectors[0], digest);
    auto_s3_keys struct s3_keys none = {0};
    auto_s3_keys struct s3_keys keys = {0};
    struct s3_headers headers = {0};
    struct err err = {0};

    make_keys(&keys, "A", "B");
    ck_assert_int_eq(s3_sign(&request, &none, S3_TIME, &headers, &err), -1);
    ck_assert_int_eq(s3_sign(&request, &keys, INT64_MAX, &headers, &err), -1);
    request.header_count = 100;
    ck_assert_int_eq(s3_sign(&request, &keys, S3_TIME, &headers, &err), -1);
    ck_assert_ptr_null(headers.authorization);
}
END_TEST

START_TEST(uris_are_encoded_byte_by_byte)
{
    static const struct {
        const char *text;
        bool keep_slash;
        const char *encoded;
    } rows[] = {
        {"", true, ""},
        {"AZaz09-._~", true, "AZaz09-._~"},
        {"a/b", true, "a/b"},
        {"a/b", false, "a%2Fb"},
        {"a b+c%d", true, "a%20b%2Bc%25d"},
        {"\x01\x7f\xff", true, "%01%7F%FF"},
        {"!*'();:@&=$,?#[]", true, "%21%2A%27%28%29%3B%3A%40%26%3D%24%2C%3F%23%5B%5D"},
        {"\xe1\x88\xb4", true, "%E1%88%B4"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_buf struct buf out;
        struct err err = {0};

        buf_init(&out, 1000);
        ck_assert_int_eq(s3_uri_encode(rows[i].text, rows[i].keep_slash, &out, &err), 0);
        ck_assert_str_eq(buf_text(&out), rows[i].encoded);
    }
}
END_TEST

START_TEST(queries_are_sorted_by_name_then_value)
{
    static const struct s3_param params[] = {
        {"prefix", "a b/"}, {"list-type", "2"}, {"a-b", "1"},
        {"a", "2"},         {"a", "1"},         {"uploads", NULL},
    };
    static const struct s3_param many[17] = {{"a", "b"}};
    auto_buf struct buf out;
    struct err err = {0};

    buf_init(&out, 1000);
    ck_assert_int_eq(s3_query_format(params, 6, &out, &err), 0);
    ck_assert_str_eq(buf_text(&out), "a=1&a=2&a-b=1&list-type=2&prefix=a%20b%2F&uploads=");
    ck_assert_int_eq(s3_query_format(many, 17, &out, &err), -1);
}
END_TEST

static Suite *s3_sign_suite(void)
{
    Suite *suite = suite_create("s3_sign");
    TCase *tc = tcase_create("canonical");

    tcase_add_test(tc, published_vectors_are_met);
    tcase_add_test(tc, a_session_token_is_signed);
    tcase_add_test(tc, signing_without_keys_or_a_time_is_an_error);
    tcase_add_test(tc, uris_are_encoded_byte_by_byte);
    tcase_add_test(tc, queries_are_sorted_by_name_then_value);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(s3_sign_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
