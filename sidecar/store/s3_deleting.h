/*
 * What becomes of a backup when somebody with our credentials deletes it: does the bucket keep the
 * version that was there, and would it let us delete at all? Asked without touching any object:
 * only where the bucket says that it has never kept versions, the removal of a key that nobody has
 * ever written is tried, which does nothing there (elsewhere it would leave a delete marker).
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
 */
#ifndef STORE_S3_DELETING_H
#define STORE_S3_DELETING_H

#include "base/err.h"
#include "store/store.h"

struct s3_deleting {    /* 1, 0; -1: not asked, since the other one tells enough, or cannot tell */
    int keeps_versions; /* of what is deleted now */
    int may_delete;
};

struct s3_deleting_question {
    const char *below;    /* keys are tried below this one */
    int known_may_delete; /* what such a question has found before: nothing is tried; -1: nothing */
};

/* store is one of an s3:// repository. One request, two where
 * no versions are kept, with little patience. ERR_STORE when the bucket does not answer, or refuses
 * to say; *out is -1 for what is not known then, too. */
int s3_deleting_ask(struct store *store, const struct s3_deleting_question *question,
                    struct s3_deleting *out, struct err *err);

#endif
