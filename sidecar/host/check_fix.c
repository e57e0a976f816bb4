/*
 * What was proposed is done, and believed only when it can be read back. A file of /proc/sys or
 * /sys takes its whole value in one write; those of /sys that offer words show the chosen one in
 * brackets. A refusal stands in front of the line to paste as a comment, so that both can be
 * pasted.
 */
#include "host/check_fix.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

#define TEXT_MAX 4096

/* What the file says: the word in brackets, else its line. NULL when it cannot be read. Heap. */
static char *read_chosen(int root_fd, const char *path)
{
    auto_buf struct buf text;
    struct err ignored; /* the writing has said what is wrong */

    buf_init(&text, TEXT_MAX);
    if (fs_read_file(root_fd, path, &text, &ignored) != 0)
        return NULL;
    const char *line = buf_text(&text);
    const char *open = strchr(line, '[');
    if (open != NULL && strchr(open, ']') != NULL)
        return xstrndup(open + 1, strcspn(open + 1, "]"));
    return xstrndup(line, strcspn(line, "\n"));
}

static int write_file(int root_fd, const char *path, const char *value, struct err *err)
{
    auto_close int fd = openat(root_fd, path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, ERR_FAILED, "cannot write /%s", path);
    if (write(fd, value, strlen(value)) != (ssize_t)strlen(value))
        return err_sys(err, ERR_FAILED, "cannot write %s to /%s", value, path);
    return 0;
}

/* *out_now is what the file says afterwards. */
static int fix_file(const struct check_fix_options *options, const struct check_result *result,
                    char **out_now, struct err *err)
{
    auto_free char *now = NULL;

    if (options->is_dry_run) {
        if (faccessat(options->root_fd, result->act_name, W_OK, AT_EACCESS) != 0)
            return err_sys(err, ERR_FAILED, "cannot write /%s", result->act_name);
        *out_now = xstrdup(result->act_value);
        return 0;
    }
    if (write_file(options->root_fd, result->act_name, result->act_value, err) != 0)
        return -1;
    now = read_chosen(options->root_fd, result->act_name);
    if (now == NULL || strcmp(now, result->act_value) != 0)
        return err_set(err, ERR_FAILED, "/%s was written, and still says %s", result->act_name,
                       now != NULL ? now : "nothing");
    *out_now = TAKE_PTR(now);
    return 0;
}

static bool is_listed(const char *const *names, const char *name)
{
    for (; names != NULL && *names != NULL; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

/* INVARIANT (the server comes first): nothing of it is changed that the operator has not named. */
static int fix_config(const struct check_fix_options *options, const struct check_result *result,
                      char **out_now, struct err *err)
{
    if (!is_listed(options->server_settings, result->act_name))
        return err_set(err, ERR_CONFIG, "fix-server does not name %s", result->act_name);
    if (options->config_set == NULL)
        return err_set(err, ERR_SERVER, "the server cannot be asked");
    if (!options->is_dry_run &&
        options->config_set(options->context, result->act_name, result->act_value, err) != 0)
        return -1;
    *out_now = xstrdup(result->act_value);
    return 0;
}

static void explain(struct check_result *result, struct err *err)
{
    const char *hint = err_hint(err->msg);
    size_t len = hint != NULL ? (size_t)(hint - err->msg) : strlen(err->msg);
    auto_free char *line = TAKE_PTR(result->fix);

    while (len > 0 && strchr(". \n", err->msg[len - 1]) != NULL)
        len--;
    check_fix_by(result, "# not done from here: %.*s%s%s", (int)len, err->msg,
                 line != NULL ? "\n" : "", line != NULL ? line : "");
}

static bool fix_one(const struct check_fix_options *options, struct check_result *result)
{
    char *now = NULL;
    struct err err = {0};
    int rc = result->act == CHECK_ACT_FILE ? fix_file(options, result, &now, &err)
                                           : fix_config(options, result, &now, &err);

    if (rc != 0) {
        explain(result, &err);
        return false;
    }
    free(result->before);
    result->before = result->value;
    result->value = now;
    if (options->is_dry_run)
        return true;
    result->status = CHECK_FIXED;
    if (result->act == CHECK_ACT_CONFIG) /* what is left to do: the line of redis.conf */
        check_fix_by(result, "%s %s", result->act_name, result->act_value);
    return true;
}

size_t check_fix(const struct check_fix_options *options, struct check_report *report)
{
    size_t fixed = 0;

    for (size_t i = 0; i < report->count; i++) {
        struct check_result *result = &report->results[i];

        if ((result->status == CHECK_WARN || result->status == CHECK_FAIL) &&
            result->act != CHECK_ACT_NONE && fix_one(options, result))
            fixed++;
    }
    check_sort(report);
    return fixed;
}
