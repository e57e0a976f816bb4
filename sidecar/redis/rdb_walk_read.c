/* The rarer encodings, as rdb.c writes them: rdbSaveLen, rdbSaveLzfBlob, rdbSaveDoubleValue. */
#include "redis/rdb_walk_read.h"

#define LENGTH_32 0x80
#define LENGTH_64 0x81
#define INT_ENCODINGS 3 /* of 1, 2 and 4 bytes */
#define LZF_ENCODING 3
#define DOUBLE_NAN 253 /* it and what is above have no text */

enum rdb_read rdb_read_long_length(struct rdb_input *in, uint64_t *out)
{
    size_t bytes = *in->at == LENGTH_32 ? 4 : *in->at == LENGTH_64 ? 8 : 0;
    uint64_t value = 0;

    if (bytes == 0)
        return RDB_READ_BAD;
    if (rdb_input_left(in) < 1 + bytes)
        return RDB_READ_MORE;
    for (size_t i = 1; i <= bytes; i++) /* big-endian */
        value = value << 8 | in->at[i];
    in->at += 1 + bytes;
    *out = value;
    return RDB_READ_OK;
}

/* An integer, or LZF: how long it is, how long it becomes, and then so many bytes. */
enum rdb_read rdb_read_encoded(struct rdb_input *in)
{
    struct rdb_input ahead = {.at = in->at + 1, .end = in->end};
    unsigned encoding = *in->at & 0x3f;
    uint64_t packed = 0;
    uint64_t plain = 0;
    enum rdb_read read = RDB_READ_OK;

    if (encoding < INT_ENCODINGS)
        packed = (uint64_t)1 << encoding;
    else if (encoding != LZF_ENCODING)
        return RDB_READ_BAD;
    else
        read = rdb_read_length(&ahead, &packed);
    if (encoding == LZF_ENCODING && read == RDB_READ_OK)
        read = rdb_read_length(&ahead, &plain);
    if (read != RDB_READ_OK)
        return read;
    in->at = ahead.at;
    return rdb_read_skip(in, packed);
}

enum rdb_read rdb_read_text_double(struct rdb_input *in)
{
    if (rdb_input_left(in) == 0)
        return RDB_READ_MORE;
    uint8_t len = *in->at++;
    return rdb_read_skip(in, len < DOUBLE_NAN ? len : 0);
}
