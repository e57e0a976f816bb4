#include "backup/server_files.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "support/redis_peer.h"
#include "support/tmpdir.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a server says, in the order in which it is asked; NULL: not allowed, "?": not known. */
struct said {
    const char *dir;
    const char *appendonly;
    const char *dbfilename;
    const char *appendfilename;
    const char *appenddirname;
    const char *cluster;
    const char *aclfile;
};

static const char *const names[] = {
    "dir",           "appendonly",          "dbfilename", "appendfilename",
    "appenddirname", "cluster-config-file", "aclfile"};

static char *reply_of(const char *name, const char *value)
{
    if (value == NULL)
        return xstrdup("-NOPERM this user has no permissions to run the 'config|get' command\r\n");
    if (strcmp(value, "?") == 0)
        return xstrdup("*0\r\n");
    return xasprintf("*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(name), name, strlen(value),
                     value);
}

/* Asks a peer that answers so. Names that are set are not asked for. */
static int find(const struct said *said, const struct server_names *set, struct server_files *out,
                struct err *err)
{
    const char *const values[] = {
        said->dir,
        said->appendonly,
        set->dbfilename != NULL ? "-" : said->dbfilename,
        set->appendfilename != NULL ? "-" : said->appendfilename,
        set->appenddirname != NULL ? "-" : said->appenddirname,
        said->cluster,
        set->aclfile != NULL ? "-" : said->aclfile,
    };
    struct redis_peer_step steps[COUNT(names) + 2] = {
        {.expect = "CLIENT SETNAME redkeep", .reply = "+OK\r\n"}};
    char *texts[2 * COUNT(names)] = {0};
    struct redis *redis = NULL;
    size_t count = 1;

    for (size_t i = 0; i < COUNT(names); i++) {
        if (values[i] != NULL && strcmp(values[i], "-") == 0)
            continue;
        texts[2 * i] = xasprintf("CONFIG GET %s", names[i]);
        texts[2 * i + 1] = reply_of(names[i], values[i]);
        steps[count].expect = texts[2 * i];
        steps[count++].reply = texts[2 * i + 1];
    }
    struct redis_peer *peer = redis_peer_start(steps, NULL);
    const struct redis_options options = {.url = redis_peer_url(peer)};
    ck_assert_msg(redis_connect(&options, &redis, err) == 0, "%s", err->msg);
    int rc = server_files_find(redis, set, out, err);
    redis_free(redis);
    redis_peer_stop(peer);
    for (size_t i = 0; i < COUNT(texts); i++)
        free(texts[i]);
    return rc;
}

static void same(const char *got, const char *wanted)
{
    if (got == NULL || wanted == NULL)
        ck_assert_ptr_eq(got, wanted);
    else
        ck_assert_str_eq(got, wanted);
}

static const struct {
    struct said said;
    struct server_names set;
    struct said wanted;
} rows[] = {
    {{"/data", "yes", "d.rdb", "a.aof", "ad", "n.conf", "/data/u.acl"},
     {0},
     {"/data", "yes", "d.rdb", "a.aof", "ad", "n.conf", "u.acl"}},
    {{NULL, NULL, NULL, NULL, NULL, NULL, NULL},
     {0},
     {NULL, NULL, "dump.rdb", "appendonly.aof", "appendonlydir", "nodes.conf", "users.acl"}},
    /* before 7.0 */
    {{"/data", "no", "d.rdb", "a.aof", "?", "n.conf", ""},
     {0},
     {"/data", "no", "d.rdb", "a.aof", "appendonlydir", "n.conf", NULL}},
    {{"/data", "no", "d.rdb", "a.aof", "ad", "n.conf", "x"},
     {"s.rdb", "s.aof", "sd", "c/s.acl"},
     {"/data", "no", "s.rdb", "s.aof", "sd", "n.conf", "c/s.acl"}},
};

START_TEST(settings_beat_the_server_which_beats_the_defaults)
{
    const struct said *wanted = &rows[_i].wanted;
    auto_server_files struct server_files files = {0};
    struct err err = {0};

    ck_assert_msg(find(&rows[_i].said, &rows[_i].set, &files, &err) == 0, "%s", err.msg);
    same(files.dir, wanted->dir);
    same(files.appendonly, wanted->appendonly);
    same(files.dbfilename, wanted->dbfilename);
    same(files.appendfilename, wanted->appendfilename);
    same(files.appenddirname, wanted->appenddirname);
    same(files.cluster_config, wanted->cluster);
    same(files.aclfile, wanted->aclfile);
}
END_TEST

START_TEST(an_acl_file_is_ours_when_it_lies_in_the_directory)
{
    static const struct {
        const char *dir;
        const char *said;
        const char *wanted;
        bool is_elsewhere;
    } files[] = {
        {"/data", "/data/users.acl", "users.acl", false},
        {"/data/", "/data/users.acl", "users.acl", false},
        {"/", "/users.acl", "users.acl", false},
        {"/data", "users.acl", "users.acl", false},
        {"/data", "./users.acl", "users.acl", false},
        {"/data", "/etc/redis/users.acl", NULL, true},
        {"/data", "/data2/users.acl", NULL, true},
        {"/data", "/data/conf/users.acl", NULL, true},
        {"/data", "conf/users.acl", NULL, true},
        {"/data", "/data/", NULL, false},
        {"/data", "", NULL, false},
        {NULL, "/data/users.acl", NULL, true},
        {NULL, "users.acl", "users.acl", false},
    };
    const struct server_names none = {0};

    for (size_t i = 0; i < COUNT(files); i++) {
        auto_server_files struct server_files got = {0};
        struct said said = rows[0].said;
        struct err err = {0};

        said.dir = files[i].dir;
        said.aclfile = files[i].said;
        ck_assert_int_eq(find(&said, &none, &got, &err), 0);
        same(got.aclfile, files[i].wanted);
        same(got.acl_elsewhere, files[i].is_elsewhere ? files[i].said : NULL);
    }
}
END_TEST

START_TEST(without_a_server_nobody_is_asked)
{
    auto_server_files struct server_files files = {0};
    const struct server_names set = {.dbfilename = "x"};
    struct err err = {0};

    ck_assert_int_eq(server_files_find(NULL, &set, &files, &err), 0);
    same(files.dbfilename, "x");
    same(files.appenddirname, "appendonlydir");
    same(files.aclfile, "users.acl");
    same(files.dir, NULL);
    same(files.appendonly, NULL);
}
END_TEST

START_TEST(a_name_that_leads_elsewhere_is_refused)
{
    static const char *const bad[] = {"", ".", "..", "a/b", "/dump.rdb", "../dump.rdb", "a\nb"};

    for (size_t i = 0; i < COUNT(bad); i++) {
        const struct server_names sets[] = {
            {.dbfilename = bad[i]}, {.appendfilename = bad[i]}, {.appenddirname = bad[i]}};

        for (size_t k = 0; k < COUNT(sets); k++) {
            struct server_files files = {0};
            struct err err = {0};

            ck_assert_int_eq(server_files_find(NULL, &sets[k], &files, &err), -1);
            ck_assert_int_eq(err.kind, ERR_CONFIG);
            ck_assert_ptr_null(files.dbfilename);
        }
    }
}
END_TEST

START_TEST(a_connection_that_breaks_is_an_error)
{
    const struct redis_peer_step steps[] = {
        {.expect = "CLIENT SETNAME redkeep", .reply = "+OK\r\n"},
        {.expect = "CONFIG GET dir", .reply = "*2\r\n$3\r\ndir\r\n$5\r\n/data\r\n"},
        {.expect = "CONFIG GET appendonly", .hang_up = 1},
        {0},
    };
    const struct server_names none = {0};
    unsigned fds = fd_count();
    struct redis_peer *peer = redis_peer_start(steps, NULL);
    const struct redis_options options = {.url = redis_peer_url(peer)};
    struct server_files files = {0};
    struct redis *redis = NULL;
    struct err err = {0};

    ck_assert_int_eq(redis_connect(&options, &redis, &err), 0);
    ck_assert_int_eq(server_files_find(redis, &none, &files, &err), -1);
    ck_assert_int_eq(err.kind, ERR_SERVER);
    ck_assert_ptr_null(files.dir);
    redis_free(redis);
    redis_peer_stop(peer);
    ck_assert_uint_eq(fd_count(), fds);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server_files");
    TCase *tcase = tcase_create("server_files");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(tcase, settings_beat_the_server_which_beats_the_defaults, 0, COUNT(rows));
    tcase_add_test(tcase, an_acl_file_is_ours_when_it_lies_in_the_directory);
    tcase_add_test(tcase, without_a_server_nobody_is_asked);
    tcase_add_test(tcase, a_name_that_leads_elsewhere_is_refused);
    tcase_add_test(tcase, a_connection_that_breaks_is_an_error);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
