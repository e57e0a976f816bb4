/*
 * `redkeep list`: the backups of the instance. One whose manifest cannot be read is named too,
 * since it is what somebody will look for.
 */
#include <inttypes.h>
#include <string.h>

#include "backup/catalog_folders.h"
#include "backup/restore_record.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "commands/objects.h"

enum { NOTE_BYTES_MAX = 64 * 1024 };

static uint64_t expiring_keys(const struct manifest *manifest)
{
    uint64_t count = 0;

    for (size_t i = 0; i < manifest->db_count; i++)
        count += manifest->dbs[i].expires;
    return count;
}

static void set_seconds(struct json *row, const char *key, int64_t ms)
{
    if (ms >= 0)
        json_set_double(row, key, (double)ms / 1000);
    else
        json_set_null(row, key);
}

static struct json *to_json(const struct manifest *manifest, const struct catalog_folder *folder)
{
    struct json *row = json_object();
    auto_free char *server =
        xasprintf("%s %s", server_flavour_name(manifest->server.flavour), manifest->server_version);

    json_set_string(row, "id", manifest->id);
    json_set_time(row, "created_at", manifest->forked_ms);
    if (manifest->has_keys) {
        json_set_u64(row, "keys", manifest_keys(manifest));
        json_set_u64(row, "expires", expiring_keys(manifest));
    } else {
        json_set_null(row, "keys");
        json_set_null(row, "expires");
    }
    json_set_u64(row, "size_bytes", manifest_file_bytes(manifest));
    json_set_u64(row, "stored_bytes", manifest->parts.size);
    json_set_string(row, "server", server);
    if (manifest->rdb_version >= 0)
        json_set_i64(row, "rdb_version", manifest->rdb_version);
    else
        json_set_null(row, "rdb_version");
    json_set_bool(row, "proven", manifest->proven);
    set_seconds(row, "save_seconds", manifest->save_ms);
    set_seconds(row, "pack_seconds", manifest->pack_ms);
    json_set_time(row, "verified_at", folder->verified_ms);
    if (folder->verified_ms >= 0)
        json_set_bool(row, "verified_ok", folder->verified_ok);
    else
        json_set_null(row, "verified_ok");
    json_set_bool(row, "encrypted", false);
    json_set_bool(row, "pinned", folder->is_pinned);
    return row;
}

static const char *verified_text(const struct catalog_folder *folder)
{
    if (folder->verified_ms < 0)
        return "";
    return folder->verified_ok ? ", verified" : ", found BAD";
}

static void print_row(const struct manifest *manifest, const struct catalog_folder *folder,
                      FILE *out)
{
    char time[32];
    char bytes[32];
    char stored[32];
    char keys[32] = "?";

    format_rfc3339(manifest->forked_ms, time, sizeof(time));
    format_size(manifest_file_bytes(manifest), bytes, sizeof(bytes));
    format_size(manifest->parts.size, stored, sizeof(stored));
    if (manifest->has_keys)
        (void)snprintf(keys, sizeof(keys), "%" PRIu64, manifest_keys(manifest));
    (void)fprintf(out, "%-24s %-21s %12s %9s %9s  %-6s %-8s %s%s%s\n", manifest->id, time, keys,
                  bytes, stored, server_flavour_name(manifest->server.flavour),
                  manifest->server_version, manifest->proven ? "proven" : "NOT proven",
                  verified_text(folder), folder->is_pinned ? ", pinned" : "");
}

static void note_unreadable(struct json *unreadable, const char *id, const struct err *why)
{
    struct json *row = json_object();

    log_warn("backup %s cannot be read: %s", id, why->msg);
    json_set_string(row, "id", id);
    json_set_string(row, "why", why->msg);
    json_push(unreadable, row);
}

struct listing {
    struct store *store;
    const char *instance;
    const struct catalog_folders *folders;
    const struct catalog_folder *backups; /* oldest first */
    size_t count;
    size_t first; /* where the newest begin, of which --latest wants no more */
};

/* Was the last verification a drill? Of the newest backup alone: it costs a request. */
static void set_drilled(const struct listing *listing, const struct catalog_folder *folder,
                        struct json *row)
{
    const char *name = NULL;
    int64_t time_ms = -1;
    auto_buf struct buf text = {0};
    auto_json struct json *note = NULL;
    bool drilled = false;
    struct err ignored; /* unknown, then */

    do {
        name = catalog_folders_next_name(listing->folders, folder, name);
    } while (name != NULL && (catalog_classify(name, &time_ms) != CATALOG_VERIFIED_OK ||
                              time_ms != folder->verified_ms));
    if (name == NULL)
        return;
    auto_free char *key = catalog_key(listing->instance, folder->id, name);
    buf_init(&text, NOTE_BYTES_MAX);
    if (store_get_small(listing->store, key, &text, &ignored) != 0 ||
        json_parse(buf_text(&text), text.len, &note, &ignored) != 0)
        return;
    (void)json_get_bool(note, "drilled", &drilled, &ignored); /* a plain one does not say it */
    json_set_bool(row, "drilled", drilled);
}

/* Reads the manifests; rows go into the answer, and to out when it is not NULL. */
static int read_manifests(const struct listing *listing, struct json *answer, FILE *out,
                          struct err *err)
{
    struct json *backups = json_array();
    struct json *unreadable = json_array();

    json_set(answer, "backups", backups);
    json_set(answer, "moments", json_array());
    json_set(answer, "unreadable", unreadable);
    for (size_t i = listing->first; i < listing->count; i++) {
        const struct catalog_folder *folder = &listing->backups[i];
        auto_manifest struct manifest manifest = {0};

        if (catalog_read(listing->store, listing->instance, folder->id, &manifest, err) != 0) {
            if (err->kind == ERR_NOT_FOUND) /* removed since it was listed */
                continue;
            if (err->kind != ERR_CORRUPT && err->kind != ERR_TOO_NEW)
                return -1;
            note_unreadable(unreadable, folder->id, err);
            continue;
        }
        struct json *row = to_json(&manifest, folder);
        if (out == NULL && i + 1 == listing->count && folder->verified_ok)
            set_drilled(listing, folder, row);
        json_push(backups, row);
        if (out != NULL)
            print_row(&manifest, folder, out);
    }
    return 0;
}

/* For the sidecar; that it is not known spoils no list. */
static struct json *last_restore(struct store *store, const char *instance)
{
    struct restore_record record;
    struct err err;

    if (restore_record_newest(store, instance, &record, &err) != 0) {
        if (err.kind != ERR_NOT_FOUND)
            log_info("the last restore is not known: %s", err.msg);
        return NULL;
    }
    struct json *row = json_object();
    json_set_time(row, "time", record.time_ms);
    json_set_string(row, "backup", record.backup);
    if (record.has_keys)
        json_set_u64(row, "keys", record.keys);
    else
        json_set_null(row, "keys");
    json_set_u64(row, "skipped", record.skipped);
    if (record.took_ms >= 0)
        json_set_double(row, "seconds", (double)record.took_ms / 1000.0);
    else
        json_set_null(row, "seconds");
    return row;
}

static void answer_json(const struct command_context *context, struct store *store,
                        struct json *answer)
{
    struct json *restore = last_restore(store, context->settings->instance);

    if (restore != NULL)
        json_set(answer, "last_restore", restore);
    else
        json_set_null(answer, "last_restore");
    command_answer(context, answer);
}

static int find_first(const struct command_context *context, size_t count, size_t *out,
                      struct err *err)
{
    const char *text = command_option(context, "latest");
    uint64_t wanted;

    *out = 0;
    if (text == NULL)
        return 0;
    if (parse_u64(text, &wanted, err) != 0)
        return err_wrap(err, "--latest");
    if (wanted == 0)
        return err_set(err, ERR_CONFIG, "--latest 0 would list nothing");
    if (wanted < count)
        *out = count - (size_t)wanted;
    return 0;
}

/* Orphans are nobody's backups. */
static size_t drop_orphans(struct catalog_folders *folders)
{
    size_t kept = 0;

    for (size_t i = 0; i < folders->count; i++)
        if (folders->folders[i].has_manifest)
            folders->folders[kept++] = folders->folders[i];
    return kept;
}

struct shown {
    const struct listing *listing;
    struct json *answer;
    int64_t as_of_ms;   /* -1: as it is now */
    const char *others; /* where nothing is there: what is instead; NULL */
};

static void print_nothing(const struct shown *shown, FILE *out)
{
    char time[32];

    if (shown->as_of_ms >= 0) {
        format_rfc3339(shown->as_of_ms, time, sizeof(time));
        (void)fprintf(out, "no backups of instance %s at %s\n", shown->listing->instance, time);
    } else {
        (void)fprintf(out, "no backups of instance %s yet\n", shown->listing->instance);
    }
    if (shown->others != NULL)
        (void)fprintf(out, "there are some of other instances: %s (--instance names one)\n",
                      shown->others);
}

static int show_text(const struct shown *shown, FILE *out, struct err *err)
{
    const struct listing *listing = shown->listing;

    if (listing->count == 0) {
        print_nothing(shown, out);
        return 0;
    }
    (void)fprintf(out, "%-24s %-21s %12s %9s %9s  %s\n", "ID", "CREATED", "KEYS", "SIZE", "STORED",
                  "SERVER");
    if (read_manifests(listing, shown->answer, out, err) != 0)
        return -1;
    if (listing->first > 0)
        (void)fprintf(out, "the newest %zu of %zu backups\n", listing->count - listing->first,
                      listing->count);
    return 0;
}

static int show_json(const struct command_context *context, const struct shown *shown,
                     struct err *err)
{
    const struct listing *listing = shown->listing;

    json_set_string(shown->answer, "instance", listing->instance);
    json_set_time(shown->answer, "as_of", shown->as_of_ms);
    json_set_u64(shown->answer, "total", listing->count);
    json_set(shown->answer, "other_instances", command_list_words(shown->others));
    if (read_manifests(listing, shown->answer, NULL, err) != 0)
        return -1;
    answer_json(context, listing->store, shown->answer);
    return 0;
}

static int show(const struct command_context *context, struct store *store, int64_t as_of_ms,
                struct err *err)
{
    const char *instance = context->settings->instance;
    auto_catalog_folders struct catalog_folders folders = {0};
    auto_json struct json *answer = json_object();
    struct listing listing = {.store = store, .instance = instance};

    if (catalog_folders_list(store, instance, &folders, err) != 0)
        return -1;
    listing.folders = &folders;
    listing.backups = folders.folders;
    listing.count = drop_orphans(&folders);
    if (find_first(context, listing.count, &listing.first, err) != 0)
        return -1;
    auto_free char *others = /* a wrong name is the usual cause */
        listing.count == 0 ? catalog_other_instances(store, instance) : NULL;
    const struct shown shown = {
        .listing = &listing, .answer = answer, .as_of_ms = as_of_ms, .others = others};
    return command_flag(context, "json") ? show_json(context, &shown, err)
                                         : show_text(&shown, context->out, err);
}

static int run(const struct command_context *context, struct err *err)
{
    auto_store struct store *store = NULL;
    int64_t as_of_ms;

    if (catalog_check_instance(context->settings->instance, err) != 0 ||
        command_as_of(context, &as_of_ms, err) != 0)
        return -1;
    if (command_open_store(context, NULL, &store, err) != 0 ||
        show(context, store, as_of_ms, err) != 0)
        return command_wrap_as_of(as_of_ms, err);
    return 0;
}

static const struct option_spec options[] = {
    {.name = "json", .help = "answer with one JSON object"},
    {.name = "latest", .value = "N", .help = "the newest N only; the others are not even read"},
    COMMAND_OPTION_AS_OF,
    {0},
};

const struct command command_list = {
    .name = "list",
    .help = "lists the backups that can be restored",
    .needs_repository = true,
    .options = options,
    .run = run,
};
