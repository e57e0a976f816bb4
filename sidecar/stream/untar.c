/*
 * libarchive pulls blocks from the source and hands out pointers into them, so file bytes are not
 * copied on their way to the sink. Only the tar format is enabled: no filters, no other formats.
 */
#include "stream/untar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "base/cancel.h"

#define NAME_MAX_BYTES 1024
#define ENTRIES_MAX 10000
#define END_BYTES 1024 /* of the end mark, zeros */

struct reader {
    struct source *tar;
    struct err *err;
    bool failed; /* the source, or we were asked to stop */
    bool ended;
    uint64_t bytes; /* read so far */
    uint64_t zeros; /* at the end of these */
};

bool untar_name_is_safe(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > NAME_MAX_BYTES || name[0] == '/')
        return false;
    for (const char *at = name; *at != '\0';) {
        size_t segment = strcspn(at, "/");
        bool is_dots =
            (segment == 1 && at[0] == '.') || (segment == 2 && at[0] == '.' && at[1] == '.');
        if (segment == 0 || is_dots)
            return false;
        at += segment;
        if (at[0] == '/' && at[1] == '\0')
            return false;
        at += at[0] == '/' ? 1 : 0;
    }
    for (const char *at = name; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    return true;
}

static int read_chunk(struct reader *reader, const uint8_t **out, size_t *out_len)
{
    size_t zeros = 0;

    if (cancel_check(reader->err) != 0 ||
        source_next(reader->tar, out, out_len, reader->err) != 0) {
        reader->failed = true;
        return -1;
    }
    reader->ended = *out_len == 0;
    while (zeros < *out_len && (*out)[*out_len - 1 - zeros] == 0)
        zeros++;
    reader->zeros = zeros == *out_len ? reader->zeros + zeros : zeros;
    reader->bytes += *out_len;
    return 0;
}

static la_ssize_t on_read(struct archive *archive, void *context, const void **out)
{
    struct reader *reader = context;
    const uint8_t *data = NULL;
    size_t len = 0;

    /* libarchive asks again after a failure */
    if (reader->failed || (!reader->ended && read_chunk(reader, &data, &len) != 0)) {
        archive_set_error(archive, EIO, "the source failed");
        return -1;
    }
    *out = data;
    return (la_ssize_t)len;
}

/* libarchive takes a stream that ends between two members for whole, and looks at nothing behind
 * the end mark. end: where that mark begins. */
static int read_end(struct reader *reader, uint64_t end)
{
    const uint8_t *data = NULL;
    size_t len = 0;

    if (reader->failed) /* within the end mark, which libarchive takes for an end too */
        return -1;
    while (!reader->ended)
        if (read_chunk(reader, &data, &len) != 0)
            return -1;
    if (reader->bytes < end + END_BYTES)
        return err_set(reader->err, ERR_CORRUPT, "the archive is cut short: it has no end mark");
    if (reader->zeros < reader->bytes - end)
        return err_set(reader->err, ERR_CORRUPT, "the archive goes on behind its end mark");
    return 0;
}

static int corrupt(const struct reader *reader, struct archive *archive, const char *what)
{
    const char *why = archive_error_string(archive);

    if (reader->failed)
        return -1; /* *err says it already */
    return err_set(reader->err, ERR_CORRUPT, "%s: %s", what, why != NULL ? why : "not a tar");
}

static int read_entry(struct archive_entry *from, char *name, size_t name_size,
                      struct untar_entry *out, struct err *err)
{
    const char *path = archive_entry_pathname(from);
    mode_t type = archive_entry_filetype(from);
    size_t len = path == NULL ? 0 : strlen(path);

    if (type == AE_IFDIR && len > 1 && path[len - 1] == '/')
        len--;
    if (len == 0 || len >= name_size)
        return err_set(err, ERR_CORRUPT, "a member of the archive has no name that can be used");
    memcpy(name, path, len);
    name[len] = '\0';
    if (!untar_name_is_safe(name))
        return err_set(err, ERR_CORRUPT, "the archive names a file outside its place: '%.200s'",
                       name);
    if ((type != AE_IFREG && type != AE_IFDIR) || archive_entry_hardlink(from) != NULL ||
        archive_entry_symlink(from) != NULL)
        return err_set(err, ERR_CORRUPT, "'%.200s' in the archive is neither file nor directory",
                       name);
    *out = (struct untar_entry){
        .name = name,
        .is_dir = type == AE_IFDIR,
        .size = type == AE_IFDIR ? 0 : (uint64_t)archive_entry_size(from),
        .mode = archive_entry_perm(from) & 0777,
        .uid = (uid_t)archive_entry_uid(from),
        .gid = (gid_t)archive_entry_gid(from),
        .mtime_s = archive_entry_mtime(from),
    };
    return 0;
}

static int copy_bytes(struct reader *reader, struct archive *archive, struct sink *out,
                      uint64_t size)
{
    uint64_t copied = 0;

    for (;;) {
        const void *data = NULL;
        size_t len = 0;
        la_int64_t offset = 0;
        int rc = archive_read_data_block(archive, &data, &len, &offset);

        if (rc == ARCHIVE_EOF)
            break;
        if (rc != ARCHIVE_OK)
            return corrupt(reader, archive, "read a member of the archive");
        if ((uint64_t)offset != copied)
            return err_set(reader->err, ERR_CORRUPT, "the archive holds a sparse file");
        if (len > 0 && sink_write(out, data, len, reader->err) != 0)
            return -1;
        copied += len;
    }
    if (copied != size)
        return err_set(reader->err, ERR_CORRUPT, "a member of the archive is cut short");
    return sink_finish(out, reader->err);
}

static void cleanup_archive_read(struct archive **archive)
{
    (void)archive_read_free(*archive); /* nothing is written by it */
}

static int read_members(struct reader *reader, struct archive *archive,
                        const struct untar_handler *handler)
{
    for (size_t i = 0;; i++) {
        char name[NAME_MAX_BYTES + 2];
        struct archive_entry *from = NULL;
        struct untar_entry entry;
        auto_sink struct sink *out = NULL;
        int rc = archive_read_next_header(archive, &from);

        if (rc == ARCHIVE_EOF)
            return read_end(reader, (uint64_t)archive_read_header_position(archive));
        if (rc != ARCHIVE_OK)
            return corrupt(reader, archive, "read the archive");
        if (i == ENTRIES_MAX)
            return err_set(reader->err, ERR_CORRUPT, "the archive has more than %d members",
                           ENTRIES_MAX);
        if (read_entry(from, name, sizeof(name), &entry, reader->err) != 0 ||
            handler->entry(handler->context, &entry, &out, reader->err) != 0)
            return -1;
        if (out != NULL && copy_bytes(reader, archive, out, entry.size) != 0)
            return -1;
    }
}

int untar(struct source *tar, const struct untar_handler *handler, struct err *err)
{
    struct reader reader = {.tar = tar, .err = err};
    auto_with(cleanup_archive_read) struct archive *archive = archive_read_new();

    if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
        archive_read_open(archive, &reader, NULL, on_read, NULL) != ARCHIVE_OK)
        return corrupt(&reader, archive, "open the archive");
    return read_members(&reader, archive, handler);
}
