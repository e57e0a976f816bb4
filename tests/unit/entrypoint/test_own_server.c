/*
 * What the sidecar is told of the server beside it, by that server's configuration.
 */
#include "entrypoint/own_server.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/tls_certs.h"
#include "support/tmpdir.h"

static void read_conf(const char *text, const char *dir, struct server_conf *out)
{
    struct err err = {0};

    *out = (struct server_conf){.dir = xstrdup(dir)};
    ck_assert_msg(server_conf_add_text(out, text, "test", &err) == 0, "%s", err.msg);
}

START_TEST(it_is_reached_where_it_listens)
{
    static const struct {
        const char *conf;
        int wants_tls;
        const char *url;
    } rows[] = {
        {"", 0, "redis://127.0.0.1:6379"},
        {"port 7", 0, "redis://127.0.0.1:7"},
        {"port 7\nunixsocket /s", 0, "redis://127.0.0.1:7"},
        {"port 0\nunixsocket /s\ntls-port 8", 0, "unix:///s"},
        {"port 0\nunixsocket s", 0, "unix:///data/s"},
        {"port 0\ntls-port 8", 0, "rediss://127.0.0.1:8"},
        {"port 7\ntls-port 8", 0, "redis://127.0.0.1:7"},
        {"port 7\ntls-port 8\nunixsocket /s", 1, "rediss://127.0.0.1:8"},
        {"port 7\ntls-port 0", 1, "redis://127.0.0.1:7"},
        {"port 0\ntls-port 0", 1, NULL},
        {"port 0", 0, NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_server_conf struct server_conf conf;
        read_conf(rows[i].conf, "/data", &conf);
        auto_free char *url = own_server_url(&conf, rows[i].wants_tls);

        if (rows[i].url == NULL)
            ck_assert_ptr_null(url);
        else
            ck_assert_str_eq(url, rows[i].url);
    }
}
END_TEST

START_TEST(it_is_told_from_servers_elsewhere)
{
    static const struct {
        const char *url;
        int is_here;
    } rows[] = {
        {"redis://127.0.0.1", 1},
        {"rediss://127.3.2.1", 1},
        {"redis://LocalHost:7", 1},
        {"redis://[::1]", 1},
        {"unix:///s", 1},
        {"redis://10.0.0.1", 0},
        {"redis://redis.example", 0},
        {"redis://[2001:db8::1]", 0},
        {"redis://localhost.example", 0},
        {"redis://127.0.0.1.example", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_redis_address struct redis_address address = {0};
        struct err err = {0};

        ck_assert_msg(redis_url_parse(rows[i].url, &address, &err) == 0, "%s", err.msg);
        ck_assert_msg(own_server_is_here(&address) == rows[i].is_here, "%s", rows[i].url);
    }
}
END_TEST

static const struct {
    const char *conf;
    const char *acl; /* the ACL file; NULL: it is not there */
    const char *password;
} passwords[] = {
    {"", NULL, NULL},
    {"requirepass one", NULL, "one"},
    {"requirepass one\nrequirepass \"two words\"", NULL, "two words"},
    {"requirepass one\nrequirepass \"\"", NULL, NULL},
    {"masterauth other", NULL, NULL},
    {"user default on >one ~* +@all", NULL, "one"},
    {"user default on >one >two", NULL, "two"},
    {"user default on >one <one", NULL, NULL},
    {"user default on >one <two", NULL, "one"},
    {"user default on >one nopass", NULL, NULL},
    {"user default on >one ResetPass", NULL, NULL},
    {"user default nopass >one", NULL, "one"},
    {"user default on >one reset", NULL, NULL},
    {"user default on #5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8", NULL,
     NULL},
    {"user default on >one\nuser other on >two", NULL, "one"},
    {"user other on >two", NULL, NULL},
    {"requirepass one\nuser default on nopass", NULL, NULL},
    {"user default on >two\nrequirepass one", NULL, "two"},
    {"requirepass one\naclfile users.acl", NULL, NULL},
    {"requirepass one\naclfile users.acl", "user other on >two\n", NULL},
    {"requirepass one\naclfile users.acl", "user other on >two\nuser default on >three +@all\n",
     "three"},
    {"aclfile users.acl", "user default on \"unbalanced\nuser default on >two\n", NULL},
};

START_TEST(the_password_of_its_default_user_is_found)
{
    char *dir = tmpdir_new();
    auto_server_conf struct server_conf conf;
    auto_secret struct secret found = {0};

    if (passwords[_i].acl != NULL)
        tls_certs_write(dir, "users.acl", passwords[_i].acl);
    read_conf(passwords[_i].conf, dir, &conf);
    ck_assert_int_eq(own_server_password(&conf, &found), passwords[_i].password != NULL);
    if (passwords[_i].password != NULL)
        ck_assert_str_eq(found.text, passwords[_i].password);
    else
        ck_assert_ptr_null(found.text);
    tmpdir_remove(dir);
}
END_TEST

static void check_text(const char *got, const char *want)
{
    if (want == NULL)
        ck_assert_ptr_null(got);
    else
        ck_assert_str_eq(got == NULL ? "(none)" : got, want);
}

START_TEST(its_certificates_are_enough_to_reach_it)
{
    static const struct {
        const char *conf;
        struct redis_tls_options tls;
    } rows[] = {
        {"tls-cert-file host.crt\ntls-key-file host.key\ntls-ca-cert-file ca.crt",
         {"@/ca.crt", "@/host.crt", "@/host.key", "redis.test"}},
        /* of its clients alone */
        {"tls-cert-file host.crt\ntls-key-file host.key\ntls-ca-cert-file clients.crt",
         {"@/host.crt", "@/host.crt", "@/host.key", "redis.test"}},
        {"tls-cert-file host.crt\ntls-key-file host.key\ntls-ca-cert-file none.crt",
         {"@/host.crt", "@/host.crt", "@/host.key", "redis.test"}},
        {"tls-cert-file loop.crt\ntls-key-file loop.key\ntls-ca-cert-file ca.crt",
         {"@/ca.crt", "@/loop.crt", "@/loop.key", "127.0.0.1"}},
        {"tls-cert-file host.crt\ntls-auth-clients no", {"@/host.crt", NULL, NULL, "redis.test"}},
        {"tls-cert-file host.crt\ntls-auth-clients optional\ntls-ca-cert-dir cas",
         {"@/host.crt", NULL, NULL, "redis.test"}},
        {"tls-cert-file host.crt\ntls-key-file host.key\ntls-ca-cert-file ca.crt\n"
         "tls-client-cert-file loop.crt\ntls-client-key-file loop.key",
         {"@/ca.crt", "@/loop.crt", "@/loop.key", "redis.test"}},
        {"tls-cert-file none.crt\ntls-auth-clients no", {"@/none.crt", NULL, NULL, NULL}},
        {"tls-auth-clients no", {NULL, NULL, NULL, NULL}},
    };
    char *dir = tmpdir_new();
    struct tls_ca *ca = tls_ca_new("ca");
    struct tls_ca *clients = tls_ca_new("clients");

    tls_ca_write(ca, dir, "ca");
    tls_ca_write(clients, dir, "clients");
    tls_ca_free(clients);
    tls_ca_issue(ca, &(struct tls_issue){.dns = "redis.test"}, dir, "host");
    tls_ca_issue(ca, &(struct tls_issue){.dns = "redis.test", .ip = "127.0.0.1"}, dir, "loop");
    tls_ca_free(ca);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_tls_options *want = &rows[i].tls;
        const char *const *wants[] = {&want->ca_file, &want->cert_file, &want->key_file,
                                      &want->server_name};
        auto_server_conf struct server_conf conf;
        struct redis_tls_options got;

        read_conf(rows[i].conf, dir, &conf);
        own_server_tls(&conf, &got);
        const char *gots[] = {got.ca_file, got.cert_file, got.key_file, got.server_name};
        for (size_t k = 0; k < 4; k++) {
            const char *text = *wants[k];
            auto_free char *path =
                text != NULL && text[0] == '@' ? xasprintf("%s%s", dir, text + 1) : NULL;
            check_text(gots[k], path != NULL ? path : text);
        }
        redis_tls_options_release(&got);
    }
    tmpdir_remove(dir);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("own_server");
    TCase *tcase = tcase_create("own_server");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, it_is_reached_where_it_listens);
    tcase_add_test(tcase, it_is_told_from_servers_elsewhere);
    tcase_add_loop_test(tcase, the_password_of_its_default_user_is_found, 0,
                        sizeof(passwords) / sizeof(passwords[0]));
    tcase_add_test(tcase, its_certificates_are_enough_to_reach_it);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
