/*
 * Saved INFO and CONFIG GET as facts, see check_case.h.
 */
#include "support/check_case.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "support/tmpdir.h"

#define VALUE_MAX 4096

static const char *const healthy_entries[] = {"appendonlydir", "dump.rdb", NULL};
static const char *const no_leftovers[] = {NULL};

static void read_file(const char *kind, const char *ext, struct buf *out)
{
    auto_free char *path = xasprintf("tests/data/info/redis-7.0-%s.%s", kind, ext);
    struct err err = {0};

    buf_init(out, 1 << 20);
    ck_assert_msg(fs_read_file(AT_FDCWD, path, out, &err) == 0, "%s", err.msg);
}

/* A name in a line and its value in the next, as redis-cli prints them. */
static void add_config(struct pairs *pairs, char *text)
{
    while (*text != '\0') {
        char *name = text;
        char *value = strchr(name, '\n');
        ck_assert_ptr_nonnull(value);
        *value++ = '\0';
        char *end = strchr(value, '\n');
        ck_assert_ptr_nonnull(end);
        *end = '\0';
        pairs_add(pairs, name, value);
        text = end + 1;
    }
}

void check_case_init(struct check_case *c, const char *kind)
{
    auto_buf struct buf info;
    auto_buf struct buf config;

    read_file(kind, "info", &info);
    read_file(kind, "config", &config);
    auto_free char *config_text = buf_take(&config);

    *c = (struct check_case){.root = tmpdir_new()};
    pairs_add_info(&c->info, buf_text(&info), info.len);
    add_config(&c->config, config_text);
    c->facts = (struct check_facts){
        .root_fd = open(c->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        .now_ms = 1795248500000, /* some seconds after INFO */
        .info = &c->info,
        .config = &c->config,
        .is_same_network = true,
        .server_pid = -1,
        .volume = {.path = "/data",
                   .file_system = "ext4",
                   .total_bytes = INT64_C(10) << 30,
                   .free_bytes = INT64_C(9) << 30,
                   .total_inodes = 100000,
                   .free_inodes = 99000,
                   .owner_uid = 999,
                   .owner_gid = 1000,
                   .mode = 0755,
                   .fsync_us = 1234,
                   .entries = healthy_entries,
                   .old_temp_files = no_leftovers},
        .backup = {.has_repository = true,
                   .newest_ms = 1795248500000 - 60000,
                   .max_age_ms = 7200000,
                   .lag_ms = 800,
                   .drilled_ms = 1795248500000 - 86400000,
                   .drill_ok = 1,
                   .has_drill_server = 1,
                   .is_encrypted = 1,
                   .prunes = 1,
                   .may_delete = 1,
                   .is_versioned = 1},
    };
    ck_assert_int_ge(c->facts.root_fd, 0);
}

static void clear(struct check_result *result)
{
    free(result->value);
    free(result->wanted);
    free(result->fix);
    free(result->before);
    free(result->act_value);
    *result = (struct check_result){0};
}

void check_case_release(struct check_case *c)
{
    clear(&c->result);
    pairs_release(&c->info);
    pairs_release(&c->config);
    ck_assert_int_eq(close(c->facts.root_fd), 0);
    tmpdir_remove(c->root);
}

void check_case_forget(struct check_case *c)
{
    c->facts = (struct check_facts){
        .root_fd = c->facts.root_fd,
        .now_ms = c->facts.now_ms,
        .server_why = "connection refused",
        .server_pid = -1,
        .volume = {.total_bytes = -1,
                   .free_bytes = -1,
                   .total_inodes = -1,
                   .free_inodes = -1,
                   .is_read_only = -1,
                   .owner_uid = -1,
                   .owner_gid = -1,
                   .mode = -1,
                   .fsync_us = -1,
                   .repository_is_inside = -1},
        .backup = {.newest_ms = -1,
                   .max_age_ms = -1,
                   .lag_ms = -1,
                   .drilled_ms = -1,
                   .drill_ok = -1,
                   .has_drill_server = -1,
                   .is_encrypted = -1,
                   .may_delete = -1,
                   .is_versioned = -1,
                   .prunes = -1},
    };
}

void check_case_put(struct pairs *pairs, const char *name, const char *value)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (strcasecmp(pairs->names[i], name) != 0)
            continue;
        free(pairs->names[i]);
        free(pairs->values[i]);
        pairs->names[i] = xstrdup(value == NULL ? "taken-away" : name);
        pairs->values[i] = xstrdup(value == NULL ? "" : value);
        return;
    }
    if (value != NULL)
        pairs_add(pairs, name, value);
}

static const struct check_row *find_row(const char *id)
{
    const struct check_row *const tables[] = {check_volume_rows, check_server_rows,
                                              check_backup_rows};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct check_row *row = tables[i]; row->id != NULL; row++) {
            if (strcmp(row->id, id) == 0)
                return row;
        }
    }
    ck_abort_msg("there is no check %s", id);
    return NULL;
}

static bool is_printable(const char *text, bool with_newlines)
{
    for (; *text != '\0'; text++) {
        bool is_control = (unsigned char)*text < 0x20 || *text == 0x7f;
        if (is_control && !(with_newlines && *text == '\n'))
            return false;
    }
    return true;
}

const struct check_result *check_case_look(struct check_case *c, const char *id)
{
    const struct check_row *row = find_row(id);
    struct check_result *r = &c->result;

    clear(r);
    *r = (struct check_result){
        .id = row->id, .scope = row->scope, .why = row->why, .status = CHECK_UNKNOWN};
    row->look(&c->facts, r);

    ck_assert_msg(r->value != NULL && strlen(r->value) < VALUE_MAX, "%s", id);
    ck_assert_msg(is_printable(r->value, false), "%s: %s", id, r->value);
    ck_assert_msg(r->fix == NULL || is_printable(r->fix, true), "%s: %s", id, r->fix);
    ck_assert_int_ne(r->status, CHECK_FIXED);
    if (r->status == CHECK_WARN || r->status == CHECK_FAIL) {
        ck_assert_msg(r->wanted != NULL && r->fix != NULL, "%s: %s", id, r->value);
        ck_assert_msg((r->act == CHECK_ACT_NONE) == (r->act_value == NULL), "%s", id);
    } else {
        ck_assert_msg(r->wanted == NULL && r->fix == NULL, "%s: %s", id, r->value);
        ck_assert_int_eq(r->act, CHECK_ACT_NONE);
    }
    ck_assert_msg((r->status == CHECK_UNKNOWN) == (strncmp(r->value, "unknown: ", 9) == 0), "%s",
                  id);
    return r;
}

void check_case_expect(struct check_case *c, const char *id, enum check_status status,
                       const char *says, const char *fix)
{
    const struct check_result *r = check_case_look(c, id);

    ck_assert_msg(r->status == status && strstr(r->value, says) != NULL, "%s: %s %s, not %s %s", id,
                  check_status_name(r->status), r->value, check_status_name(status), says);
    if (fix != NULL)
        ck_assert_str_eq(r->fix, fix);
}

static void edit_word(struct check_case *c, const char *word)
{
    const struct {
        const char *word;
        bool *fact;
    } facts[] = {
        {"cache", &c->facts.is_cache},
        {"prepared", &c->facts.is_prepared},
        {"default-user", &c->facts.is_default_user},
        {"cluster-kept", &c->facts.backup.has_cluster},
    };

    if (strcmp(word, "default-whole") == 0)
        c->facts.default_user = CHECK_DEFAULT_USER_WHOLE;
    if (strcmp(word, "default-limited") == 0)
        c->facts.default_user = CHECK_DEFAULT_USER_LIMITED;
    if (strcmp(word, "config") == 0)
        c->facts.config = NULL;
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        if (strcmp(word, facts[i].word) == 0)
            *facts[i].fact = true;
    }
}

static void edit(struct check_case *c, const char *text)
{
    const char *colon = strchr(text, ':');

    if (colon == NULL) {
        edit_word(c, text);
        return;
    }
    const char *name = colon + 1;
    const char *equals = strchr(name, '=');
    auto_free char *only = xstrndup(name, equals == NULL ? strlen(name) : (size_t)(equals - name));
    check_case_put(text[0] == 'i' ? &c->info : &c->config, only,
                   equals == NULL ? NULL : equals + 1);
}

void check_case_edit(struct check_case *c, const char *const edits[CHECK_FINDING_EDITS])
{
    for (size_t i = 0; i < CHECK_FINDING_EDITS && edits[i] != NULL; i++)
        edit(c, edits[i]);
}

void check_case_prove(const struct check_finding *finding)
{
    struct check_case c;

    check_case_init(&c, finding->kind);
    check_case_edit(&c, finding->edits);
    check_case_expect(&c, finding->id, finding->status, finding->says, finding->fix);

    const struct check_result *r = &c.result;
    if (finding->act == NULL) {
        ck_assert_msg(r->act == CHECK_ACT_NONE, "%s", finding->id);
    } else {
        auto_free char *act = xasprintf("%s %s", r->act_name, r->act_value);

        ck_assert_int_eq(r->act, CHECK_ACT_CONFIG);
        ck_assert_str_eq(act, finding->act);
    }
    check_case_release(&c);
}
