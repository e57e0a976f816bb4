/*
 * See s3_peer_env.h.
 */
#include "support/s3_peer_env.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int64_t now_ms(void *context)
{
    return ((struct peer_env *)context)->now_ms;
}

static void sleep_ms(void *context, int64_t ms)
{
    struct peer_env *env = context;

    env->now_ms += ms;
    env->slept_ms += ms;
}

static size_t find(const struct peer_env *env, const char *name)
{
    size_t i = 0;

    while (i < env->count && strcmp(env->names[i], name) != 0)
        i++;
    return i;
}

static const char *get(void *context, const char *name)
{
    const struct peer_env *env = context;
    size_t i = find(env, name);

    return i < env->count ? env->values[i] : NULL;
}

void peer_env_set(struct peer_env *env, const char *name, const char *value)
{
    size_t i = find(env, name);

    if (i == PEER_ENV_MAX)
        abort();
    if (i == env->count) {
        env->names[env->count++] = xstrdup(name);
    } else {
        free(env->values[i]);
    }
    env->values[i] = value != NULL ? xstrdup(value) : NULL;
}

void peer_env_init(struct peer_env *env, const char *url)
{
    *env = (struct peer_env){.now_ms = 1700000000000, .stall_s = 30};
    env->clock =
        (struct clock){.wall_ms = now_ms, .mono_ms = now_ms, .sleep_ms = sleep_ms, .context = env};
    peer_env_set(env, "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
    peer_env_set(env, "AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    peer_env_set(env, "AWS_EC2_METADATA_DISABLED", "true");
    peer_env_set(env, "AWS_ENDPOINT_URL_S3", url);
}

void peer_env_release(struct peer_env *env)
{
    for (size_t i = 0; i < env->count; i++) {
        free(env->names[i]);
        free(env->values[i]);
    }
    env->count = 0;
}

struct store_env peer_env_get(struct peer_env *env)
{
    return (struct store_env){.get = get, .context = env};
}

static uint32_t no_jitter(void *context)
{
    (void)context;
    return 0;
}

int peer_env_open(struct peer_env *env, const char *place, const struct store_options *options,
                  struct store **out, struct err *err)
{
    struct store_options mine = options != NULL ? *options : (struct store_options){.url = NULL};
    const struct store_s3_tuning tuning = {
        .env = peer_env_get(env),
        .random = no_jitter,
        .connect_timeout_ms = 5000,
        .stall_s = env->stall_s,
    };

    if (mine.clock == NULL)
        mine.clock = &env->clock;
    return store_s3_open(&mine, &tuning, place, out, err);
}

unsigned peer_count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    if (dir == NULL)
        abort();
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count;
}

void peer_fill(uint8_t *data, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = (uint8_t)(seed >> 24);
    }
}
