#include "support/restoring.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define PART_BYTES 64
#define START_MS INT64_C(1795180000000)

static int open_store(void *context, struct store **out, struct err *err)
{
    struct restoring *run = context;

    run->opened++;
    if (run->unreachable)
        return err_set(err, ERR_STORE, "the store is not there");
    *out = &run->fake.store;
    return 0;
}

static void on_event(void *context, const char *text)
{
    struct restoring *run = context;
    struct err ignored;

    (void)buf_printf(&run->events, &ignored, "%s\n", text);
}

static void on_warning(void *context, enum problem problem, const char *text)
{
    struct restoring *run = context;
    struct err ignored;

    (void)buf_printf(&run->events, &ignored, "warning: %s [%s]\n", text,
                     problem_row(problem)->code);
}

static int check_server(void *context, struct err *err)
{
    struct restoring *run = context;

    run->checked++;
    if (run->on_check != NULL)
        run->on_check(run);
    if (run->checked >= run->server_from && run->server_from > 0)
        return err_set(err, ERR_HOLDS_DATA, "a server is running");
    return 0;
}

static void open_dir(struct restoring *run)
{
    struct err err = {0};

    run->path = tmpdir_new();
    ck_assert_int_eq(fs_open_dir(AT_FDCWD, run->path, &run->fd, &err), 0);
    run->options.dir = run->path;
}

static void close_dir(struct restoring *run)
{
    (void)close(run->fd);
    tmpdir_remove(run->path);
}

void restoring_begin(struct restoring *run)
{
    if (access("/dev/shm", W_OK) == 0) /* a sweep makes thousands of fsyncs */
        (void)setenv("TMPDIR", "/dev/shm", 0);
    *run = (struct restoring){.options = {
                                  .instance = RESTORING_INSTANCE,
                                  .at_ms = -1,
                                  .workers = 2,
                                  .clock = &run->clock.clock,
                                  .open_store = open_store,
                                  .check_server = check_server,
                                  .on_event = on_event,
                                  .on_warning = on_warning,
                                  .context = run,
                              }};
    fake_clock_init(&run->clock, START_MS);
    fake_store_init(&run->fake, PART_BYTES);
    buf_init(&run->events, (size_t)1 << 20);
    open_dir(run);
}

void restoring_end(struct restoring *run)
{
    close_dir(run);
    restore_result_release(&run->result);
    fake_store_release(&run->fake);
    buf_release(&run->events);
}

void restoring_new_dir(struct restoring *run)
{
    close_dir(run);
    open_dir(run);
}

void restoring_add_files(struct restoring *run, const char *id, const struct made_file *files,
                         size_t count)
{
    backup_make(&run->fake,
                &(struct made_backup){
                    .id = id, .instance = RESTORING_INSTANCE, .files = files, .count = count});
}

void restoring_add(struct restoring *run, const char *id, void (*edit)(struct manifest *to))
{
    auto_free char *dump = xasprintf("%s dump", id);
    auto_free char *acl = xasprintf("%s acl", id);
    const struct made_file files[] = {
        {"dump.rdb", MANIFEST_RDB, dump, strlen(dump), 0640},
        {"users.acl", MANIFEST_ACL, acl, strlen(acl), 0600},
    };

    backup_make(
        &run->fake,
        &(struct made_backup){
            .id = id, .instance = RESTORING_INSTANCE, .files = files, .count = 2, .edit = edit});
}

void restoring_add_three(struct restoring *run)
{
    restoring_add(run, RESTORING_OLD, NULL);
    restoring_add(run, RESTORING_MID, NULL);
    restoring_add(run, RESTORING_NEW, NULL);
}

int restoring_run(struct restoring *run)
{
    restore_result_release(&run->result);
    buf_clear(&run->events);
    run->err = (struct err){0};
    run->opened = 0;
    run->checked = 0;
    run->fake.freed = 0;
    int rc = restore(&run->options, &run->result, &run->err);
    ck_assert_uint_eq(run->fake.open_sources, 0);
    ck_assert(run->unreachable || run->fake.freed == run->opened);
    return rc;
}

void restoring_must_restore(struct restoring *run, const char *id)
{
    auto_buf struct buf dump = {0};
    auto_free char *wanted = xasprintf("%s dump", id);

    ck_assert_msg(restoring_run(run) == 0, "%s", run->err.msg);
    ck_assert(run->result.restored);
    ck_assert_str_eq(run->result.reason, "restored");
    ck_assert_str_eq(run->result.id, id);
    buf_init(&dump, 4096);
    ck_assert_int_eq(fs_read_file(run->fd, "dump.rdb", &dump, &run->err), 0);
    ck_assert_str_eq(buf_text(&dump), wanted);
}

void restoring_must_fail(struct restoring *run, enum err_kind kind)
{
    auto_free char *before = tree_text(run->fd);

    ck_assert_int_eq(restoring_run(run), -1);
    ck_assert_msg(run->err.kind == kind, "%s: %s", err_kind_name(run->err.kind), run->err.msg);
    ck_assert(!run->result.restored);
    ck_assert_ptr_null(run->result.id);
    auto_free char *after = tree_text(run->fd);
    ck_assert_str_eq(before, after);
}
