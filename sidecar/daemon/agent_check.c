/*
 * The report on what the data stands on, every ten minutes. The first one waits a moment for the
 * server and the repository; one that was made without them is made again when they are there. The
 * log has each finding once, until it is over or gets worse; a look that could not see it in
 * between says nothing new.
 */
#include <string.h>

#include "base/mem.h"
#include "daemon/agent_state.h"

/* The first backup of all is on its way: there is none yet, but that is no finding. */
static bool is_settled(const struct agent *agent)
{
    return agent->status->readiness.state == READINESS_READY && agent->status->has_backups &&
           agent->wanted == AGENT_WHY_NOTHING && !agent_is_running(agent, JOB_BACKUP);
}

/* What the job need not try again; NULL: nothing. Heap. */
static char *known_to(const struct agent *agent, struct agent_time now)
{
    if (agent->delete_tried_ms == 0 || now.mono_ms - agent->delete_tried_ms >= AGENT_DELETE_MS)
        return NULL;
    return xasprintf("{\"may_delete\":%s}", agent->may_delete ? "true" : "false");
}

void agent_check_tick(struct agent *agent, struct agent_time now)
{
    bool settled = is_settled(agent);

    if (agent_is_running(agent, JOB_CHECK) ||
        (now.mono_ms < agent->check_ms && !(settled && agent->check_was_early)))
        return;
    agent->check_was_early = !settled;
    agent->check_ms = now.mono_ms + AGENT_CHECK_MS;
    agent_start(agent, JOB_CHECK, known_to(agent, now), now);
}

static void log_finding(struct agent *agent, const struct status_check *check)
{
    const char *fix = check->fix != NULL ? check->fix : "";

    while (*fix == '#' && strchr(fix, '\n') != NULL) /* a comment; the line stands below */
        fix = strchr(fix, '\n') + 1;
    int len = (int)strcspn(fix, "\n");
    agent_log(agent, LOG_LEVEL_WARN, "check %s (%s) %s: %s%s%s. %s%s%.*s", check->id,
              check_scope_name(check->scope), check->status == CHECK_FAIL ? "fails" : "warns",
              check->value != NULL ? check->value : "?", check->wanted != NULL ? "; wanted: " : "",
              check->wanted != NULL ? check->wanted : "", check->why != NULL ? check->why : "",
              len > 0 ? " HINT: " : "", len, fix);
}

static void tell(struct agent *agent, struct status_check *check, const struct status_check *before,
                 unsigned *lines)
{
    check->told = before != NULL ? before->told : CHECK_OK;
    if (check->status == CHECK_UNKNOWN || *lines >= AGENT_CHECK_LINES_MAX)
        return;
    if (check->status > check->told && check->status >= CHECK_WARN)
        log_finding(agent, check);
    else if (check->status < CHECK_WARN && check->told >= CHECK_WARN)
        agent_log(agent, LOG_LEVEL_INFO, "check %s is ok now: %s", check->id,
                  check->value != NULL ? check->value : "?");
    else
        return;
    check->told = check->status;
    (*lines)++;
}

void agent_check_ended(struct agent *agent, const struct agent_end *end, struct agent_time now)
{
    struct status *status = agent->status;
    struct status_checks checks;
    unsigned lines = 0;
    struct err err;

    if (end->answer == NULL || end->exit_code != 0)
        return; /* what is shown has its time beside it */
    if (status_read_checks(end->answer, &checks, &err) != 0) {
        agent_log(agent, LOG_LEVEL_WARN, "the answer of the check job is none: %s", err.msg);
        return;
    }
    if (json_get_bool(end->answer, "may_delete", &agent->may_delete, &err) == 0)
        agent->delete_tried_ms = now.mono_ms; /* it says so when it has tried, and only then */
    for (size_t i = 0; i < checks.count; i++)
        tell(agent, &checks.rows[i], status_checks_find(&status->checks, checks.rows[i].id),
             &lines);
    status_checks_release(&status->checks);
    status->checks = checks;
    status->checks_read_ms = now.wall_ms;
}
