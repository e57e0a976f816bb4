/* The CRC64 of a whole RDB is 0, whatever it holds: its own is what it ends with. */
#include "backup/offline_held.h"

#include "base/cancel.h"
#include "base/crc64.h"
#include "base/mem.h"

/* By what is known of a file without reading it. */
static bool may_be_held(const struct manifest_file *file, const struct manifest *by)
{
    const struct manifest_file *held = manifest_find(by, file->name);

    return held != NULL && held->kind == file->kind && held->size == file->size &&
           held->rdb_crc64 == file->rdb_crc64;
}

/* *out has the CRC64 of each member that is no RDB with a checksum of its own. */
static int read_all(const struct snapshot *snapshot, uint64_t *out, struct err *err)
{
    auto_free uint8_t *block = xmalloc(bundle_piece_max(snapshot->bundle));
    struct bundle_cursor cursor = {0};
    struct bundle_piece piece;
    uint64_t crc = 0;

    while (bundle_next(snapshot->bundle, &cursor, &piece)) {
        if (piece.member >= snapshot->file_count || piece.file_len == 0 ||
            snapshot->files[piece.member].rdb_crc64 != 0)
            continue;
        if (cancel_check(err) != 0 || bundle_read(snapshot->bundle, &piece, block, &crc, err) != 0)
            return -1;
        out[piece.member] = crc64_combine(out[piece.member], crc, piece.file_len);
    }
    return 0;
}

int offline_is_held(const struct snapshot *snapshot, const struct manifest *by, bool *out,
                    struct err *err)
{
    auto_free uint64_t *crcs = xcalloc(snapshot->file_count + 1, sizeof(*crcs));
    bool has_set = snapshot->aof.count > 0;
    bool is_held = manifest_has_kind(by, MANIFEST_AOF_MANIFEST) == has_set;

    for (size_t i = 0; i < snapshot->file_count && is_held; i++)
        is_held = may_be_held(&snapshot->files[i], by);
    if (is_held && read_all(snapshot, crcs, err) != 0)
        return -1;
    for (size_t i = 0; i < snapshot->file_count && is_held; i++) {
        const struct manifest_file *file = &snapshot->files[i];
        bool tells = crcs[i] != 0 || file->size == 0; /* 0: it may end with its own, as an RDB */

        is_held =
            file->rdb_crc64 != 0 || (tells && manifest_find(by, file->name)->crc64 == crcs[i]);
    }
    *out = is_held;
    return 0;
}
