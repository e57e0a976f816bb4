/*
 * The layout of the stream, POSIX.1-2001 pax interchange format:
 *
 *     [header of file 0][its bytes][zeros to a multiple of 512][header of file 1]...[1024 zeros]
 *
 * A header is made by libarchive once, when the file is added, and kept; libarchive never sees file
 * bytes. That keeps the copy out of the hot path and makes every piece readable by itself.
 */
#include "stream/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/crc64.h"
#include "base/mem.h"
#include "base/page_cache.h"

#define TAR_BLOCK 512
#define TAR_END ((size_t)2 * TAR_BLOCK)
#define HEADER_MAX ((size_t)64 << 10) /* a pax header with the longest path is a few KiB */

struct member {
    char *name;
    struct buf header;
    uint64_t size;
    int fd;        /* -1: bytes */
    uint8_t *data; /* owned; NULL with fd */
};

struct bundle {
    struct member *members;
    size_t count;
    uint64_t tar_bytes; /* without the end */
    uint64_t file_bytes;
    size_t header_max;
};

struct bundle *bundle_new(void)
{
    return xcalloc(1, sizeof(struct bundle));
}

void bundle_free(struct bundle *bundle)
{
    if (bundle == NULL)
        return;
    for (size_t i = 0; i < bundle->count; i++) {
        free(bundle->members[i].name);
        buf_release(&bundle->members[i].header);
        free(bundle->members[i].data);
    }
    free(bundle->members);
    free(bundle);
}

struct header {
    struct buf *bytes;
    bool is_complete;
};

static la_ssize_t on_header_bytes(struct archive *archive, void *context, const void *data,
                                  size_t len)
{
    struct header *header = context;
    struct err ignored;

    (void)archive;
    if (header->is_complete || buf_append(header->bytes, data, len, &ignored) != 0)
        return -1; /* libarchive reports the failure through its own result */
    return (la_ssize_t)len;
}

static void cleanup_archive_write(struct archive **archive)
{
    (void)archive_write_free(*archive); /* the header is all that was wanted of it */
}

static void cleanup_entry(struct archive_entry **entry)
{
    archive_entry_free(*entry);
}

static int make_header(const struct bundle_file *file, struct buf *out, struct err *err)
{
    struct header header = {.bytes = out};
    auto_with(cleanup_archive_write) struct archive *archive = archive_write_new();
    auto_with(cleanup_entry) struct archive_entry *entry = archive_entry_new();
    bool is_dir = S_ISDIR(file->mode);

    archive_entry_set_pathname(entry, file->name);
    archive_entry_set_filetype(entry, is_dir ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, file->mode & 07777);
    archive_entry_set_size(entry, (la_int64_t)file->size);
    archive_entry_set_uid(entry, file->uid);
    archive_entry_set_gid(entry, file->gid);
    archive_entry_set_mtime(entry, file->mtime_s, 0);

    bool failed = archive_write_set_format_pax_restricted(archive) != ARCHIVE_OK ||
                  archive_write_set_bytes_per_block(archive, 0) != ARCHIVE_OK ||
                  archive_write_open(archive, &header, NULL, on_header_bytes, NULL) != ARCHIVE_OK;
    /* A warning is a name outside ASCII: there it stands as it is, and "hdrcharset=BINARY" says so,
     * since libarchive takes the charset of names from the locale, which we do not set. */
    if (failed || archive_write_header(archive, entry) < ARCHIVE_WARN)
        return err_set(err, ERR_FAILED, "make the tar header of %s: %s", file->name,
                       archive_error_string(archive));
    header.is_complete = true; /* freeing it would write zeros for the file bytes, and an end */
    return 0;
}

static size_t padding(uint64_t size)
{
    return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

static int add_member(struct bundle *bundle, const struct bundle_file *file, struct member *member,
                      struct err *err)
{
    buf_init(&member->header, HEADER_MAX);
    if (make_header(file, &member->header, err) != 0) {
        buf_release(&member->header);
        return -1;
    }

    member->name = xstrdup(file->name);
    member->size = file->size;
    bundle->members = xreallocarray(bundle->members, bundle->count + 1, sizeof(*member));
    bundle->members[bundle->count++] = *member;
    bundle->file_bytes += file->size;
    bundle->tar_bytes += member->header.len + file->size + padding(file->size);
    if (member->header.len > bundle->header_max)
        bundle->header_max = member->header.len;
    return 0;
}

int bundle_add_fd(struct bundle *bundle, const struct bundle_file *file, int fd, struct err *err)
{
    struct member member = {.fd = fd};

    return add_member(bundle, file, &member, err);
}

int bundle_add_bytes(struct bundle *bundle, const struct bundle_file *file, const void *data,
                     struct err *err)
{
    struct member member = {.fd = -1};

    if (add_member(bundle, file, &member, err) != 0)
        return -1;
    uint8_t *copy = xmalloc(file->size + 1);
    if (file->size > 0)
        memcpy(copy, data, file->size);
    bundle->members[bundle->count - 1].data = copy;
    return 0;
}

size_t bundle_count(const struct bundle *bundle)
{
    return bundle->count;
}

uint64_t bundle_tar_bytes(const struct bundle *bundle)
{
    return bundle->tar_bytes + TAR_END;
}

uint64_t bundle_file_bytes(const struct bundle *bundle)
{
    return bundle->file_bytes;
}

size_t bundle_piece_max(const struct bundle *bundle)
{
    size_t max = bundle->header_max + BUNDLE_PIECE + TAR_BLOCK + TAR_END;

    assert(max <= FRAME_CONTENT_MAX);
    return max;
}

bool bundle_next(const struct bundle *bundle, struct bundle_cursor *cursor,
                 struct bundle_piece *out)
{
    if (cursor->ended)
        return false;
    if (bundle->count == 0) {
        cursor->ended = true;
        *out = (struct bundle_piece){.len = TAR_END};
        return true;
    }

    const struct member *member = &bundle->members[cursor->member];
    uint64_t left = member->size - cursor->offset;
    size_t file_len = left < BUNDLE_PIECE ? (size_t)left : BUNDLE_PIECE;
    bool is_last_piece = file_len == left;

    *out = (struct bundle_piece){
        .member = cursor->member, .offset = cursor->offset, .file_len = file_len, .len = file_len};
    if (cursor->offset == 0)
        out->len += member->header.len;
    cursor->offset += file_len;
    if (is_last_piece) {
        out->len += padding(member->size);
        cursor->member++;
        cursor->offset = 0;
    }
    if (cursor->member == bundle->count) {
        out->len += TAR_END;
        cursor->ended = true;
    }
    return true;
}

static int read_file_bytes(const struct member *member, const struct bundle_piece *piece,
                           uint8_t *out, struct err *err)
{
    if (member->fd < 0) {
        if (piece->file_len > 0)
            memcpy(out, member->data + piece->offset, piece->file_len);
        return 0;
    }
    if (piece->file_len == 0)
        return 0;

    return page_cache_read(member->fd, out, piece->file_len, piece->offset, member->name, err);
}

int bundle_read(const struct bundle *bundle, const struct bundle_piece *piece, uint8_t *out,
                uint64_t *out_crc, struct err *err)
{
    uint8_t *at = out;

    if (bundle->count == 0) {
        memset(out, 0, piece->len);
        *out_crc = 0;
        return 0;
    }

    const struct member *member = &bundle->members[piece->member];
    if (piece->offset == 0) {
        memcpy(at, member->header.data, member->header.len);
        at += member->header.len;
    }
    if (read_file_bytes(member, piece, at, err) != 0)
        return -1;
    *out_crc = crc64(0, at, piece->file_len);
    at += piece->file_len;
    memset(at, 0, piece->len - (size_t)(at - out));
    return 0;
}
