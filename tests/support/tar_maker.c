/* The ustar header: POSIX.1-2017, pax, "ustar Interchange Format". */
#include "support/tar_maker.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define BLOCK 512

static void append(struct buf *tar, const void *data, size_t len)
{
    struct err err = {0};
    int rc = buf_append(tar, data, len, &err);

    assert(rc == 0);
}

static void put_text(uint8_t *at, size_t room, const char *text)
{
    size_t len = strlen(text);

    assert(len <= room);
    memcpy(at, text, len);
}

void tar_add(struct buf *tar, const struct tar_member *member)
{
    static const uint8_t zeros[BLOCK];
    uint8_t header[BLOCK] = {0};
    char octal[16];
    unsigned sum = 0;

    (void)snprintf(octal, sizeof(octal), "%011zo", member->len);
    put_text(header, 100, member->name);
    put_text(header + 100, 8, "0000644");
    put_text(header + 108, 8, "0000000");
    put_text(header + 116, 8, "0000000");
    put_text(header + 124, 12, member->says != NULL ? member->says : octal);
    put_text(header + 136, 12, "00000000000");
    memset(header + 148, ' ', 8);
    header[156] = (uint8_t)(member->type != 0 ? member->type : '0');
    put_text(header + 157, 100, member->target != NULL ? member->target : "");
    memcpy(header + 257, "ustar\00000", 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += header[i];
    (void)snprintf(octal, sizeof(octal), "%06o", sum);
    memcpy(header + 148, octal, 7);

    append(tar, header, BLOCK);
    append(tar, member->data, member->len);
    append(tar, zeros, (BLOCK - member->len % BLOCK) % BLOCK);
}

void tar_add_pax(struct buf *tar, const char *key, const char *value)
{
    size_t body = strlen(key) + strlen(value) + 3; /* " ", "=" and the newline */
    size_t len = body + 1;

    /* a record begins with its own length, its digits included */
    while (len < body + (size_t)snprintf(NULL, 0, "%zu", len))
        len++;
    auto_free char *record = xasprintf("%zu %s=%s\n", len, key, value);
    assert(strlen(record) == len);
    tar_add(tar,
            &(struct tar_member){.name = "PaxHeader", .type = 'x', .data = record, .len = len});
}

void tar_end(struct buf *tar)
{
    static const uint8_t zeros[2 * BLOCK];

    append(tar, zeros, sizeof(zeros));
}
