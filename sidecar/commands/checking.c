/*
 * Four sources, each with a short time limit. The backups are the sidecar's to tell: it has read
 * the repository already, and a store that is away would keep this command for minutes. Only what
 * the bucket does with what is deleted is asked of it, two or three small requests.
 */
#include "commands/checking.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/http_client.h"
#include "base/mem.h"
#include "base/report.h"
#include "commands/asking.h"
#include "commands/objects.h"
#include "daemon/http.h"
#include "host/path_answers.h"
#include "redis/redis_url.h"

enum {
    SERVER_MS = 2000,
    NAME_MS = 3000,
    SIDECAR_MS = 2000,
    DISK_MS = 3000,
    STATUS_MAX = 4 * 1024 * 1024,
    INPUT_MAX = 1024
};

#define FILE_SCHEME "file://"

static void add_setting(void *context, const char *name, const char *value)
{
    pairs_add(context, name, value);
}

/* The message without its hint: the report has a line to paste of its own. Heap. */
static char *words_of(const struct err *err)
{
    const char *hint = err_hint(err->msg);
    size_t len = hint != NULL ? (size_t)(hint - err->msg) : strlen(err->msg);

    while (len > 0 && strchr(". ", err->msg[len - 1]) != NULL)
        len--;
    return xstrndup(err->msg, len);
}

/* INFO has not a word of the slots. Without the permission they stay unknown. */
static void ask_cluster(struct checking *checking)
{
    auto_buf struct buf text = {0};
    struct err ignored;

    buf_init(&text, REDIS_INFO_MAX);
    if (pairs_is(&checking->info, "cluster_enabled", "1") &&
        redis_cluster_info(checking->redis, &text, &ignored) == 0)
        pairs_add_info(&checking->info, buf_text(&text), text.len);
}

static void ask_default_user(struct checking *checking)
{
    enum redis_default_user user = REDIS_DEFAULT_USER_UNKNOWN;
    struct err ignored; /* unknown, then */

    if (redis_ask_default_user(checking->redis, &user, &ignored) != 0)
        return;
    if (user == REDIS_DEFAULT_USER_WHOLE)
        checking->facts.default_user = CHECK_DEFAULT_USER_WHOLE;
    else if (user == REDIS_DEFAULT_USER_LIMITED)
        checking->facts.default_user = CHECK_DEFAULT_USER_LIMITED;
}

static void read_tls(const struct redis *redis, struct check_tls *out)
{
    struct redis_tls_validity validity;

    if (redis_validity(redis, &validity))
        *out = (struct check_tls){.is_used = true,
                                  .is_ours = validity.is_ours,
                                  .from_ms = validity.from_ms,
                                  .until_ms = validity.until_ms};
}

static int ask_server(const struct command_context *context, struct checking *checking,
                      struct err *err)
{
    auto_buf struct buf text = {0};
    enum redis_config_answer answer;

    if (!asking_name(context->settings->redis_url, context->clock, NAME_MS))
        return err_set(err, ERR_SERVER,
                       "the name in redis-url was not found within %d seconds. HINT: the server's "
                       "address, or a name server that answers",
                       NAME_MS / 1000);
    buf_init(&text, REDIS_INFO_MAX);
    if (command_connect(context, SERVER_MS, &checking->redis, err) != 0 ||
        redis_info(checking->redis, "everything", &text, err) != 0)
        return -1;
    pairs_add_info(&checking->info, buf_text(&text), text.len);
    checking->facts.info = &checking->info;
    read_tls(checking->redis, &checking->facts.tls);
    if (redis_config_all(checking->redis, add_setting, &checking->config, &answer, err) != 0)
        return -1;
    if (answer == REDIS_CONFIG_VALUE)
        checking->facts.config = &checking->config;
    else
        checking->server_why = xstrdup("CONFIG GET is not allowed to redkeep's user");
    ask_cluster(checking);
    ask_default_user(checking);
    return 0;
}

/* Does it let in who has neither a name nor a password? The URL holds none. */
static enum check_login try_as_stranger(const struct settings *settings)
{
    const struct redis_options options = {
        .url = settings->redis_url, .tls = command_tls(settings), .timeout_ms = SERVER_MS};
    auto_redis struct redis *stranger = NULL;
    auto_buf struct buf text = {0};
    struct err err;

    buf_init(&text, REDIS_INFO_MAX);
    if (redis_connect(&options, &stranger, &err) == 0 &&
        redis_info(stranger, "server", &text, &err) == 0)
        return CHECK_LOGIN_FREE;
    return strstr(err.msg, "NOAUTH") != NULL ? CHECK_LOGIN_PASSWORD : CHECK_LOGIN_UNKNOWN;
}

/* AUTH with a password alone is refused where the default user has none; with a name it says
 * nothing of others. */
static enum check_login read_login(const struct settings *settings)
{
    auto_redis_address struct redis_address address = {0};
    struct err ignored; /* it was parsed before */

    if (redis_url_parse(settings->redis_url, &address, &ignored) != 0)
        return CHECK_LOGIN_UNKNOWN;
    bool has_name = settings->redis_username != NULL || address.username.text != NULL;
    if (settings->redis_password.text == NULL && address.password.text == NULL)
        return has_name ? CHECK_LOGIN_UNKNOWN : CHECK_LOGIN_FREE;
    if (!has_name)
        return CHECK_LOGIN_PASSWORD;
    return address.username.text == NULL && address.password.text == NULL
               ? try_as_stranger(settings)
               : CHECK_LOGIN_UNKNOWN;
}

/* Were we let in as the user `default`? */
static bool is_default(const struct settings *settings)
{
    auto_redis_address struct redis_address address = {0};
    struct err ignored; /* it was parsed before */

    if (redis_url_parse(settings->redis_url, &address, &ignored) != 0)
        return false;
    const char *name =
        settings->redis_username != NULL ? settings->redis_username : address.username.text;
    return name == NULL || strcmp(name, "default") == 0;
}

/* Does somebody say that the volume is made ready before each start of the server: its entrypoint,
 * which is seen, or who has set `guard`? */
static bool is_prepared(const struct settings *settings, const struct check_facts *facts)
{
    auto_json struct json *all = settings_to_json(settings);
    const struct json *guard = NULL;
    const char *origin = NULL;
    struct err ignored; /* it is in the table */

    if (check_is_child_of_redkeep(facts->root_fd, facts->server_pid))
        return true;
    return settings->guard == SETTINGS_GUARD_FIX && json_get(all, "guard", &guard, &ignored) == 0 &&
           json_get_string(guard, "origin", &origin, &ignored) == 0 &&
           strcmp(origin, "default") != 0;
}

/* A loopback leads to it: its network namespace is ours. A socket may be in a shared volume. */
static bool is_near(const char *url)
{
    auto_redis_address struct redis_address address = {0};
    struct err ignored; /* a URL that is none leads nowhere */

    if (redis_url_parse(url, &address, &ignored) != 0)
        return false;
    return address.kind == REDIS_ADDRESS_TCP &&
           (strcmp(address.host, "localhost") == 0 || strcmp(address.host, "::1") == 0 ||
            strncmp(address.host, "127.", 4) == 0);
}

static void read_server(const struct command_context *context, struct checking *checking)
{
    struct check_facts *facts = &checking->facts;
    if (ask_server(context, checking, &checking->server_err) != 0) {
        free(checking->server_why);
        checking->server_why = words_of(&checking->server_err);
    }
    facts->server_why = checking->server_why;
    if (facts->info != NULL) {
        facts->login = read_login(context->settings);
        facts->is_default_user = is_default(context->settings);
    }
    facts->is_same_network = is_near(context->settings->redis_url);
    facts->server_pid = facts->info != NULL ? check_find_server(facts->root_fd, facts->info) : -1;
    facts->is_cache = context->settings->use == ADVISE_CACHE;
    facts->is_prepared = is_prepared(context->settings, facts);
}

/* The directory of a file:// repository; NULL: it is none. Borrowed. */
static const char *repository_dir(const char *repository)
{
    size_t len = strlen(FILE_SCHEME);

    return repository != NULL && strncmp(repository, FILE_SCHEME, len) == 0 ? repository + len
                                                                            : NULL;
}

static int is_on_volume(const char *data_dir, const char *repository)
{
    const char *dir = repository_dir(repository);
    struct stat volume;
    struct stat other;

    if (dir == NULL)
        return 0;
    if (stat(data_dir, &volume) != 0 || stat(dir, &other) != 0)
        return -1;
    return volume.st_dev == other.st_dev;
}

static void read_volume(const struct command_context *context, struct checking *checking)
{
    const struct settings *settings = context->settings;
    const char *dir = settings->data_dir;
    bool answers = path_answers(dir, true, context->clock, DISK_MS);

    check_read_volume(&checking->facts, answers ? dir : NULL, context->clock, true,
                      &checking->volume);
    checking->facts.volume.why = answers ? NULL : "the volume does not answer";
    checking->facts.volume.repository_is_inside =
        answers && checking->disk_answers ? is_on_volume(dir, settings->repository) : -1;
}

static int64_t time_of(const struct json *object, const char *key)
{
    int64_t time_ms = -1;
    struct err ignored; /* unknown, then */

    return json_get_time(object, key, &time_ms, &ignored) == 0 ? time_ms : -1;
}

static int flag_of(const struct json *object, const char *key)
{
    bool flag = false;
    struct err ignored;

    return json_get_bool(object, key, &flag, &ignored) == 0 ? flag : -1;
}

static bool is_of(const struct json *status, const char *instance)
{
    const char *name = NULL;
    struct err ignored;

    return json_get_string(status, "instance", &name, &ignored) == 0 && instance != NULL &&
           strcmp(name, instance) == 0;
}

/* Of the same process: what the sidecar has seen of it over time. */
static void take_delays(const struct json *status, const struct pairs *info,
                        struct check_delays *out)
{
    const struct json *server = NULL;
    const struct json *aof = NULL;
    const char *run_id = NULL;
    int64_t count = 0;
    struct err ignored; /* unknown, then */

    if (json_get(status, "server", &server, &ignored) != 0 ||
        json_get_string(server, "run_id", &run_id, &ignored) != 0 ||
        !pairs_is(info, "run_id", run_id) || json_get(server, "aof", &aof, &ignored) != 0 ||
        json_get_i64(aof, "delayed_fsyncs_lately", &count, &ignored) != 0)
        return;
    int64_t span_ms = json_get_duration_ms(aof, "lately_seconds");
    if (span_ms > 0 && count >= 0)
        *out = (struct check_delays){.count = count, .span_s = span_ms / 1000};
}

static void take_status(const struct json *status, struct check_backup *out)
{
    const struct json *backups = NULL;
    const struct json *drill = NULL;
    struct err ignored;

    if (json_get(status, "last_drill", &drill, &ignored) == 0) {
        out->drilled_ms = time_of(drill, "time");
        out->drill_ok = flag_of(drill, "ok");
    }
    if (!json_has(status, "backups_read_at"))
        return; /* it does not know either */
    out->max_age_ms = json_get_duration_ms(status, "backup_max_age_seconds");
    if (out->max_age_ms < 0)
        out->max_age_ms = 0;
    if (json_has(status, "lag_bytes")) /* else nothing is shipped, and it is the age once more */
        out->lag_ms = json_get_duration_ms(status, "lag_seconds");
    out->newest_ms = time_of(status, "last_backup_ok_at");
    if (out->newest_ms < 0)
        out->newest_ms = 0;
    if (json_get(status, "backups", &backups, &ignored) == 0 && json_first(backups) != NULL)
        out->is_encrypted = flag_of(json_first(backups), "encrypted");
}

/* Whoever else answers there is no witness. */
static void ask_sidecar(const struct settings *settings, struct check_facts *facts)
{
    auto_json struct json *status = NULL;
    auto_free char *root = NULL;
    auto_buf struct buf body = {0};
    unsigned http_status = 0;
    struct err ignored; /* unknown, then */

    if (settings->http_listen == NULL ||
        http_listen_url(settings->http_listen, &root, &ignored) != 0)
        return;
    auto_free char *url = xasprintf("%s/status", root);
    const struct http_client_request request = {
        .url = url, .label = url, .timeout_ms = SIDECAR_MS, .no_proxy = true};
    buf_init(&body, STATUS_MAX);
    if (http_client_do(&request, &http_status, &body, &ignored) == 0 && http_status == 200 &&
        json_parse(buf_text(&body), body.len, &status, &ignored) == 0 &&
        is_of(status, settings->instance)) {
        if (settings->repository != NULL)
            take_status(status, &facts->backup);
        take_delays(status, facts->info, &facts->delays);
    }
}

/* The sidecar, whose job this is, remembers what a DELETE came to: each one that is refused stands
 * in the bucket's audit log. -1: by hand, or it does not know. */
static int known_may_delete(void)
{
    auto_json struct json *known = NULL;
    char text[INPUT_MAX];
    struct err ignored; /* unknown, then */

    if (!report_is_on() || isatty(STDIN_FILENO))
        return -1;
    size_t len = fread(text, 1, sizeof(text), stdin);
    return json_parse(text, len, &known, &ignored) == 0 ? flag_of(known, "may_delete") : -1;
}

static void ask_bucket(const struct command_context *context, struct checking *checking)
{
    struct check_backup *out = &checking->facts.backup;
    int known = known_may_delete();

    out->may_delete = known;
    asking_bucket(context, out, &checking->bucket_why);
    out->why = checking->bucket_why;
    checking->tried_delete = known < 0 && out->may_delete >= 0;
}

static void read_backup(const struct command_context *context, struct checking *checking)
{
    const struct settings *settings = context->settings;
    struct check_backup *out = &checking->facts.backup;
    const char *dir = repository_dir(settings->repository);

    *out = (struct check_backup){
        .has_repository = settings->repository != NULL,
        .is_directory = dir != NULL,
        .newest_ms = -1,
        .max_age_ms = -1,
        .lag_ms = -1,
        .drilled_ms = -1,
        .drill_ok = -1,
        .has_drill_server = settings->drill_server != NULL,
        .is_encrypted = -1,
        .may_delete = -1,
        .is_versioned = -1,
        .lock_days = settings->lock_days,
        .has_cluster = (settings->backup_include & SETTINGS_INCLUDE_CLUSTER) != 0,
        .prunes = settings->prune == SETTINGS_PRUNE_ON,
    };
    if (settings->repository == NULL) {
        /* nothing is to be asked of it */
    } else if (dir != NULL && checking->disk_answers) {
        out->may_delete = access(dir, F_OK) != 0 ? -1 : access(dir, W_OK) == 0;
        out->is_versioned = 0;
    } else if (dir == NULL && settings->lock_days == 0) {
        ask_bucket(context, checking);
    }
    ask_sidecar(settings, &checking->facts);
}

int checking_begin(const struct command_context *context, struct checking *out, struct err *err)
{
    struct checking *checking = out;
    int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    *checking = (struct checking){.facts = {.root_fd = root_fd}};
    if (root_fd < 0)
        return err_sys(err, ERR_FAILED, "cannot open /");
    checking->facts.is_job = report_is_on();
    checking->facts.now_ms = clock_wall_ms(context->clock);
    check_read_clock(&checking->facts);
    check_measure_clock(&checking->facts, context->clock);
    const char *dir = repository_dir(context->settings->repository);
    checking->disk_answers = dir == NULL || path_answers(dir, false, context->clock, DISK_MS);
    read_server(context, checking);
    read_volume(context, checking);
    read_backup(context, checking);
    return 0;
}

void checking_release(struct checking *checking)
{
    check_reading_free(checking->volume);
    redis_free(checking->redis);
    pairs_release(&checking->info);
    pairs_release(&checking->config);
    free(checking->server_why);
    free(checking->bucket_why);
    if (checking->facts.root_fd >= 0)
        (void)close(checking->facts.root_fd); /* read only */
    *checking = (struct checking){.facts = {.root_fd = -1}};
}
