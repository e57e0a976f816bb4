/*
 * The report of `redkeep check` in the record: read from the answer of the job, shown as it came.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/status.h"

/* NULL when it is not there. Heap. */
static char *text_of(const struct json *row, const char *key)
{
    const char *text = NULL;
    struct err ignored; /* the optional ones */

    return json_get_string(row, key, &text, &ignored) == 0 ? xstrdup(text) : NULL;
}

static int read_status(const struct json *row, enum check_status *out, struct err *err)
{
    const char *name = NULL;

    if (json_get_string(row, "status", &name, err) != 0)
        return -1;
    for (enum check_status status = 0; status < CHECK_STATUS_COUNT; status++) {
        if (strcmp(check_status_name(status), name) == 0) {
            *out = status;
            return 0;
        }
    }
    return err_set(err, ERR_CORRUPT, "JSON: \"status\" of a check is no such word");
}

static int read_scope(const struct json *row, enum check_scope *out, struct err *err)
{
    const char *name = NULL;

    if (json_get_string(row, "scope", &name, err) != 0)
        return -1;
    for (enum check_scope scope = 0; scope <= CHECK_BACKUP; scope++) {
        if (strcmp(check_scope_name(scope), name) == 0) {
            *out = scope;
            return 0;
        }
    }
    return err_set(err, ERR_CORRUPT, "JSON: \"scope\" of a check is no such word");
}

static int read_check(const struct json *row, struct status_check *out, struct err *err)
{
    struct status_check check = {.told = CHECK_OK};
    const char *id = NULL;

    if (json_get_string(row, "id", &id, err) != 0 || read_status(row, &check.status, err) != 0 ||
        read_scope(row, &check.scope, err) != 0)
        return -1;
    check.id = xstrdup(id);
    check.value = text_of(row, "value");
    check.wanted = text_of(row, "wanted");
    check.why = text_of(row, "why");
    check.fix = text_of(row, "fix");
    *out = check;
    return 0;
}

int status_read_checks(const struct json *answer, struct status_checks *out, struct err *err)
{
    const struct json *rows = NULL;
    struct status_checks checks = {0};

    if (json_get(answer, "checks", &rows, err) != 0)
        return -1;
    if (json_size(rows) > STATUS_CHECKS_MAX)
        return err_set(err, ERR_CORRUPT, "JSON: there are more than %d checks", STATUS_CHECKS_MAX);
    checks.rows = xcalloc(STATUS_CHECKS_MAX, sizeof(*checks.rows));
    for (const struct json *row = json_first(rows); row != NULL; row = json_next(row)) {
        if (read_check(row, &checks.rows[checks.count], err) != 0) {
            status_checks_release(&checks);
            return -1;
        }
        checks.count++;
    }
    *out = checks;
    return 0;
}

void status_checks_release(struct status_checks *checks)
{
    for (size_t i = 0; i < checks->count; i++) {
        struct status_check *check = &checks->rows[i];

        free(check->id);
        free(check->value);
        free(check->wanted);
        free(check->why);
        free(check->fix);
    }
    free(checks->rows);
    *checks = (struct status_checks){0};
}

const struct status_check *status_checks_find(const struct status_checks *checks, const char *id)
{
    for (size_t i = 0; i < checks->count; i++) {
        if (strcmp(checks->rows[i].id, id) == 0)
            return &checks->rows[i];
    }
    return NULL;
}

struct json *status_checks_json(const struct status_checks *checks)
{
    struct json *rows = json_array();

    for (size_t i = 0; i < checks->count; i++) {
        const struct status_check *check = &checks->rows[i];
        struct json *row = json_object();

        json_set_string(row, "id", check->id);
        json_set_string(row, "status", check_status_name(check->status));
        json_set_string(row, "value", check->value);
        json_set_string(row, "wanted", check->wanted);
        json_set_string(row, "scope", check_scope_name(check->scope));
        json_set_string(row, "why", check->why);
        json_set_string(row, "fix", check->fix);
        json_push(rows, row);
    }
    return rows;
}
