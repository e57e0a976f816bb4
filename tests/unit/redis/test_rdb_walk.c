/*
 * Whole RDBs, walked in every slicing and cut everywhere. Those of tests/data/rdb/walk were saved
 * by the servers that they are named after, of the same commands: every type of value in each of
 * its encodings. What needs a cluster, a module or a server that is not out yet is made by hand.
 */
#include "redis/rdb_walk.h"

#include <check.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(text) text, sizeof(text) - 1
#define END "\xff\x01\x02\x03\x04\x05\x06\x07\x08"
#define KEY "\x01k"
#define ID "0123456789abcdef" /* of an entry in a stream */
#define MS "\x01\x02\x03\x04\x05\x06\x07\x08"

struct row {
    const char *what;
    const char *bytes;
    size_t len;
    const char *want;
};

static void describe(const struct rdb_walk_result *result, char out[256])
{
    static const char *const magics[] = {"redis", "valkey", "opaque"};
    static const char *const walked[] = {"ok", "not walked", "corrupt"};
    int at = snprintf(out, 256, "%s%d %s%s%s", magics[result->magic], result->version,
                      walked[result->walked], result->why[0] != '\0' ? ": " : "", result->why);

    if (result->functions > 0)
        at += snprintf(out + at, 256 - (size_t)at, " f%" PRIu64, result->functions);
    if (result->takes_in_slots)
        at += snprintf(out + at, 256 - (size_t)at, " slots");
    for (size_t i = 0; i < result->db_count && i < 4; i++) {
        const struct rdb_walk_db *db = &result->dbs[i];

        at += snprintf(out + at, 256 - (size_t)at, " %" PRIu64 ":%" PRIu64 ":%" PRIu64, db->db,
                       db->keys, db->expires);
        if (db->left_out > 0)
            at += snprintf(out + at, 256 - (size_t)at, "-%" PRIu64, db->left_out);
    }
}

static enum rdb_walked walk_in_pieces(const void *data, size_t len, size_t piece, char out[256])
{
    auto_rdb_walk struct rdb_walk *walk = rdb_walk_new(false);
    struct rdb_walk_result result;
    uint64_t keys = 0;

    for (size_t at = 0; at < len; at += piece)
        rdb_walk_feed(walk, (const char *)data + at, len - at < piece ? len - at : piece);
    rdb_walk_end(walk, &result);
    for (size_t i = 0; i < result.db_count; i++)
        keys += result.dbs[i].keys;
    ck_assert_uint_eq(keys, result.keys);
    ck_assert_int_eq(result.why[0] == '\0', result.walked == RDB_WALKED);
    describe(&result, out);
    return result.walked;
}

/* A slice per byte, slices of any small length, and the cut anywhere. */
static void must_be(const char *what, const void *data, size_t len, const char *want)
{
    char got[256];
    char whole[256];

    (void)walk_in_pieces(data, len, len + 1, whole);
    ck_assert_msg(strcmp(whole, want) == 0, "%s: %s, not %s", what, whole, want);
    for (size_t piece = 1; piece < 50 && piece < len; piece++) {
        (void)walk_in_pieces(data, len, piece, got);
        ck_assert_msg(strcmp(got, want) == 0, "%s, by %zu: %s, not %s", what, piece, got, want);
    }
}

#define LIST_OF_2 "\x02\x01z\xc0\x05"
#define STREAM "\x01\x10" ID "\x04pack\x03\x05\x00" /* a node, its length, the last id */
#define STREAM_2 STREAM "\x01\x00\x02\x00\x07"
#define GROUP "\x01g\x05\x00"
#define PENDING "\x02" ID MS "\x01" ID MS "\x40\x80"
#define IDEMPOTENT "\x40\x64\x40\xc8\x02\x01p\x01\x02id\x05\x00\x01q\x00\x07\x01"

static const struct row types[] = {
    {"string", BYTES("\x00" KEY "\x05value"), "REDIS0010"},
    {"string, a long length", BYTES("\x00" KEY "\x40\x05value"), "REDIS0010"},
    {"string, a longer one", BYTES("\x00" KEY "\x80\x00\x00\x00\x05value"), "REDIS0010"},
    {"string, the longest", BYTES("\x00" KEY "\x81\x00\x00\x00\x00\x00\x00\x00\x05value"),
     "REDIS0010"},
    {"string, 8 bits", BYTES("\x00" KEY "\xc0\xff"), "REDIS0010"},
    {"string, 16 bits", BYTES("\x00" KEY "\xc1\xff\xff"), "REDIS0010"},
    {"string, 32 bits", BYTES("\x00" KEY "\xc2\xff\xff\xff\xff"), "REDIS0010"},
    {"string, LZF", BYTES("\x00" KEY "\xc3\x04\x41\x00LZF!"), "REDIS0010"},
    {"string, LZF, 32 bits", BYTES("\x00" KEY "\xc3\x80\x00\x00\x00\x04\x80\x00\x01\x00\x00LZF!"),
     "REDIS0010"},
    {"the key is a number", BYTES("\x00\xc0\x07\x01v"), "REDIS0010"},
    {"the key is empty", BYTES("\x00\x00\x00"), "REDIS0010"},
    {"list", BYTES("\x01" KEY LIST_OF_2), "REDIS0010"},
    {"list without elements", BYTES("\x01" KEY "\x00"), "REDIS0010"},
    {"set", BYTES("\x02" KEY LIST_OF_2), "REDIS0010"},
    {"sorted set as text",
     BYTES("\x03" KEY "\x04\x01z\x03"
           "1.5\x01y\xfd\x01x\xfe\x01w\xff"),
     "REDIS0010"},
    {"hash",
     BYTES("\x04" KEY "\x02\x01"
           "a\x01"
           "b\x01"
           "c\xc0\x01"),
     "REDIS0010"},
    {"sorted set", BYTES("\x05" KEY "\x01\x01z" MS), "REDIS0010"},
    {"module",
     BYTES("\x07" KEY "\x81" MS "\x01\x07\x02\x40\x80\x03"
           "abcd\x04" MS "\x05\x03str\x00"),
     "REDIS0010"},
    {"module without values", BYTES("\x07" KEY "\x81" MS "\x00"), "REDIS0010"},
    {"zipmap", BYTES("\x09" KEY "\x03map"), "REDIS0010"},
    {"list, ziplist", BYTES("\x0a" KEY "\x03zip"), "REDIS0010"},
    {"intset", BYTES("\x0b" KEY "\x03int"), "REDIS0010"},
    {"sorted set, ziplist", BYTES("\x0c" KEY "\x03zip"), "REDIS0010"},
    {"hash, ziplist", BYTES("\x0d" KEY "\x03zip"), "REDIS0010"},
    {"quicklist", BYTES("\x0e" KEY "\x02\x03zip\x03zip"), "REDIS0010"},
    {"stream",
     BYTES("\x0f" KEY STREAM "\x01" GROUP PENDING "\x02\x01"
           "c" MS "\x01" ID "\x01"
           "d" MS "\x00"),
     "REDIS0010"},
    {"stream without groups", BYTES("\x0f" KEY STREAM "\x00"), "REDIS0010"},
    {"hash, listpack", BYTES("\x10" KEY "\x04pack"), "REDIS0010"},
    {"sorted set, listpack", BYTES("\x11" KEY "\x04pack"), "REDIS0010"},
    {"quicklist 2", BYTES("\x12" KEY "\x02\x02\x04pack\x01\x05plain"), "REDIS0010"},
    {"stream 2",
     BYTES("\x13" KEY STREAM_2 "\x02" GROUP "\x07\x00\x00" GROUP "\x07" PENDING "\x01\x01"
           "c" MS "\x01" ID),
     "REDIS0010"},
    {"set, listpack", BYTES("\x14" KEY "\x04pack"), "REDIS0011"},
    {"stream 3",
     BYTES("\x15" KEY STREAM_2 "\x01" GROUP "\x07" PENDING "\x01\x01"
           "c" MS MS "\x01" ID),
     "REDIS0011"},
    {"fields that expire, release candidate",
     BYTES("\x16" KEY "\x01\x05\x01"
           "a\x01"
           "b"),
     "REDIS0012"},
    {"packed fields that expire, release candidate", BYTES("\x17" KEY "\x04pack"), "REDIS0012"},
    {"fields that expire",
     BYTES("\x18" KEY MS "\x01\x05\x01"
           "a\x01"
           "b"),
     "REDIS0012"},
    {"packed fields that expire", BYTES("\x19" KEY MS "\x04pack"), "REDIS0012"},
    {"stream 4",
     BYTES("\x1a" KEY STREAM_2 "\x01" GROUP "\x07" PENDING "\x01\x01"
           "c" MS MS "\x01" ID IDEMPOTENT),
     "REDIS0013"},
    {"a module's data about the key",
     BYTES("\xf3\x02"
           "spec\x02\x05\x00"
           "spec\x05\x03str\x00\x00" KEY "\x01v"),
     "REDIS0013"},
    {"stream 5",
     BYTES("\x1b" KEY STREAM_2 "\x01" GROUP "\x07" PENDING "\x01\x01"
           "c" MS MS "\x01" ID "\x01" ID IDEMPOTENT),
     "REDIS0014"},
    {"array",
     BYTES("\x1c" KEY "\x04\x01\x07\x00\x00\x03"
           "abc\x01\x01" MS "\x05\x02" MS "\x09\x03\x01x"),
     "REDIS0014"},
    {"array without a position",
     BYTES("\x1c" KEY "\x01\x00\x00\x00\x03"
           "abc"),
     "REDIS0014"},
    {"shared fields, packed",
     BYTES("\xf2\x00\x02\x01"
           "a\x01"
           "b\x1e" KEY "\x04pack"),
     "REDIS0015"},
    {"shared fields",
     BYTES("\xf2\x00\x02\x01"
           "a\x01"
           "b\xf2\x40\x80\x01\x01"
           "c\x20" KEY "\x40\x80\x01v"),
     "REDIS0015"},
    {"fields that expire, Valkey",
     BYTES("\x16" KEY "\x02\x01"
           "a\x01"
           "b" MS "\x01"
           "c\xc0\x01" MS),
     "VALKEY080"},
};

static void type_file(const struct row *row, struct buf *out)
{
    struct err err;

    buf_init(out, 1000);
    ck_assert_int_eq(buf_append(out, row->want, 9, &err), 0);
    ck_assert_int_eq(buf_append(out, BYTES("\xfe\x03\xfb\x02\x01"), &err), 0);
    ck_assert_int_eq(buf_append(out,
                                BYTES("\x00\x05"
                                      "first\x01v"),
                                &err),
                     0);
    ck_assert_int_eq(buf_append(out, BYTES("\xfc" MS), &err), 0);
    ck_assert_int_eq(buf_append(out, row->bytes, row->len, &err), 0);
    ck_assert_int_eq(buf_append(out, BYTES(END), &err), 0);
}

START_TEST(every_type_is_walked)
{
    const struct row *row = &types[_i];
    auto_buf struct buf file = {0};
    char want[64];

    type_file(row, &file);
    (void)snprintf(want, sizeof(want), "%s%d ok 3:2:1", row->want[0] == 'R' ? "redis" : "valkey",
                   atoi(row->want + 6));
    must_be(row->what, file.data, file.len, want);
}
END_TEST

/* Of what is known from descriptions alone nothing is called corrupt. */
START_TEST(every_cut_is_corrupt)
{
    const struct row *row = &types[_i];
    bool hearsay = strcmp(row->want, "REDIS0014") >= 0 && row->want[0] == 'R';
    auto_buf struct buf file = {0};
    char got[256];

    type_file(row, &file);
    for (size_t len = 0; len < file.len; len++) {
        enum rdb_walked walked = walk_in_pieces(file.data, len, 1000, got);

        ck_assert_msg(walked == (hearsay && len >= 9 ? RDB_NOT_WALKED : RDB_WALK_CORRUPT),
                      "%s, %zu of %zu bytes: %s", row->what, len, file.len, got);
    }
}
END_TEST

#define UNKNOWN(opcode, version) \
    "not walked: at byte 9: something unknown (opcode or type " opcode ", RDB version " version ")"
#define CANDIDATE " in the form of a release candidate (opcode or type "

static const struct row files[] = {
    {"no keys",
     BYTES("REDIS0010\xfa\x01"
           "a\x01"
           "b" END),
     "redis10 ok"},
    {"the oldest", BYTES("REDIS0005\xfe\x00\x00" KEY "\x01v" END), "redis5 ok 0:1:0"},
    {"a database that is not named", BYTES("REDIS0010\x00" KEY "\x01v" END), "redis10 ok 0:1:0"},
    {"several databases",
     BYTES("REDIS0011\xfe\x00\xfb\x02\x01\xfd"
           "1234\x00" KEY "\x01v\x00\x01"
           "b\x01v"
           "\xfe\x07\x00" KEY "\x01v\xfe\x80\x00\x01\x00\x00\xfc" MS "\x00" KEY "\x01v" END),
     "redis11 ok 0:2:1 7:1:0 65536:1:1"},
    {"a database without keys", BYTES("REDIS0011\xfe\x00\xfb\x00\x00\xfe\x01\x00" KEY "\x01v" END),
     "redis11 ok 1:1:0"},
    {"functions", BYTES("REDIS0010\xf5\x03lib\xf5\xc3\x02\x05xx" END), "redis10 ok f2"},
    {"module AUX", BYTES("REDIS0010\xf7\x81" MS "\x02\x01\x05\x03str\x00\x00" KEY "\x01v" END),
     "redis10 ok 0:1:0"},
    {"idle times and frequencies",
     BYTES("REDIS0010\xf8\x40\x80\x00" KEY "\x01v\xfc" MS "\xf9\xff\x00\x01"
           "b\x01v" END),
     "redis10 ok 0:2:1"},
    {"expiry, then a module's data",
     BYTES("REDIS0013\xfc" MS "\xf3\x01"
           "spec\x00\x00" KEY "\x01v\x00\x01"
           "b\x01v" END),
     "redis13 ok 0:2:1"},
    {"slots",
     BYTES("REDIS0012\xfe\x00\xfb\x02\x00\xf4\x01\x01\x00\x00" KEY "\x01v\xf4\x47\xd0\x01\x00"
           "\x00\x01"
           "b\x01v" END),
     "redis12 ok 0:2:0"},
    {"slots that are given away",
     BYTES("REDIS0012\xfe\x00\xfb\x06\x00\xf4\x01\x02\x00\xf4\x02\x01\x00\x00" KEY "\x01v"
           "\xf4\x03\x03\x00" END),
     "redis12 ok 0:1:0-5"},
    {"nothing but a slot that is given away", BYTES("REDIS0012\xfe\x00\xf4\x01\x02\x00" END),
     "redis12 ok 0:0:0-2"},
    {"slots that are taken in",
     BYTES("VALKEY080\xf3\x04name\x02\x00\x07\x47\xd0\x47\xd1\xfe\x00\x00" KEY "\x01v" END),
     "valkey80 ok slots 0:1:0"},
    {"no checksum", BYTES("REDIS0010\xff\0\0\0\0\0\0\0\0"), "redis10 ok"},
    /* what is not followed */
    {"commands", BYTES("*1\r\n$4\r\nPING\r\n"),
     "opaque-1 not walked: it does not begin as an RDB does"},
    {"a few bytes of commands", BYTES("*1\r"),
     "opaque-1 not walked: it does not begin as an RDB does"},
    {"an envelope", BYTES("\x28\xb5\x2f\xfd\0\0\0\0\0\0\0\0"),
     "opaque-1 not walked: it does not begin as an RDB does"},
    {"a version in letters", BYTES("REDISabcd" END),
     "redis-1 not walked: it does not begin as an RDB does"},
    {"before checksums", BYTES("REDIS0004\xff"),
     "redis4 not walked: RDB version 4 of Redis is not known to this redkeep"},
    {"a newer Redis", BYTES("REDIS0016" END),
     "redis16 not walked: RDB version 16 of Redis is not known to this redkeep"},
    {"a newer Valkey", BYTES("VALKEY081" END),
     "valkey81 not walked: RDB version 81 of Valkey is not known to this redkeep"},
    {"a hash with expiry before its time", BYTES("REDIS0011\x18" KEY),
     "redis11 " UNKNOWN("24", "11")},
    {"a stream before its time", BYTES("REDIS0012\x1a" KEY), "redis12 " UNKNOWN("26", "12")},
    {"key data before its time", BYTES("REDIS0012\xf3\x00"), "redis12 " UNKNOWN("243", "12")},
    {"an array before its time", BYTES("REDIS0013\x1c" KEY), "redis13 " UNKNOWN("28", "13")},
    {"a type of DUMP", BYTES("REDIS0015\x1d" KEY), "redis15 " UNKNOWN("29", "15")},
    {"Redis's type, Valkey's magic", BYTES("VALKEY080\x18" KEY), "valkey80 " UNKNOWN("24", "80")},
    {"Redis's opcode, Valkey's magic", BYTES("VALKEY080\xf2"), "valkey80 " UNKNOWN("242", "80")},
    {"a type that is none", BYTES("REDIS0010\x08" KEY), "redis10 " UNKNOWN("8", "10")},
    {"an old module", BYTES("REDIS0010\x06" KEY),
     "redis10 not walked: at byte 9: a module's value" CANDIDATE "6, RDB version 10)"},
    {"old functions", BYTES("REDIS0010\xf6"),
     "redis10 not walked: at byte 9: functions" CANDIDATE "246, RDB version 10)"},
    {"a module's new kind of value", BYTES("REDIS0010\x07" KEY "\x05\x06\x01"),
     "redis10 not walked: before byte 14: 6 is unknown in the value that begins at byte 9"},
    {"an array's new kind of element", BYTES("REDIS0014\x1c" KEY "\x01\x00\x00\x04\x01"),
     "redis14 not walked: before byte 16: 4 is unknown in the value that begins at byte 9"},
    {"databases in disorder", BYTES("REDIS0010\xfe\x01\x00" KEY "\x01v\xfe\x00" END),
     "redis10 not walked: at byte 16: database 0 comes after database 1"},
    {"a database twice", BYTES("REDIS0010\xfe\x01\x00" KEY "\x01v\xfe\x01" END),
     "redis10 not walked: at byte 16: database 1 comes after database 1"},
    {"a template too far",
     BYTES("REDIS0015\xf2\x80\x00\x01\x00\x00\x01\x01"
           "a" END),
     "redis15 not walked: at byte 9: hash template 65536 is beyond what is followed"},
    {"a template too wide",
     BYTES("REDIS0015\xf2\x00\x81\x00\x00\x00\x01\x00\x00\x00\x00\x01"
           "a" END),
     "redis15 not walked: at byte 9: hash template 0 is beyond what is followed"},
    /* from descriptions alone: not corrupt */
    {"a template that is not defined", BYTES("REDIS0015\x20" KEY "\x00" END),
     "redis15 not walked: at byte 9: hash template 0 is not defined"},
    {"a flag that is none", BYTES("REDIS0014\x1c" KEY "\x01\x02" END),
     "redis14 not walked: at byte 13: no server writes 0x02 there, in what begins at byte 9"},
    {"bytes behind a file of hearsay", BYTES("REDIS0015" END "x"),
     "redis15 not walked: 1 bytes stand behind its checksum, from byte 18 on"},
    /* what no server writes */
    {"nothing", BYTES(""), "opaque-1 corrupt: it is empty"},
    {"half a magic", BYTES("REDI"),
     "opaque-1 corrupt: it ends at byte 4, inside of what begins at byte 0"},
    {"no end mark", BYTES("REDIS0010\x00" KEY "\x01v"),
     "redis10 corrupt: it ends at byte 14, without an end mark"},
    {"no value", BYTES("REDIS0010\x00" KEY),
     "redis10 corrupt: it ends at byte 12, inside of what begins at byte 9"},
    {"half a checksum", BYTES("REDIS0010\xff\x01\x02"),
     "redis10 corrupt: it ends at byte 12, inside of what begins at byte 9"},
    {"bytes behind the checksum", BYTES("REDIS0010" END "GARBAGE"),
     "redis10 corrupt: 7 bytes stand behind its checksum, from byte 18 on"},
    {"a length that is none", BYTES("REDIS0010\xfe\x82"),
     "redis10 corrupt: at byte 10: no server writes 0x82 there, in what begins at byte 9"},
    {"an integer for a length", BYTES("REDIS0010\xfe\xc0\x01"),
     "redis10 corrupt: at byte 10: no server writes 0xc0 there, in what begins at byte 9"},
    {"an encoding that is none", BYTES("REDIS0010\x00" KEY "\xc4"),
     "redis10 corrupt: at byte 12: no server writes 0xc4 there, in what begins at byte 9"},
    {"LZF of an encoded length", BYTES("REDIS0010\x00" KEY "\xc3\xc0\x01"),
     "redis10 corrupt: at byte 12: no server writes 0xc3 there, in what begins at byte 9"},
    {"a string longer than all files",
     BYTES("REDIS0010\x00" KEY "\x81\xff\xff\xff\xff\xff\xff\xff\xff"
           "abcdefghijklmnopqrstuvwxyz"),
     "redis10 corrupt: it ends at byte 47, inside of what begins at byte 9"},
    {"a list longer than all files",
     BYTES("REDIS0010\x01" KEY "\x81\xff\xff\xff\xff\xff\xff\xff\xff"
           "\x01"
           "a\x01"
           "b"),
     "redis10 corrupt: it ends at byte 25, inside of what begins at byte 9"},
};

START_TEST(every_frame_is_walked_or_said)
{
    must_be(files[_i].what, files[_i].bytes, files[_i].len, files[_i].want);
}
END_TEST

START_TEST(files_of_real_servers_have_the_keys_that_info_counted)
{
    static const struct {
        const char *name;
        const char *want;
    } rows[] = {
        {"redis-7.0", "redis10 ok f1 0:24:3 2:3:1 15:1:0"},
        {"redis-7.0-lfu", "redis10 ok f1 0:24:3 2:3:1 15:1:0"},
        {"redis-8.0", "redis12 ok f1 0:25:3 2:3:1 15:1:0"},
        {"redis-8.6", "redis13 ok f1 0:26:3 2:3:1 15:1:0"},
        {"valkey-8.1", "redis11 ok f1 0:24:3 2:3:1 15:1:0"},
        {"valkey-9.1", "valkey80 ok f1 0:24:3 2:3:1 15:1:0"},
    };
    char got[256];

    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_free char *path = xasprintf("tests/data/rdb/walk/%s.rdb", rows[i].name);
        auto_buf struct buf file = {0};
        struct err err;

        buf_init(&file, 1 << 20);
        ck_assert_msg(fs_read_file(AT_FDCWD, path, &file, &err) == 0, "%s", err.msg);
        must_be(rows[i].name, file.data, file.len, rows[i].want);
        for (size_t len = 0; len < file.len; len++)
            ck_assert_msg(walk_in_pieces(file.data, len, 64, got) == RDB_WALK_CORRUPT, "%s: %s",
                          rows[i].name, got);
    }
}
END_TEST

START_TEST(what_follows_may_be_the_commands_of_an_aof)
{
    static const char aof[] = "REDIS0009\x00" KEY "\x01v" END "*1\r\n$4\r\nPING\r\n";

    for (size_t piece = 1; piece < sizeof(aof); piece++) {
        auto_rdb_walk struct rdb_walk *walk = rdb_walk_new(true);
        struct rdb_walk_result result;

        for (size_t at = 0; at < sizeof(aof) - 1; at += piece)
            rdb_walk_feed(walk, aof + at,
                          sizeof(aof) - 1 - at < piece ? sizeof(aof) - 1 - at : piece);
        rdb_walk_feed(walk, NULL, 0);
        rdb_walk_end(walk, &result);
        ck_assert_int_eq(result.walked, RDB_WALKED);
        ck_assert_uint_eq(result.keys, 1);
    }
}
END_TEST

/* What a string holds is never looked at: an end mark in it ends nothing. */
START_TEST(strings_longer_than_a_slice_are_passed_over)
{
    static const char head[] = "REDIS0010\x00" KEY "\x80\x00\x10\x00\x00";
    auto_rdb_walk struct rdb_walk *walk = rdb_walk_new(false);
    auto_free char *slice = xmalloc(4096);
    struct rdb_walk_result result;

    memset(slice, 0xff, 4096);
    rdb_walk_feed(walk, head, sizeof(head) - 1);
    for (size_t i = 0; i < 256; i++)
        rdb_walk_feed(walk, slice, 4096);
    rdb_walk_feed(walk, BYTES(END));
    rdb_walk_end(walk, &result);
    ck_assert_msg(result.walked == RDB_WALKED, "%s", result.why);
    ck_assert_uint_eq(result.keys, 1);
}
END_TEST

START_TEST(more_databases_than_any_server_has_are_not_followed)
{
    auto_rdb_walk struct rdb_walk *walk = rdb_walk_new(false);
    struct rdb_walk_result result;

    rdb_walk_feed(walk, BYTES("REDIS0010"));
    for (unsigned db = 0; db <= RDB_WALK_DBS_MAX; db++) {
        uint8_t select[] = {
            0xfe, 0x80, (uint8_t)(db >> 24), (uint8_t)(db >> 16), (uint8_t)(db >> 8), (uint8_t)db};

        rdb_walk_feed(walk, select, sizeof(select));
        rdb_walk_feed(walk, BYTES("\x00" KEY "\x01v"));
    }
    rdb_walk_feed(walk, BYTES(END));
    rdb_walk_end(walk, &result);
    ck_assert_int_eq(result.walked, RDB_NOT_WALKED);
    ck_assert_str_eq(result.why, "it has more than 65536 databases");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rdb_walk");
    TCase *tcase = tcase_create("rdb_walk");

    tcase_add_loop_test(tcase, every_type_is_walked, 0, COUNT(types));
    tcase_add_loop_test(tcase, every_cut_is_corrupt, 0, COUNT(types));
    tcase_add_loop_test(tcase, every_frame_is_walked_or_said, 0, COUNT(files));
    tcase_add_test(tcase, files_of_real_servers_have_the_keys_that_info_counted);
    tcase_add_test(tcase, what_follows_may_be_the_commands_of_an_aof);
    tcase_add_test(tcase, strings_longer_than_a_slice_are_passed_over);
    tcase_add_test(tcase, more_databases_than_any_server_has_are_not_followed);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
