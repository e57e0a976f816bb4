/* The words are read twice: for what is the user's own, and with what a profile has added. */
#include "commands/starting.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "commands/target.h"
#include "daemon/settings_table.h"
#include "entrypoint/own_server.h"

void starting_release(struct starting *starting)
{
    free(starting->primary);
    server_conf_release(&starting->own);
    server_conf_release(&starting->merged);
    server_line_release(&starting->line);
    free(starting->word_list);
    free(starting->flag_list);
    free(starting->flags);
    free(starting->cwd);
    free(starting->redis_url);
    free(starting->version);
}

/* ---- what will be started ---- */

static bool ends_with_conf(const char *word)
{
    size_t len = strlen(word);

    return len > strlen(".conf") && strcmp(word + len - strlen(".conf"), ".conf") == 0;
}

/* The entrypoint of the official Valkey image puts the words of this variable behind all others. */
static void take_flags(struct starting *starting)
{
    const char *set = starting->wrapper != NULL ? getenv("VALKEY_EXTRA_FLAGS") : NULL;

    if (set == NULL)
        return;
    starting->flags = xstrdup(set);
    starting->flag_list = xcalloc(strlen(set) + 1, sizeof(*starting->flag_list));
    for (char *rest = starting->flags, *word; (word = strsep(&rest, " \t\n")) != NULL;)
        if (*word != '\0')
            starting->flag_list[starting->flag_count++] = word;
}

/* What a server makes of the list, with what a wrapper puts behind it. */
static int read_conf(const struct starting *starting, const struct server_words *list,
                     struct server_conf *out, struct err *err)
{
    size_t count = list->count + starting->flag_count;
    auto_free char **all = xcalloc(count + 1, sizeof(*all));

    memcpy(all, list->list, list->count * sizeof(*all));
    for (size_t i = 0; i < starting->flag_count; i++)
        all[list->count + i] = starting->flag_list[i];
    return server_conf_read(&(struct server_words){.list = all, .count = count}, starting->cwd, out,
                            err);
}

/* INVARIANT (what is on the volume is what the server loads): what a script starts, and with which
 * arguments, cannot be told. (Nor may it be asked for its version: it may start a server.) A shell
 * alone is for a person. */
static int check_no_script(const char *program, bool is_alone, struct err *err)
{
    static const char *const shells[] = {"sh", "bash", "dash", "ash", "busybox"};
    const char *slash = strrchr(program, '/');
    const char *name = slash != NULL ? slash + 1 : program;
    size_t len = strlen(name);
    bool is_script = len > 3 && strcmp(name + len - 3, ".sh") == 0;

    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
        is_script = is_script || (!is_alone && strcmp(name, shells[i]) == 0);
    if (!is_script)
        return 0;
    return err_set(err, ERR_CONFIG,
                   "redkeep entrypoint cannot see which server, with which arguments, %.200s "
                   "starts, and so not what it will load. HINT: let the script start redkeep: exec "
                   "redkeep entrypoint -- redis-server [ARGUMENT]...",
                   program);
}

/* As in the official images, `--appendonly yes` or `redis.conf` alone is for the server that is
 * there. */
static int take_words(struct starting *starting, struct err *err)
{
    const struct arguments *arguments = starting->context->arguments;
    struct target ignored;
    size_t count = 0;
    size_t at = 0;

    if (arguments->word_count > 0 && server_line_is_wrapper(arguments->words[0]))
        starting->wrapper = arguments->words[at++];
    take_flags(starting);
    if (at == arguments->word_count)
        return err_set(err, ERR_CONFIG,
                       "redkeep entrypoint needs the server to start. HINT: redkeep entrypoint "
                       "[OPTION]... -- redis-server [ARGUMENT]...");
    if (check_no_script(arguments->words[at], at + 1 == arguments->word_count, err) != 0)
        return -1;
    starting->word_list = xcalloc(arguments->word_count + 2, sizeof(*starting->word_list));
    if (arguments->words[at][0] == '-' || ends_with_conf(arguments->words[at]))
        starting->word_list[count++] =
            (char *)(uintptr_t)(target_ask_program("redis-server", &ignored) ? "redis-server"
                                                                             : "valkey-server");
    for (; at < arguments->word_count; at++) /* nobody writes to them */
        starting->word_list[count++] = (char *)(uintptr_t)arguments->words[at];
    starting->words = (struct server_words){.list = starting->word_list, .count = count};
    return 0;
}

static bool is_default(const struct settings *settings, const char *name)
{
    const struct setting_row *row = setting_find(name);

    return row != NULL && settings->shown != NULL &&
           strcmp(settings->shown[row - setting_table].origin, "default") == 0;
}

static bool says_tls(const struct settings *settings)
{
    return settings->redis_tls_ca_file != NULL || settings->redis_tls_cert_file != NULL ||
           settings->redis_tls_server_name != NULL;
}

static bool is_yes(const struct server_conf *conf, const char *name)
{
    return strcasecmp(server_conf_get(conf, name, "no"), "yes") == 0;
}

/* Does it take its data from another server? A server knows the directive by two names, and the
 * last one counts, by whichever. */
static bool replicates(const struct server_conf *conf)
{
    for (size_t i = conf->count; i-- > 0;) {
        const struct server_directive *at = &conf->directives[i];

        if (strcmp(at->name, "replicaof") == 0 || strcmp(at->name, "slaveof") == 0)
            return at->value_count == 2 &&
                   (strcasecmp(at->values[0], "no") != 0 || strcasecmp(at->values[1], "one") != 0);
    }
    return false;
}

/* The settings as they are for this server. */
static void settle(struct starting *starting)
{
    const struct server_conf *conf = &starting->merged;
    struct settings *settings = &starting->settings;

    *settings = *starting->context->settings;
    settings->data_dir = conf->dir;
    settings->appendonly =
        is_yes(conf, "appendonly") ? SETTINGS_APPENDONLY_YES : SETTINGS_APPENDONLY_NO;
    /* only read from here on */
    settings->dbfilename = (char *)(uintptr_t)server_conf_get(conf, "dbfilename", "dump.rdb");
    settings->appendfilename =
        (char *)(uintptr_t)server_conf_get(conf, "appendfilename", "appendonly.aof");
    settings->appenddirname =
        (char *)(uintptr_t)server_conf_get(conf, "appenddirname", "appendonlydir");
    starting->is_replica = replicates(conf);
    if (is_default(settings, "redis-url"))
        starting->redis_url = own_server_url(conf, says_tls(settings));
    if (starting->redis_url != NULL)
        settings->redis_url = starting->redis_url;
}

int starting_understand(struct starting *starting, struct err *err)
{
    const char *profile = command_option(starting->context, "profile");
    struct server_words merged;

    if (take_words(starting, err) != 0 ||
        (profile != NULL && profile_parse(profile, &starting->profile, err) != 0))
        return -1;
    starting->cwd = getcwd(NULL, 0);
    if (starting->cwd == NULL)
        return err_sys(err, ERR_FAILED, "cannot tell the working directory");
    if (primary_find(starting->context->settings, &starting->primary, &starting->primary_port,
                     err) != 0 ||
        read_conf(starting, &starting->words, &starting->own, err) != 0)
        return -1;
    server_line_make(&starting->words, &starting->own,
                     &(struct server_additions){.wrapper = starting->wrapper,
                                                .profile = starting->profile,
                                                .primary = starting->primary,
                                                .primary_port = starting->primary_port},
                     &starting->line);
    merged.list = starting->line.words + (starting->wrapper != NULL);
    merged.count = starting->line.count - (starting->wrapper != NULL);
    if (read_conf(starting, &merged, &starting->merged, err) != 0)
        return -1;
    settle(starting);
    return 0;
}

/* ---- do they agree? ---- */

/* INVARIANT (what is on the volume is what the server loads): what was said to redkeep has to be
 * what was said to the server. */
static int agree(const char *setting, const char *ours, const char *theirs, const char *dir,
                 struct err *err)
{
    if (ours == NULL || strcmp(ours, theirs) == 0)
        return 0;
    return err_set(err, ERR_CORRUPT,
                   "%s: a server that starts now would lose data: it is started with %s %.200s, "
                   "and redkeep is set to %.200s, so what one writes the other does not read. "
                   "HINT: leave out redkeep's setting %s: the server's is taken",
                   dir, setting, theirs, ours, strcmp(setting, "dir") == 0 ? "data-dir" : setting);
}

static bool is_same_dir(const char *a, const char *b)
{
    struct stat of_a;
    struct stat of_b;

    if (strcmp(a, b) == 0)
        return true;
    return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

int starting_check(const struct starting *starting, struct err *err)
{
    static const char *const appendonly[] = {
        [SETTINGS_APPENDONLY_AUTO] = NULL,
        [SETTINGS_APPENDONLY_YES] = "yes",
        [SETTINGS_APPENDONLY_NO] = "no",
    };
    const struct settings *said = starting->context->settings;
    const struct settings *real = &starting->settings;
    const char *dir = real->data_dir;

    if (strcmp(dir, "/") == 0)
        return err_set(err, ERR_CONFIG,
                       "the server would have its data in /, the root directory. HINT: give it "
                       "`--dir /data`, or the container that working directory");
    if (!is_default(said, "data-dir") && !is_same_dir(said->data_dir, dir))
        return agree("dir", said->data_dir, dir, dir, err);
    if (agree("appendonly", appendonly[said->appendonly], appendonly[real->appendonly], dir, err) !=
            0 ||
        agree("dbfilename", said->dbfilename, real->dbfilename, dir, err) != 0 ||
        agree("appendfilename", said->appendfilename, real->appendfilename, dir, err) != 0)
        return -1;
    return agree("appenddirname", said->appenddirname, real->appenddirname, dir, err);
}
