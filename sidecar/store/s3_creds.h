/*
 * Whose requests these are. The first of these that is set up is used, as the AWS SDKs do:
 * AWS_ACCESS_KEY_ID and friends, web identity (AWS_WEB_IDENTITY_TOKEN_FILE), container credentials
 * (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI), the shared credentials file, IMDSv2. Files
 * are read whenever keys are asked for, so a rotated secret is used at once; what was fetched over
 * the network is kept until shortly before it expires.
 */
#ifndef STORE_S3_CREDS_H
#define STORE_S3_CREDS_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/s3_http.h"
#include "store/s3_sign.h"
#include "store/store.h"

struct s3_creds;

struct s3_creds_options { /* all borrowed for the life of the object */
    struct store_env env;
    struct s3_http *http;
    const struct clock *clock;
    const char *region; /* of the STS endpoint; copied */
};

struct s3_creds *s3_creds_new(const struct s3_creds_options *options);
void s3_creds_free(struct s3_creds *creds);

/* Keys to sign with now, borrowed until the next call; renew: those of the last call were refused
 * as expired. ERR_STORE when there are none or they cannot be had. */
int s3_creds_get(struct s3_creds *creds, bool renew, const struct s3_keys **out, struct err *err);

/* The section `profile` of an AWS credentials file; *out untouched unless it holds both keys. Pure.
 * ERR_STORE when it does not. */
int s3_creds_parse_file(const char *text, const char *profile, struct s3_keys *out,
                        struct err *err);
/* The JSON that container and instance endpoints answer with. Pure. */
int s3_creds_parse_json(const struct buf *text, struct s3_keys *out, struct err *err);

/* One source of keys. is_set: does the environment ask for it? A source that is asked for and fails
 * is an error, not a reason to try the next. fetch fills an empty *out. */
struct s3_creds_source {
    const char *name;
    bool is_fetched; /* over the network: worth keeping */
    bool (*is_set)(const struct s3_creds_options *options);
    int (*fetch)(const struct s3_creds_options *options, struct s3_keys *out, struct err *err);
};

/* The sources that ask the network: s3_creds_net.c. */
extern const struct s3_creds_source s3_creds_web_identity;
extern const struct s3_creds_source s3_creds_container;
extern const struct s3_creds_source s3_creds_instance;

static inline const char *s3_creds_env(const struct s3_creds_options *options, const char *name)
{
    return options->env.get(options->env.context, name);
}

/* Reads a small file that the environment points to, e.g. a token, without its final newline. */
int s3_creds_read_file(const char *path, struct buf *out, struct err *err);

#endif
