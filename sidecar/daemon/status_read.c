/*
 * From what jobs answer to what the sidecar knows: the objects of `redkeep list --json` and of
 * `redkeep backup --json`. The binary is our own, the files behind it are not: nothing here trusts
 * a length, a type or an order.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "daemon/status.h"
#include "redis/server_version.h"

/* The optional ones: what is missing or null leaves *out alone. */
static int maybe_u64(const struct json *object, const char *key, uint64_t *out, struct err *err)
{
    return json_has(object, key) ? json_get_u64(object, key, out, err) : 0;
}

static int maybe_bool(const struct json *object, const char *key, bool *out, struct err *err)
{
    return json_has(object, key) ? json_get_bool(object, key, out, err) : 0;
}

static int maybe_time(const struct json *object, const char *key, int64_t *out, struct err *err)
{
    return json_has(object, key) ? json_get_time(object, key, out, err) : 0;
}

static int read_id(const struct json *object, const char *key, char *out, struct err *err)
{
    const char *id = NULL;

    if (json_get_string(object, key, &id, err) != 0)
        return -1;
    if (id[0] == '\0' || strlen(id) >= sizeof(((struct status_backup *)NULL)->id))
        return err_set(err, ERR_CORRUPT, "JSON: \"%s\" is not the id of a backup", key);
    (void)snprintf(out, sizeof(((struct status_backup *)NULL)->id), "%s", id);
    return 0;
}

/* "redis 7.0.15" becomes "Redis 7.0.15"; what is no version stays as it is. */
static void show_server(const char *text, char *out, size_t out_size)
{
    struct server_version version;
    struct err unused;

    if (server_version_parse(text, &version, &unused) == 0)
        server_version_format(&version, out, out_size);
    else
        (void)snprintf(out, out_size, "%s", text);
}

/* What a row of the list and a manifest have in common. */
static int read_common(const struct json *row, struct status_backup *out, struct err *err)
{
    uint64_t version = 0;

    *out =
        (struct status_backup){.rdb_version = -1, .save_ms = -1, .pack_ms = -1, .verified_ms = -1};
    if (read_id(row, "id", out->id, err) != 0 ||
        json_get_time(row, "created_at", &out->created_ms, err) != 0 ||
        maybe_u64(row, "keys", &out->keys, err) != 0 ||
        maybe_u64(row, "size_bytes", &out->size_bytes, err) != 0 ||
        maybe_u64(row, "stored_bytes", &out->stored_bytes, err) != 0 ||
        maybe_u64(row, "rdb_version", &version, err) != 0 ||
        maybe_bool(row, "proven", &out->proven, err) != 0)
        return -1;
    out->has_keys = json_has(row, "keys");
    if (json_has(row, "rdb_version") && version <= INT_MAX)
        out->rdb_version = (int)version;
    return 0;
}

static int read_row(const struct json *row, struct status_backup *out, struct err *err)
{
    const char *server = NULL;

    if (read_common(row, out, err) != 0 || maybe_u64(row, "expires", &out->expires, err) != 0 ||
        maybe_time(row, "verified_at", &out->verified_ms, err) != 0 ||
        maybe_bool(row, "drilled", &out->drilled, err) != 0 ||
        maybe_bool(row, "encrypted", &out->encrypted, err) != 0 ||
        maybe_bool(row, "pinned", &out->pinned, err) != 0)
        return -1;
    out->verified_ok = out->verified_ms >= 0;
    if (maybe_bool(row, "verified_ok", &out->verified_ok, err) != 0)
        return -1;
    if (json_has(row, "server")) {
        if (json_get_string(row, "server", &server, err) != 0)
            return -1;
        show_server(server, out->server, sizeof(out->server));
    }
    out->save_ms = json_get_duration_ms(row, "save_seconds");
    out->pack_ms = json_get_duration_ms(row, "pack_seconds");
    return 0;
}

/* What only this process knows of a backup outlives a new list. */
static void keep_known(const struct status *status, struct status_backup *backup)
{
    for (size_t i = 0; i < status->backup_count; i++) {
        const struct status_backup *known = &status->backups[i];

        if (strcmp(known->id, backup->id) != 0)
            continue;
        if (backup->verified_ms < known->verified_ms) {
            backup->verified_ms = known->verified_ms;
            backup->verified_ok = known->verified_ok;
            backup->drilled = known->drilled;
        }
        if (backup->save_ms < 0)
            backup->save_ms = known->save_ms;
        if (backup->pack_ms < 0)
            backup->pack_ms = known->pack_ms;
        if (backup->expires == 0)
            backup->expires = known->expires;
        return;
    }
}

static bool is_newer(const struct status_backup *left, const struct status_backup *right)
{
    if (left->created_ms != right->created_ms)
        return left->created_ms > right->created_ms;
    return strcmp(left->id, right->id) > 0;
}

/* Into its place among the STATUS_BACKUPS_MAX newest. */
static void insert(struct status_backup *rows, size_t *count, const struct status_backup *row)
{
    size_t at = *count;

    while (at > 0 && is_newer(row, &rows[at - 1]))
        at--;
    if (at == STATUS_BACKUPS_MAX)
        return;
    if (*count < STATUS_BACKUPS_MAX)
        (*count)++;
    memmove(&rows[at + 1], &rows[at], (*count - 1 - at) * sizeof(*rows));
    rows[at] = *row;
}

struct restored { /* last_restore */
    bool is_known;
    int64_t ms;
    char backup[sizeof(((struct status *)NULL)->restored_backup)];
    uint64_t keys;
    bool has_keys;
    uint64_t skipped;
    int64_t took_ms;
};

static int read_restored(const struct json *answer, struct restored *out, struct err *err)
{
    const struct json *from = NULL;

    *out = (struct restored){.took_ms = -1};
    if (!json_has(answer, "last_restore"))
        return 0;
    if (json_get(answer, "last_restore", &from, err) != 0 ||
        json_get_time(from, "time", &out->ms, err) != 0 ||
        (json_has(from, "backup") && read_id(from, "backup", out->backup, err) != 0) ||
        maybe_u64(from, "keys", &out->keys, err) != 0 ||
        maybe_u64(from, "skipped", &out->skipped, err) != 0)
        return -1;
    out->has_keys = json_has(from, "keys");
    out->took_ms = json_get_duration_ms(from, "seconds");
    out->is_known = true;
    return 0;
}

static void take_restored(struct status *status, const struct restored *restored)
{
    if (!restored->is_known)
        return;
    status->restored_ms = restored->ms;
    status->restored_has_keys = restored->has_keys;
    status->restored_keys = restored->keys;
    status->restored_skipped = restored->skipped;
    status->restore_took_ms = restored->took_ms;
    memcpy(status->restored_backup, restored->backup, sizeof(status->restored_backup));
}

static void take_backups(struct status *status, struct status_backup *rows, size_t count,
                         uint64_t total)
{
    int64_t ok_ms = -1;

    free(status->backups);
    status->backups = rows;
    status->backup_count = count;
    status->backups_total = total;
    for (size_t i = 0; i < count && ok_ms < 0; i++)
        if (rows[i].proven)
            ok_ms = rows[i].created_ms;
    if (ok_ms >= 0 || total <= count) /* else one may stand behind those that were read */
        status->last_backup_ok_ms = ok_ms;
}

int status_read_list(struct status *status, const struct json *answer, int64_t now_ms,
                     struct err *err)
{
    const struct json *from = NULL;
    auto_free struct status_backup *rows = xcalloc(STATUS_BACKUPS_MAX, sizeof(*rows));
    struct restored restored;
    size_t count = 0;
    uint64_t total = 0;

    if (json_get(answer, "backups", &from, err) != 0 || read_restored(answer, &restored, err) != 0)
        return err_wrap(err, "the list of backups");
    for (const struct json *at = json_first(from); at != NULL; at = json_next(at)) {
        struct status_backup row;

        if (read_row(at, &row, err) != 0)
            return err_wrap(err, "the list of backups");
        keep_known(status, &row);
        insert(rows, &count, &row);
        total++;
    }
    if (maybe_u64(answer, "total", &total, err) != 0)
        return err_wrap(err, "the list of backups");
    take_restored(status, &restored);
    take_backups(status, TAKE_PTR(rows), count, total);
    status->has_backups = true;
    status->backups_read_ms = now_ms;
    return 0;
}

static int read_databases(const struct json *manifest, struct status_backup *out, struct err *err)
{
    const struct json *dbs = NULL;

    if (!json_has(manifest, "databases"))
        return 0;
    if (json_get(manifest, "databases", &dbs, err) != 0)
        return -1;
    for (const struct json *db = json_first(dbs); db != NULL; db = json_next(db)) {
        uint64_t expires = 0;

        if (maybe_u64(db, "expires", &expires, err) != 0)
            return -1;
        out->expires += expires;
    }
    return 0;
}

static int read_server(const struct json *manifest, struct status_backup *out, struct err *err)
{
    const struct json *server = NULL;
    const char *name = NULL;
    const char *version = NULL;

    if (!json_has(manifest, "server"))
        return 0;
    if (json_get(manifest, "server", &server, err) != 0 ||
        json_get_string(server, "name", &name, err) != 0 ||
        json_get_string(server, "version", &version, err) != 0)
        return -1;
    auto_free char *text = xasprintf("%s %s", name, version);
    show_server(text, out->server, sizeof(out->server));
    return 0;
}

int status_read_manifest(const struct json *manifest, struct status_backup *out, struct err *err)
{
    const struct json *timings = NULL;
    struct status_backup backup;

    if (read_common(manifest, &backup, err) != 0 || read_databases(manifest, &backup, err) != 0 ||
        read_server(manifest, &backup, err) != 0)
        return err_wrap(err, "the answer of the backup");
    backup.encrypted = json_has(manifest, "encryption");
    if (json_has(manifest, "timings")) {
        if (json_get(manifest, "timings", &timings, err) != 0)
            return err_wrap(err, "the answer of the backup");
        backup.save_ms = json_get_duration_ms(timings, "save_seconds");
        backup.pack_ms = json_get_duration_ms(timings, "pack_seconds");
    }
    *out = backup;
    return 0;
}
