/*
 * The encodings that the structure of an RDB is made of: lengths, and strings, of which only the
 * length matters. Each takes all of its bytes or none; but what a string holds is only counted, and
 * may reach beyond the bytes that are there.
 */
#ifndef REDIS_RDB_WALK_READ_H
#define REDIS_RDB_WALK_READ_H

#include <stddef.h>
#include <stdint.h>

#define RDB_READ_BYTES_MAX 19 /* a compressed string's encoding, and two lengths of 64 bits */

enum rdb_read {
    RDB_READ_OK,
    RDB_READ_MORE, /* the bytes end too early: nothing is taken */
    RDB_READ_BAD,  /* there is no such encoding: nothing is taken */
};

struct rdb_input {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t skip; /* bytes to pass over that are still to come; then at == end */
};

static inline size_t rdb_input_left(const struct rdb_input *in)
{
    return (size_t)(in->end - in->at);
}

/* Passes over so many bytes. */
static inline enum rdb_read rdb_read_skip(struct rdb_input *in, uint64_t len)
{
    size_t now = len < rdb_input_left(in) ? (size_t)len : rdb_input_left(in);

    in->at += now;
    in->skip = len - now;
    return RDB_READ_OK;
}

/* What the two below do not do themselves. */
enum rdb_read rdb_read_long_length(struct rdb_input *in, uint64_t *out);
enum rdb_read rdb_read_encoded(struct rdb_input *in);

static inline enum rdb_read rdb_read_length(struct rdb_input *in, uint64_t *out)
{
    if (rdb_input_left(in) == 0)
        return RDB_READ_MORE;
    if (*in->at < 0x40) {
        *out = *in->at++;
        return RDB_READ_OK;
    }
    if (*in->at >= 0x80)
        return rdb_read_long_length(in, out);
    if (rdb_input_left(in) < 2)
        return RDB_READ_MORE;
    *out = (uint64_t)(in->at[0] & 0x3f) << 8 | in->at[1];
    in->at += 2;
    return RDB_READ_OK;
}

static inline enum rdb_read rdb_read_string(struct rdb_input *in)
{
    uint64_t len = 0;

    if (rdb_input_left(in) > 0 && *in->at >= 0xc0)
        return rdb_read_encoded(in);
    enum rdb_read read = rdb_read_length(in, &len);
    return read == RDB_READ_OK ? rdb_read_skip(in, len) : read;
}

/* A double as text: a byte says how long it is, or which infinity. */
enum rdb_read rdb_read_text_double(struct rdb_input *in);

#endif
