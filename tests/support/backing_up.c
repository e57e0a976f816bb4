#include "support/backing_up.h"

#include <check.h>
#include <string.h>

#include "backup/catalog.h"
#include "backup/verify.h"
#include "base/mem.h"

#define PART_BYTES 200

static void on_event(void *context, const char *text)
{
    struct backing_up *run = context;
    struct err ignored;

    (void)buf_printf(&run->events, &ignored, "%s\n", text);
}

static void on_warning(void *context, enum problem problem, const char *text)
{
    struct backing_up *run = context;
    struct err ignored;

    (void)buf_printf(&run->warnings, &ignored, "%s: %s\n", problem_row(problem)->code, text);
}

void backing_up_begin(struct backing_up *run, const char *const *args)
{
    const struct redis_server_options server_options = {.args = args};

    *run = (struct backing_up){0};
    redis_server_start(&run->server, &server_options);
    run->options = (struct backup_options){
        .data_dir = run->server.dir,
        .instance = BACKING_UP_INSTANCE,
        .include_rdb = true,
        .include_acl = true,
        .save_timeout_ms = 60000,
        .workers = 2,
        .level = 1,
        .clock = clock_system(),
        .on_event = on_event,
        .on_warning = on_warning,
        .context = run,
    };
    const struct redis_options options = {.url = run->server.url};
    ck_assert_msg(redis_connect(&options, &run->redis, &run->err) == 0, "%s", run->err.msg);
    fake_store_init(&run->fake, PART_BYTES);
    buf_init(&run->events, (size_t)1 << 20);
    buf_init(&run->warnings, (size_t)1 << 20);
}

void backing_up_end(struct backing_up *run)
{
    manifest_release(&run->manifest);
    redis_free(run->redis);
    redis_server_stop(&run->server);
    fake_store_release(&run->fake);
    buf_release(&run->events);
    buf_release(&run->warnings);
}

void backing_up_fill(struct backing_up *run)
{
    static const char move[] = "for i = 0, 4 do redis.call('MOVE', 'key' .. i, 3) end";

    redis_server_fill(&run->server, 15);
    redis_server_do(&run->server, "EXPIRE key0 100000");
    redis_server_do(&run->server, "EXPIRE key9 100000");
    redis_server_do(&run->server, "EVAL %s 0", move);
}

int backing_up_run(struct backing_up *run)
{
    manifest_release(&run->manifest);
    buf_clear(&run->events);
    buf_clear(&run->warnings);
    run->err = (struct err){0};
    int rc = backup(run->redis, &run->fake.store, &run->options, &run->manifest, &run->err);
    ck_assert_uint_eq(run->fake.open_uploads, 0);
    return rc;
}

size_t backing_up_check_all(struct backing_up *run)
{
    auto_catalog struct catalog catalog = {0};
    const struct verify_options options = {
        .instance = BACKING_UP_INSTANCE, .workers = 1, .clock = run->options.clock};
    struct err err = {0};

    fake_store_arm(&run->fake, 0, FAKE_FAILS);
    ck_assert_int_eq(catalog_list(&run->fake.store, BACKING_UP_INSTANCE, &catalog, &err), 0);
    for (size_t i = 0; i < catalog.count; i++) {
        struct verify_result result = {0};

        ck_assert_msg(verify(&run->fake.store, catalog.ids[i], &options, &result, &err) == 0, "%s",
                      err.msg);
        ck_assert_msg(result.ok, "%s", result.why);
        verify_result_release(&result);
    }
    return catalog.count;
}

void backing_up_must_succeed(struct backing_up *run)
{
    size_t before = fake_store_count(&run->fake, "/backup.json");

    ck_assert_msg(backing_up_run(run) == 0, "%s", run->err.msg);
    ck_assert_uint_eq(backing_up_check_all(run), before + 1);
    auto_free char *key = catalog_key(BACKING_UP_INSTANCE, run->manifest.id, "backup.json");
    auto_free char *text = manifest_format(&run->manifest);
    const struct buf *stored = fake_store_find(&run->fake, key);
    ck_assert_ptr_nonnull(stored);
    ck_assert_str_eq(buf_text(stored), text);
}

void backing_up_must_fail(struct backing_up *run, enum err_kind kind)
{
    ck_assert_int_eq(backing_up_run(run), -1);
    ck_assert_msg(run->err.kind == kind, "%s: %s", err_kind_name(run->err.kind), run->err.msg);
    ck_assert_ptr_null(run->manifest.id);
    ck_assert_uint_eq(run->fake.count, 0);
}
