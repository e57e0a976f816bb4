/*
 * INFO is lines "name:value\r\n" under "# Section" headings. One table maps names to fields, so
 * that a field exists in one place; the keyspace ("db0:keys=1,expires=0,...") is the only nested
 * one.
 */
#include "redis/redis_info.h"

#include <string.h>

#include "base/mem.h"

enum field_type { FIELD_TEXT, FIELD_HEAP, FIELD_NUMBER, FIELD_FLAG, FIELD_OK };

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
    size_t size; /* of a FIELD_TEXT */
};

#define AT(member) offsetof(struct redis_server_info, member)
#define SIZE(member) sizeof(((struct redis_server_info *)0)->member)

/* redis_version and valkey_version share a field: see take_version. */
static const struct field fields[] = {
    {"run_id", FIELD_TEXT, AT(run_id), SIZE(run_id)},
    {"process_id", FIELD_NUMBER, AT(process_id), 0},
    {"tcp_port", FIELD_NUMBER, AT(tcp_port), 0},
    {"server_time_usec", FIELD_NUMBER, AT(server_time_usec), 0},
    {"uptime_in_seconds", FIELD_NUMBER, AT(uptime_s), 0},
    {"executable", FIELD_HEAP, AT(executable), 0},
    {"config_file", FIELD_HEAP, AT(config_file), 0},
    {"role", FIELD_TEXT, AT(role), SIZE(role)},
    {"master_replid", FIELD_TEXT, AT(replid), SIZE(replid)},
    {"master_repl_offset", FIELD_NUMBER, AT(repl_offset), 0},
    {"connected_slaves", FIELD_NUMBER, AT(connected_slaves), 0},
    {"expired_keys", FIELD_NUMBER, AT(expired_keys), 0},
    {"master_link_status", FIELD_TEXT, AT(master_link_status), SIZE(master_link_status)},
    {"master_sync_in_progress", FIELD_FLAG, AT(master_sync_in_progress), 0},
    {"master_link_down_since_seconds", FIELD_NUMBER, AT(master_link_down_since_s), 0},
    {"master_last_io_seconds_ago", FIELD_NUMBER, AT(master_last_io_s), 0},
    {"loading", FIELD_FLAG, AT(loading), 0},
    {"async_loading", FIELD_FLAG, AT(async_loading), 0},
    {"loading_start_time", FIELD_NUMBER, AT(loading_start_time_s), 0},
    {"loading_total_bytes", FIELD_NUMBER, AT(loading_total_bytes), 0},
    {"loading_loaded_bytes", FIELD_NUMBER, AT(loading_loaded_bytes), 0},
    {"loading_eta_seconds", FIELD_NUMBER, AT(loading_eta_s), 0},
    {"rdb_saves", FIELD_NUMBER, AT(rdb_saves), 0},
    {"rdb_bgsave_in_progress", FIELD_FLAG, AT(rdb_bgsave_in_progress), 0},
    {"rdb_last_bgsave_status", FIELD_OK, AT(rdb_last_bgsave_ok), 0},
    {"rdb_last_save_time", FIELD_NUMBER, AT(rdb_last_save_time_s), 0},
    {"rdb_last_bgsave_time_sec", FIELD_NUMBER, AT(rdb_last_bgsave_s), 0},
    {"rdb_current_bgsave_time_sec", FIELD_NUMBER, AT(rdb_current_bgsave_s), 0},
    {"rdb_changes_since_last_save", FIELD_NUMBER, AT(rdb_changes_since_last_save), 0},
    {"rdb_last_cow_size", FIELD_NUMBER, AT(rdb_last_cow_bytes), 0},
    {"rdb_last_load_keys_loaded", FIELD_NUMBER, AT(rdb_last_load_keys_loaded), 0},
    {"rdb_last_load_keys_expired", FIELD_NUMBER, AT(rdb_last_load_keys_expired), 0},
    {"latest_fork_usec", FIELD_NUMBER, AT(latest_fork_usec), 0},
    {"current_save_keys_processed", FIELD_NUMBER, AT(save_keys_processed), 0},
    {"current_save_keys_total", FIELD_NUMBER, AT(save_keys_total), 0},
    {"aof_enabled", FIELD_FLAG, AT(aof_enabled), 0},
    {"aof_rewrite_in_progress", FIELD_FLAG, AT(aof_rewrite_in_progress), 0},
    {"aof_rewrite_scheduled", FIELD_FLAG, AT(aof_rewrite_scheduled), 0},
    {"aof_last_write_status", FIELD_OK, AT(aof_last_write_ok), 0},
    {"aof_last_bgrewrite_status", FIELD_OK, AT(aof_last_rewrite_ok), 0},
    {"aof_last_rewrite_time_sec", FIELD_NUMBER, AT(aof_last_rewrite_s), 0},
    {"aof_last_cow_size", FIELD_NUMBER, AT(aof_last_cow_bytes), 0},
    {"aof_current_size", FIELD_NUMBER, AT(aof_current_bytes), 0},
    {"aof_base_size", FIELD_NUMBER, AT(aof_base_bytes), 0},
    {"aof_delayed_fsync", FIELD_NUMBER, AT(aof_delayed_fsync), 0},
    {"module_fork_in_progress", FIELD_FLAG, AT(module_fork_in_progress), 0},
    {"slot_migration_fork_in_progress", FIELD_FLAG, AT(slot_migration_fork_in_progress), 0},
    {"used_memory", FIELD_NUMBER, AT(used_memory), 0},
    {"used_memory_rss", FIELD_NUMBER, AT(used_memory_rss), 0},
    {"maxmemory", FIELD_NUMBER, AT(maxmemory), 0},
    {"total_system_memory", FIELD_NUMBER, AT(total_system_memory), 0},
    {"cluster_enabled", FIELD_FLAG, AT(cluster_enabled), 0},
};

/* A piece of the text. */
struct span {
    const char *at;
    size_t len;
};

static bool span_is(struct span span, const char *text)
{
    return span.len == strlen(text) && memcmp(span.at, text, span.len) == 0;
}

/* Decimal digits with an optional '-'; false leaves *out. */
static bool span_number(struct span span, int64_t *out)
{
    bool negative = span.len > 0 && span.at[0] == '-';
    size_t i = negative ? 1 : 0;
    int64_t value = 0;

    if (i == span.len)
        return false;
    for (; i < span.len; i++) {
        if (span.at[i] < '0' || span.at[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, span.at[i] - '0', &value))
            return false;
    }
    *out = negative ? -value : value;
    return true;
}

static void copy_text(struct span value, char *out, size_t size)
{
    if (value.len >= size)
        return; /* longer than any server writes: unknown, rather than a part of it */
    memcpy(out, value.at, value.len);
    out[value.len] = '\0';
}

static void take_field(const struct field *field, struct span value, struct redis_server_info *out)
{
    char *base = (char *)out + field->offset;
    int64_t number = -1;

    switch (field->type) {
    case FIELD_TEXT:
        copy_text(value, base, field->size);
        break;
    case FIELD_HEAP: {
        char **text = (char **)(void *)base;
        free(*text);
        *text = xstrndup(value.at, value.len);
        break;
    }
    case FIELD_NUMBER:
        (void)span_number(value, (int64_t *)(void *)base); /* unreadable: stays -1 */
        break;
    case FIELD_FLAG:
        if (span_number(value, &number) && number >= 0)
            *(int *)(void *)base = number != 0;
        break;
    case FIELD_OK:
        *(int *)(void *)base = span_is(value, "ok");
        break;
    }
}

/* Finds "name=<digits>" in a comma-separated list. */
static bool list_number(struct span list, const char *name, uint64_t *out)
{
    size_t name_len = strlen(name);

    while (list.len > 0) {
        const char *comma = memchr(list.at, ',', list.len);
        size_t len = comma == NULL ? list.len : (size_t)(comma - list.at);
        int64_t number = -1;

        if (len > name_len && memcmp(list.at, name, name_len) == 0 && list.at[name_len] == '=') {
            struct span digits = {list.at + name_len + 1, len - name_len - 1};
            if (!span_number(digits, &number) || number < 0)
                return false;
            *out = (uint64_t)number;
            return true;
        }
        if (comma == NULL)
            return false;
        list = (struct span){comma + 1, list.len - len - 1};
    }
    return false;
}

/* "db0" ... : true when the line was one. */
static bool take_keyspace(struct span name, struct span value, struct redis_server_info *out)
{
    struct redis_keyspace row = {0};
    int64_t db = -1;

    if (name.len < 3 || memcmp(name.at, "db", 2) != 0)
        return false;
    if (!span_number((struct span){name.at + 2, name.len - 2}, &db) || db < 0 || db > UINT32_MAX)
        return false;
    if (!list_number(value, "keys", &row.keys))
        return true;
    (void)list_number(value, "expires", &row.expires); /* absent: none */
    row.db = (uint32_t)db;
    if (out->keyspace_count == REDIS_INFO_DATABASES_MAX)
        return true;
    if ((out->keyspace_count & (out->keyspace_count - 1)) == 0) { /* grow at powers of two */
        size_t room = out->keyspace_count == 0 ? 1 : out->keyspace_count * 2;
        out->keyspace = xreallocarray(out->keyspace, room, sizeof(row));
    }
    out->keyspace[out->keyspace_count++] = row;
    return true;
}

/* Valkey says redis_version:7.2.4 for old clients, whatever it is; its own version wins. */
static bool take_version(struct span name, struct span value, struct redis_server_info *out)
{
    if (span_is(name, "redis_version")) {
        if (out->flavour == REDIS_FLAVOUR_REDIS)
            copy_text(value, out->version, sizeof(out->version));
        return true;
    }
    if (span_is(name, "valkey_version")) {
        out->flavour = REDIS_FLAVOUR_VALKEY;
        copy_text(value, out->version, sizeof(out->version));
        return true;
    }
    return false;
}

static void take_line(struct span line, struct redis_server_info *out)
{
    const char *colon = memchr(line.at, ':', line.len);

    if (colon == NULL || line.at[0] == '#')
        return;
    struct span name = {line.at, (size_t)(colon - line.at)};
    struct span value = {colon + 1, line.len - name.len - 1};
    if (value.len == 0 || take_version(name, value, out) || take_keyspace(name, value, out))
        return;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (span_is(name, fields[i].name)) {
            take_field(&fields[i], value, out);
            return;
        }
    }
}

static void set_unknown(struct redis_server_info *out)
{
    *out = (struct redis_server_info){.flavour = REDIS_FLAVOUR_REDIS};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char *base = (char *)out + fields[i].offset;

        if (fields[i].type == FIELD_NUMBER)
            *(int64_t *)(void *)base = -1;
        else if (fields[i].type == FIELD_FLAG || fields[i].type == FIELD_OK)
            *(int *)(void *)base = -1;
    }
}

void redis_info_parse(const char *text, size_t len, struct redis_server_info *out)
{
    set_unknown(out);
    out->executable = xstrdup("");
    out->config_file = xstrdup("");

    for (struct span rest = {text, len}; rest.len > 0;) {
        const char *newline = memchr(rest.at, '\n', rest.len);
        size_t line_len = newline == NULL ? rest.len : (size_t)(newline - rest.at);
        struct span line = {rest.at, line_len};

        if (line.len > 0 && line.at[line.len - 1] == '\r')
            line.len--;
        if (line.len > 0)
            take_line(line, out);
        if (newline == NULL)
            break;
        rest = (struct span){newline + 1, rest.len - line_len - 1};
    }
}

void redis_info_release(struct redis_server_info *info)
{
    free(info->executable);
    free(info->config_file);
    free(info->keyspace);
    set_unknown(info);
}

bool redis_info_has_child(const struct redis_server_info *info)
{
    return info->rdb_bgsave_in_progress == 1 || info->aof_rewrite_in_progress == 1 ||
           info->module_fork_in_progress == 1 || info->slot_migration_fork_in_progress == 1;
}

uint64_t redis_info_keys(const struct redis_server_info *info)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < info->keyspace_count; i++)
        if (__builtin_add_overflow(sum, info->keyspace[i].keys, &sum))
            return UINT64_MAX;
    return sum;
}

int redis_info_version(const struct redis_server_info *info, struct server_version *out,
                       struct err *err)
{
    struct server_version version = {0};
    struct err ignored = {0};

    if (info->version[0] == '\0')
        return err_set(err, ERR_SERVER, "INFO does not tell the server's version");
    if (server_version_parse(info->version, &version, &ignored) < 0)
        return err_set(err, ERR_SERVER, "the server's version, \"%s\", cannot be read",
                       info->version);
    version.flavour = info->flavour;
    *out = version;
    return 0;
}
