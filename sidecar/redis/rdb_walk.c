/*
 * An interpreter of shapes (rdb_walk_shapes.h). An item of the file is its opcode and what the
 * shape says:
 *
 *     byte -> shape -> letter by letter -> '\0' -> next byte
 *
 * A letter takes all of its own bytes or none (rdb_walk_read.h); what is too little at the end of a
 * slice is held until the next one. What strings hold is passed over by a counter, over as many
 * slices as they are long. Loops nest no deeper than the shapes do.
 */
#include "redis/rdb_walk.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "redis/rdb_walk_counts.h"
#include "redis/rdb_walk_read.h"
#include "redis/rdb_walk_shapes.h"

#define MAGIC_BYTES 9
#define CHECKSUM_BYTES 8

enum state { STATE_WALKING, STATE_DONE, STATE_STOPPED };

struct loop {
    const char *body;
    uint64_t left;
};

struct rdb_walk {
    const char *letter; /* the next one; "" between two items */
    const char *back;   /* where j leads */
    struct loop loops[RDB_SHAPE_DEPTH];
    size_t depth;
    uint64_t count; /* of the loop to come */
    uint64_t template_id;
    enum state state;
    bool may_have_tail;
    uint64_t tail_bytes; /* behind the checksum */

    struct rdb_input in;
    const uint8_t *from; /* where the bytes of this run begin, */
    uint64_t offset;     /* and at which byte of the file they stand */
    uint64_t item_offset;
    uint8_t held[2 * RDB_READ_BYTES_MAX];
    size_t held_len;

    enum rdb_shapes_known known;
    struct rdb_counts counts;
    struct rdb_walk_result result;
};

struct rdb_walk *rdb_walk_new(bool may_have_tail)
{
    struct rdb_walk *walk = xcalloc(1, sizeof(*walk));

    walk->letter = "H";
    walk->may_have_tail = may_have_tail;
    walk->result.magic = RDB_MAGIC_OPAQUE;
    walk->result.version = -1;
    return walk;
}

void rdb_walk_free(struct rdb_walk *walk)
{
    if (walk == NULL)
        return;
    rdb_counts_release(&walk->counts);
    free(walk);
}

/* What no server writes is corrupt only where it is known what they write. */
__attribute__((format(printf, 3, 4))) static void stop(struct rdb_walk *walk,
                                                       enum rdb_walked verdict, const char *format,
                                                       ...)
{
    struct rdb_walk_result *result = &walk->result;
    va_list args;

    walk->state = STATE_STOPPED;
    result->walked = verdict;
    if (verdict == RDB_WALK_CORRUPT && walk->known == RDB_SHAPES_HEARSAY)
        result->walked = RDB_NOT_WALKED;
    va_start(args, format);
    (void)vsnprintf(result->why, sizeof(result->why), format, args); /* what is cut is no loss */
    va_end(args);
}

static uint64_t offset_now(const struct rdb_walk *walk)
{
    return walk->offset + (uint64_t)(walk->in.at - walk->from);
}

/* REDIS0012, VALKEY080 */
static enum rdb_read read_magic(struct rdb_walk *walk)
{
    struct rdb_walk_result *result = &walk->result;
    struct rdb_head head;

    if (rdb_input_left(&walk->in) < MAGIC_BYTES)
        return RDB_READ_MORE;
    enum rdb_probe probe = rdb_probe_head(walk->in.at, MAGIC_BYTES, &head);
    result->magic = head.magic;
    result->version = head.version;
    walk->known = rdb_shapes_known(head.magic, head.version);
    if (head.magic == RDB_MAGIC_OPAQUE || probe == RDB_PROBE_MALFORMED)
        stop(walk, RDB_NOT_WALKED, "it does not begin as an RDB does");
    else if (walk->known == RDB_SHAPES_NONE)
        stop(walk, RDB_NOT_WALKED, "RDB version %d of %s is not known to this redkeep",
             head.version, head.magic == RDB_MAGIC_VALKEY ? "Valkey" : "Redis");
    return rdb_read_skip(&walk->in, MAGIC_BYTES);
}

static enum rdb_read read_opcode(struct rdb_walk *walk)
{
    const struct rdb_walk_result *result = &walk->result;

    if (rdb_input_left(&walk->in) == 0)
        return RDB_READ_MORE;
    walk->item_offset = offset_now(walk);
    uint8_t opcode = *walk->in.at++;
    walk->letter = rdb_shape(result->magic, result->version, opcode);
    if (walk->letter == NULL) {
        const char *name = rdb_shape_name(opcode);

        stop(walk, RDB_NOT_WALKED, "at byte %" PRIu64 ": %s (opcode or type %u, RDB version %d)",
             walk->item_offset, name != NULL ? name : "something unknown", opcode, result->version);
    }
    return RDB_READ_OK;
}

static bool end_db(struct rdb_walk *walk)
{
    bool has_room = rdb_counts_end_db(&walk->counts);

    if (!has_room)
        stop(walk, RDB_NOT_WALKED, "it has more than %d databases", RDB_WALK_DBS_MAX);
    return has_room;
}

static enum rdb_read read_db(struct rdb_walk *walk)
{
    struct rdb_counts *counts = &walk->counts;
    uint64_t db = 0;
    enum rdb_read read = rdb_read_length(&walk->in, &db);

    if (read != RDB_READ_OK || !end_db(walk))
        return read;
    if (counts->done_count > 0 && db <= counts->done[counts->done_count - 1].db)
        stop(walk, RDB_NOT_WALKED,
             "at byte %" PRIu64 ": database %" PRIu64 " comes after database %" PRIu64,
             walk->item_offset, db, counts->done[counts->done_count - 1].db);
    counts->db = (struct rdb_walk_db){.db = db};
    return read;
}

static enum rdb_read read_slot_keys(struct rdb_walk *walk)
{
    uint64_t keys = 0;
    enum rdb_read read = rdb_read_length(&walk->in, &keys);

    if (read == RDB_READ_OK)
        rdb_counts_slot(&walk->counts, keys);
    return read;
}

static enum rdb_read define_template(struct rdb_walk *walk)
{
    if (!rdb_counts_define(&walk->counts, walk->template_id, walk->count))
        stop(walk, RDB_NOT_WALKED,
             "at byte %" PRIu64 ": hash template %" PRIu64 " is beyond what is followed",
             walk->item_offset, walk->template_id);
    return RDB_READ_OK;
}

static enum rdb_read read_template(struct rdb_walk *walk)
{
    uint64_t id = 0;
    enum rdb_read read = rdb_read_length(&walk->in, &id);

    if (read != RDB_READ_OK)
        return read;
    walk->count = rdb_counts_fields(&walk->counts, id);
    if (walk->count == 0)
        stop(walk, RDB_WALK_CORRUPT,
             "at byte %" PRIu64 ": hash template %" PRIu64 " is not defined", walk->item_offset,
             id);
    return read;
}

static enum rdb_read read_checksum(struct rdb_walk *walk)
{
    if (rdb_input_left(&walk->in) < CHECKSUM_BYTES)
        return RDB_READ_MORE;
    if (end_db(walk))
        walk->state = STATE_DONE;
    return rdb_read_skip(&walk->in, CHECKSUM_BYTES);
}

/* A tag, then what the shape for it says; after that, `back`. */
static enum rdb_read read_tagged(struct rdb_walk *walk, const char *shape_of(uint64_t tag),
                                 const char *back)
{
    uint64_t tag = 0;
    enum rdb_read read = rdb_read_length(&walk->in, &tag);

    if (read != RDB_READ_OK)
        return read;
    walk->back = back;
    walk->letter = shape_of(tag);
    if (walk->letter == NULL)
        stop(walk, RDB_NOT_WALKED,
             "before byte %" PRIu64 ": %" PRIu64 " is unknown in the value that begins at byte "
             "%" PRIu64,
             offset_now(walk), tag, walk->item_offset);
    return read;
}

/* A module's values follow one another until a 0. */
static enum rdb_read read_module_value(struct rdb_walk *walk)
{
    if (rdb_input_left(&walk->in) == 0 || *walk->in.at != 0)
        return read_tagged(walk, rdb_shape_of_module_value, walk->letter);
    walk->letter++;
    return rdb_read_skip(&walk->in, 1);
}

static enum rdb_read read_optional(struct rdb_walk *walk)
{
    if (rdb_input_left(&walk->in) == 0)
        return RDB_READ_MORE;
    if (*walk->in.at > 1)
        return RDB_READ_BAD;
    walk->back = walk->letter + 1;
    walk->letter = *walk->in.at == 1 ? "lj" : "j";
    return rdb_read_skip(&walk->in, 1);
}

static enum rdb_read begin_loop(struct rdb_walk *walk)
{
    size_t open = 0;

    if (walk->count > 0) {
        assert(walk->depth < RDB_SHAPE_DEPTH);
        walk->letter++;
        walk->loops[walk->depth++] = (struct loop){.body = walk->letter, .left = walk->count};
        return RDB_READ_OK;
    }
    do {
        open += *walk->letter == '(' ? 1 : 0;
        open -= *walk->letter == ')' ? 1 : 0;
        walk->letter++;
    } while (open > 0);
    return RDB_READ_OK;
}

static inline enum rdb_read end_loop(struct rdb_walk *walk)
{
    struct loop *loop = &walk->loops[walk->depth - 1];

    if (--loop->left > 0) {
        walk->letter = loop->body;
    } else {
        walk->depth--;
        walk->letter++;
    }
    return RDB_READ_OK;
}

/* Letters that decide themselves which one is next. */
static enum rdb_read follow(struct rdb_walk *walk)
{
    switch (*walk->letter) {
    case '\0':
        return read_opcode(walk);
    case '(':
        return begin_loop(walk);
    case ')':
        return end_loop(walk);
    case 'm':
        return read_module_value(walk);
    case 't':
        return read_tagged(walk, rdb_shape_of_element, walk->letter + 1);
    case 'o':
        return read_optional(walk);
    default:
        assert(*walk->letter == 'j');
        walk->letter = walk->back;
        return RDB_READ_OK;
    }
}

/* Letters that are rare enough for a call. */
static enum rdb_read read_rare(struct rdb_walk *walk)
{
    switch (*walk->letter) {
    case '4':
        return rdb_read_skip(&walk->in, 4);
    case 'd':
        return rdb_read_text_double(&walk->in);
    case 'F':
        walk->result.functions++;
        return RDB_READ_OK;
    case 'I':
        walk->result.takes_in_slots = true;
        return RDB_READ_OK;
    case 'D':
        return read_db(walk);
    case 'z':
        return read_slot_keys(walk);
    case 'i':
        return rdb_read_length(&walk->in, &walk->template_id);
    case 'h':
        return define_template(walk);
    case 'r':
        return read_template(walk);
    case 'H':
        return read_magic(walk);
    default:
        assert(*walk->letter == 'e');
        return read_checksum(walk);
    }
}

static inline bool decides_itself(char letter)
{
    return letter == '\0' || letter == '(' || letter == ')' || letter == 'm' || letter == 't' ||
           letter == 'o' || letter == 'j';
}

static inline enum rdb_read read_letter(struct rdb_walk *walk)
{
    uint64_t ignored = 0;

    switch (*walk->letter) {
    case 's':
        return rdb_read_string(&walk->in);
    case 'k':
        rdb_counts_key(&walk->counts);
        return RDB_READ_OK;
    case 'l':
        return rdb_read_length(&walk->in, &ignored);
    case 'n':
        return rdb_read_length(&walk->in, &walk->count);
    case '1':
        return rdb_read_skip(&walk->in, 1);
    case '8':
        return rdb_read_skip(&walk->in, 8);
    case 'x':
        return rdb_read_skip(&walk->in, 16);
    case 'E':
        walk->counts.next_expires = true;
        return RDB_READ_OK;
    default:
        return read_rare(walk);
    }
}

/* Takes what it can of the bytes, and says how many. */
static size_t run(struct rdb_walk *walk, const uint8_t *data, size_t len)
{
    struct rdb_input *in = &walk->in;
    enum rdb_read read = RDB_READ_OK;

    walk->from = in->at = data;
    in->end = data + len;
    (void)rdb_read_skip(in, in->skip);
    while (in->skip == 0 && walk->state == STATE_WALKING) {
        bool decides = decides_itself(*walk->letter);

        read = decides ? follow(walk) : read_letter(walk);
        if (read != RDB_READ_OK)
            break;
        if (!decides)
            walk->letter++;
    }
    if (read == RDB_READ_BAD)
        stop(walk, RDB_WALK_CORRUPT,
             "at byte %" PRIu64 ": no server writes 0x%02x there, in what begins at byte %" PRIu64,
             offset_now(walk), *in->at, walk->item_offset);
    walk->offset = offset_now(walk);
    return (size_t)(in->at - data);
}

/* A letter that came in pieces: as many bytes as any letter may have, or all there are. Returns how
 * many of data are done with. */
static size_t run_held(struct rdb_walk *walk, const uint8_t *data, size_t len)
{
    size_t held = walk->held_len;
    size_t room = sizeof(walk->held) - held;
    size_t more = len < room ? len : room;

    memcpy(walk->held + held, data, more);
    size_t taken = run(walk, walk->held, held + more);
    if (taken == 0 && walk->state == STATE_WALKING) {
        walk->held_len = held + more;
        return more;
    }
    walk->held_len = 0;
    return taken > held ? taken - held : 0;
}

void rdb_walk_feed(struct rdb_walk *walk, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    size_t taken = 0;

    if (len == 0)
        return;
    if (walk->state == STATE_WALKING && walk->held_len > 0)
        taken = run_held(walk, bytes, len);
    if (walk->state == STATE_WALKING && taken < len) {
        taken += run(walk, bytes + taken, len - taken);
        if (walk->state == STATE_WALKING) {
            walk->held_len = len - taken;
            assert(walk->held_len < RDB_READ_BYTES_MAX);
            memcpy(walk->held, bytes + taken, walk->held_len);
        }
    }
    if (walk->state == STATE_DONE)
        walk->tail_bytes += len - taken;
}

/* The bytes ended too early; of a few it cannot be said whether they would have been an RDB. */
static void stop_at_end(struct rdb_walk *walk)
{
    uint64_t size = walk->offset + walk->held_len;
    struct rdb_head head;

    if (size == 0)
        stop(walk, RDB_WALK_CORRUPT, "it is empty");
    else if (*walk->letter == 'H' &&
             rdb_probe_head(walk->held, walk->held_len, &head) == RDB_PROBE_OK)
        stop(walk, RDB_NOT_WALKED, "it does not begin as an RDB does");
    else if (*walk->letter == '\0' && walk->in.skip == 0)
        stop(walk, RDB_WALK_CORRUPT, "it ends at byte %" PRIu64 ", without an end mark", size);
    else
        stop(walk, RDB_WALK_CORRUPT,
             "it ends at byte %" PRIu64 ", inside of what begins at byte %" PRIu64, size,
             walk->item_offset);
}

void rdb_walk_end(struct rdb_walk *walk, struct rdb_walk_result *out)
{
    const struct rdb_counts *counts = &walk->counts;

    if (walk->state == STATE_WALKING)
        stop_at_end(walk);
    if (walk->state == STATE_DONE && walk->tail_bytes > 0 && !walk->may_have_tail)
        stop(walk, RDB_WALK_CORRUPT,
             "%" PRIu64 " bytes stand behind its checksum, from byte %" PRIu64 " on",
             walk->tail_bytes, walk->offset);
    if (walk->state == STATE_DONE) {
        walk->result.size = walk->offset;
        walk->result.dbs = counts->done;
        walk->result.db_count = counts->done_count;
        for (size_t i = 0; i < counts->done_count; i++)
            walk->result.keys += counts->done[i].keys;
    }
    *out = walk->result;
}
