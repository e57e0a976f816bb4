/*
 * Which directories hold data. The append-only sets are made by a real server.
 */
// link: -Wl,--wrap=readdir -Wl,--wrap=fstatat -Wl,--wrap=openat
#include "backup/volume.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/faults.h"
#include "support/redis_server.h"
#include "support/tmpdir.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern __typeof__(readdir) __real_readdir;
extern __typeof__(readdir) __wrap_readdir;
extern __typeof__(fstatat) __real_fstatat;
extern __typeof__(fstatat) __wrap_fstatat;

static unsigned readdir_countdown;
static unsigned fstatat_countdown;

struct dirent *__wrap_readdir(DIR *dir)
{
    if (readdir_countdown > 0 && --readdir_countdown == 0) {
        errno = EIO;
        return NULL;
    }
    return __real_readdir(dir);
}

int __wrap_fstatat(int fd, const char *path, struct stat *out, int flags)
{
    if (fstatat_countdown > 0 && --fstatat_countdown == 0) {
        errno = EIO;
        return -1;
    }
    return __real_fstatat(fd, path, out, flags);
}

static const struct volume_names defaults = {"dump.rdb", "appendonly.aof", "appendonlydir"};
static const struct volume_names custom = {"my.data", "my.aof", "mydir"};

static char *dir;
static int dir_fd;

static void begin(void)
{
    struct err err;

    dir = tmpdir_new();
    ck_assert_int_eq(fs_open_dir(AT_FDCWD, dir, &dir_fd, &err), 0);
}

static void end(void)
{
    (void)close(dir_fd);
    tmpdir_remove(dir);
}

static void make_file(const char *name, const char *content)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    struct err err;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fs_write_all(fd, content, strlen(content), name, &err), 0);
    (void)close(fd);
}

/* A list of entries, each one word: "name" a file of some bytes, "name=" an empty one, "name/" a
 * directory, "name>target" a link. */
static void make_entries(const char *entries)
{
    auto_free char *text = xstrdup(entries);
    char *rest = text;
    char *entry;

    while ((entry = strsep(&rest, " ")) != NULL) {
        char *target = strchr(entry, '>');
        size_t len = strlen(entry);

        if (len == 0)
            continue;
        if (target != NULL) {
            *target = '\0';
            ck_assert_int_eq(symlinkat(target + 1, dir_fd, entry), 0);
        } else if (entry[len - 1] == '/') {
            ck_assert_int_eq(mkdirat(dir_fd, entry, 0755), 0);
        } else if (entry[len - 1] == '=') {
            entry[len - 1] = '\0';
            make_file(entry, "");
        } else {
            make_file(entry, "bytes");
        }
    }
}

static bool holds(const struct volume_names *names, char what[VOLUME_WHAT_MAX])
{
    bool out = false;
    struct err err = {0};

    what[0] = '\0';
    ck_assert_msg(volume_holds_data(dir_fd, names, &out, what, &err) == 0, "%s", err.msg);
    return out;
}

static const struct {
    const char *entries;
    const struct volume_names *names;
    const char *holds; /* what is named; NULL: no data */
} volumes[] = {
    {"", &defaults, NULL},
    {"lost+found/", &defaults, NULL},
    {"users.acl", &defaults, NULL},
    {"nodes.conf", &defaults, NULL},
    {"lost+found/ users.acl nodes.conf redis.conf .hidden", &defaults, NULL},
    {"appendonlydir/", &defaults, NULL},
    {"temp-123.rdb", &defaults, NULL},
    {"temp-1795272398.17.rdb", &defaults, NULL},
    {"temp-rewriteaof-17.aof", &defaults, NULL},
    {"temp-rewriteaof-bg-17.aof", &defaults, NULL},
    {"temp-import.rdb", &defaults, "temp-import.rdb"},
    {"temp-2.old.rdb", &defaults, "temp-2.old.rdb"},
    {"temp-.rdb", &defaults, "temp-.rdb"},
    {"temp-17.aof", &defaults, "temp-17.aof"},
    {"temp-rewriteaof-mine.aof", &defaults, "temp-rewriteaof-mine.aof"},
    {"stuff/ stuff/x stuff/deep/ stuff/deep/dump.rdb stuff/temp-1.rdb", &defaults, NULL},
    {"stuff/ stuff/temp-rewriteaof-17.aof", &defaults, NULL},
    {"before-restore-12ab34/ before-restore-12ab34/dump.rdb", &defaults, NULL},
    {".redkeep-restore.partial/ .redkeep-restore.partial/dump.rdb", &defaults, NULL},
    {".redkeep-restore.ready/ .redkeep-restore.ready/dump.rdb", &defaults, NULL},
    {"appendonly.aof=", &defaults, NULL},
    {"other.aof=", &defaults, NULL},
    {"old.rdb/", &defaults, NULL},
    {"appendonlydir>empty empty/", &defaults, NULL},
    {"mydir/", &custom, NULL},
    {"my.aof=", &custom, NULL},
    {"dump.rdb", &defaults, "dump.rdb (5 B)"},
    {"dump.rdb=", &defaults, "dump.rdb (0 B)"},
    {"backup-of-monday.rdb", &defaults, "backup-of-monday.rdb"},
    {"x.rdb=", &custom, "x.rdb"},
    {"appendonly.aof", &defaults, "appendonly.aof"},
    {"dump.rdb>elsewhere", &defaults, "dump.rdb"},
    {"dump.rdb>there there/", &defaults, "dump.rdb"},
    {"dump.rdb/", &defaults, "dump.rdb, which is a directory"},
    {"appendonlydir", &defaults, "appendonlydir, which is no directory"},
    {"appendonlydir=", &defaults, "appendonlydir, which is no directory"},
    {"appendonlydir>nowhere", &defaults, "appendonlydir, which is no directory"},
    {"appendonlydir>appendonlydir", &defaults, "appendonlydir, which is no directory"},
    {"appendonlydir>other other/ other/x", &defaults, "appendonlydir/ with x in it"},
    {"appendonlydir/ appendonlydir/appendonly.aof.1.incr.aof", &defaults,
     "appendonlydir/ with appendonly.aof.1.incr.aof in it"},
    {"appendonlydir/ appendonlydir/appendonly.aof.1.incr.aof=", &defaults, "appendonlydir/"},
    {"appendonlydir/ appendonlydir/appendonly.aof.manifest=", &defaults, "appendonlydir/"},
    {"appendonlydir/ appendonlydir/dir/", &defaults, "appendonlydir/ with dir in it"},
    {"stuff/ stuff/dump.rdb", &defaults, "stuff/ with dump.rdb in it"},
    {"mydir/ mydir/my.aof.1.incr.aof=", &defaults, "mydir/ with my.aof.1.incr.aof in it"},
    {"mydir/ mydir/my.aof.manifest", &defaults, "mydir/ with my.aof.manifest in it"},
    {"appendonlydir/ appendonlydir/x.rdb", &custom, "appendonlydir/ with x.rdb in it"},
    {"other.aof", &defaults, "other.aof (5 B)"},
    {"my.data", &custom, "my.data"},
    {"my.data=", &custom, "my.data"},
    {"my.aof", &custom, "my.aof"},
    {"mydir/ mydir/x", &custom, "mydir/ with x in it"},
    {"temp-mine.rdb", &(const struct volume_names){"temp-mine.rdb", "a", "b"}, "temp-mine.rdb"},
};

START_TEST(names_that_are_not_set_are_those_of_redis)
{
    const struct volume_names none = volume_names_of(&(const struct server_names){0});
    const struct volume_names set = volume_names_of(&(const struct server_names){
        .dbfilename = "d", .appendfilename = "f", .appenddirname = "n"});

    ck_assert_str_eq(none.dbfilename, "dump.rdb");
    ck_assert_str_eq(none.appendfilename, "appendonly.aof");
    ck_assert_str_eq(none.appenddirname, "appendonlydir");
    ck_assert_str_eq(set.dbfilename, "d");
    ck_assert_str_eq(set.appendfilename, "f");
    ck_assert_str_eq(set.appenddirname, "n");
}
END_TEST

START_TEST(a_volume_holds_what_a_server_could_load)
{
    char what[VOLUME_WHAT_MAX];

    make_entries(volumes[_i].entries);
    bool got = holds(volumes[_i].names, what);
    ck_assert_msg(got == (volumes[_i].holds != NULL), "'%s': %s", volumes[_i].entries, what);
    if (got)
        ck_assert_msg(strncmp(what, volumes[_i].holds, strlen(volumes[_i].holds)) == 0, "%s", what);
}
END_TEST

static const char *const yes[] = {"--appendonly", "yes", NULL};
static const char *const resp[] = {"--appendonly", "yes", "--aof-use-rdb-preamble", "no", NULL};
static const char *const times[] = {
    "--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--aof-timestamp-enabled", "yes", NULL};
static const char *const named[] = {
    "--appendonly", "yes",          "--appendfilename", "my.aof", "--appenddirname",
    "mydir",        "--dbfilename", "my.data",          NULL};

static const struct {
    const char *what;
    const char *const *args;
    const struct volume_names *names;
    const char *commands[4];
    bool holds;
} servers[] = {
    {"first empty start", yes, &defaults, {NULL}, false},
    {"first empty start, RESP", resp, &defaults, {NULL}, false},
    {"first empty start, RESP with times", times, &defaults, {NULL}, false},
    {"one key, RESP with times", times, &defaults, {"SET a b"}, true},
    {"one key, rewritten with times", times, &defaults, {"SET a b", "BGREWRITEAOF"}, true},
    {"first empty start, names", named, &custom, {NULL}, false},
    {"only looked at", yes, &defaults, {"GET a", "INFO", "DBSIZE"}, false},
    {"one key", yes, &defaults, {"SET a b"}, true},
    {"one key, RESP", resp, &defaults, {"SET a b"}, true},
    {"one key, names", named, &custom, {"SET a b"}, true},
    {"emptied", yes, &defaults, {"SET a b", "DEL a"}, true},
    {"a function", yes, &defaults, {"FUNCTION LOAD %s"}, true},
    {"emptied and rewritten", yes, &defaults, {"SET a b", "FLUSHALL", "BGREWRITEAOF"}, true},
    {"emptied and rewritten, RESP", resp, &defaults, {"SET a b", "FLUSHALL", "BGREWRITEAOF"}, true},
    {"functions rewritten", yes, &defaults, {"FUNCTION LOAD %s", "BGREWRITEAOF"}, true},
};

static void run_server(const char *const *args, const char *const *commands, size_t count)
{
    static const char library[] =
        "#!lua name=l\nredis.register_function('f', function() return 1 end)";
    struct redis_server_options options = {.dir = dir, .args = args};
    struct redis_server server;

    redis_server_start(&server, &options);
    for (size_t i = 0; i < count && commands[i] != NULL; i++) {
        if (strncmp(commands[i], "FUNCTION", 8) == 0)
            redis_server_do(&server, "FUNCTION LOAD %s", library);
        else
            redis_server_do(&server, commands[i], "");
    }
    for (bool busy = true; busy;) { /* a rewrite that was asked for ends first */
        auto_free char *info = redis_server_ask(&server, "INFO persistence");
        busy = strstr(info, "aof_rewrite_in_progress:0") == NULL ||
               strstr(info, "aof_rewrite_scheduled:0") == NULL;
    }
    redis_server_stop(&server);
    (void)unlinkat(dir_fd, "s", 0); /* the socket; gone already when the server removed it */
    (void)unlinkat(dir_fd, "server.log", 0);
}

START_TEST(an_append_only_set_of_a_first_empty_start_is_no_data)
{
    char what[VOLUME_WHAT_MAX];

    run_server(servers[_i].args, servers[_i].commands, COUNT(servers[_i].commands));
    ck_assert_msg(holds(servers[_i].names, what) == servers[_i].holds, "%s: %s", servers[_i].what,
                  what);
}
END_TEST

START_TEST(anything_beside_a_first_empty_start_is_data)
{
    static const char *const files[] = {
        "appendonlydir/appendonly.aof.2.incr.aof",
        "appendonlydir/appendonly.aof.1.base.rdb~",
        "appendonlydir/temp-appendonly.aof.manifest",
    };
    char what[VOLUME_WHAT_MAX];

    run_server(yes, NULL, 0);
    ck_assert(!holds(&defaults, what));
    for (size_t i = 0; i < COUNT(files); i++) {
        make_file(files[i], "");
        ck_assert_msg(holds(&defaults, what), "%s", files[i]);
        ck_assert_int_eq(unlinkat(dir_fd, files[i], 0), 0);
    }
    make_file("appendonlydir/appendonly.aof.1.incr.aof", "*");
    ck_assert(holds(&defaults, what));
    ck_assert_int_eq(unlinkat(dir_fd, "appendonlydir/appendonly.aof.1.incr.aof", 0), 0);
    ck_assert(holds(&defaults, what)); /* it is listed, and gone */
    make_entries("appendonlydir/appendonly.aof.1.incr.aof>/dev/null");
    ck_assert(holds(&defaults, what));
    ck_assert_int_eq(unlinkat(dir_fd, "appendonlydir/appendonly.aof.1.incr.aof", 0), 0);
    make_file("appendonlydir/appendonly.aof.1.incr.aof", "");
    ck_assert(!holds(&defaults, what));
    ck_assert_int_eq(unlinkat(dir_fd, "appendonlydir/appendonly.aof.manifest", 0), 0);
    ck_assert(holds(&defaults, what)); /* a server would replay what it finds here */
}
END_TEST

START_TEST(a_dump_of_an_empty_server_is_data)
{
    static const char *const save[] = {"SAVE"};
    char what[VOLUME_WHAT_MAX];

    run_server(NULL, save, 1);
    ck_assert(holds(&defaults, what));
}
END_TEST

START_TEST(what_cannot_be_listed_is_not_empty)
{
    bool seen_failure = false;

    run_server(yes, NULL, 0);
    for (unsigned n = 1;; n++) {
        char what[VOLUME_WHAT_MAX];
        bool out = false;
        struct err err = {0};

        readdir_countdown = n;
        int rc = volume_holds_data(dir_fd, &defaults, &out, what, &err);
        bool fired = readdir_countdown == 0;
        readdir_countdown = 0;
        if (!fired) {
            ck_assert_int_eq(rc, 0);
            ck_assert(!out);
            break;
        }
        ck_assert_msg(rc == -1 || out, "listing cut at %u passed for an empty volume", n);
        seen_failure = true;
    }
    ck_assert(seen_failure);
}
END_TEST

START_TEST(what_cannot_be_looked_at_is_not_empty)
{
    unsigned n = 0;

    make_entries("appendonlydir/ users.acl");
    for (bool fired = true; fired;) {
        char what[VOLUME_WHAT_MAX];
        bool out = false;
        struct err err = {0};

        fstatat_countdown = ++n;
        int rc = volume_holds_data(dir_fd, &defaults, &out, what, &err);
        fired = fstatat_countdown == 0;
        fstatat_countdown = 0;
        ck_assert_int_eq(rc, fired ? -1 : 0);
        ck_assert(!fired || err.kind == ERR_FAILED);
    }
    ck_assert_uint_gt(n, 3);
}
END_TEST

START_TEST(what_cannot_be_opened_is_not_empty)
{
    unsigned n = 0;

    run_server(yes, NULL, 0);
    for (bool fired = true; fired;) {
        char what[VOLUME_WHAT_MAX];
        bool out = false;
        struct err err = {0};

        faults_arm(++n, EACCES);
        int rc = volume_holds_data(dir_fd, &defaults, &out, what, &err);
        fired = faults_fired() > 0;
        faults_disarm();
        ck_assert_int_eq(rc == -1 || out, fired);
    }
    ck_assert_uint_gt(n, 5);
}
END_TEST

START_TEST(a_directory_that_is_none_cannot_be_looked_into)
{
    char what[VOLUME_WHAT_MAX];
    bool out = false;
    struct err err = {0};

    make_file("file", "");
    auto_close int fd = openat(dir_fd, "file", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(volume_holds_data(fd, &defaults, &out, what, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
}
END_TEST

START_TEST(an_absent_entry_holds_nothing)
{
    char what[VOLUME_WHAT_MAX];
    bool out = true;
    struct err err = {0};

    ck_assert_int_eq(volume_entry_holds_data(dir_fd, "appendonlydir", &defaults, &out, what, &err),
                     0);
    ck_assert(!out);
    ck_assert_int_eq(volume_entry_holds_data(dir_fd, "dump.rdb", &defaults, &out, what, &err), 0);
    ck_assert(!out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("volume");
    TCase *tcase = tcase_create("volume");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, names_that_are_not_set_are_those_of_redis);
    tcase_add_loop_test(tcase, a_volume_holds_what_a_server_could_load, 0, COUNT(volumes));
    tcase_add_loop_test(tcase, an_append_only_set_of_a_first_empty_start_is_no_data, 0,
                        COUNT(servers));
    tcase_add_test(tcase, anything_beside_a_first_empty_start_is_data);
    tcase_add_test(tcase, a_dump_of_an_empty_server_is_data);
    tcase_add_test(tcase, what_cannot_be_listed_is_not_empty);
    tcase_add_test(tcase, what_cannot_be_looked_at_is_not_empty);
    tcase_add_test(tcase, what_cannot_be_opened_is_not_empty);
    tcase_add_test(tcase, a_directory_that_is_none_cannot_be_looked_into);
    tcase_add_test(tcase, an_absent_entry_holds_nothing);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
