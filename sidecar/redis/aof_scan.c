/*
 * A state machine over RESP as servers write it into append-only files. The loaders of the servers
 * (aof.c: loadSingleAppendOnlyFile) are laxer about line ends; a line that only they would take is
 * malformed here, since no server writes it.
 *
 *   START --'*'--> LINE --> [ ARG --> PAYLOAD ] x N --> START
 *         --'#'--> LINE --> START
 *         --NUL--> START
 */
#include "redis/aof_scan.h"

#include <string.h>
#include <strings.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/page_cache.h"

enum state { STATE_START, STATE_LINE, STATE_ARG, STATE_PAYLOAD };

#define COUNT_LINE_MAX 24        /* "$9223372036854775807\r\n" and a little */
#define ANNOTATION_LINE_MAX 1024 /* the servers' own limit */
#define TS_LINE_MAX 40
#define WORD_MAX 5 /* MULTI, EXEC */
#define ARGS_MAX INT32_MAX
#define READ_BYTES ((size_t)256 << 10)
#define PLAIN_DIGITS 9 /* of a count that is read at a glance: it fits, whatever the digits */

/* What has not been looked at yet. */
struct input {
    const char *at;
    const char *end;
};

/* A whole line, in place or in scan->hold. */
struct line {
    const char *text;
    size_t len; /* with CRLF; no more than what fits into hold when it came in pieces */
};

enum step { STEP_OK, STEP_MORE, STEP_BAD };

static enum step bad(struct aof_scan *scan, uint64_t offset, const char *why)
{
    scan->bad_offset = offset;
    scan->bad_why = why;
    return STEP_BAD;
}

static void advance(struct aof_scan *scan, struct input *in, size_t len)
{
    in->at += len;
    scan->offset += len;
}

/* The next line of at most max bytes with its CRLF. */
static enum step take_line(struct aof_scan *scan, struct input *in, size_t max, struct line *out)
{
    size_t left = (size_t)(in->end - in->at);
    size_t room = max - scan->line_len;
    size_t look = left < room ? left : room;
    const char *newline = memchr(in->at, '\n', look);
    size_t len = newline == NULL ? look : (size_t)(newline - in->at) + 1;

    if (newline != NULL && scan->line_len == 0) {
        *out = (struct line){in->at, len};
    } else {
        size_t keep = sizeof(scan->hold) - scan->held;
        keep = len < keep ? len : keep;
        memcpy(scan->hold + scan->held, in->at, keep);
        scan->held += (uint32_t)keep;
        scan->line_len += (uint32_t)len;
        *out = (struct line){scan->hold, scan->held};
    }
    advance(scan, in, len);
    if (newline == NULL && left < room)
        return STEP_MORE;
    if (newline == NULL)
        return bad(scan, scan->item_offset, "a line is too long");

    scan->line_len = 0;
    scan->held = 0;
    return STEP_OK;
}

/* The count of a line of that kind that lies here as a whole, and the end of the line; NULL when it
 * is not that plain: then it is read byte by byte, and judged. */
static inline const char *plain_count(const struct input *in, const char *at, char kind,
                                      uint32_t *out)
{
    const char *stop = in->end - at > PLAIN_DIGITS + 2 ? at + PLAIN_DIGITS + 1 : in->end;
    uint32_t value = 0;
    unsigned digit;

    if (in->end - at < 4 || *at != kind || (unsigned)(at[1] - '0') > 9)
        return NULL;
    for (at++; at < stop && (digit = (unsigned)(*at - '0')) <= 9; at++)
        value = value * 10 + digit;
    if (in->end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return NULL;
    *out = value;
    return at + 2;
}

/* Digits between the first byte of the line and its CRLF. */
static bool parse_count(const struct line *line, int64_t *out)
{
    int64_t value = 0;

    if (line->len < 4 || line->len > 21 || line->text[line->len - 2] != '\r')
        return false;
    for (size_t i = 1; i < line->len - 2; i++) {
        if (line->text[i] < '0' || line->text[i] > '9')
            return false;
        value = value * 10 + (line->text[i] - '0'); /* at most 18 digits: fits */
    }
    *out = value;
    return true;
}

/* A boundary: between here and the next byte nothing is open but, perhaps, a MULTI. */
static void reach_boundary(struct aof_scan *scan)
{
    scan->state = STATE_START;
    if (scan->in_multi)
        return;
    scan->safe_end = scan->offset;
    scan->last_ts = scan->pending_ts;
}

static void take_annotation(struct aof_scan *scan, const struct line *line)
{
    int64_t seconds = 0;

    if (line->len > 4 && line->len <= TS_LINE_MAX && memcmp(line->text, "#TS:", 4) == 0) {
        struct line digits = {line->text + 3, line->len - 3}; /* the ':' is its first byte */
        if (parse_count(&digits, &seconds))
            scan->pending_ts = seconds;
    }
    reach_boundary(scan);
}

static void begin_args(struct aof_scan *scan, int64_t count)
{
    scan->args_left = count;
    scan->single_arg = count == 1;
    scan->item_offset = scan->offset;
    scan->state = STATE_ARG;
}

static enum step step_start(struct aof_scan *scan, struct input *in)
{
    uint32_t count = 0;
    const char *behind = plain_count(in, in->at, '*', &count);

    scan->item_offset = scan->offset;
    scan->command_offset = scan->offset;
    if (behind != NULL && count > 0) {
        advance(scan, in, (size_t)(behind - in->at));
        begin_args(scan, count);
        return STEP_OK;
    }
    if (*in->at == '*' || *in->at == '#') {
        scan->state = STATE_LINE;
        return STEP_OK;
    }
    if (*in->at != '\0')
        return bad(scan, scan->offset, "no command begins here");

    const char *p = in->at;
    while (p < in->end && *p == '\0')
        p++;
    if (scan->nul_offset == AOF_SCAN_NONE)
        scan->nul_offset = scan->offset;
    scan->nul_bytes += (uint64_t)(p - in->at);
    advance(scan, in, (size_t)(p - in->at));
    return STEP_OK;
}

/* scan->hold[0] tells what a line is when it came in pieces, the input itself otherwise. */
static enum step step_line(struct aof_scan *scan, struct input *in)
{
    char kind = scan->line_len > 0 ? scan->hold[0] : *in->at;
    struct line line = {0};
    int64_t count = 0;
    enum step step = take_line(scan, in, kind == '#' ? ANNOTATION_LINE_MAX : COUNT_LINE_MAX, &line);

    if (step != STEP_OK)
        return step;
    if (kind == '#') {
        take_annotation(scan, &line);
        return STEP_OK;
    }
    if (!parse_count(&line, &count) || count < 1 || count > ARGS_MAX)
        return bad(scan, scan->item_offset, "a command has a bad number of arguments");
    begin_args(scan, count);
    return STEP_OK;
}

static bool held_is(const struct aof_scan *scan, const char *word)
{
    return scan->held == strlen(word) && strncasecmp(scan->hold, word, scan->held) == 0;
}

static void end_command(struct aof_scan *scan)
{
    scan->commands++;
    if (scan->single_arg && held_is(scan, "multi")) {
        if (scan->in_multi)
            scan->nested_multi++;
        else
            scan->multi_offset = scan->command_offset;
        scan->in_multi = true;
    } else if (scan->single_arg && held_is(scan, "exec")) {
        scan->in_multi = false;
        scan->multi_offset = AOF_SCAN_NONE;
    }
    scan->held = 0;
    reach_boundary(scan);
}

/* Goes over the arguments that lie here as a whole; the first that does not is for step_arg. The
 * word of a command of one word is put where step_payload would have put it. */
static void skip_plain_args(struct aof_scan *scan, struct input *in)
{
    const char *at = in->at;
    int64_t left = scan->args_left;

    while (left > 0) {
        uint32_t length = 0;
        const char *payload = plain_count(in, at, '$', &length);

        if (payload == NULL || (uint64_t)(in->end - payload) < (uint64_t)length + 2 ||
            payload[length] != '\r' || payload[length + 1] != '\n')
            break;
        scan->single_arg = scan->single_arg && length <= WORD_MAX;
        if (scan->single_arg) {
            memcpy(scan->hold, payload, length);
            scan->held = length;
        }
        at = payload + length + 2;
        left--;
    }
    advance(scan, in, (size_t)(at - in->at));
    scan->args_left = left;
    scan->item_offset = scan->offset;
    if (left == 0)
        end_command(scan);
}

static enum step step_arg(struct aof_scan *scan, struct input *in)
{
    struct line line = {0};
    int64_t length = 0;

    if (scan->line_len == 0) {
        skip_plain_args(scan, in);
        if (scan->state != STATE_ARG || in->at == in->end)
            return STEP_OK;
    }
    if (scan->line_len == 0 && *in->at != '$')
        return bad(scan, scan->offset, "an argument has no length");
    enum step step = take_line(scan, in, COUNT_LINE_MAX, &line);
    if (step != STEP_OK)
        return step;
    if (!parse_count(&line, &length))
        return bad(scan, scan->item_offset, "an argument has a bad length");
    scan->payload_left = (uint64_t)length + 2;
    scan->single_arg = scan->single_arg && length <= WORD_MAX;
    scan->state = STATE_PAYLOAD;
    return STEP_OK;
}

static enum step step_payload(struct aof_scan *scan, struct input *in)
{
    size_t left = (size_t)(in->end - in->at);

    if (scan->payload_left > 2) {
        uint64_t want = scan->payload_left - 2;
        size_t len = want < left ? (size_t)want : left;
        if (scan->single_arg) {
            memcpy(scan->hold + scan->held, in->at, len);
            scan->held += (uint32_t)len;
        }
        scan->payload_left -= len;
        advance(scan, in, len);
        return STEP_OK;
    }
    if (*in->at != (scan->payload_left == 2 ? '\r' : '\n'))
        return bad(scan, scan->offset, "an argument is longer than it says");
    scan->payload_left--;
    advance(scan, in, 1);
    if (scan->payload_left > 0)
        return STEP_OK;
    scan->item_offset = scan->offset;
    scan->state = STATE_ARG;
    if (--scan->args_left == 0)
        end_command(scan);
    return STEP_OK;
}

void aof_scan_init(struct aof_scan *scan)
{
    *scan = (struct aof_scan){
        .last_ts = -1,
        .pending_ts = -1,
        .multi_offset = AOF_SCAN_NONE,
        .nul_offset = AOF_SCAN_NONE,
        .bad_offset = AOF_SCAN_NONE,
        .state = STATE_START,
    };
}

bool aof_scan_feed(struct aof_scan *scan, const void *data, size_t len)
{
    struct input in = {data, (const char *)data + len};

    while (in.at < in.end && scan->bad_why == NULL) {
        switch ((enum state)scan->state) {
        case STATE_START:
            (void)step_start(scan, &in); /* bad_why ends the loop */
            break;
        case STATE_LINE:
            (void)step_line(scan, &in);
            break;
        case STATE_ARG:
            (void)step_arg(scan, &in);
            break;
        case STATE_PAYLOAD:
            (void)step_payload(scan, &in);
            break;
        }
    }
    return scan->bad_why == NULL;
}

bool aof_scan_at_boundary(const struct aof_scan *scan)
{
    return scan->bad_why == NULL && scan->state == STATE_START && scan->safe_end == scan->offset;
}

int aof_scan_fd(int fd, uint64_t length, const char *label, struct aof_scan *out, struct err *err)
{
    auto_free char *bytes = xmalloc(READ_BYTES);
    struct aof_scan scan;

    aof_scan_init(&scan);
    for (uint64_t at = 0; at < length;) {
        size_t len = length - at < READ_BYTES ? (size_t)(length - at) : READ_BYTES;

        if (cancel_check(err) < 0 || page_cache_read(fd, bytes, len, at, label, err) < 0)
            return -1;
        if (!aof_scan_feed(&scan, bytes, len))
            break;
        at += len;
    }
    *out = scan;
    return 0;
}
