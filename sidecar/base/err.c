/*
 * The one error object: see err.h. Messages are put together in a buffer of their own before they
 * are copied, since an argument may well be the old message of the same object.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char HINT_MARK[] = "HINT: ";
static const char CUT_MARK[] = "...";

/* len, or less, so that text cut there does not end inside a UTF-8 character. */
static size_t cut_at(const char *text, size_t len)
{
    size_t cut = len;

    while (cut > 0 && len - cut < 3 && ((unsigned char)text[cut] & 0xc0) == 0x80)
        cut--;
    return cut;
}

/* head and tail as the message; when both do not fit, head is cut. */
static void join(struct err *err, const char *head, const char *tail)
{
    size_t head_len = strlen(head);
    size_t tail_len = strlen(tail);
    size_t room = sizeof(err->msg) - 1;
    const char *mark = "";

    if (tail_len > room / 2)
        tail_len = cut_at(tail, room / 2);
    if (head_len > room - tail_len) {
        mark = CUT_MARK;
        head_len = cut_at(head, room - tail_len - strlen(mark));
    }

    char *out = err->msg;

    memcpy(out, head, head_len);
    out += head_len;
    memcpy(out, mark, strlen(mark));
    out += strlen(mark);
    memcpy(out, tail, tail_len);
    out[tail_len] = '\0';
}

static const char *hint_of_errno(int code)
{
    switch (code) {
    case ENOSPC:
        return ". HINT: free some space on this file system, or enlarge the volume";
    case EDQUOT:
        return ". HINT: free some space, or raise the quota";
    case EROFS:
        return ". HINT: mount the file system read-write";
    case EACCES:
    case EPERM:
        return ". HINT: check owner and mode, and the user that redkeep runs as";
    default:
        return "";
    }
}

int(err_set)(struct err *err, enum err_kind kind, const char *format, ...)
{
    char text[2 * ERR_MSG_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* too long is cut, as promised */
    va_end(args);

    const char *hint = err_hint(text);
    char tail[ERR_MSG_MAX] = "";

    if (hint && strlen(text) >= sizeof(err->msg)) {
        (void)snprintf(tail, sizeof(tail), " %.*s", (int)sizeof(tail) - 2, hint);
        text[hint - text] = '\0';
    }
    err->kind = kind;
    err->code = 0;
    err->problem = PROBLEM_NONE;
    join(err, text, tail);
    return -1;
}

int(err_sys)(struct err *err, enum err_kind kind, const char *format, ...)
{
    int code = errno;
    char text[ERR_MSG_MAX];
    char reason[128];
    char tail[ERR_MSG_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* too long is cut, as promised */
    va_end(args);

    const char *why = strerror_r(code, reason, sizeof(reason));

    (void)snprintf(tail, sizeof(tail), ": %.128s%s", why, hint_of_errno(code));
    err->kind = kind;
    err->code = code;
    err->problem = PROBLEM_NONE;
    join(err, text, tail);
    return -1;
}

int(err_wrap)(struct err *err, const char *format, ...)
{
    char prefix[ERR_MSG_MAX];
    char head[2 * ERR_MSG_MAX + 2];
    char tail[ERR_MSG_MAX] = "";
    va_list args;

    va_start(args, format);
    (void)vsnprintf(prefix, sizeof(prefix), format, args); /* too long is cut, as promised */
    va_end(args);

    const char *hint = err_hint(err->msg);
    size_t body_len = hint ? (size_t)(hint - err->msg) : strlen(err->msg);

    (void)snprintf(head, sizeof(head), "%s: %.*s", prefix, (int)body_len, err->msg);
    if (hint)
        memcpy(tail, hint, strlen(hint) + 1);
    join(err, head, tail);
    return -1;
}

int(err_advise)(struct err *err, const char *hint)
{
    char head[ERR_MSG_MAX];
    char tail[ERR_MSG_MAX];

    if (err_hint(err->msg) != NULL)
        return -1;
    memcpy(head, err->msg, sizeof(head));
    (void)snprintf(tail, sizeof(tail), ". %s%s", HINT_MARK, hint);
    join(err, head, tail);
    return -1;
}

int(err_as)(struct err *err, enum problem problem)
{
    err->problem = problem;
    return -1;
}

/* PROBLEM_NONE when the kind decides. An HTTP status is never taken for an errno: it is larger. */
static enum problem problem_of_errno(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return PROBLEM_DISK_FULL;
    case EACCES:
    case EPERM:
        return PROBLEM_PERMISSION;
    case EROFS:
        return PROBLEM_READ_ONLY;
    default:
        return PROBLEM_NONE;
    }
}

static enum problem problem_of_server(int code)
{
    switch (code) {
    case EIO: /* see redis_conn.h */
        return PROBLEM_SERVER_UNREACHABLE;
    case EBUSY:
        return PROBLEM_SERVER_BUSY;
    default:
        return PROBLEM_SERVER_FAILED;
    }
}

static enum problem problem_of_store(int code)
{
    switch (code) {
    case 401:
    case 403:
        return PROBLEM_STORE_DENIED;
    case 404:
    case ENOENT:
    case ENOTDIR:
        return PROBLEM_STORE_MISSING;
    case 507: /* insufficient storage */
        return PROBLEM_DISK_FULL;
    default:
        return PROBLEM_STORE_UNREACHABLE;
    }
}

enum problem err_problem(const struct err *err)
{
    if (err->kind == ERR_NONE || err->problem != PROBLEM_NONE)
        return err->problem;
    if (err->kind == ERR_SERVER)
        return problem_of_server(err->code);

    enum problem problem = problem_of_errno(err->code);

    if (problem != PROBLEM_NONE)
        return problem;
    switch (err->kind) {
    case ERR_CONFIG:
        return PROBLEM_CONFIG;
    case ERR_NOT_FOUND:
        return PROBLEM_NO_BACKUP;
    case ERR_HOLDS_DATA:
        return PROBLEM_HOLDS_DATA;
    case ERR_STORE:
        return problem_of_store(err->code);
    case ERR_CORRUPT:
        return PROBLEM_BACKUP_CORRUPT;
    case ERR_BUSY:
        return PROBLEM_LOCKED;
    case ERR_TOO_NEW:
        return PROBLEM_BACKUP_TOO_NEW;
    case ERR_NONE:
    case ERR_FAILED:
    case ERR_SERVER:
        break;
    }
    return PROBLEM_FAILED;
}

const char *err_kind_name(enum err_kind kind)
{
    switch (kind) {
    case ERR_NONE:
        return "none";
    case ERR_FAILED:
        return "failed";
    case ERR_CONFIG:
        return "config";
    case ERR_NOT_FOUND:
        return "not-found";
    case ERR_HOLDS_DATA:
        return "holds-data";
    case ERR_STORE:
        return "store";
    case ERR_CORRUPT:
        return "corrupt";
    case ERR_SERVER:
        return "server";
    case ERR_BUSY:
        return "busy";
    case ERR_TOO_NEW:
        return "too-new";
    }
    return "failed";
}

const char *err_hint(const char *message)
{
    const char *found = NULL;

    for (const char *at = strstr(message, HINT_MARK); at; at = strstr(at + 1, HINT_MARK))
        found = at;
    return found;
}
