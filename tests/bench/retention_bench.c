/*
 * Many backups. `retention_bench decide COUNT`: hourly ones, decided on by every rule in the zone
 * of the process; prints the seconds of the best of a few runs as JSON. `retention_bench fill URL
 * INSTANCE COUNT`: as many in a repository, of empty objects.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backup/catalog.h"
#include "backup/retention.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/zone.h"
#include "store/store.h"

#define HOUR_MS INT64_C(3600000)
#define RUNS 5
#define ZONE "Europe/Berlin"

static int decide(size_t count, struct err *err)
{
    const struct retention_rules rules = {.keep = {24, 24, 7, 4, 12}, .within = {.months = 1}};
    const struct clock *clock = clock_system();
    auto_free struct retention_item *items = xcalloc(count, sizeof(*items));
    auto_free struct retention_decision *decisions = xcalloc(count, sizeof(*decisions));
    int64_t now_ms = clock_wall_ms(clock);
    int64_t best_ms = INT64_MAX;
    size_t kept = 0;

    if (zone_use(ZONE, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        items[i].time_ms = now_ms - HOUR_MS * (int64_t)(count - i);
    for (unsigned run = 0; run < RUNS; run++) {
        int64_t from_ms = clock_mono_ms(clock);

        retention_decide(&rules, items, count, now_ms, decisions);
        int64_t took_ms = clock_mono_ms(clock) - from_ms;
        best_ms = took_ms < best_ms ? took_ms : best_ms;
    }
    for (size_t i = 0; i < count; i++)
        kept += decisions[i].because != 0;
    (void)printf("{\"count\":%zu,\"kept\":%zu,\"seconds\":%.3f}\n", count, kept,
                 (double)best_ms / 1000);
    return 0;
}

static int fill(const char *url, const char *instance, size_t count, struct err *err)
{
    static const char *const names[] = {"backup.json", "data.tar.zst"};
    const struct clock *clock = clock_system();
    const struct store_options options = {.url = url, .clock = clock};
    auto_store struct store *store = NULL;
    int64_t now_ms = clock_wall_ms(clock);

    if (store_open(&options, &store, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        char id[CATALOG_ID_SIZE];

        catalog_make_id(now_ms - HOUR_MS * (int64_t)(count - i), 0, id);
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
            auto_free char *key = catalog_key(instance, id, names[k]);

            if (store_put_small(store, key, "", 0, err) != 0)
                return -1;
        }
    }
    return 0;
}

static int run(int argc, char **argv, struct err *err)
{
    uint64_t count = 0;

    if (argc == 3 && strcmp(argv[1], "decide") == 0)
        return parse_u64(argv[2], &count, err) != 0 ? -1 : decide((size_t)count, err);
    if (argc == 5 && strcmp(argv[1], "fill") == 0)
        return parse_u64(argv[4], &count, err) != 0 ? -1
                                                    : fill(argv[2], argv[3], (size_t)count, err);
    return err_set(err, ERR_CONFIG,
                   "usage: retention_bench decide COUNT | fill URL INSTANCE COUNT");
}

int main(int argc, char **argv)
{
    struct err err = {0};

    if (run(argc, argv, &err) == 0)
        return 0;
    (void)fprintf(stderr, "retention_bench: %s\n", err.msg);
    return 1;
}
