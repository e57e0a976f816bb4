/* Frames are of any length, parts of one: a write is cut where a part ends. */
#include "stream/sink_part_crcs.h"

#include <assert.h>

#include "base/crc64.h"
#include "base/mem.h"

struct sink_part_crcs {
    struct sink base;
    struct sink *next;
    uint64_t part_bytes;
    struct part_crcs *out;
    uint64_t crc;
    uint64_t len; /* of the part so far */
};

static struct sink_part_crcs *self(struct sink *sink)
{
    return (struct sink_part_crcs *)(void *)sink;
}

static void end_part(struct sink_part_crcs *parts)
{
    struct part_crcs *out = parts->out;

    out->crc64 = xreallocarray(out->crc64, out->count + 1, sizeof(*out->crc64));
    out->crc64[out->count++] = parts->crc;
    parts->crc = 0;
    parts->len = 0;
}

static int part_crcs_write(struct sink *sink, const void *data, size_t len, struct err *err)
{
    struct sink_part_crcs *parts = self(sink);
    const uint8_t *at = data;
    size_t left = len;

    while (left > 0) {
        uint64_t room = parts->part_bytes - parts->len;
        size_t step = left < room ? left : (size_t)room;

        parts->crc = crc64(parts->crc, at, step);
        parts->len += step;
        at += step;
        left -= step;
        if (parts->len == parts->part_bytes)
            end_part(parts);
    }
    return sink_write(parts->next, data, len, err);
}

static int part_crcs_finish(struct sink *sink, struct err *err)
{
    struct sink_part_crcs *parts = self(sink);

    if (parts->len > 0)
        end_part(parts);
    return sink_finish(parts->next, err);
}

static void part_crcs_free(struct sink *sink)
{
    sink_free(self(sink)->next);
    free(sink);
}

static const struct sink_ops part_crcs_ops = {
    .write = part_crcs_write, .finish = part_crcs_finish, .free = part_crcs_free};

struct sink *sink_part_crcs_new(struct sink *next, uint64_t part_bytes, struct part_crcs *out)
{
    struct sink_part_crcs *parts = xcalloc(1, sizeof(*parts));

    assert(part_bytes > 0);
    parts->base.ops = &part_crcs_ops;
    parts->next = next;
    parts->part_bytes = part_bytes;
    parts->out = out;
    *out = (struct part_crcs){0};
    return &parts->base;
}
