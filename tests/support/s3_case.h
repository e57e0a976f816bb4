/*
 * What every test of the S3 store against a peer that misbehaves begins with: the peer, an
 * environment that leads to it, and short words for what is done with both.
 */
#ifndef SUPPORT_S3_CASE_H
#define SUPPORT_S3_CASE_H

#include "support/s3_peer.h"
#include "support/s3_peer_env.h"

#define MIB ((size_t)1024 * 1024)

/* Of the test that runs, between s3_case_begin and s3_case_end: its checked fixture. */
extern struct s3_peer *peer;
extern struct peer_env env;

void s3_case_begin(void);
void s3_case_end(void);

/* s3://bucket/p; the test fails when it cannot be opened. */
struct store *s3_case_open(void);
void s3_case_rule(const char *match, enum s3_peer_fault fault, unsigned times, const char *text);
/* Stores data, NULL for zeroes, by way of a sink. */
int s3_case_put(struct store *store, const char *key, const uint8_t *data, size_t len,
                struct err *err);
/* For store_list: ends it with ERR_BUSY, "stop at <key>". */
int s3_case_stop(void *context, const struct store_entry *entry, struct err *err);

#endif
