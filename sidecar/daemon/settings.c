/*
 * Settings from everywhere: defaults, then the file, the environment, the flags, each checked as it
 * comes and laid over what was there, with a note of its origin. All of them are checked, also
 * those that something stronger overrides: a value that is wrong is wrong.
 */
#include "daemon/settings.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "daemon/settings_conf.h"
#include "daemon/settings_table.h"
#include "daemon/settings_value.h"

enum {
    CONF_BYTES_MAX = 1024 * 1024,
    VALUE_BYTES_MAX = 64 * 1024,
    ENV_NAME_SIZE = 80, /* setting_env_name, "_FILE" */
};

struct loading {
    const struct settings_input *input;
    struct settings *out;
    const char *path; /* of the file */
};

/* Puts text into the setting of row. origin is copied. */
static int apply(struct settings *settings, const struct setting_row *row, const char *text,
                 const char *origin, struct err *err)
{
    struct setting_shown *shown = &settings->shown[row - setting_table];

    if (setting_value_parse(row, text, settings, err) != 0)
        return err_wrap(err, "setting %s (%s)", row->name, origin);
    free(shown->text);
    free(shown->origin);
    shown->text = setting_value_masked(row, text);
    shown->origin = xstrdup(origin);
    return 0;
}

static int apply_default(const struct loading *loading, const struct setting_row *row,
                         struct err *err)
{
    const struct settings_input *input = loading->input;
    const char *text = row->default_text;
    auto_free char *workers = xasprintf("%u", input->cpus > 1 ? input->cpus - 1 : 1);

    if (text == NULL) {
        loading->out->shown[row - setting_table].origin = xstrdup("default");
        return 0;
    }
    if (strcmp(text, SETTING_DEFAULT_HOST_NAME) == 0)
        text = input->host_name;
    else if (strcmp(text, SETTING_DEFAULT_CPUS) == 0)
        text = workers;
    return apply(loading->out, row, text, "default", err);
}

static const char *environment_get(const struct settings_input *input, const char *name)
{
    size_t len = strlen(name);

    for (char *const *at = input->environment; at != NULL && *at != NULL; at++) {
        if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
            return (*at)[len + 1] != '\0' ? *at + len + 1 : NULL;
    }
    return NULL;
}

static int on_conf_line(void *context, const struct settings_conf_line *line, struct err *err)
{
    const struct loading *loading = context;
    const struct setting_row *row = setting_find(line->name);
    auto_free char *origin = NULL;

    if (row == NULL)
        return err_set(err, ERR_CONFIG, "line %u: unknown setting %.64s, the nearest is %s",
                       line->number, line->name, setting_nearest(line->name, NULL));
    origin = xasprintf("file %s:%u", loading->path, line->number);
    return apply(loading->out, row, line->value, origin, err);
}

static int load_file(struct loading *loading, bool is_named, struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, CONF_BYTES_MAX);
    rc = fs_read_file(AT_FDCWD, loading->path, &text, err);
    if (rc == 0)
        rc = settings_conf_parse(buf_text(&text), text.len, on_conf_line, loading, err);
    else if (err->kind == ERR_NOT_FOUND && !is_named)
        rc = 0;
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    buf_release(&text);
    if (rc == 0)
        return 0;
    if (err->kind == ERR_NOT_FOUND)
        (void)err_advise(err, "--config or REDKEEP_CONFIG names it; without either, redkeep reads "
                              "its usual file where there is one, and the environment");
    err->kind = ERR_CONFIG;
    return err_wrap(err, "cannot read the settings in %s", loading->path);
}

static int load_named_file(struct loading *loading, struct err *err)
{
    const struct settings_input *input = loading->input;
    const struct arguments *arguments = input->arguments;

    loading->path = environment_get(input, SETTING_ENV_PREFIX "CONFIG");
    for (size_t i = 0; arguments != NULL && i < arguments->setting_count; i++) {
        if (setting_find(arguments->settings[i].name) == NULL) /* only --config is no setting */
            loading->path = arguments->settings[i].value;
    }
    if (loading->path != NULL)
        return load_file(loading, true, err);
    loading->path = input->default_file;
    return loading->path != NULL ? load_file(loading, false, err) : 0;
}

/* A value from a file of its own, without its final newline. */
static int apply_value_file(struct settings *settings, const struct setting_row *row,
                            const char *path, const char *env_name, struct err *err)
{
    auto_free char *origin = xasprintf("file %s, environment %s", path, env_name);
    struct buf text;
    int rc;

    buf_init(&text, VALUE_BYTES_MAX);
    rc = fs_read_file(AT_FDCWD, path, &text, err);
    if (rc != 0)
        (void)err_wrap(err, "setting %s (environment %s)", row->name, env_name);
    if (rc == 0 && text.len > 0 && text.data[text.len - 1] == '\n')
        text.data[--text.len] = '\0';
    if (rc == 0 && text.len > 0 && text.data[text.len - 1] == '\r')
        text.data[--text.len] = '\0';
    if (rc == 0 && strlen(buf_text(&text)) != text.len)
        rc = err_set(err, ERR_CONFIG, "setting %s (%s): it holds a NUL byte", row->name, origin);
    if (rc == 0)
        rc = apply(settings, row, buf_text(&text), origin, err);
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    buf_release(&text);
    if (rc != 0)
        err->kind = ERR_CONFIG;
    return rc;
}

static int apply_environment(const struct loading *loading, const struct setting_row *row,
                             struct err *err)
{
    char name[ENV_NAME_SIZE] = {0};
    auto_free char *origin = NULL;
    auto_free char *file_name = NULL;
    const char *text;
    const char *path;

    setting_env_name(row, name, sizeof name);
    file_name = xasprintf("%s_FILE", name);
    text = environment_get(loading->input, name);
    path = environment_get(loading->input, file_name);
    if (text != NULL && path != NULL)
        return err_set(err, ERR_CONFIG, "both %s and %s are set: one of them has to go", name,
                       file_name);
    if (path != NULL)
        return apply_value_file(loading->out, row, path, file_name, err);
    origin = xasprintf("environment %s", name);
    return text != NULL ? apply(loading->out, row, text, origin, err) : 0;
}

/* What Kubernetes sets by itself for a Service called redkeep. */
static bool is_injected(const char *name)
{
    return strncmp(name, "REDKEEP_SERVICE_", 16) == 0 || strncmp(name, "REDKEEP_PORT", 12) == 0;
}

static bool is_known_variable(const char *name, size_t len)
{
    for (size_t i = 0; i < setting_count; i++) {
        char known[ENV_NAME_SIZE] = {0};
        size_t known_len;

        setting_env_name(&setting_table[i], known, sizeof known);
        known_len = strlen(known);
        if (strncmp(name, known, known_len) == 0 &&
            (len == known_len ||
             (len == known_len + 5 && strncmp(name + known_len, "_FILE", 5) == 0)))
            return true;
    }
    return len == strlen(SETTING_ENV_PREFIX "CONFIG") &&
           strncmp(name, SETTING_ENV_PREFIX "CONFIG", len) == 0;
}

/* name may hold anything; the text behind REDKEEP_, as a setting would be written. */
static int refuse_variable(const char *name, size_t len, struct err *err)
{
    size_t prefix = strlen(SETTING_ENV_PREFIX);
    auto_free char *as_setting = xstrndup(name + prefix, len - prefix);
    auto_free char *nearest = NULL;

    for (char *at = as_setting; *at != '\0'; at++)
        *at = *at == '_' ? '-' : (char)tolower((unsigned char)*at);
    nearest = xasprintf("%s%s", SETTING_ENV_PREFIX, setting_nearest(as_setting, NULL));
    for (char *at = nearest; *at != '\0'; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    return err_set(err, ERR_CONFIG, "unknown setting in the environment: %.*s, the nearest is %s",
                   (int)(len < 80 ? len : 80), name, nearest);
}

static int load_environment(const struct loading *loading, struct err *err)
{
    for (char *const *at = loading->input->environment; at != NULL && *at != NULL; at++) {
        size_t len = strcspn(*at, "=");

        if (strncmp(*at, SETTING_ENV_PREFIX, strlen(SETTING_ENV_PREFIX)) == 0 &&
            !is_injected(*at) && !is_known_variable(*at, len))
            return refuse_variable(*at, len, err);
    }
    for (size_t i = 0; i < setting_count; i++) {
        if (apply_environment(loading, &setting_table[i], err) != 0)
            return -1;
    }
    return 0;
}

static int load_flags(const struct loading *loading, struct err *err)
{
    const struct arguments *arguments = loading->input->arguments;

    for (size_t i = 0; arguments != NULL && i < arguments->setting_count; i++) {
        const struct argument *argument = &arguments->settings[i];
        const struct setting_row *row = setting_find(argument->name);
        auto_free char *origin = xasprintf("flag --%s", argument->name);

        if (row != NULL && apply(loading->out, row, argument->value, origin, err) != 0)
            return -1;
    }
    return 0;
}

/* What one setting alone does not show to be wrong. */
static int check_together(const struct settings *settings, struct err *err)
{
    bool has_cert = settings->redis_tls_cert_file != NULL;

    if (has_cert == (settings->redis_tls_key_file != NULL))
        return 0;
    return err_set(err, ERR_CONFIG,
                   "setting redis-tls-%s-file: it needs redis-tls-%s-file too. HINT: a client's "
                   "certificate goes with its key; both, or neither",
                   has_cert ? "cert" : "key", has_cert ? "key" : "cert");
}

int settings_load(const struct settings_input *input, struct settings *out, struct err *err)
{
    auto_settings struct settings settings = {.shown =
                                                  xcalloc(setting_count, sizeof *settings.shown)};
    struct loading loading = {.input = input, .out = &settings};

    for (size_t i = 0; i < setting_count; i++) {
        if (apply_default(&loading, &setting_table[i], err) != 0)
            return -1;
    }
    if (load_named_file(&loading, err) != 0 || load_environment(&loading, err) != 0 ||
        load_flags(&loading, err) != 0 || check_together(&settings, err) != 0)
        return -1;
    *out = settings;
    settings = (struct settings){0};
    return 0;
}

void settings_release(struct settings *settings)
{
    for (size_t i = 0; i < setting_count; i++) {
        setting_value_release(&setting_table[i], settings);
        if (settings->shown != NULL) {
            free(settings->shown[i].text);
            free(settings->shown[i].origin);
        }
    }
    free(settings->shown);
    settings->shown = NULL;
}
