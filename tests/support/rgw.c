/*
 * See rgw.h. The script prints NAME=value lines; those that the S3 store looks for go into the
 * environment of the test under the names it looks for.
 */
#include "support/rgw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LINE_SIZE = 8192 };

static void die(const char *what)
{
    (void)fprintf(stderr, "%s: failed\n", what);
    abort();
}

static void take_line(char *line, struct peer_env *env)
{
    static const char *const renames[][2] = {
        {"RGW_ENDPOINT", "AWS_ENDPOINT_URL_S3"},     {"RGW_ACCESS_KEY", "AWS_ACCESS_KEY_ID"},
        {"RGW_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"}, {"ACCESS_KEY", "AWS_ACCESS_KEY_ID"},
        {"SECRET_KEY", "AWS_SECRET_ACCESS_KEY"},     {"SESSION_TOKEN", "AWS_SESSION_TOKEN"},
    };
    char *value = strchr(line, '=');

    if (value == NULL || env == NULL)
        return;
    *value++ = '\0';
    value[strcspn(value, "\n")] = '\0';
    for (size_t i = 0; i < sizeof(renames) / sizeof(renames[0]); i++)
        if (strcmp(renames[i][0], line) == 0)
            peer_env_set(env, renames[i][1], value);
}

static void run(const char *command, struct peer_env *env)
{
    char line[LINE_SIZE];
    FILE *pipe = popen(command, "re");

    if (pipe == NULL)
        die(command);
    while (fgets(line, sizeof(line), pipe) != NULL)
        take_line(line, env);
    if (pclose(pipe) != 0)
        die(command);
}

void rgw_start(struct rgw *rgw, const char *bucket, const char *cert, const char *key,
               struct peer_env *env)
{
    auto_free char *tls =
        cert != NULL ? xasprintf("TLS_CERT='%s' TLS_KEY='%s' ", cert, key) : xstrdup("");
    auto_free char *up = NULL;

    (void)snprintf(rgw->dir, sizeof(rgw->dir), "/tmp/redkeep-rgw.XXXXXX");
    if (mkdtemp(rgw->dir) == NULL)
        die(rgw->dir);
    up = xasprintf("%stests/support/rgw.sh up %s", tls, rgw->dir);
    run(up, env);
    rgw_make_bucket(rgw, bucket);
}

void rgw_stop(struct rgw *rgw)
{
    auto_free char *down = xasprintf("tests/support/rgw.sh down %s", rgw->dir);

    run(down, NULL);
}

void rgw_make_bucket(const struct rgw *rgw, const char *bucket)
{
    auto_free char *make = xasprintf("tests/support/rgw.sh bucket %s %s", rgw->dir, bucket);

    run(make, NULL);
}

void rgw_make_locked_bucket(const struct rgw *rgw, const char *bucket)
{
    auto_free char *make = xasprintf("tests/support/rgw.sh bucket %s %s locked", rgw->dir, bucket);

    run(make, NULL);
}

void rgw_remove_bucket(const struct rgw *rgw, const char *bucket)
{
    auto_free char *remove = xasprintf(
        "CEPH_CONF=%s/ceph.conf radosgw-admin bucket rm --bucket=%s 2>&1", rgw->dir, bucket);

    run(remove, NULL);
}

void rgw_start_session(const struct rgw *rgw, struct peer_env *env)
{
    auto_free char *session = xasprintf("tests/support/rgw.sh session %s", rgw->dir);

    run(session, env);
}
