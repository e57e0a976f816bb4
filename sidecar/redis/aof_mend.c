/*
 * One walk over the commands, one at a time through a window of the file. A state for the database
 * that is selected and for the MULTI that is open; see aof_mend.h for what tells where a torn one
 * ends. That a MULTI stands in another one (servers never write that) proves a restart as well; and
 * when no SELECT stands between the two, the second is the first command after it.
 */
#include "redis/aof_mend.h"

#include <string.h>
#include <strings.h>

#include "base/cancel.h"
#include "base/fs.h"
#include "base/mem.h"

#define WINDOW_BYTES ((size_t)256 << 10)
#define COUNT_LINE_MAX 24
#define ANNOTATION_LINE_MAX 1024 /* the servers' own limit */
#define WORD_MAX 16

struct reader {
    int fd;
    uint64_t length;
    const char *label;
    char *window;
    uint64_t window_from;
    size_t window_len;
};

enum parsed { PARSED_WHOLE, PARSED_SHORT, PARSED_BAD, PARSED_FAILED };

struct word {
    char text[WORD_MAX];
    size_t len; /* of the argument: when it is longer than text, only its head is there */
};

struct command {
    uint64_t from;
    uint64_t to;
    uint64_t count;      /* of arguments; 0: an annotation */
    struct word word[2]; /* the first two */
    uint64_t bad_at;     /* PARSED_BAD: the first byte that cannot be */
};

/* The bytes at offset, at least want of them where the file has as many. */
static int look(struct reader *in, uint64_t offset, size_t want, const char **out, size_t *out_len,
                struct err *err)
{
    uint64_t left = in->length - offset;
    bool is_in = offset >= in->window_from && offset <= in->window_from + in->window_len;
    size_t have = is_in ? (size_t)(in->window_from + in->window_len - offset) : 0;

    if (have < want && have < left) {
        have = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
        if (cancel_check(err) < 0 ||
            fs_pread_all(in->fd, in->window, have, offset, in->label, err) < 0)
            return -1;
        in->window_from = offset;
        in->window_len = have;
    }
    *out = in->window + (offset - in->window_from);
    *out_len = have;
    return 0;
}

/* A line of kind, digits, CRLF at *at, which moves behind it. */
static enum parsed take_count(struct reader *in, uint64_t *at, char kind, uint64_t *out,
                              struct command *command, struct err *err)
{
    const char *text = NULL;
    size_t len = 0;
    uint64_t value = 0;
    size_t i = 1;

    if (look(in, *at, COUNT_LINE_MAX, &text, &len, err) < 0)
        return PARSED_FAILED;
    command->bad_at = *at;
    if (len > 0 && text[0] != kind)
        return PARSED_BAD;
    while (i < len && i < 19 && text[i] >= '0' && text[i] <= '9')
        value = value * 10 + (uint64_t)(text[i++] - '0');
    command->bad_at = *at + i;
    if ((i == 1 && len > 1) || (i < len && text[i] != '\r'))
        return PARSED_BAD;
    if (i + 1 < len && text[i + 1] != '\n') {
        command->bad_at++;
        return PARSED_BAD;
    }
    if (i + 1 >= len)
        return PARSED_SHORT;
    *at += i + 2;
    *out = value;
    return PARSED_WHOLE;
}

static enum parsed take_argument(struct reader *in, uint64_t *at, struct word *word,
                                 struct command *command, struct err *err)
{
    const char *text = NULL;
    size_t len = 0;
    uint64_t size = 0;
    enum parsed parsed = take_count(in, at, '$', &size, command, err);

    if (parsed != PARSED_WHOLE)
        return parsed;
    if (in->length - *at < size + 2)
        return PARSED_SHORT;
    if (word != NULL) {
        if (look(in, *at, WORD_MAX, &text, &len, err) < 0)
            return PARSED_FAILED;
        memcpy(word->text, text, size < WORD_MAX ? (size_t)size : WORD_MAX);
        word->len = (size_t)size;
    }
    *at += size;
    if (look(in, *at, 2, &text, &len, err) < 0)
        return PARSED_FAILED;
    command->bad_at = *at + (text[0] == '\r' ? 1 : 0);
    if (text[0] != '\r' || text[1] != '\n')
        return PARSED_BAD;
    *at += 2;
    return PARSED_WHOLE;
}

static enum parsed take_annotation(struct reader *in, struct command *command, struct err *err)
{
    const char *text = NULL;
    size_t len = 0;

    if (look(in, command->from, ANNOTATION_LINE_MAX, &text, &len, err) < 0)
        return PARSED_FAILED;
    size_t max = len < ANNOTATION_LINE_MAX ? len : ANNOTATION_LINE_MAX;
    const char *newline = memchr(text, '\n', max);
    const char *nul = memchr(text, '\0', max);
    if (newline != NULL) {
        command->to = command->from + (uint64_t)(newline - text) + 1;
        return PARSED_WHOLE;
    }
    command->bad_at = command->from + (nul != NULL ? (uint64_t)(nul - text) : max);
    return max < ANNOTATION_LINE_MAX && nul == NULL ? PARSED_SHORT : PARSED_BAD;
}

/* What begins at command->from with *, # or what cannot be. */
static enum parsed take_command(struct reader *in, char first, struct command *command,
                                struct err *err)
{
    uint64_t at = command->from;

    if (first == '#')
        return take_annotation(in, command, err);
    enum parsed parsed = take_count(in, &at, '*', &command->count, command, err);
    if (parsed != PARSED_WHOLE)
        return parsed;
    if (command->count == 0 || command->count > INT32_MAX) {
        command->bad_at = command->from;
        return PARSED_BAD;
    }
    for (uint64_t i = 0; i < command->count && parsed == PARSED_WHOLE; i++)
        parsed = take_argument(in, &at, i < 2 ? &command->word[i] : NULL, command, err);
    command->to = at;
    return parsed;
}

static bool word_is(const struct word *word, const char *text)
{
    return word->len == strlen(text) && strncasecmp(word->text, text, word->len) == 0;
}

/* The walk. */
struct walk {
    struct aof_mend *out;
    uint64_t safe_end;
    struct word db; /* as text: it is only compared; of no bytes while not known */
    bool in_multi;
    uint64_t multi_from;
    bool has_commands; /* in it, other than SELECT */
    bool has_switch;   /* a SELECT that may be of its own, or of a server that began again */
    bool has_lead;     /* that SELECT stands right behind the MULTI, and is the only one so far */
    bool has_begun;    /* it is the first that a server wrote: a SELECT follows in any case */
};

static int add_drop(struct walk *walk, uint64_t from, uint64_t to, enum aof_drop_what what,
                    const char *label, struct err *err)
{
    struct aof_mend *out = walk->out;

    /* of a torn transaction, what lies in it goes with it */
    while (out->count > 0 && out->drops[out->count - 1].from >= from)
        out->count--;
    if (out->count == AOF_DROPS_MAX)
        return err_set(err, ERR_CORRUPT, "%s: more than %d places of it would have to be left out",
                       label, AOF_DROPS_MAX);
    if ((out->count & (out->count - 1)) == 0) /* 0, 1, 2, 4, ...: it is full */
        out->drops =
            xreallocarray(out->drops, out->count > 0 ? 2 * out->count : 1, sizeof(*out->drops));
    out->drops[out->count++] = (struct aof_drop){from, to, what};
    return 0;
}

static void doubt(struct walk *walk)
{
    if (walk->out->doubt_from == AOF_MEND_NONE)
        walk->out->doubt_from = walk->multi_from;
}

/* The open MULTI is torn: a server began again at `to`. */
static int find_torn(struct walk *walk, uint64_t to, const char *label, struct err *err)
{
    if (!walk->has_switch)
        return add_drop(walk, walk->multi_from, to, AOF_DROP_TORN, label, err);
    doubt(walk);
    return 0;
}

/* A SELECT right behind its MULTI is of the transaction as a rule; but of a MULTI of which nothing
 * else was left it is the first command behind it. Only another SELECT of that database, later,
 * tells. */
static int step_select(struct walk *walk, const struct command *command, const char *label,
                       struct err *err)
{
    const struct word *db = &command->word[1];
    bool is_same = walk->db.len == db->len && db->len <= WORD_MAX &&
                   memcmp(walk->db.text, db->text, db->len) == 0;

    walk->db = *db;
    if (walk->in_multi && walk->has_commands && is_same) {
        walk->has_switch = walk->has_switch && !walk->has_lead;
        walk->in_multi = false;
        return find_torn(walk, command->from, label, err);
    }
    if (walk->in_multi && !walk->has_begun) {
        walk->has_lead = !walk->has_commands && !walk->has_switch;
        walk->has_switch = true;
    }
    walk->has_begun = false;
    return 0;
}

static int step_multi(struct walk *walk, const struct command *command, const char *label,
                      struct err *err)
{
    walk->has_begun = walk->in_multi;
    if (walk->in_multi && find_torn(walk, command->from, label, err) < 0)
        return -1;
    walk->in_multi = true;
    walk->multi_from = command->from;
    walk->has_commands = walk->has_switch = walk->has_lead = false;
    if (walk->has_begun)
        walk->db.len = 0;
    return 0;
}

static int step(struct walk *walk, const struct command *command, const char *label,
                struct err *err)
{
    int rc = 0;

    walk->out->whole_end = command->to;
    if (command->count == 1 && word_is(&command->word[0], "multi"))
        rc = step_multi(walk, command, label, err);
    else if (command->count == 1 && word_is(&command->word[0], "exec"))
        walk->in_multi = false;
    else if (command->count == 2 && word_is(&command->word[0], "select"))
        rc = step_select(walk, command, label, err);
    else if (command->count > 0)
        walk->has_commands = true;
    if (!walk->in_multi)
        walk->safe_end = command->to;
    return rc;
}

/* The run of NULs at offset. */
static int take_nuls(struct reader *in, uint64_t offset, uint64_t *out_end, struct err *err)
{
    uint64_t at = offset;

    while (at < in->length) {
        const char *text = NULL;
        size_t len = 0;
        size_t i = 0;

        if (look(in, at, 1, &text, &len, err) < 0)
            return -1;
        while (i < len && text[i] == '\0')
            i++;
        at += i;
        if (i < len)
            break;
    }
    *out_end = at;
    return 0;
}

/* A command that cannot be: when only NULs follow, its rest was never written to the disk. */
static int judge_bad(struct reader *in, const struct command *command, struct aof_mend *out,
                     struct err *err)
{
    uint64_t end = 0;

    if (take_nuls(in, command->bad_at, &end, err) < 0)
        return -1;
    if (end < in->length)
        out->bad_from = command->from;
    return 0;
}

static int walk_file(struct reader *in, struct walk *walk, struct err *err)
{
    uint64_t at = walk->safe_end;

    while (at < in->length) {
        struct command command = {.from = at};
        const char *text = NULL;
        size_t len = 0;

        if (look(in, at, 1, &text, &len, err) < 0)
            return -1;
        if (*text == '\0') {
            if (take_nuls(in, at, &command.to, err) < 0 ||
                add_drop(walk, at, command.to, AOF_DROP_NULS, in->label, err) < 0)
                return -1;
            at = command.to;
            continue;
        }
        enum parsed parsed = take_command(in, *text, &command, err);
        if (parsed == PARSED_FAILED)
            return -1;
        if (parsed == PARSED_BAD)
            return judge_bad(in, &command, walk->out, err);
        if (parsed == PARSED_SHORT)
            return 0;
        if (step(walk, &command, in->label, err) < 0)
            return -1;
        at = command.to;
    }
    return 0;
}

int aof_mend_find(int fd, uint64_t from, uint64_t length, const char *label, struct aof_mend *out,
                  struct err *err)
{
    auto_aof_mend struct aof_mend mend = {
        .whole_end = from, .doubt_from = AOF_MEND_NONE, .bad_from = AOF_MEND_NONE};
    auto_free char *window = xmalloc(WINDOW_BYTES);
    struct reader in = {.fd = fd, .length = length, .label = label, .window = window};
    struct walk walk = {.out = &mend, .safe_end = from};

    if (walk_file(&in, &walk, err) < 0)
        return -1;
    if (walk.in_multi && walk.has_switch)
        doubt(&walk);
    mend.keep_end = walk.safe_end;
    while (mend.count > 0 && mend.drops[mend.count - 1].from >= mend.keep_end)
        mend.count--;
    *out = mend;
    mend = (struct aof_mend){0};
    return 0;
}

void aof_mend_release(struct aof_mend *mend)
{
    free(mend->drops);
    *mend = (struct aof_mend){0};
}
