/*
 * The framing at the start of an RDB, as rdb.c: rdbSaveRio writes it: magic and version, AUX
 * fields, AUX data of modules, functions, then per database SELECTDB and RESIZEDB. Lengths are the
 * only encoding that has to be understood for that.
 */
#include "redis/rdb_probe.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/page_cache.h"

#define OPCODE_EOF 255
#define OPCODE_SELECTDB 254
#define OPCODE_RESIZEDB 251
#define OPCODE_AUX 250
#define OPCODE_MODULE_AUX 247
#define OPCODE_FUNCTION2 245

#define MAGIC_BYTES 9
#define HEAD_FIRST_READ 4096
#define AUX_TEXT_MAX 256 /* longer values are skipped */

/* The opcodes inside a module's AUX. */
enum module_opcode {
    MODULE_EOF = 0,
    MODULE_SINT = 1,
    MODULE_UINT = 2,
    MODULE_FLOAT = 3,
    MODULE_DOUBLE = 4,
    MODULE_STRING = 5,
};

struct cursor {
    const uint8_t *data;
    size_t len;
    size_t at;
};

/* A length, or the encoding of a string that is none (an integer, LZF). */
struct length {
    bool is_encoding;
    uint64_t value;
};

static enum rdb_probe take_bytes(struct cursor *in, uint64_t len, const uint8_t **out)
{
    if (len > in->len - in->at)
        return RDB_PROBE_NEED_MORE;
    if (out != NULL)
        *out = in->data + in->at;
    in->at += (size_t)len;
    return RDB_PROBE_OK;
}

static uint64_t big_endian(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;

    for (size_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static enum rdb_probe take_length(struct cursor *in, struct length *out)
{
    const uint8_t *first = NULL;
    const uint8_t *more = NULL;
    enum rdb_probe probe = take_bytes(in, 1, &first);

    if (probe != RDB_PROBE_OK)
        return probe;
    *out = (struct length){.value = *first & 0x3f};
    switch (*first >> 6) {
    case 0:
        return RDB_PROBE_OK;
    case 1:
        probe = take_bytes(in, 1, &more);
        if (probe == RDB_PROBE_OK)
            out->value = out->value << 8 | *more;
        return probe;
    case 2:
        if (out->value > 1)
            return RDB_PROBE_MALFORMED;
        probe = take_bytes(in, out->value == 0 ? 4 : 8, &more);
        if (probe == RDB_PROBE_OK)
            out->value = big_endian(more, out->value == 0 ? 4 : 8);
        return probe;
    default:
        out->is_encoding = true;
        return RDB_PROBE_OK;
    }
}

/* A length that is a plain number. */
static enum rdb_probe take_number(struct cursor *in, uint64_t *out)
{
    struct length length = {0};
    enum rdb_probe probe = take_length(in, &length);

    if (probe == RDB_PROBE_OK && length.is_encoding)
        return RDB_PROBE_MALFORMED;
    *out = length.value;
    return probe;
}

/* A string as text, or as the number that stands for it. */
struct text {
    char bytes[AUX_TEXT_MAX]; /* "" when it is a number, compressed, or too long */
    bool is_number;
    int64_t number;
};

static enum rdb_probe take_integer(struct cursor *in, size_t bytes, struct text *out)
{
    const uint8_t *data = NULL;
    uint32_t value = 0;
    enum rdb_probe probe = take_bytes(in, bytes, &data);

    if (probe != RDB_PROBE_OK)
        return probe;
    for (size_t i = bytes; i > 0; i--) /* little-endian */
        value = value << 8 | data[i - 1];
    out->is_number = true;
    out->number = bytes == 1 ? (int8_t)value : bytes == 2 ? (int16_t)value : (int32_t)value;
    return RDB_PROBE_OK;
}

static enum rdb_probe take_compressed(struct cursor *in)
{
    uint64_t packed = 0;
    uint64_t plain = 0;
    enum rdb_probe probe = take_number(in, &packed);

    if (probe == RDB_PROBE_OK)
        probe = take_number(in, &plain);
    if (probe == RDB_PROBE_OK)
        probe = take_bytes(in, packed, NULL);
    return probe;
}

/* Digits with an optional '-', as AUX fields write numbers that are too big for an encoding. */
static void read_number(struct text *text)
{
    const char *p = text->bytes;
    bool negative = *p == '-';
    int64_t value = 0;

    if (negative)
        p++;
    if (*p == '\0')
        return;
    for (; *p != '\0'; p++)
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value))
            return;
    text->is_number = true;
    text->number = negative ? -value : value;
}

static enum rdb_probe take_string(struct cursor *in, struct text *out)
{
    struct length length = {0};
    const uint8_t *data = NULL;
    enum rdb_probe probe = take_length(in, &length);

    memset(out, 0, sizeof(*out));
    if (probe != RDB_PROBE_OK)
        return probe;
    if (length.is_encoding) {
        if (length.value > 3)
            return RDB_PROBE_MALFORMED;
        return length.value == 3 ? take_compressed(in)
                                 : take_integer(in, (size_t)1 << length.value, out);
    }
    probe = take_bytes(in, length.value, &data);
    if (probe == RDB_PROBE_OK && length.value < sizeof(out->bytes)) {
        memcpy(out->bytes, data, (size_t)length.value);
        read_number(out);
    }
    return probe;
}

static void copy_text(const char *from, char *out, size_t size)
{
    if (strlen(from) < size)
        memcpy(out, from, strlen(from) + 1);
}

static void keep_aux(const char *key, const struct text *value, struct rdb_head *out)
{
    struct {
        const char *key;
        int64_t *field;
    } numbers[] = {
        {"ctime", &out->ctime_s},
        {"used-mem", &out->used_mem},
        {"repl-offset", &out->repl_offset},
        {"repl-stream-db", &out->repl_stream_db},
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (strcmp(key, numbers[i].key) == 0 && value->is_number)
            *numbers[i].field = value->number;
    if (strcmp(key, "aof-base") == 0 && value->is_number)
        out->aof_base = value->number != 0;
    if (strcmp(key, "repl-id") == 0)
        copy_text(value->bytes, out->repl_id, sizeof(out->repl_id));
    if (strcmp(key, "redis-ver") == 0 || strcmp(key, "valkey-ver") == 0) {
        copy_text(value->bytes, out->server_version, sizeof(out->server_version));
        out->server_is_valkey = key[0] == 'v';
    }
}

static enum rdb_probe take_aux(struct cursor *in, struct rdb_head *out)
{
    struct text key;
    struct text value;
    enum rdb_probe probe = take_string(in, &key);

    if (probe == RDB_PROBE_OK)
        probe = take_string(in, &value);
    if (probe == RDB_PROBE_OK)
        keep_aux(key.bytes, &value, out);
    return probe;
}

static enum rdb_probe take_module_value(struct cursor *in, uint64_t opcode)
{
    struct text ignored;
    uint64_t number = 0;

    switch (opcode) {
    case MODULE_SINT:
    case MODULE_UINT:
        return take_number(in, &number);
    case MODULE_FLOAT:
        return take_bytes(in, 4, NULL);
    case MODULE_DOUBLE:
        return take_bytes(in, 8, NULL);
    case MODULE_STRING:
        return take_string(in, &ignored);
    default:
        return RDB_PROBE_MALFORMED;
    }
}

/* Module id, then "when" with its opcode, then values to the end mark. */
static enum rdb_probe take_module_aux(struct cursor *in)
{
    uint64_t number = 0;
    enum rdb_probe probe = take_number(in, &number);

    for (;;) {
        if (probe == RDB_PROBE_OK)
            probe = take_number(in, &number);
        if (probe != RDB_PROBE_OK || number == MODULE_EOF)
            return probe;
        probe = take_module_value(in, number);
    }
}

/* Sections before the keys; *done is set at the first opcode that is none of them. */
static enum rdb_probe take_section(struct cursor *in, struct rdb_head *out, bool *done)
{
    struct text ignored;
    const uint8_t *opcode = NULL;
    enum rdb_probe probe = take_bytes(in, 1, &opcode);

    if (probe != RDB_PROBE_OK)
        return probe;
    if (*opcode == OPCODE_AUX)
        return take_aux(in, out);
    out->aux_complete = true;
    if (*opcode == OPCODE_MODULE_AUX) {
        out->has_module_aux = true;
        return take_module_aux(in);
    }
    if (*opcode == OPCODE_FUNCTION2) {
        out->has_functions = true;
        return take_string(in, &ignored);
    }
    *done = true;
    out->body_opcode = *opcode;
    out->body_offset = in->at - 1;
    return RDB_PROBE_OK;
}

static enum rdb_probe take_database(struct cursor *in, struct rdb_head *out)
{
    const uint8_t *opcode = NULL;
    uint64_t db = 0;
    uint64_t keys = 0;
    uint64_t expires = 0;
    enum rdb_probe probe = take_number(in, &db);

    if (probe == RDB_PROBE_OK)
        probe = take_bytes(in, 1, &opcode);
    if (probe != RDB_PROBE_OK)
        return probe;
    if (*opcode == OPCODE_RESIZEDB) {
        probe = take_number(in, &keys);
        if (probe == RDB_PROBE_OK)
            probe = take_number(in, &expires);
        if (probe != RDB_PROBE_OK)
            return probe;
        out->first_db_keys = keys > INT64_MAX ? -1 : (int64_t)keys;
        out->first_db_expires = expires > INT64_MAX ? -1 : (int64_t)expires;
    }
    out->first_db = db > INT64_MAX ? -1 : (int64_t)db;
    return RDB_PROBE_OK;
}

/* The bytes may be the start of `magic`. */
static bool may_be(const struct cursor *in, const char *magic)
{
    size_t len = strlen(magic);

    return memcmp(in->data, magic, in->len < len ? in->len : len) == 0;
}

static enum rdb_probe take_magic(struct cursor *in, struct rdb_head *out)
{
    bool redis = in->len > 0 && may_be(in, "REDIS");
    bool valkey = in->len > 0 && may_be(in, "VALKEY");
    int version = 0;

    if (in->len > 0 && !redis && !valkey)
        return RDB_PROBE_OK; /* opaque */
    if (in->len < MAGIC_BYTES)
        return RDB_PROBE_NEED_MORE;
    out->magic = redis ? RDB_MAGIC_REDIS : RDB_MAGIC_VALKEY;
    for (size_t i = redis ? 5 : 6; i < MAGIC_BYTES; i++) {
        if (in->data[i] < '0' || in->data[i] > '9')
            return RDB_PROBE_MALFORMED;
        version = version * 10 + (in->data[i] - '0');
    }
    out->version = version;
    in->at = MAGIC_BYTES;
    return RDB_PROBE_OK;
}

enum rdb_probe rdb_probe_head(const uint8_t *data, size_t len, struct rdb_head *out)
{
    struct cursor in = {.data = data, .len = len};
    bool done = false;

    *out = (struct rdb_head){
        .magic = RDB_MAGIC_OPAQUE,
        .version = -1,
        .ctime_s = -1,
        .used_mem = -1,
        .repl_offset = -1,
        .repl_stream_db = -1,
        .aof_base = -1,
        .body_opcode = -1,
        .first_db = -1,
        .first_db_keys = -1,
        .first_db_expires = -1,
    };
    enum rdb_probe probe = take_magic(&in, out);
    if (probe != RDB_PROBE_OK || out->magic == RDB_MAGIC_OPAQUE)
        return probe;
    while (probe == RDB_PROBE_OK && !done)
        probe = take_section(&in, out, &done);
    if (probe == RDB_PROBE_OK && out->body_opcode == OPCODE_SELECTDB)
        probe = take_database(&in, out);
    return probe;
}

void rdb_probe_tail(const uint8_t last9[RDB_TAIL_BYTES], struct rdb_tail *out)
{
    out->has_eof = last9[0] == OPCODE_EOF;
    out->crc = 0;
    for (size_t i = RDB_TAIL_BYTES - 1; i > 0; i--) /* little-endian */
        out->crc = out->crc << 8 | last9[i];
}

bool rdb_is_empty(const struct rdb_head *head)
{
    return head->body_opcode == OPCODE_EOF;
}

/* Most heads end within the first read; functions and long AUX fields make a second one. */
static int read_head(int fd, const char *label, uint64_t size, struct rdb_head *out,
                     struct err *err)
{
    auto_free uint8_t *data = xmalloc(RDB_HEAD_MAX);
    enum rdb_probe probe = RDB_PROBE_NEED_MORE;

    for (size_t want = HEAD_FIRST_READ; probe == RDB_PROBE_NEED_MORE; want = RDB_HEAD_MAX) {
        size_t len = size < want ? (size_t)size : want;

        if (page_cache_read(fd, data, len, 0, label, err) < 0)
            return -1;
        probe = rdb_probe_head(data, len, out);
        if (want == RDB_HEAD_MAX || len == size)
            break;
    }
    if (probe == RDB_PROBE_MALFORMED ||
        (probe == RDB_PROBE_NEED_MORE && (!out->aux_complete || size <= RDB_HEAD_MAX)))
        return err_set(err, ERR_CORRUPT, "%s: the RDB is malformed in its first %zu bytes", label,
                       size < RDB_HEAD_MAX ? (size_t)size : (size_t)RDB_HEAD_MAX);
    return 0;
}

int rdb_probe_fd(int fd, const char *label, struct rdb_ends *out, struct err *err)
{
    struct rdb_ends ends = {0};
    struct stat st;
    uint8_t last9[RDB_TAIL_BYTES];

    if (fstat(fd, &st) < 0)
        return err_sys(err, ERR_FAILED, "%s: cannot be looked at", label);
    if (st.st_size < RDB_SIZE_MIN)
        return err_set(err, ERR_CORRUPT, "%s: %lld bytes are too few for an RDB", label,
                       (long long)st.st_size);
    ends.size = (uint64_t)st.st_size;
    if (read_head(fd, label, ends.size, &ends.head, err) < 0 ||
        page_cache_read(fd, last9, sizeof(last9), ends.size - sizeof(last9), label, err) < 0)
        return -1;
    rdb_probe_tail(last9, &ends.tail);
    if (ends.head.magic != RDB_MAGIC_OPAQUE && !ends.tail.has_eof)
        return err_set(err, ERR_CORRUPT, "%s: the RDB is cut off: no end marker where it must be",
                       label);
    *out = ends;
    return 0;
}
