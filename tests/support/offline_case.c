#include "support/offline_case.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/verify.h"
#include "base/crc64.h"
#include "base/fs.h"
#include "base/mem.h"
#include "support/tmpdir.h"
#include "support/tree.h"

static void on_warning(void *context, enum problem problem, const char *text)
{
    struct offline_case *run = context;
    struct err ignored;

    (void)buf_printf(&run->warnings, &ignored, "%s: %s\n", problem_row(problem)->code, text);
}

void offline_case_begin(struct offline_case *run)
{
    *run = (struct offline_case){.held = leaks_count()};
    run->dir = tmpdir_new();
    ck_assert_int_eq(fs_open_dir(AT_FDCWD, run->dir, &run->dir_fd, &run->err), 0);
    fake_store_init(&run->fake, 1000);
    fake_clock_init(&run->clock, OFFLINE_NOON);
    buf_init(&run->warnings, (size_t)1 << 20);
    run->options = (struct backup_options){
        .data_dir = run->dir,
        .instance = OFFLINE_INSTANCE,
        .include_rdb = true,
        .include_acl = true,
        .workers = 1,
        .level = 1,
        .clock = &run->clock.clock,
        .on_warning = on_warning,
        .context = run,
    };
}

void offline_case_end(struct offline_case *run)
{
    backup_offline_result_release(&run->result);
    fake_store_release(&run->fake);
    buf_release(&run->warnings);
    (void)close(run->dir_fd);
    tmpdir_remove(run->dir);
    ck_assert(leaks_none(&run->held));
}

static void add(struct buf *to, const void *data, size_t len)
{
    struct err err;

    ck_assert_int_eq(buf_append(to, data, len, &err), 0);
}

static void add_aux(struct buf *to, const char *key, const char *value)
{
    const uint8_t opcode = 0xfa;
    uint8_t len = (uint8_t)strlen(key);

    add(to, &opcode, 1);
    add(to, &len, 1);
    add(to, key, len);
    len = (uint8_t)strlen(value);
    add(to, &len, 1);
    add(to, value, len);
}

void offline_case_put_rdb(struct offline_case *run, const char *path,
                          const struct offline_rdb *from)
{
    auto_buf struct buf rdb = {0};
    const uint8_t db[] = {0xfe, 0, 0xfb, (uint8_t)from->keys, 0};
    auto_free char *ctime = xasprintf("%lld", (long long)from->ctime_s);
    const uint8_t eof = 0xff;
    uint8_t trailer[8];

    buf_init(&rdb, 1 << 16);
    add(&rdb, from->magic, strlen(from->magic));
    if (from->version_key != NULL)
        add_aux(&rdb, from->version_key, "7.4.1");
    add_aux(&rdb, "ctime", ctime);
    if (from->keys > 0)
        add(&rdb, db, sizeof(db));
    for (unsigned i = 0; i < from->keys; i++)
        add(&rdb, "\0\1k\1v", 5);
    add(&rdb, &eof, 1);
    uint64_t crc = crc64(0, rdb.data, rdb.len);
    for (size_t i = 0; i < sizeof(trailer); i++)
        trailer[i] = (uint8_t)(crc >> 8 * i);
    add(&rdb, trailer, sizeof(trailer));
    tree_replace(run->dir_fd, path, rdb.data, rdb.len);
}

void offline_case_put_dump(struct offline_case *run, int64_t ctime_s)
{
    const struct offline_rdb rdb = {"REDIS0012", "redis-ver", ctime_s, 2};

    offline_case_put_rdb(run, "dump.rdb", &rdb);
}

void offline_case_put_text(struct offline_case *run, const char *path, const char *text)
{
    tree_write(run->dir_fd, path, text, strlen(text));
}

void offline_case_put_set(struct offline_case *run, const char *text, int64_t ms)
{
    const struct timespec times[] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000},
    };

    offline_case_put_text(run, OFFLINE_SET "appendonly.aof.manifest",
                          "file appendonly.aof.1.incr.aof seq 1 type i\n");
    offline_case_put_text(run, OFFLINE_INCR, text);
    ck_assert_int_eq(utimensat(run->dir_fd, OFFLINE_INCR, times, 0), 0);
}

int offline_case_run(struct offline_case *run)
{
    struct backup_offline_result *result = &run->result;

    backup_offline_result_release(result);
    buf_clear(&run->warnings);
    run->err = (struct err){0};
    int rc = backup_offline(&run->fake.store, &run->options, &run->offline, result, &run->err);
    ck_assert_uint_eq(run->fake.open_uploads, 0);
    ck_assert(rc == 0 || (!result->is_stored && result->manifest.id == NULL));
    return rc;
}

void offline_case_must_store(struct offline_case *run)
{
    const struct verify_options how = {
        .instance = OFFLINE_INSTANCE, .workers = 1, .clock = &run->clock.clock};
    struct verify_result verified = {0};
    struct err err;

    ck_assert_msg(offline_case_run(run) == 0, "%s", run->err.msg);
    ck_assert_msg(run->result.is_stored, "%s", run->result.reason);
    ck_assert_int_eq(verify(&run->fake.store, run->result.manifest.id, &how, &verified, &err), 0);
    ck_assert_msg(verified.ok, "%s", verified.why);
    verify_result_release(&verified);
}

void offline_case_must_hold(const struct offline_case *run, const char *name, bool wanted)
{
    ck_assert_msg((manifest_find(&run->result.manifest, name) != NULL) == wanted, "%s", name);
}
