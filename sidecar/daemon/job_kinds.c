/* A row per kind; what `redkeep run` does, a person can do by hand. */
#include "daemon/job_kinds.h"

#include <stdlib.h>

#include "base/mem.h"

enum { OWN_WORDS_MAX = 5 };

static const char *const words[JOB_KIND_COUNT][OWN_WORDS_MAX + 1] = {
    [JOB_BACKUP] = {"backup", "--json"},
    /* there is no time to wait for another's turn, and nothing forks */
    [JOB_FINAL] = {"backup", "--json", "--offline", "--if-new", "--backup-lease=off"},
    [JOB_VERIFY] = {"verify", "--json"},
    [JOB_DRILL] = {"verify", "--json", "--drill"},
    [JOB_PRUNE] = {"prune", "--json", "--confirm"},
    [JOB_LIST] = {"list", "--json", "--latest=100"},
    [JOB_CHECK] = {"check", "--json"},
    [JOB_NOTIFY] = {"notify"},
    [JOB_HEARTBEAT] = {"notify", "--heartbeat"},
};

_Static_assert(STATUS_BACKUPS_MAX == 100, "--latest");

int job_kind_start(enum job_kind kind, const struct job_kind_options *options, struct job **out,
                   struct err *err)
{
    size_t flag_count = 0;
    size_t count = 0;

    while (options->flags[flag_count] != NULL)
        flag_count++;
    auto_free const char **all = xcalloc(OWN_WORDS_MAX + flag_count + 2, sizeof(*all));
    all[count++] = words[kind][0];
    for (size_t i = 0; i < flag_count; i++)
        all[count++] = options->flags[i];
    for (size_t i = 1; words[kind][i] != NULL; i++) /* ours come last, and win */
        all[count++] = words[kind][i];
    all[count++] = options->last;
    return job_start(
        &(struct job_options){.program = options->program, .words = all, .input = options->input},
        out, err);
}
