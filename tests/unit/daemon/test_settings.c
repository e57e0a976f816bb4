/*
 * Settings from four places: which wins, what is said of it, what is refused.
 */
#include "daemon/settings.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/settings_table.h"
#include "support/tmpdir.h"

enum { ENTRIES_MAX = 8 };

/* What a test gives to settings_load. "@" in a value stands for the scratch directory. */
struct given {
    const char *environment[ENTRIES_MAX];
    const char *argv[ENTRIES_MAX];
    const char *conf;  /* the content of @/redkeep.conf; NULL = no such file */
    const char *other; /* the content of @/other; NULL = no such file */
};

static char *scratch;

static void make_scratch(void)
{
    scratch = tmpdir_new();
}

static void remove_scratch(void)
{
    tmpdir_remove(scratch);
}

static void write_scratch(const char *name, const char *content)
{
    auto_free char *path = xasprintf("%s/%s", scratch, name);
    FILE *file;

    if (content == NULL)
        return;
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(content, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static char *expand(const char *text)
{
    const char *at = strchr(text, '@');

    return at == NULL ? xstrdup(text)
                      : xasprintf("%.*s%s%s", (int)(at - text), text, scratch, at + 1);
}

static int expand_all(const char *const *from, char *to[])
{
    int n = 0;

    for (; n < ENTRIES_MAX && from[n] != NULL; n++)
        to[n] = expand(from[n]);
    to[n] = NULL;
    return n;
}

static void free_all(char *texts[])
{
    for (; *texts != NULL; texts++)
        free(*texts);
}

static int load(const struct given *given, struct settings *out, struct err *err)
{
    char *environment[ENTRIES_MAX + 1];
    char *argv[ENTRIES_MAX + 1];
    auto_free char *default_file = xasprintf("%s/redkeep.conf", scratch);
    auto_arguments struct arguments arguments = {0};
    struct settings_input input = {
        .arguments = &arguments,
        .environment = environment,
        .default_file = default_file,
        .host_name = "pod-0",
        .cpus = 4,
    };
    int argc;
    int rc;

    write_scratch("redkeep.conf", given->conf);
    write_scratch("other", given->other);
    (void)expand_all(given->environment, environment);
    argc = expand_all(given->argv, argv);
    rc = arguments_parse(argc, argv, NULL, &arguments, err);
    if (rc == 0)
        rc = settings_load(&input, out, err);
    free_all(environment);
    free_all(argv);
    return rc;
}

static const struct setting_shown *shown(const struct settings *settings, const char *name)
{
    return &settings->shown[setting_find(name) - setting_table];
}

START_TEST(the_defaults_are_those_of_the_documentation)
{
    const struct given nothing = {0};
    auto_settings struct settings settings = {0};
    struct err err = {0};

    ck_assert_msg(load(&nothing, &settings, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(settings.redis_url, "redis://127.0.0.1:6379");
    ck_assert_ptr_null(settings.redis_username);
    ck_assert_ptr_null(settings.redis_password.text);
    ck_assert_str_eq(settings.bgsave_command, "BGSAVE");
    ck_assert_str_eq(settings.config_command, "CONFIG");
    ck_assert_ptr_null(settings.server_version);
    ck_assert_int_eq(settings.save_timeout_ms, 0);
    ck_assert_str_eq(settings.data_dir, "/data");
    ck_assert_ptr_null(settings.dbfilename);
    ck_assert_ptr_null(settings.appendfilename);
    ck_assert_ptr_null(settings.appenddirname);
    ck_assert_ptr_null(settings.aclfile);
    ck_assert_int_eq(settings.appendonly, SETTINGS_APPENDONLY_AUTO);
    ck_assert(!settings.restore_owner.is_set);
    ck_assert_ptr_null(settings.repository);
    ck_assert_str_eq(settings.instance, "pod-0");
    ck_assert_uint_eq(settings.backup_include, SETTINGS_INCLUDE_RDB | SETTINGS_INCLUDE_ACL);
    ck_assert_str_eq(settings.http_listen, "0.0.0.0:9742");
    ck_assert_ptr_null(settings.notify_url);
    ck_assert_uint_eq(settings.compression_level, 1);
    ck_assert_uint_eq(settings.compress_workers, 3);
    ck_assert_uint_eq(settings.upload_parallel, 0);
    ck_assert_uint_eq(settings.part_bytes, 0);
    ck_assert_uint_eq(settings.bandwidth_limit, 0);
    ck_assert_int_eq(settings.log_level, LOG_LEVEL_INFO);
    ck_assert_int_eq(settings.log_format, LOG_FORMAT_AUTO);
    for (size_t i = 0; i < setting_count; i++)
        ck_assert_str_eq(settings.shown[i].origin, "default");
}
END_TEST

START_TEST(one_core_still_gets_a_worker)
{
    struct settings_input input = {.host_name = "h", .cpus = (unsigned)_i};
    auto_settings struct settings settings = {0};
    struct err err = {0};

    ck_assert_int_eq(settings_load(&input, &settings, &err), 0);
    ck_assert_uint_eq(settings.compress_workers, 1);
}
END_TEST

static const struct {
    struct given given;
    const char *name;
    const char *text;
    const char *origin; /* "@" as above */
} wins[] = {
    {{.conf = "data-dir /f"}, "data-dir", "/f", "file @/redkeep.conf:1"},
    {{.conf = "# c\n\nData-Dir \"/f\"\n"}, "data-dir", "/f", "file @/redkeep.conf:3"},
    {{.conf = "data-dir /f\ndata-dir /g\n"}, "data-dir", "/g", "file @/redkeep.conf:2"},
    {{.conf = "data-dir /f", .environment = {"REDKEEP_DATA_DIR=/e"}},
     "data-dir",
     "/e",
     "environment REDKEEP_DATA_DIR"},
    {{.conf = "data-dir /f", .environment = {"REDKEEP_DATA_DIR=/e"}, .argv = {"--data-dir", "/a"}},
     "data-dir",
     "/a",
     "flag --data-dir"},
    {{.argv = {"--data-dir", "/a", "--data-dir=/b"}}, "data-dir", "/b", "flag --data-dir"},
    {{.conf = "data-dir /f", .environment = {"REDKEEP_DATA_DIR="}},
     "data-dir",
     "/f",
     "file @/redkeep.conf:1"},
    {{.environment = {"REDKEEP_DATA_DIR=/e", "REDKEEP_DATA_DIR=/x"}},
     "data-dir",
     "/e",
     "environment REDKEEP_DATA_DIR"},
    {{.environment = {"REDKEEP_DATA_DIR=/a=b"}},
     "data-dir",
     "/a=b",
     "environment REDKEEP_DATA_DIR"},
    {{.conf = "data-dir /f", .other = "data-dir /o", .argv = {"--config", "@/other"}},
     "data-dir",
     "/o",
     "file @/other:1"},
    {{.conf = "data-dir /f", .other = "data-dir /o", .environment = {"REDKEEP_CONFIG=@/other"}},
     "data-dir",
     "/o",
     "file @/other:1"},
    {{.conf = "data-dir /f",
      .other = "data-dir /o",
      .environment = {"REDKEEP_CONFIG=@/nowhere"},
      .argv = {"--config=@/other"}},
     "data-dir",
     "/o",
     "file @/other:1"},
    {{.other = "/e\n", .environment = {"REDKEEP_DATA_DIR_FILE=@/other"}},
     "data-dir",
     "/e",
     "file @/other, environment REDKEEP_DATA_DIR_FILE"},
    {{.other = "/e", .environment = {"REDKEEP_DATA_DIR_FILE=@/other", "REDKEEP_DATA_DIR="}},
     "data-dir",
     "/e",
     "file @/other, environment REDKEEP_DATA_DIR_FILE"},
    {{.environment = {"REDKEEP_DATA_DIR=/e", "REDKEEP_DATA_DIR_FILE="}},
     "data-dir",
     "/e",
     "environment REDKEEP_DATA_DIR"},
    {{.environment = {"REDKEEP_SERVICE_HOST=10.0.0.1", "REDKEEP_SERVICE_PORT_HTTP=9742",
                      "REDKEEP_PORT=tcp://10.0.0.1:9742", "REDKEEP_PORT_9742_TCP_ADDR=10.0.0.1",
                      "XREDKEEP_FOO=1", "PATH=/bin"}},
     "data-dir",
     "/data",
     "default"},
    {{.conf = "redis-password \"a b\""}, "redis-password", "***", "file @/redkeep.conf:1"},
    {{.environment = {"REDKEEP_REDIS_PASSWORD=pw"}},
     "redis-password",
     "***",
     "environment REDKEEP_REDIS_PASSWORD"},
    {{.conf = "redis-url redis://u:pw@h"}, "redis-url", "redis://u:***@h", "file @/redkeep.conf:1"},
    {{.argv = {"--instance", "blue"}}, "instance", "blue", "flag --instance"},
    {{.argv = {"--compress-workers", "8"}}, "compress-workers", "8", "flag --compress-workers"},
};

START_TEST(the_strongest_source_wins_and_is_named)
{
    auto_settings struct settings settings = {0};
    auto_free char *origin = expand(wins[_i].origin);
    const struct setting_shown *seen;
    struct err err = {0};

    ck_assert_msg(load(&wins[_i].given, &settings, &err) == 0, "%s", err.msg);
    seen = shown(&settings, wins[_i].name);
    ck_assert_str_eq(seen->text, wins[_i].text);
    ck_assert_str_eq(seen->origin, origin);
}
END_TEST

static const struct {
    const char *content;
    const char *password; /* NULL = refused */
} files[] = {
    {"s3cret", "s3cret"},
    {"s3cret\n", "s3cret"},
    {"s3cret\r\n", "s3cret"},
    {"s3cret\n\n", "s3cret\n"},
    {" s3cret \n", " s3cret "},
    {"\ns3cret", "\ns3cret"},
    {"", NULL},
    {"\n", NULL},
};

START_TEST(a_secret_comes_from_a_file_without_its_last_newline)
{
    const struct given given = {.other = files[_i].content,
                                .environment = {"REDKEEP_REDIS_PASSWORD_FILE=@/other"}};
    auto_settings struct settings settings = {0};
    struct err err = {0};
    int rc = load(&given, &settings, &err);

    if (files[_i].password == NULL) {
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        return;
    }
    ck_assert_msg(rc == 0, "%s", err.msg);
    ck_assert_str_eq(settings.redis_password.text, files[_i].password);
}
END_TEST

static const struct {
    struct given given;
    const char *message; /* a part of it, "@" as above */
} refused[] = {
    {{.conf = "data-dri /f"}, "line 1: unknown setting data-dri, the nearest is data-dir"},
    {{.conf = "\nredis-passwrod s3cret"},
     "line 2: unknown setting redis-passwrod, the nearest is redis-password"},
    {{.conf = "config /x"}, "unknown setting config"},
    {{.conf = "redis-password s3cret x"}, "line 1: more than a name and a value"},
    {{.conf = "redis-password \"s3cret"}, "line 1: unbalanced quotes"},
    {{.conf = "part-size 5x"}, "setting part-size (file @/redkeep.conf:1): "},
    {{.conf = "part-size 5x", .argv = {"--part-size", "8MiB"}}, "setting part-size (file "},
    {{.argv = {"--config", "@/other"}}, "No such file or directory. HINT: --config or"},
    {{.argv = {"--config", "@"}}, "cannot read the settings in @"},
    {{.environment = {"REDKEEP_CONFIG=@/other"}}, "cannot read the settings in @/other"},
    {{.environment = {"REDKEEP_DATADIR=/e"}},
     "unknown setting in the environment: REDKEEP_DATADIR, the nearest is REDKEEP_DATA_DIR"},
    {{.environment = {"REDKEEP_DATADIR="}}, "the nearest is REDKEEP_DATA_DIR"},
    {{.environment = {"REDKEEP_data_dir=/e"}}, "the nearest is REDKEEP_DATA_DIR"},
    {{.environment = {"REDKEEP_=s3cret"}}, "unknown setting in the environment: REDKEEP_"},
    {{.environment = {"REDKEEP_REDIS_PASSWROD=s3cret"}},
     "unknown setting in the environment: REDKEEP_REDIS_PASSWROD, the nearest is "
     "REDKEEP_REDIS_PASSWORD"},
    {{.environment = {"REDKEEP_REDIS_PASSWORD_FIEL=s3cret"}},
     "the nearest is REDKEEP_REDIS_PASSWORD"},
    {{.environment = {"REDKEEP_CONFIG_FILE=/x"}}, "unknown setting in the environment"},
    {{.environment = {"REDKEEP_PART_SIZE=5x"}},
     "setting part-size (environment REDKEEP_PART_SIZE): "},
    {{.environment = {"REDKEEP_REDIS_URL=s3cret"}},
     "setting redis-url (environment REDKEEP_REDIS_URL): it is not a URL"},
    {{.environment = {"REDKEEP_REDIS_PASSWORD=s3cret", "REDKEEP_REDIS_PASSWORD_FILE=/x"}},
     "both REDKEEP_REDIS_PASSWORD and REDKEEP_REDIS_PASSWORD_FILE are set"},
    {{.environment = {"REDKEEP_REDIS_PASSWORD_FILE=@/other"}},
     "setting redis-password (environment REDKEEP_REDIS_PASSWORD_FILE): "},
    {{.environment = {"REDKEEP_REDIS_PASSWORD_FILE=@"}},
     "setting redis-password (environment REDKEEP_REDIS_PASSWORD_FILE): "},
    {{.argv = {"--part-size=5x"}}, "setting part-size (flag --part-size): "},
    {{.argv = {"--data-dir="}}, "setting data-dir (flag --data-dir): it may not be empty"},
    {{.argv = {"--redis-tls-cert-file=c"}}, "redis-tls-cert-file: it needs redis-tls-key-file too"},
    {{.conf = "redis-tls-key-file k"}, "redis-tls-key-file: it needs redis-tls-cert-file too"},
};

START_TEST(what_is_wrong_is_refused_with_its_origin)
{
    struct settings settings = {.compress_workers = 77};
    auto_free char *message = expand(refused[_i].message);
    struct err err = {0};

    ck_assert_int_eq(load(&refused[_i].given, &settings, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, message) != NULL, "%s\nhas no: %s", err.msg, message);
    ck_assert_ptr_null(strstr(err.msg, "s3cret"));
    ck_assert_msg(settings.compress_workers == 77 && settings.shown == NULL, "touched on failure");
}
END_TEST

START_TEST(a_nul_in_a_value_file_is_refused)
{
    const struct given given = {.environment = {"REDKEEP_REDIS_PASSWORD_FILE=@/other"}};
    auto_free char *path = xasprintf("%s/other", scratch);
    struct settings settings = {0};
    struct err err = {0};
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite("a\0b", 1, 3, file), 3);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(load(&given, &settings, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "NUL byte"));
}
END_TEST

/* A setting that another one needs; NULL: it can be alone. */
static const char *partner_of(const char *name)
{
    if (strcmp(name, "redis-tls-cert-file") == 0)
        return "REDKEEP_REDIS_TLS_KEY_FILE=k";
    return strcmp(name, "redis-tls-key-file") == 0 ? "REDKEEP_REDIS_TLS_CERT_FILE=c" : NULL;
}

/* Every row by every way in: a value that its type takes arrives. */
START_TEST(every_setting_can_be_given_in_every_way)
{
    static const char *const values[SETTING_LIST + 1] = {
        [SETTING_STRING] = "text",      [SETTING_SECRET] = "text",
        [SETTING_URL] = "file:///x",    [SETTING_HOOK] = "http://h",
        [SETTING_SERVER] = "redis://h", [SETTING_FILENAME] = "name",
        [SETTING_PATH] = "a/b",         [SETTING_WORD] = "word",
        [SETTING_VERSION] = "7.2",      [SETTING_OWNER] = "1:2",
        [SETTING_UINT] = "7",           [SETTING_SIZE] = "7MiB",
        [SETTING_LISTEN] = "[::1]:1",   [SETTING_SCHEDULE] = "0 * * * *",
        [SETTING_SPAN] = "1y6m",        [SETTING_DURATION] = "7s"};
    const struct setting_row *row = &setting_table[_i];
    const char *value = values[row->type] != NULL ? values[row->type] : row->words[1];
    char name[64] = {0};
    auto_free char *flag = xasprintf("--%s=%s", row->name, value);
    auto_free char *line = xasprintf("%s \"%s\"\n", row->name, value);
    auto_free char *variable = NULL;
    auto_free char *file_variable = NULL;
    struct given ways[4] = {{.argv = {flag}}, {.conf = line}, {.other = value}, {.other = NULL}};

    setting_env_name(row, name, sizeof name);
    variable = xasprintf("%s=%s", name, value);
    file_variable = xasprintf("%s_FILE=@/other", name);
    ways[2].environment[0] = file_variable;
    ways[3].environment[0] = variable;
    for (size_t i = 0; i < 4; i++)
        ways[i].environment[ways[i].environment[0] != NULL] = partner_of(row->name);
    for (size_t i = row->type == SETTING_SECRET; i < 4; i++) {
        auto_settings struct settings settings = {0};
        struct err err = {0};

        ck_assert_msg(load(&ways[i], &settings, &err) == 0, "%s", err.msg);
        ck_assert_str_eq(shown(&settings, row->name)->text,
                         row->type == SETTING_SECRET ? "***" : value);
        ck_assert_str_ne(shown(&settings, row->name)->origin, "default");
        remove_scratch();
        make_scratch();
    }
}
END_TEST

START_TEST(the_rows_have_names_that_are_unique_and_fit_a_variable)
{
    for (size_t i = 0; i < setting_count; i++) {
        char name[64] = {0};

        ck_assert_uint_eq(strspn(setting_table[i].name, "abcdefghijklmnopqrstuvwxyz0123456789-"),
                          strlen(setting_table[i].name));
        ck_assert_uint_lt(strlen(setting_table[i].name), 40);
        ck_assert_ptr_eq(setting_find(setting_table[i].name), &setting_table[i]);
        ck_assert_ptr_null(strchr(setting_table[i].help, '\n'));
        setting_env_name(&setting_table[i], name, sizeof name);
        ck_assert_msg(strncmp(name, "REDKEEP_SERVICE_", 16) != 0 &&
                          strncmp(name, "REDKEEP_PORT", 12) != 0,
                      "%s looks like a variable that Kubernetes injects", name);
    }
}
END_TEST

START_TEST(releasing_twice_and_empty_is_fine)
{
    const struct given nothing = {0};
    struct settings settings = {0};
    struct err err = {0};

    settings_release(&settings);
    ck_assert_int_eq(load(&nothing, &settings, &err), 0);
    settings_release(&settings);
    settings_release(&settings);
    ck_assert_ptr_null(settings.data_dir);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings");
    TCase *tcase = tcase_create("load");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, make_scratch, remove_scratch);
    tcase_add_test(tcase, the_defaults_are_those_of_the_documentation);
    tcase_add_loop_test(tcase, one_core_still_gets_a_worker, 0, 3);
    tcase_add_loop_test(tcase, the_strongest_source_wins_and_is_named, 0,
                        sizeof wins / sizeof wins[0]);
    tcase_add_loop_test(tcase, a_secret_comes_from_a_file_without_its_last_newline, 0,
                        sizeof files / sizeof files[0]);
    tcase_add_loop_test(tcase, what_is_wrong_is_refused_with_its_origin, 0,
                        sizeof refused / sizeof refused[0]);
    tcase_add_test(tcase, a_nul_in_a_value_file_is_refused);
    tcase_add_loop_test(tcase, every_setting_can_be_given_in_every_way, 0, (int)setting_count);
    tcase_add_test(tcase, the_rows_have_names_that_are_unique_and_fit_a_variable);
    tcase_add_test(tcase, releasing_twice_and_empty_is_fine);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
