/*
 * What a test of the S3 store brings along: an environment of its own, a clock that only moves when
 * somebody sleeps, retries without jitter.
 */
#ifndef SUPPORT_S3_PEER_ENV_H
#define SUPPORT_S3_PEER_ENV_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "store/store.h"

enum { PEER_ENV_MAX = 24 };

struct peer_env {
    char *names[PEER_ENV_MAX];
    char *values[PEER_ENV_MAX];
    size_t count;
    struct clock clock;
    int64_t now_ms;   /* of the clock, wall and monotonic alike */
    int64_t slept_ms; /* all sleeps together */
    unsigned stall_s;
};

/* With keys, a region and the endpoint url (NULL = none), and instance metadata disabled. */
void peer_env_init(struct peer_env *env, const char *url);
void peer_env_release(struct peer_env *env);
/* value NULL: unset. */
void peer_env_set(struct peer_env *env, const char *name, const char *value);
struct store_env peer_env_get(struct peer_env *env);
/* Opens s3://place with the environment and its clock. options may be NULL. */
int peer_env_open(struct peer_env *env, const char *place, const struct store_options *options,
                  struct store **out, struct err *err);

/* How many descriptors this process has open. */
unsigned peer_count_descriptors(void);
/* Bytes that are the same in every run and do not compress. */
void peer_fill(uint8_t *data, size_t len, uint32_t seed);

#endif
