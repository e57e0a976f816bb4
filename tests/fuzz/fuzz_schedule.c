/*
 * Schedules as people write them. The first byte chooses a zone, two more a moment near the changes
 * of its clocks; the rest is the text. What is accepted must be due behind every moment, in order,
 * at times that the clocks of the zone agree with.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/zone.h"
#include "daemon/schedule.h"

enum { HEAD_BYTES = 3, RUNS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static int64_t use_zone_and_time(const uint8_t *data)
{
    static const struct {
        const char *zone;
        int64_t around_s;
    } places[] = {
        {"UTC", 1795196000},
        {"Europe/Berlin", 1774746000},
        {"Europe/Berlin", 1792890000},
        {"Australia/Lord_Howe", 1775314800},
        {"Pacific/Apia", 1325239200},
        {"America/Sao_Paulo", 1508036400},
        {"America/St_Johns", 1162089060},
        {"America/Nuuk", 1711846800},
    };
    size_t place = data[0] % (sizeof(places) / sizeof(places[0]));
    struct err err;

    must(zone_use(places[place].zone, &err) == 0);
    return places[place].around_s * 1000 + ((data[1] << 8 | data[2]) - 32768) * INT64_C(7001);
}

/* A run stands at a minute of the schedule, or is one that a gap moved. */
static void check_shown(const struct schedule *schedule, int64_t run_ms)
{
    struct zone_civil shown;

    must(run_ms % 60000 == 0);
    zone_civil(run_ms / 1000, &shown);

    bool fits = (schedule->minutes >> shown.minute & 1) != 0 &&
                (schedule->hours >> shown.hour & 1) != 0 &&
                (schedule->months >> shown.month & 1) != 0;

    if (fits)
        return;
    must(!schedule->every_hour);

    struct zone_civil before;

    zone_civil(run_ms / 1000 - 60, &before);
    must((before.minute + 1) % 60 != shown.minute || (before.hour + 1) % 24 != shown.hour ||
         shown.minute != 0 || before.minute != 59);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct schedule schedule;
    struct err err;

    if (size < HEAD_BYTES)
        return 0;

    auto_free char *text = xstrndup((const char *)data + HEAD_BYTES, size - HEAD_BYTES);
    int64_t now = use_zone_and_time(data);

    if (schedule_parse(text, &schedule, &err) != 0) {
        must(err.kind == ERR_CONFIG);
        return 0;
    }

    int64_t period = schedule_period(&schedule, now);

    must((period == 0) == (schedule.kind == SCHEDULE_OFF));
    for (int i = 0; i < RUNS; i++) {
        int64_t next = schedule_next(&schedule, now);

        must(next > now);
        if (schedule.kind != SCHEDULE_CRON)
            break;
        must(next != INT64_MAX);
        must(schedule_next(&schedule, next - 1) == next);
        must(schedule_next(&schedule, now + (next - now) / 2) == next);
        check_shown(&schedule, next);
        now = next;
    }
    must(schedule_jitter(text, now, 60000) < 60000);
    return 0;
}
