/*
 * The pipeline of `redkeep backup` on a dump that is there already, so that the time is redkeep's
 * own and not that of the server's save: the same calls on the same modules, with the file in place
 * of a snapshot. What it writes is a whole backup, manifest and all, for `redkeep restore`.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/catalog.h"
#include "backup/manifest.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"
#include "redis/rdb_probe.h"
#include "store/store.h"
#include "stream/bundle.h"
#include "stream/pack.h"

#define OBJECT_NAME "data.tar.zst"
#define FILE_NAME "dump.rdb"

struct arguments {
    uint64_t workers;
    uint64_t connections;
    uint64_t part_bytes;
    uint64_t level;
    const char *instance;
    const char *repository;
    const char *path; /* the dump */
};

static int open_store(const struct arguments *arguments, struct store **out, struct err *err)
{
    const struct store_options options = {
        .url = arguments->repository,
        .upload_parallel = (unsigned)arguments->connections,
        .part_bytes = arguments->part_bytes,
        .clock = clock_system(),
    };

    return store_open(&options, out, err);
}

static int add_file(struct bundle *bundle, int fd, struct manifest *manifest, struct err *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return err_sys(err, ERR_FAILED, "stat the dump");
    const struct bundle_file file = {
        .name = FILE_NAME,
        .size = (uint64_t)status.st_size,
        .mode = status.st_mode & 0777,
        .uid = status.st_uid,
        .gid = status.st_gid,
        .mtime_s = status.st_mtime,
    };
    manifest->files = xcalloc(1, sizeof(*manifest->files));
    manifest->files[0] =
        (struct manifest_file){.name = xstrdup(FILE_NAME), .kind = MANIFEST_RDB, .size = file.size};
    manifest->file_count = 1;
    return bundle_add_fd(bundle, &file, fd, err);
}

/* What a snapshot would have told. */
static int describe(int fd, const struct arguments *arguments, struct manifest *manifest,
                    struct err *err)
{
    const struct clock *clock = clock_system();
    char id[CATALOG_ID_SIZE];
    struct rdb_ends ends;
    uint32_t tail = 0;

    if (rdb_probe_fd(fd, FILE_NAME, &ends, err) != 0)
        return -1;
    fs_random(&tail, sizeof(tail));
    catalog_make_id(clock_wall_ms(clock), tail, id);
    manifest->id = xstrdup(id);
    manifest->instance = xstrdup(arguments->instance);
    manifest->asked_ms = manifest->forked_ms = clock_wall_ms(clock);
    manifest->server_version = xstrdup(ends.head.server_version);
    manifest->role = xstrdup("master");
    manifest->rdb_magic = ends.head.magic;
    manifest->rdb_version = ends.head.version;
    manifest->object = xstrdup(OBJECT_NAME);
    manifest->compression_level = (int64_t)arguments->level;
    manifest->appendonly = xstrdup("no");
    manifest->dbfilename = xstrdup(FILE_NAME);
    manifest->appendfilename = xstrdup("appendonly.aof");
    manifest->appenddirname = xstrdup("appendonlydir");
    return server_version_parse(ends.head.server_version, &manifest->server, err);
}

static int store_file(struct store *store, const struct bundle *bundle,
                      const struct arguments *arguments, struct manifest *manifest, struct err *err)
{
    const struct pack_options options = {.workers = (unsigned)arguments->workers,
                                         .level = (int)arguments->level};
    auto_free char *key = catalog_key(manifest->instance, manifest->id, OBJECT_NAME);
    auto_free char *manifest_key = catalog_key(manifest->instance, manifest->id, "backup.json");
    auto_sink struct sink *out = NULL;
    struct sink *stored = NULL;

    if (store_put(store, key, pack_bound(bundle), &manifest->parts, &stored, err) != 0)
        return -1;
    out = sink_part_crcs_new(stored, manifest->parts.part_bytes, &manifest->part_crcs);
    if (pack_bundle(bundle, &options, out, &manifest->files[0].crc64, err) != 0 ||
        sink_finish(out, err) != 0)
        return -1;
    if (manifest->files[0].crc64 != 0)
        return err_set(err, ERR_CORRUPT, "%s does not match its checksum", arguments->path);
    manifest->proven = true;
    manifest->stored_ms = clock_wall_ms(clock_system());
    auto_free char *text = manifest_format(manifest);
    return store_put_small(store, manifest_key, text, strlen(text), err);
}

static int back_up(const struct arguments *arguments, struct err *err)
{
    auto_close int fd = open(arguments->path, O_RDONLY | O_CLOEXEC);
    auto_manifest struct manifest manifest = {.save_ms = -1, .pack_ms = -1, .repl_offset = -1};
    auto_bundle struct bundle *bundle = bundle_new();
    auto_store struct store *store = NULL;

    if (fd < 0)
        return err_sys(err, ERR_FAILED, "open %s", arguments->path);
    if (open_store(arguments, &store, err) != 0 || describe(fd, arguments, &manifest, err) != 0 ||
        add_file(bundle, fd, &manifest, err) != 0 ||
        store_file(store, bundle, arguments, &manifest, err) != 0)
        return -1;
    printf("%s: %" PRIu64 " bytes in %zu parts\n", manifest.id, manifest.parts.size,
           manifest.parts.count);
    return 0;
}

static int parse_arguments(int argc, char **argv, struct arguments *out, struct err *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int option;

    *out = (struct arguments){
        .workers = cores > 2 ? (uint64_t)cores - 1 : 1, .level = 1, .instance = "bench"};
    while ((option = getopt(argc, argv, "w:c:P:l:i:")) != -1) {
        uint64_t *number = option == 'w'   ? &out->workers
                           : option == 'c' ? &out->connections
                           : option == 'P' ? &out->part_bytes
                           : option == 'l' ? &out->level
                                           : NULL;

        if (option == 'i')
            out->instance = optarg;
        else if (number == NULL || parse_size(optarg, number, err) != 0)
            return -1;
    }
    if (argc - optind != 2)
        return -1;
    out->repository = argv[optind];
    out->path = argv[optind + 1];
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct err err = {0};

    if (parse_arguments(argc, argv, &arguments, &err) != 0) {
        (void)fprintf(
            stderr,
            "%s\nusage: pack_bench [OPTIONS] REPOSITORY DUMP\n"
            "-w workers, -c connections, -P part bytes, -l compression level, -i instance\n",
            err.msg);
        return 2;
    }
    if (back_up(&arguments, &err) == 0)
        return 0;
    (void)fprintf(stderr, "pack_bench: %s\n", err.msg);
    return (int)err.kind;
}
