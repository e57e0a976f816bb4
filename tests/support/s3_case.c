#include "support/s3_case.h"

#include <check.h>

#include "base/mem.h"

struct s3_peer *peer;
struct peer_env env;

void s3_case_begin(void)
{
    peer = s3_peer_new();
    peer_env_init(&env, s3_peer_get_url(peer));
}

void s3_case_end(void)
{
    s3_peer_free(peer);
    peer_env_release(&env);
}

struct store *s3_case_open(void)
{
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_msg(peer_env_open(&env, "bucket/p", NULL, &store, &err) == 0, "%s", err.msg);
    return store;
}

void s3_case_rule(const char *match, enum s3_peer_fault fault, unsigned times, const char *text)
{
    s3_peer_add_rule(
        peer, &(struct s3_peer_rule){.match = match, .fault = fault, .times = times, .text = text});
}

int s3_case_put(struct store *store, const char *key, const uint8_t *data, size_t len,
                struct err *err)
{
    auto_free uint8_t *zeroes = data == NULL ? xcalloc(1, len) : NULL;
    struct object_parts parts = {0};
    struct sink *sink = NULL;
    int rc = store_put(store, key, len, &parts, &sink, err);

    if (rc == 0)
        rc = sink_write(sink, data != NULL ? data : zeroes, len, err);
    if (rc == 0)
        rc = sink_finish(sink, err);
    sink_free(sink);
    object_parts_release(&parts);
    return rc;
}

int s3_case_stop(void *context, const struct store_entry *entry, struct err *err)
{
    (void)context;
    return err_set(err, ERR_BUSY, "stop at %s", entry->key);
}
