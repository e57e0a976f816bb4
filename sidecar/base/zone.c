/*
 * Civil time by the C library's zone: see zone.h. The library is asked for one thing only, the
 * offset from UTC at a moment (localtime_r). Which moment shows a civil time is found here: mktime
 * leaves open what it answers for a time that comes twice or never. Two changes of the clocks
 * within two days that cancel each other out would not be seen; the zone database has none since
 * 1970.
 */
#include "base/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/installed.h"
#include "base/mem.h"

#define DAY_S INT64_C(86400)
#define FIRST_S INT64_C(-62104060800) /* 0002-01-01T00:00:00Z */
#define LAST_S INT64_C(253370764799)  /* 9998-12-31T23:59:59Z */
#define NAME_MAX_LEN 128
#define SYSTEM_ZONES "/usr/share/zoneinfo"

/* Words that begin with a letter, so that neither "..", nor an absolute path, nor the POSIX form
 * ("CET-1CEST,M3.5.0") of TZ is a name. "right/" counts leap seconds, which time_t does not. */
static bool is_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char others[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-_";
    const char *at = name;

    if (strlen(name) > NAME_MAX_LEN || strncmp(name, "right/", 6) == 0)
        return false;
    while (strspn(at, letters) > 0) {
        at += strspn(at, others);
        if (*at == '\0')
            return true;
        if (*at++ != '/')
            return false;
    }
    return false;
}

static int no_such_zone(const char *name, const char *folder, struct err *err)
{
    auto_free char *always_there = xasprintf("%s/Etc/UTC", folder);

    if (access(always_there, F_OK) != 0)
        return err_set(err, ERR_CONFIG,
                       "there is no time zone \"%.64s\": this machine has no zone database in "
                       "%.256s. HINT: install the package tzdata, or use UTC",
                       name, folder);
    return err_set(err, ERR_CONFIG,
                   "there is no time zone \"%.64s\". HINT: take a name of the zone database, "
                   "spelled like Europe/Berlin, or UTC",
                   name);
}

/* Zones of our own, where the system has none and nobody said where else they are. */
static int use_installed(struct err *err)
{
    auto_free char *folder = installed_unless(SYSTEM_ZONES, "zoneinfo");

    if (folder != NULL && setenv("TZDIR", folder, 0) != 0)
        return err_sys(err, ERR_FAILED, "setting the folder of time zones");
    return 0;
}

/* Would the C library find the zone? It looks in the same folder and says nothing if not. */
static int check_database(const char *name, struct err *err)
{
    const char *set = getenv("TZDIR");
    const char *folder = set != NULL && *set != '\0' ? set : SYSTEM_ZONES;
    auto_free char *path = xasprintf("%s/%s", folder, name);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct err unread;
    char magic[4];

    if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
        return err_sys(err, ERR_CONFIG, "opening the time zone %.256s", path);
    /* a directory and a file that is something else cannot be read as a zone either */
    if (fd < 0 || fs_pread_all(fd, magic, sizeof(magic), 0, path, &unread) != 0 ||
        memcmp(magic, "TZif", sizeof(magic)) != 0)
        return no_such_zone(name, folder, err);
    return 0;
}

int zone_use(const char *name, struct err *err)
{
    static const char *const without_database[][2] = {
        {"UTC", "UTC0"}, {"Etc/UTC", "UTC0"}, {"GMT", "GMT0"}, {"Etc/GMT", "GMT0"}};
    const char *value = NULL;

    for (size_t i = 0; i < sizeof(without_database) / sizeof(without_database[0]); i++) {
        if (strcmp(name, without_database[i][0]) == 0)
            value = without_database[i][1];
    }
    if (value == NULL) {
        if (!is_name(name))
            return err_set(err, ERR_CONFIG,
                           "\"%.64s\" is not a time zone, such as UTC or Europe/Berlin", name);
        if (use_installed(err) != 0 || check_database(name, err) != 0)
            return -1;
        value = name;
    }
    if (setenv("TZ", value, 1) != 0)
        return err_sys(err, ERR_FAILED, "setting the time zone");
    tzset();
    return 0;
}

static void local_time(int64_t time_s, struct tm *out)
{
    time_t bounded = time_s < FIRST_S ? FIRST_S : time_s > LAST_S ? LAST_S : time_s;

    if (localtime_r(&bounded, out) == NULL)
        abort(); /* only for a year that is no int */
}

void zone_civil(int64_t time_s, struct zone_civil *out)
{
    struct tm local;

    local_time(time_s, &local);
    *out = (struct zone_civil){
        .year = local.tm_year + 1900,
        .month = local.tm_mon + 1,
        .day = local.tm_mday,
        .hour = local.tm_hour,
        .minute = local.tm_min,
        .weekday = local.tm_wday,
    };
}

/* Seconds to the east of UTC. */
static int64_t offset_at(int64_t time_s)
{
    struct tm local;

    local_time(time_s, &local);
    return local.tm_gmtoff;
}

/* The first moment of another offset than that of from_s, not behind to_s, which has one. */
static int64_t first_change(int64_t from_s, int64_t to_s)
{
    int64_t offset_s = offset_at(from_s);

    while (to_s - from_s > 1) {
        int64_t middle_s = from_s + (to_s - from_s) / 2;

        if (offset_at(middle_s) == offset_s)
            from_s = middle_s;
        else
            to_s = middle_s;
    }
    return to_s;
}

int64_t zone_moment(const struct zone_civil *civil)
{
    struct tm wall = {
        .tm_year = civil->year - 1900,
        .tm_mon = civil->month - 1,
        .tm_mday = civil->day,
        .tm_hour = civil->hour,
        .tm_min = civil->minute,
    };
    int64_t wall_s = timegm(&wall);
    int64_t from_s = wall_s - DAY_S; /* no zone is a day ahead: its clocks do not show wall_s yet */
    int64_t time_s = wall_s - offset_at(from_s);

    while (time_s > from_s && offset_at(time_s) != offset_at(from_s)) {
        from_s = first_change(from_s, time_s);
        time_s = wall_s - offset_at(from_s);
    }
    if (time_s < from_s)
        time_s = from_s; /* the change that begins here went past wall_s */

    int64_t second = time_s % 60;

    if (second < 0)
        second += 60;
    return second == 0 ? time_s : time_s + 60 - second; /* offsets had odd seconds once */
}

void zone_format(int64_t time_ms, char *out, size_t out_size)
{
    struct tm local;

    local_time(time_ms / 1000 - (time_ms % 1000 < 0), &local);
    (void)snprintf(out, out_size, "%04d-%02d-%02d %02d:%02d %.16s", local.tm_year + 1900,
                   local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_zone);
}
