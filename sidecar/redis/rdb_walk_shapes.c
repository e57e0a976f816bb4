/*
 * As rdb.c writes it (rdbSaveRio, rdbSaveObject) in Redis 7.0, 7.2, 8.0 and 8.6 and in Valkey 8.1
 * and 9.1, read in their sources. RDB 14 and 15 (Redis 8.8, 8.10) are from descriptions and test
 * files of others. Values of the types 8, 29, 31 and 33 are in no file, or in none that is
 * described.
 */
#include "redis/rdb_walk_shapes.h"

#include <stddef.h>

#define NEVER UINT8_MAX
#define OLDEST 5 /* the first version with a checksum */

struct row {
    const char *shape;
    const char *name;    /* for what has no shape */
    uint8_t from_redis;  /* the version that brought it; 0: there always */
    uint8_t from_valkey; /* likewise, under Valkey's own magic */
};

#define KEY "ks"
#define STREAM_ENTRIES "n(ss)lll"
#define STREAM_ENTRIES_2 "n(ss)llllllll" /* and the first id, the largest deleted one, a count */
#define PENDING "n(x8l)"
#define CONSUMERS "n(s8n(x))"
#define CONSUMERS_2 "n(s88n(x))" /* seen, and active */
#define IDEMPOTENT "lln(sn(sll))ll"

static const struct row rows[256] = {
    [0] = {.shape = KEY "s"},     /* string */
    [1] = {.shape = KEY "n(s)"},  /* list */
    [2] = {.shape = KEY "n(s)"},  /* set */
    [3] = {.shape = KEY "n(sd)"}, /* sorted set, scores as text */
    [4] = {.shape = KEY "n(ss)"}, /* hash */
    [5] = {.shape = KEY "n(s8)"}, /* sorted set */
    [6] = {.name = "a module's value in the form of a release candidate"},
    [7] = {.shape = KEY "lm"},    /* a module's value */
    [9] = {.shape = KEY "s"},     /* zipmap */
    [10] = {.shape = KEY "s"},    /* list, ziplist */
    [11] = {.shape = KEY "s"},    /* intset */
    [12] = {.shape = KEY "s"},    /* sorted set, ziplist */
    [13] = {.shape = KEY "s"},    /* hash, ziplist */
    [14] = {.shape = KEY "n(s)"}, /* quicklist of ziplists */
    [15] = {.shape = KEY STREAM_ENTRIES "n(sll" PENDING CONSUMERS ")"},
    [16] = {.shape = KEY "s"},     /* hash, listpack */
    [17] = {.shape = KEY "s"},     /* sorted set, listpack */
    [18] = {.shape = KEY "n(ls)"}, /* quicklist of listpacks and plain nodes */
    [19] = {.shape = KEY STREAM_ENTRIES_2 "n(slll" PENDING CONSUMERS ")"},
    [20] = {.shape = KEY "s"}, /* set, listpack */
    [21] = {.shape = KEY STREAM_ENTRIES_2 "n(slll" PENDING CONSUMERS_2 ")"},
    /* 22 of Valkey is another one */
    [22] = {.shape = KEY "n(lss)", .from_redis = 12, .from_valkey = NEVER},
    [23] = {.shape = KEY "s", .from_redis = 12, .from_valkey = NEVER},
    [24] = {.shape = KEY "8n(lss)", .from_redis = 12, .from_valkey = NEVER},
    [25] = {.shape = KEY "8s", .from_redis = 12, .from_valkey = NEVER},
    [26] = {.shape = KEY STREAM_ENTRIES_2 "n(slll" PENDING CONSUMERS_2 ")" IDEMPOTENT,
            .from_redis = 13,
            .from_valkey = NEVER},
    [27] = {.shape = KEY STREAM_ENTRIES_2 "n(slll" PENDING CONSUMERS_2 "n(x))" IDEMPOTENT,
            .from_redis = 14,
            .from_valkey = NEVER},
    [28] = {.shape = KEY "no(lt)", .from_redis = 14, .from_valkey = NEVER}, /* array */
    /* hashes that share their field names: a listpack whose first entry is the template, or values
     */
    [30] = {.shape = KEY "s", .from_redis = 14, .from_valkey = NEVER},
    [32] = {.shape = KEY "r(s)", .from_redis = 14, .from_valkey = NEVER},
    [242] = {.shape = "inh(s)", .from_redis = 14, .from_valkey = NEVER}, /* such a template */
    /* a module's data about a key; 243 of Valkey is another one */
    [243] = {.shape = "n(4m)", .from_redis = 13, .from_valkey = NEVER},
    [244] = {.shape = "lzl"}, /* a slot: its number, how many keys, how many expire */
    [245] = {.shape = "Fs"},  /* functions */
    [246] = {.name = "functions in the form of a release candidate"},
    [247] = {.shape = "lm"}, /* module AUX; "when" looks like the first of its values */
    [248] = {.shape = "l"},  /* idle time */
    [249] = {.shape = "1"},  /* frequency */
    [250] = {.shape = "ss"}, /* AUX */
    [251] = {.shape = "ll"}, /* RESIZEDB */
    [252] = {.shape = "E8"}, /* expires, in ms */
    [253] = {.shape = "E4"}, /* in s */
    [254] = {.shape = "D"},  /* SELECTDB */
    [255] = {.shape = "e"},  /* EOF */
};

/* What Valkey means by them, under its own magic. */
static const struct row hash_2 = {.shape = KEY "n(ss8)"};
static const struct row slot_import = {.shape = "Isn(ll)"};

enum rdb_shapes_known rdb_shapes_known(enum rdb_magic magic, int version)
{
    if (magic == RDB_MAGIC_REDIS && version >= OLDEST && version <= 13)
        return RDB_SHAPES_FULLY;
    if (magic == RDB_MAGIC_REDIS && (version == 14 || version == 15))
        return RDB_SHAPES_HEARSAY;
    if (magic == RDB_MAGIC_VALKEY && version == 80)
        return RDB_SHAPES_FULLY;
    return RDB_SHAPES_NONE;
}

const char *rdb_shape(enum rdb_magic magic, int version, uint8_t opcode)
{
    const struct row *row = &rows[opcode];

    if (magic == RDB_MAGIC_VALKEY && opcode == 22)
        row = &hash_2;
    if (magic == RDB_MAGIC_VALKEY && opcode == 243)
        row = &slot_import;
    return version >= (magic == RDB_MAGIC_VALKEY ? row->from_valkey : row->from_redis) ? row->shape
                                                                                       : NULL;
}

const char *rdb_shape_name(uint8_t opcode)
{
    return rows[opcode].name;
}

const char *rdb_shape_of_module_value(uint64_t opcode)
{
    static const char *const values[] = {
        NULL, "lj", "lj", "4j", "8j", "sj", /* none; signed, unsigned, float, double, string */
    };

    return opcode < sizeof(values) / sizeof(values[0]) ? values[opcode] : NULL;
}

const char *rdb_shape_of_element(uint64_t tag)
{
    static const char *const values[] = {"sj", "8j", "8j", "sj"}; /* text, integer, float, text */

    return tag < sizeof(values) / sizeof(values[0]) ? values[tag] : NULL;
}
