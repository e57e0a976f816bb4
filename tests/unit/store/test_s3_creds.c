/*
 * Where keys come from, in which order, and when they are asked for again.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/s3_creds.h"
#include "support/s3_peer.h"
#include "support/s3_peer_env.h"

static struct s3_peer *peer;
static struct peer_env env;
static struct s3_http *http;
static struct s3_creds *creds;
static char dir[64];

static void set_up(void)
{
    struct err err = {0};

    peer = s3_peer_new();
    peer_env_init(&env, s3_peer_get_url(peer));
    peer_env_set(&env, "AWS_ACCESS_KEY_ID", NULL);
    peer_env_set(&env, "AWS_SECRET_ACCESS_KEY", NULL);
    ck_assert_int_eq(
        s3_http_new(&(struct s3_http_options){.connect_timeout_ms = 5000}, &http, &err), 0);
    creds = s3_creds_new(&(struct s3_creds_options){
        .env = peer_env_get(&env), .http = http, .clock = &env.clock, .region = "us-east-1"});
    (void)snprintf(dir, sizeof(dir), "/tmp/redkeep-creds.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void tear_down(void)
{
    struct err err;

    s3_creds_free(creds);
    s3_http_free(http);
    s3_peer_free(peer);
    peer_env_release(&env);
    ck_assert_int_eq(fs_remove_tree(AT_FDCWD, dir, &err), 0);
}

static char *write_file(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

static void expect_keys(const char *access_key, const char *secret_key, const char *token)
{
    const struct s3_keys *keys = NULL;
    struct err err = {0};

    ck_assert_msg(s3_creds_get(creds, false, &keys, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(keys->access_key, access_key);
    ck_assert_str_eq(keys->secret_key.text, secret_key);
    if (token == NULL)
        ck_assert_ptr_null(keys->session_token.text);
    else
        ck_assert_str_eq(keys->session_token.text, token);
}

static void expect_error(enum err_kind kind, const char *words)
{
    const struct s3_keys *keys = NULL;
    struct err err = {0};

    ck_assert_int_eq(s3_creds_get(creds, false, &keys, &err), -1);
    ck_assert_msg(err.kind == kind, "%s", err.msg);
    ck_assert_msg(strstr(err.msg, words) != NULL, "%s", err.msg);
    ck_assert_ptr_null(strstr(err.msg, "HUSH"));
}

static void rule(const char *match, unsigned times, const char *text)
{
    s3_peer_add_rule(peer, &(struct s3_peer_rule){
                               .match = match, .fault = PEER_ANSWER, .times = times, .text = text});
}

START_TEST(the_environment_comes_first)
{
    auto_free char *path = write_file("credentials", "[default]\naws_access_key_id = F\n"
                                                     "aws_secret_access_key = HUSH\n");

    peer_env_set(&env, "AWS_SHARED_CREDENTIALS_FILE", path);
    expect_keys("F", "HUSH", NULL);
    peer_env_set(&env, "AWS_ACCESS_KEY_ID", "E");
    expect_error(ERR_CONFIG, "AWS_SECRET_ACCESS_KEY");
    peer_env_set(&env, "AWS_SECRET_ACCESS_KEY", "s");
    expect_keys("E", "s", NULL);
    peer_env_set(&env, "AWS_SESSION_TOKEN", "t");
    expect_keys("E", "s", "t");
}
END_TEST

START_TEST(no_source_at_all_says_what_to_set)
{
    expect_error(ERR_CONFIG, "HINT: set AWS_ACCESS_KEY_ID");
    ck_assert_uint_eq(s3_peer_count(peer, NULL), 0);
}
END_TEST

START_TEST(a_credentials_file_is_read_again_each_time)
{
    auto_free char *path = write_file("credentials", "[default]\naws_access_key_id = A\n"
                                                     "aws_secret_access_key = HUSH1\n");

    peer_env_set(&env, "AWS_SHARED_CREDENTIALS_FILE", path);
    expect_keys("A", "HUSH1", NULL);
    free(write_file("credentials", "[default]\naws_access_key_id = B\n"
                                   "aws_secret_access_key = HUSH2\naws_session_token=t\n"));
    expect_keys("B", "HUSH2", "t");
    ck_assert_int_eq(unlink(path), 0);
    expect_keys("B", "HUSH2", "t"); /* still good as far as we know */
    {
        const struct s3_keys *keys = NULL;
        struct err err = {0};

        ck_assert_int_eq(s3_creds_get(creds, true, &keys, &err), -1);
        ck_assert_int_eq(err.kind, ERR_STORE);
    }
}
END_TEST

START_TEST(profiles_are_found_in_a_file_as_people_write_them)
{
    static const char text[] = "# comment\n[default]\naws_access_key_id=D\n"
                               "aws_secret_access_key=d\r\n\n"
                               "[ work ]\n  aws_access_key_id = W \n;aws_access_key_id = X\n"
                               "aws_secret_access_key\t=\ta/b+c==\nregion = eu\n"
                               "[half]\naws_access_key_id = H\n[workshop]\n";
    static const struct {
        const char *profile, *access_key, *secret_key;
    } rows[] = {{"default", "D", "d"}, {"work", "W", "a/b+c=="}};
    static const char *const missing[] = {"half", "wor", "workshop", "none", ""};
    struct err err = {0};

    for (size_t i = 0; i < 2; i++) {
        auto_s3_keys struct s3_keys keys = {0};

        ck_assert_msg(s3_creds_parse_file(text, rows[i].profile, &keys, &err) == 0, "%s", err.msg);
        ck_assert_str_eq(keys.access_key, rows[i].access_key);
        ck_assert_str_eq(keys.secret_key.text, rows[i].secret_key);
    }
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        struct s3_keys keys = {0};

        ck_assert_int_eq(s3_creds_parse_file(text, missing[i], &keys, &err), -1);
        ck_assert_ptr_null(keys.access_key);
    }
    for (size_t len = 0; len < sizeof(text); len++) {
        auto_free char *cut = xstrndup(text, len);
        auto_s3_keys struct s3_keys keys = {0};

        (void)s3_creds_parse_file(cut, "work", &keys, &err);
    }
}
END_TEST

#define STS_ANSWER(key, expires)                                                              \
    "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"       \
    "<AccessKeyId>" key "</AccessKeyId><SecretAccessKey>HUSH</SecretAccessKey><SessionToken>" \
    "tok</SessionToken><Expiration>" expires "</Expiration></Credentials>"                    \
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"

START_TEST(web_identity_is_exchanged_and_kept_until_shortly_before_it_expires)
{
    /* the clock says 2023-11-14T22:13:20Z */
    auto_free char *first =
        s3_peer_format_answer(200, "", STS_ANSWER("ONE", "2023-11-14T23:13:20Z"));
    auto_free char *second =
        s3_peer_format_answer(200, "", STS_ANSWER("TWO", "2023-11-15T23:13:20Z"));
    auto_free char *denied = s3_peer_format_error(403, "AccessDenied", "");
    auto_free char *path = write_file("token", "eyJ.HUSH+/=\n");
    auto_free char *body = NULL;

    peer_env_set(&env, "AWS_WEB_IDENTITY_TOKEN_FILE", path);
    peer_env_set(&env, "AWS_ROLE_ARN", "arn:aws:iam::123:role/r");
    peer_env_set(&env, "AWS_ENDPOINT_URL_STS", s3_peer_get_url(peer));
    rule("POST /", 1, PEER_SLOW_DOWN);
    rule("POST /", 1, first);
    rule("POST /", 1, denied);
    rule("POST /", 1, second);
    expect_keys("ONE", "HUSH", "tok");
    expect_keys("ONE", "HUSH", "tok");
    ck_assert_uint_eq(s3_peer_count(peer, NULL), 2);
    body = s3_peer_copy_body(peer, "POST /");
    ck_assert_str_eq(body, "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A123%3A"
                           "role%2Fr&RoleSessionName=redkeep&Version=2011-06-15&"
                           "WebIdentityToken=eyJ.HUSH%2B%2F%3D");

    env.now_ms += 56 * 60 * 1000;
    expect_keys("ONE", "HUSH", "tok"); /* denied, but it is good for some minutes yet */
    expect_keys("TWO", "HUSH", "tok");
    ck_assert_uint_eq(s3_peer_count(peer, NULL), 4);
}
END_TEST

START_TEST(refusals_by_sts_are_told)
{
    auto_free char *denied = s3_peer_format_answer(
        403, "",
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error>"
        "</ErrorResponse>");
    auto_free char *empty = s3_peer_format_answer(
        200, "", "<AssumeRoleWithWebIdentityResponse></AssumeRoleWithWebIdentityResponse>");
    auto_free char *path = write_file("token", "HUSH");

    peer_env_set(&env, "AWS_ROLE_ARN", "r");
    peer_env_set(&env, "AWS_ENDPOINT_URL_STS", s3_peer_get_url(peer));
    peer_env_set(&env, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere");
    expect_error(ERR_STORE, "/nowhere");
    peer_env_set(&env, "AWS_WEB_IDENTITY_TOKEN_FILE", path);
    rule("POST ", 1, denied);
    rule("POST ", 1, empty);
    rule("POST ", 0, PEER_SLOW_DOWN);
    expect_error(ERR_STORE, "AccessDenied: Not authorized");
    expect_error(ERR_STORE, "no keys");
    expect_error(ERR_STORE, "503");
    ck_assert_uint_eq(s3_peer_count(peer, NULL), 5);
}
END_TEST

START_TEST(the_container_endpoint_is_asked_with_its_token)
{
    auto_free char *answer =
        s3_peer_format_answer(200, "",
                              "{\"AccessKeyId\":\"C\",\"SecretAccessKey\":\"HUSH\",\"Token\":\"t\","
                              "\"Expiration\":\"2023-11-15T23:13:20Z\"}");
    auto_free char *path = write_file("token", "auth-HUSH\n");
    auto_free char *full = xasprintf("%s/creds?x=1", s3_peer_get_url(peer));
    auto_free char *head = NULL;

    peer_env_set(&env, "AWS_CONTAINER_CREDENTIALS_FULL_URI", full);
    peer_env_set(&env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path);
    rule("GET /creds?x=1", 0, answer);
    expect_keys("C", "HUSH", "t");
    expect_keys("C", "HUSH", "t");
    ck_assert_uint_eq(s3_peer_count(peer, NULL), 1);
    head = s3_peer_copy_head(peer, "GET /creds");
    ck_assert_ptr_nonnull(strstr(head, "Authorization: auth-HUSH\r\n"));
}
END_TEST

START_TEST(the_container_token_is_sent_to_nobody_else)
{
    static const char *const urls[] = {"http://example.com/creds",
                                       "http://127.0.0.1.example.com/",
                                       "http://localhost@example.com/",
                                       "http://127.0.0.1:80@example.com/",
                                       "file:///etc/passwd",
                                       "x"};

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        peer_env_set(&env, "AWS_CONTAINER_CREDENTIALS_FULL_URI", urls[i]);
        expect_error(ERR_CONFIG, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    }
}
END_TEST

START_TEST(instance_metadata_is_asked_in_its_second_version)
{
    auto_free char *token = s3_peer_format_answer(200, "", "imds-HUSH");
    auto_free char *role = s3_peer_format_answer(200, "", "my-role\n");
    auto_free char *answer = s3_peer_format_answer(
        200, "", "{\"Code\":\"Success\",\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"HUSH\"}");
    auto_free char *head = NULL;

    peer_env_set(&env, "AWS_EC2_METADATA_DISABLED", NULL);
    peer_env_set(&env, "AWS_EC2_METADATA_SERVICE_ENDPOINT", s3_peer_get_url(peer));
    rule("PUT /latest/api/token", 0, token);
    rule("GET /latest/meta-data/iam/security-credentials/my-role", 0, answer);
    rule("GET /latest/meta-data/iam/security-credentials/", 0, role);
    expect_keys("I", "HUSH", NULL);
    head = s3_peer_copy_head(peer, "GET /latest/meta-data/iam/security-credentials/my-role");
    ck_assert_ptr_nonnull(strstr(head, "X-aws-ec2-metadata-token: imds-HUSH\r\n"));
}
END_TEST

START_TEST(without_any_key_the_metadata_service_is_not_to_blame)
{
    peer_env_set(&env, "AWS_EC2_METADATA_DISABLED", "false");
    peer_env_set(&env, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/");
    expect_error(ERR_STORE, "HINT: set AWS_ACCESS_KEY_ID");
}
END_TEST

START_TEST(answers_that_are_no_keys_are_refused_without_quoting_them)
{
    static const char *const rows[] = {
        "",
        "HUSH",
        "[]",
        "{\"AccessKeyId\":\"HUSH\"}",
        "{\"AccessKeyId\":1,\"SecretAccessKey\":\"HUSH\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"HUSH\",\"Expiration\":\"HUSH\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"HUSH\",\"Token\":7}",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_buf struct buf text;
        auto_s3_keys struct s3_keys keys = {0};
        struct err err = {0};

        buf_init(&text, 1000);
        ck_assert_int_eq(buf_append(&text, rows[i], strlen(rows[i]), &err), 0);
        ck_assert_int_eq(s3_creds_parse_json(&text, &keys, &err), -1);
        ck_assert_int_eq(err.kind, ERR_STORE);
        ck_assert_ptr_null(strstr(err.msg, "HUSH"));
    }
}
END_TEST

static Suite *s3_creds_suite(void)
{
    Suite *suite = suite_create("s3_creds");
    TCase *tc = tcase_create("sources");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, the_environment_comes_first);
    tcase_add_test(tc, no_source_at_all_says_what_to_set);
    tcase_add_test(tc, a_credentials_file_is_read_again_each_time);
    tcase_add_test(tc, profiles_are_found_in_a_file_as_people_write_them);
    tcase_add_test(tc, web_identity_is_exchanged_and_kept_until_shortly_before_it_expires);
    tcase_add_test(tc, refusals_by_sts_are_told);
    tcase_add_test(tc, the_container_endpoint_is_asked_with_its_token);
    tcase_add_test(tc, the_container_token_is_sent_to_nobody_else);
    tcase_add_test(tc, instance_metadata_is_asked_in_its_second_version);
    tcase_add_test(tc, without_any_key_the_metadata_service_is_not_to_blame);
    tcase_add_test(tc, answers_that_are_no_keys_are_refused_without_quoting_them);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(s3_creds_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
