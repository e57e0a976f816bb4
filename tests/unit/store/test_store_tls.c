/*
 * https to a real S3 server: with the certificate that it has, and without.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/rgw.h"
#include "support/s3_peer_env.h"

static char dir[64];
static char cert[96];
static struct rgw rgw;
static struct peer_env settings;

static void set_up(void)
{
    auto_free char *make = NULL;
    auto_free char *key = NULL;

    (void)snprintf(dir, sizeof(dir), "/tmp/redkeep-tls.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
    key = xasprintf("%s/key.pem", dir);
    make = xasprintf("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                     "-subj /CN=redkeep-tests -addext subjectAltName=IP:127.0.0.1 -keyout %s "
                     "-out %s 2>/dev/null",
                     key, cert);
    {
        FILE *pipe = popen(make, "re");

        ck_assert_ptr_nonnull(pipe);
        ck_assert_int_eq(pclose(pipe), 0);
    }
    peer_env_init(&settings, NULL);
    rgw_start(&rgw, "tls-tests", cert, key, &settings);
}

static void tear_down(void)
{
    struct err err;

    rgw_stop(&rgw);
    peer_env_release(&settings);
    ck_assert_int_eq(fs_remove_tree(AT_FDCWD, dir, &err), 0);
}

static int try_open(const char *ca_file, struct store **out, struct err *err)
{
    return peer_env_open(&settings, "tls-tests/p",
                         &(struct store_options){.clock = clock_system(), .ca_file = ca_file}, out,
                         err);
}

START_TEST(a_server_is_trusted_only_by_its_certificate)
{
    auto_store struct store *store = NULL;
    auto_store struct store *other = NULL;
    struct store *none = NULL;
    auto_buf struct buf back;
    struct err err = {0};

    ck_assert_int_eq(try_open(NULL, &none, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    ck_assert_msg(strstr(err.msg, "HINT: AWS_CA_BUNDLE") != NULL, "%s", err.msg);
    ck_assert_int_eq(try_open("/nowhere/ca.pem", &none, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);

    buf_init(&back, 100);
    ck_assert_msg(try_open(cert, &store, &err) == 0, "%s", err.msg);
    ck_assert_msg(store_put_small(store, "k", "hello", 5, &err) == 0, "%s", err.msg);
    peer_env_set(&settings, "AWS_CA_BUNDLE", cert);
    ck_assert_msg(try_open(NULL, &other, &err) == 0, "%s", err.msg);
    ck_assert_msg(store_get_small(other, "k", &back, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(buf_text(&back), "hello");
}
END_TEST

static Suite *store_tls_suite(void)
{
    Suite *suite = suite_create("store_tls");
    TCase *tc = tcase_create("tls");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_server_is_trusted_only_by_its_certificate);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_tls_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
