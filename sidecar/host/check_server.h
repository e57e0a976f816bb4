/*
 * What more than one row asks of the server's INFO and CONFIG, and the rows of
 * check_server_state.c and check_server_version.c. The functions that return false have said in the
 * result that it is unknown, and what it needs.
 */
#ifndef HOST_CHECK_SERVER_H
#define HOST_CHECK_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "host/check.h"

/* As much of a foreign text as a result repeats, for "%.*s". */
#define CHECK_TEXT_MAX 64
/* The save points that servers come with. */
#define CHECK_SAVE_POINTS "3600 1 300 100 60 10000"

/* A field of INFO, a setting of CONFIG; NULL like false. Borrowed. */
const char *check_info_text(const struct check_facts *facts, const char *name,
                            struct check_result *result);
/* False too when it is negative or no number. */
bool check_info_count(const struct check_facts *facts, const char *name, int64_t *out,
                      struct check_result *result);
const char *check_config_text(const struct check_facts *facts, const char *name,
                              struct check_result *result);
bool check_config_count(const struct check_facts *facts, const char *name, int64_t *out,
                        struct check_result *result);
/* False when the server writes an append-only file: go on. Else the result is filled. */
bool check_has_no_aof(const struct check_facts *facts, struct check_result *result);

/* Unknown, since the server's process is not seen: because of its PID namespace, or since the
 * server could not be asked which one it is. */
void check_unseen_process(const struct check_facts *facts, struct check_result *result);

/* A number of INFO that may be missing. */
int64_t check_info_or(const struct check_facts *facts, const char *name, int64_t otherwise);
/* Is an append-only file written, are there save points: 1, 0, -1 unknown. */
int check_aof_is_on(const struct check_facts *facts);
int check_has_saves(const struct check_facts *facts);
/* Is nothing kept, and is that meant: a cache, by the setting `use` or by its eviction policy? */
bool check_is_bare_cache(const struct check_facts *facts);

/* The redis.conf line that mends it, which CONFIG SET can do as well. Both static. */
void check_set_by(struct check_result *result, const char *name, const char *value);

/* a + b and a * b of what is not negative, at most INT64_MAX. */
int64_t check_add(int64_t a, int64_t b);
int64_t check_times(int64_t a, int64_t b);

void check_look_last_save(const struct check_facts *facts, struct check_result *result);
void check_look_last_aof_write(const struct check_facts *facts, struct check_result *result);
void check_look_fork_time(const struct check_facts *facts, struct check_result *result);
void check_look_delayed_fsync(const struct check_facts *facts, struct check_result *result);
void check_look_aof_growth(const struct check_facts *facts, struct check_result *result);
/* How much the server's version is, Valkey's own where it has one. */
struct server_version;
bool check_server_version(const struct check_facts *facts, struct server_version *out,
                          struct check_result *result);
/* Is it older than major.minor.patch? */
bool check_is_older(const struct server_version *version, unsigned major, unsigned minor,
                    unsigned patch);
void check_look_version(const struct check_facts *facts, struct check_result *result);
void check_look_tls_certificate(const struct check_facts *facts, struct check_result *result);
void check_look_cluster_slots(const struct check_facts *facts, struct check_result *result);

#endif
