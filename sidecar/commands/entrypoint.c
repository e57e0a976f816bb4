/*
 * `redkeep entrypoint -- SERVER [ARGUMENT...]`: what a server's container starts instead of the
 * server. The server's own arguments say where its data is; the volume is made ready (prepare), and
 * the server takes our place, or runs beside a sidecar. Nothing is started that would begin without
 * data that there is.
 *
 * Root is given up before anything that came from outside is read: backups, and the files of a user
 * who may have been taken over. What only root may read must be in the settings, or their files.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/environment.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "commands/objects.h"
#include "commands/preparing.h"
#include "commands/starting.h"
#include "commands/target.h"
#include "entrypoint/nofile.h"
#include "entrypoint/own_server.h"
#include "entrypoint/pair_run.h"
#include "entrypoint/server_user.h"

#define PASSWD "/etc/passwd"
#define UMASK_PLAIN 0022 /* what it is where nobody has thought of it */
#define UMASK_PRIVATE 0077

/* The program that is started is the best witness of what it can load. */
static void ask_version(struct starting *starting)
{
    struct target target;

    if (starting->settings.server_version != NULL ||
        !target_ask_program(starting->words.list[0], &target))
        return;
    starting->version = xasprintf("%s %u.%u.%u", server_flavour_name(target.version.flavour),
                                  target.version.major, target.version.minor, target.version.patch);
    starting->settings.server_version = starting->version;
}

/* A configuration file that sets everything, as that of Debian's package does, leaves a profile
 * nothing. */
static void tell_profile(const struct starting *starting)
{
    unsigned all = 0;
    unsigned theirs = 0;

    for (size_t i = 0; i < profile_table_count; i++) {
        if (!profile_has(starting->profile, &profile_table[i]))
            continue;
        all++;
        theirs += server_conf_find(&starting->own, profile_table[i].name) != NULL;
    }
    if (theirs > 0)
        log_info("profile %s: %u of its %u settings are not set, since you have set them: see "
                 "--print",
                 profile_name(starting->profile), theirs, all);
}

/* ---- the process ---- */

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Before anything is given to the server's user: is there a server? As execvp(3) looks for it. */
static int check_program(const char *name, struct err *err)
{
    const char *set = getenv("PATH");
    const char *at = set != NULL ? set : "/bin:/usr/bin";
    bool is_path = strchr(name, '/') != NULL;

    if (is_path && is_program(name))
        return 0;
    while (!is_path && *at != '\0') {
        size_t len = strcspn(at, ":");
        auto_free char *file = xasprintf("%.*s%s%s", (int)len, at, len > 0 ? "/" : "", name);

        if (is_program(file))
            return 0;
        at += len + (at[len] == ':');
    }
    return err_set(err, ERR_CONFIG,
                   "cannot start %.200s: there is no such program%s. HINT: name the server behind "
                   "--, such as redkeep entrypoint -- redis-server",
                   name, is_path ? "" : " in PATH");
}

static void raise_limit(const struct starting *starting)
{
    const char *text = server_conf_get(&starting->merged, "maxclients", NULL);
    uint64_t maxclients = NOFILE_MAXCLIENTS;
    struct nofile limit;
    struct err ignored; /* the server will say what it thinks of it */

    if (text == NULL || parse_u64(text, &maxclients, &ignored) != 0 || maxclients > INT_MAX)
        maxclients = NOFILE_MAXCLIENTS;
    nofile_raise(maxclients + NOFILE_RESERVED, &limit);
    if (limit.now < limit.wanted)
        log_warn("the open-file limit is %llu and cannot be raised to the %llu that %llu clients "
                 "need: the server will take fewer. HINT: raise the container's limit (ulimit "
                 "nofile), or lower maxclients",
                 (unsigned long long)limit.now, (unsigned long long)limit.wanted,
                 (unsigned long long)maxclients);
    else if (limit.now != limit.before)
        log_info("the open-file limit is raised from %llu to %llu",
                 (unsigned long long)limit.before, (unsigned long long)limit.now);
}

static int become_user(const struct starting *starting, struct err *err)
{
    const struct settings *settings = &starting->settings;
    struct server_user user;
    struct err give_err;
    bool is_found;

    if (geteuid() != 0)
        return 0;
    if (server_user_find(PASSWD, settings->server_user, &user, &is_found, err) != 0)
        return -1;
    if (!is_found) {
        log_warn("the server is started as root: there is no user redis or valkey here. HINT: set "
                 "server-user to the name or UID of another one");
        return 0;
    }
    if (user.uid == 0)
        return 0;
    /* a read-only or a network file system may refuse, and the server can do without */
    if (!starting->merged.needs_none &&
        server_user_give(&user, settings->data_dir, settings->appenddirname, &give_err) != 0)
        log_warn("%s", give_err.msg);
    return server_user_become(&user, err);
}

static void set_umask(void)
{
    mode_t was = umask(UMASK_PRIVATE);

    if (was != UMASK_PLAIN)
        (void)umask(was); /* somebody has chosen it */
}

/* ---- the volume ---- */

/* What was restored is where the server looks. */
static int check_restored(const struct settings *settings, struct err *err)
{
    bool is_log = settings->appendonly == SETTINGS_APPENDONLY_YES;
    auto_free char *path = is_log ? xasprintf("%s/%s/%s.manifest", settings->data_dir,
                                              settings->appenddirname, settings->appendfilename)
                                  : xasprintf("%s/%s", settings->data_dir, settings->dbfilename);
    struct stat st;

    if (stat(path, &st) == 0)
        return 0;
    (void)err_sys(err, ERR_CORRUPT,
                  "%s: a server that starts now would lose data: it would look for %s, where "
                  "nothing was restored",
                  settings->data_dir, path);
    return err_advise(err, "take a look with redkeep guard");
}

static int make_ready(struct starting *starting, struct err *err)
{
    struct command_context context = *starting->context;
    bool is_restored = false;
    int rc;

    ask_version(starting);
    context.settings = &starting->settings;
    if (starting->settings.repository == NULL) {
        log_info("no repository is set: the volume is guarded, and nothing can be restored");
        rc = preparing_guard(&context, err);
    } else {
        rc = preparing_run(&context, starting->is_replica, &is_restored, err);
    }
    (void)fflush(context.out); /* main.c looks whether that went well, where we come back to it */
    if (rc != 0)
        return -1;
    return is_restored ? check_restored(&starting->settings, err) : 0;
}

/* ---- the server ---- */

static int become_server(const struct starting *starting, struct err *err)
{
    auto_free char **environment = environment_of_others(environ);

    /* a process 1 that is no longer asking loses what comes between here and the server's handler
     */
    if (cancel_check(err) != 0)
        return -1;
    pair_reset_signals();
    (void)execvpe(starting->line.words[0], starting->line.words, environment);
    return err_sys(err, ERR_CONFIG, "cannot start %.200s", starting->line.words[0]);
}

static void add_flag(char **list, size_t *count, const char *name, const char *value)
{
    if (value != NULL)
        list[(*count)++] = xasprintf("--%s=%s", name, value);
}

/* Of the URL that the server's own arguments have told; what was set stays. */
static void add_tls(const struct starting *starting, char **list, size_t *count)
{
    const struct settings *settings = &starting->settings;
    struct redis_tls_options tls;

    if (strncmp(starting->redis_url, "rediss://", strlen("rediss://")) != 0)
        return;
    own_server_tls(&starting->merged, &tls);
    if (settings->redis_tls_ca_file == NULL)
        add_flag(list, count, "redis-tls-ca-file", tls.ca_file);
    if (settings->redis_tls_cert_file == NULL) {
        add_flag(list, count, "redis-tls-cert-file", tls.cert_file);
        add_flag(list, count, "redis-tls-key-file", tls.key_file);
    }
    if (settings->redis_tls_server_name == NULL)
        add_flag(list, count, "redis-tls-server-name", tls.server_name);
    redis_tls_options_release(&tls);
}

/* redkeep COMMAND with our own settings: the flags that we were given, and what the server's own
 * arguments have told. The array and its words are on the heap, for as long as we live. */
static char **own_words(const struct starting *starting, const char *const *command)
{
    const struct arguments *arguments = starting->context->arguments;
    size_t count = 0;
    char **list;

    while (command[count] != NULL)
        count++;
    list = xcalloc(count + arguments->setting_count + 8, sizeof(*list));
    count = 0;
    list[count++] = xstrdup("redkeep");
    for (; *command != NULL; command++)
        list[count++] = xstrdup(*command);
    for (size_t i = 0; i < arguments->setting_count; i++)
        list[count++] =
            xasprintf("--%s=%s", arguments->settings[i].name, arguments->settings[i].value);
    list[count++] = xasprintf("--data-dir=%s", starting->settings.data_dir);
    add_flag(list, &count, "redis-url", starting->redis_url);
    if (starting->redis_url != NULL)
        add_tls(starting, list, &count);
    return list;
}

static void free_words(char **list)
{
    for (size_t i = 0; list[i] != NULL; i++)
        free(list[i]);
    free(list);
}
DEFINE_CLEANUP(cleanup_words, char **, free_words);
#define auto_words auto_with(cleanup_words)

#define PASSWORD_VARIABLE "REDKEEP_REDIS_PASSWORD="

/* Is its own password meant for where the sidecar goes? Not where a name or a password is set to
 * log in with, or another host. */
static bool needs_password(const struct settings *settings)
{
    auto_redis_address struct redis_address address = {0};
    struct err ignored; /* it was parsed before */

    return settings->redis_username == NULL && settings->redis_password.text == NULL &&
           redis_url_parse(settings->redis_url, &address, &ignored) == 0 &&
           address.username.text == NULL && address.password.text == NULL &&
           own_server_is_here(&address);
}

/* INVARIANT (secrets): the server's own password goes to the sidecar in its environment, never as
 * an argument. The array is on the heap; *out_password is NULL, or its one entry there. */
static char **sidecar_environment(const struct starting *starting, char **out_password)
{
    auto_secret struct secret password = {0};
    size_t count = 0;
    char **list;

    while (environ[count] != NULL)
        count++;
    list = xcalloc(count + 2, sizeof(*list));
    memcpy(list, environ, count * sizeof(*list));
    *out_password = NULL;
    if (!needs_password(&starting->settings) || !own_server_password(&starting->merged, &password))
        return list;
    *out_password = xasprintf(PASSWORD_VARIABLE "%s", password.text);
    for (size_t i = 0; i < count; i++) { /* set to nothing, it is not set */
        if (strncmp(list[i], PASSWORD_VARIABLE, strlen(PASSWORD_VARIABLE)) == 0) {
            list[i] = *out_password;
            return list;
        }
    }
    list[count] = *out_password;
    return list;
}

static void wipe_text(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    free(*text);
}

static int run_both(const struct starting *starting, struct err *err)
{
    static const char self[] = "/proc/self/exe";
    static const char *const run_words[] = {"run", NULL};
    static const char *const last_words[] = {"backup", "--offline", "--if-new",
                                             "--backup-lease=off", NULL};
    auto_free char **environment = environment_of_others(environ);
    auto_with(wipe_text) char *password = NULL;
    auto_free char **with_password = sidecar_environment(starting, &password);
    auto_words char **sidecar = own_words(starting, run_words);
    auto_words char **last = own_words(starting, last_words);
    const struct pair_options options = {
        .programs = {[PAIR_SERVER] = {starting->line.words[0], starting->line.words, environment},
                     [PAIR_SIDECAR] = {self, sidecar, with_password},
                     [PAIR_LAST] = {self, last, environ}},
        .drain_ms = starting->settings.drain_timeout_ms,
        .clock = starting->context->clock,
    };
    int exit_code = 0;

    if (pair_run(&options, &exit_code, err) != 0)
        return -1;
    if (exit_code == 0)
        return 0;
    /* the server's own exit status, whatever it means: main.c passes it on, and adds no words */
    err->kind = (enum err_kind)exit_code;
    err->msg[0] = '\0';
    return -1;
}

/* What the sidecar would say, and end, for ever. */
static int check_sidecar(const struct settings *settings, struct err *err)
{
    auto_redis_address struct redis_address address = {0};
    const struct redis_tls_options tls = command_tls(settings);

    if (settings->repository == NULL)
        return err_set(err, ERR_CONFIG,
                       "--with-sidecar needs a repository. HINT: set REDKEEP_REPOSITORY or "
                       "--repository to s3://BUCKET/PREFIX or file:///PATH");
    if (redis_url_parse(settings->redis_url, &address, err) != 0)
        return -1;
    return redis_tls_check(&tls, &address, err);
}

static int run(const struct command_context *context, struct err *err)
{
    auto_starting struct starting starting = {.context = context};
    bool with_sidecar = command_flag(context, "with-sidecar");

    if (starting_understand(&starting, err) != 0)
        return -1;
    if (command_flag(context, "print"))
        starting_print(&starting);
    if (!starting.merged.needs_none && starting_check(&starting, err) != 0)
        return -1;
    if (command_flag(context, "print"))
        return 0;
    if (starting.merged.needs_none)
        with_sidecar = false;
    tell_profile(&starting);
    if (with_sidecar && check_sidecar(&starting.settings, err) != 0)
        return -1;
    if (check_program(starting.line.words[0], err) != 0)
        return -1;
    raise_limit(&starting);
    if (become_user(&starting, err) != 0)
        return -1;
    set_umask();
    if (!starting.merged.needs_none && make_ready(&starting, err) != 0)
        return -1;
    return with_sidecar ? run_both(&starting, err) : become_server(&starting, err);
}

static const struct option_spec options[] = {
    {.name = "profile",
     .value = "NAME",
     .help = "persistence settings: cache, rdb, aof, hybrid or durable; your own win"},
    {.name = "print", .help = "shows what would be started, and why so; starts nothing"},
    {.name = "json", .help = "what is shown, or done before the start, as one JSON object"},
    {.name = "with-sidecar", .help = "runs the sidecar beside the server, in one container"},
    {0},
};

const struct command command_entrypoint = {
    .name = "entrypoint",
    .help = "in a server's container: prepare, then the server itself",
    .words = "-- SERVER [ARGUMENT]...",
    .max_words = SIZE_MAX,
    .options = options,
    .run = run,
};
