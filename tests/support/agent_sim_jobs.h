/*
 * The made-up server, repository and jobs of agent_sim.c, for that alone: what a job answers, what
 * a look shows.
 */
#ifndef SUPPORT_AGENT_SIM_JOBS_H
#define SUPPORT_AGENT_SIM_JOBS_H

#include "support/agent_sim.h"

/* It runs now, as scripted. */
void agent_sim_job_begin(struct agent_sim *sim, enum job_kind kind);
/* A backup's save is done: it stores, and reports its progress. */
void agent_sim_job_saved(struct agent_sim *sim, enum job_kind kind);
/* What it writes to stdout, a root; a backup that went well is in the repository then. */
struct json *agent_sim_answer(struct agent_sim *sim, enum job_kind kind,
                              const struct agent_sim_outcome *how);
/* What the watcher would see now. */
void agent_sim_look(struct agent_sim *sim, struct watcher_look *out);

#endif
