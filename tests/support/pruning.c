#include "support/pruning.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "backup/verify.h"
#include "base/mem.h"
#include "base/zone.h"
#include "support/backup_maker.h"

void pruning_begin(struct pruning *run)
{
    *run = (struct pruning){0};
    ck_assert_int_eq(zone_use("UTC", &run->err), 0);
    fake_store_init(&run->fake, 100);
    run->fake.now_ms = PRUNING_NOON;
    fake_clock_init(&run->clock, PRUNING_NOON);
    run->options = (struct prune_options){
        .instance = PRUNING_INSTANCE,
        .rules = {.keep = {[RETENTION_LAST] = 2}},
        .confirm = true,
        .clock = &run->clock.clock,
    };
}

void pruning_end(struct pruning *run)
{
    prune_result_release(&run->result);
    fake_store_release(&run->fake);
}

void pruning_make(struct pruning *run, const char *id, void (*edit)(struct manifest *to))
{
    const struct made_file file = {"dump.rdb", MANIFEST_RDB, "abc", 3, 0};
    const struct made_backup made = {
        .id = id, .instance = PRUNING_INSTANCE, .files = &file, .count = 1, .edit = edit};

    backup_make(&run->fake, &made);
}

void pruning_put(struct pruning *run, const char *id, const char *name, int hours_old)
{
    auto_free char *key = catalog_key(PRUNING_INSTANCE, id, name);

    run->fake.now_ms = PRUNING_NOON - INT64_C(3600000) * hours_old;
    fake_store_set(&run->fake, key, "{}", 2);
    run->fake.now_ms = PRUNING_NOON;
}

struct buf *pruning_find(const struct pruning *run, const char *id, const char *name)
{
    auto_free char *key = catalog_key(PRUNING_INSTANCE, id, name);

    return fake_store_find(&run->fake, key);
}

bool pruning_is_there(const struct pruning *run, const char *id)
{
    auto_free char *folder = catalog_key(PRUNING_INSTANCE, id, "");

    for (size_t i = 0; i < run->fake.count; i++)
        if (strncmp(run->fake.objects[i].key, folder, strlen(folder)) == 0)
            return true;
    return false;
}

int pruning_run(struct pruning *run)
{
    prune_result_release(&run->result);
    run->err = (struct err){0};
    return prune(&run->fake.store, &run->options, &run->result, &run->err);
}

static const struct prune_row *row_of(const struct pruning *run, const char *id)
{
    for (size_t i = 0; i < run->result.count; i++)
        if (strcmp(run->result.rows[i].id, id) == 0)
            return &run->result.rows[i];
    return NULL;
}

enum prune_fate pruning_fate(const struct pruning *run, const char *id)
{
    const struct prune_row *row = row_of(run, id);

    return row != NULL ? row->fate : PRUNE_GONE;
}

const char *pruning_because(const struct pruning *run, const char *id)
{
    static char all[4096];
    char reasons[RETENTION_REASONS_MAX][RETENTION_REASON_SIZE];
    const struct prune_row *row = row_of(run, id);
    size_t count = 0;
    size_t at = 0;

    all[0] = '\0';
    if (row != NULL)
        count = retention_explain(&run->options.rules, &row->item, &row->decision, reasons);
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i > 0 ? "; " : "", reasons[i]);
    if (row != NULL && row->why != NULL)
        (void)snprintf(all + at, sizeof(all) - at, "%s%s", count > 0 ? "; " : "", row->why);
    return all;
}

size_t pruning_check_all(struct pruning *run)
{
    auto_catalog struct catalog catalog = {0};
    const struct verify_options options = {
        .instance = PRUNING_INSTANCE, .workers = 1, .clock = &run->clock.clock};
    struct err err = {0};

    fake_store_arm(&run->fake, 0, FAKE_FAILS);
    ck_assert_int_eq(catalog_list(&run->fake.store, PRUNING_INSTANCE, &catalog, &err), 0);
    for (size_t i = 0; i < catalog.count; i++) {
        struct verify_result result = {0};

        ck_assert_msg(verify(&run->fake.store, catalog.ids[i], &options, &result, &err) == 0, "%s",
                      err.msg);
        ck_assert_msg(result.ok, "%s", result.why);
        verify_result_release(&result);
    }
    return catalog.count;
}
