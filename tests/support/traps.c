#include "support/traps.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "support/tree.h"

const struct trap traps[] = {
    /* nothing wrong */
    {NULL, 0, 0, YES, {{0}}},
    {NULL, 0, 0, NO, {{0}}},
    {NULL, 0, 0, AUTO, {{0}}},
    {NULL, 0, 0, YES, {WHOLE_SET}},
    {NULL, 0, 0, AUTO, {WHOLE_SET}},
    {NULL, 0, 0, AUTO, {WHOLE_SET, {"dump.rdb", RDB, NULL, 0, 99}}},
    {NULL, 0, 0, AUTO, {WHOLE_SET, {"dump.rdb", RDB_HALF, NULL, 0, 99}}},
    {NULL, 0, 0, NO, {{"dump.rdb", RDB, NULL, 0, 0}}},
    {NULL, 0, 0, NO, {WHOLE_SET, {"dump.rdb", RDB, NULL, 0, 0}}},
    {NULL, 0, 0, YES, {{"dump.rdb", RDB_EMPTY, NULL, 0, 0}}},
    {NULL, 0, 0, YES, {{BASE, RDB_EMPTY, NULL, 0, 0}, {INCR, BYTES(""), 0}}},
    {NULL, 0, 0, YES, {{OLD, BYTES(DB0 SET), 0}}},
    {NULL, 0, 0, YES, {{OLD, RDB_AND, DB0 SET, 50, 0}}},
    {NULL, 0, 0, YES, {{MANIFEST, BYTES("file " OLD " seq 1 type b\n"), 0}, {OLD, BYTES(SET), 0}}},
    {NULL, 0, 0, YES, {{BASE, RDB_AND, DB0 SET, 50, 0}, {MANIFEST, BYTES(LINE_BASE), 0}}},
    {NULL, 0, 0, YES, {{BASE, BYTES(DB0 SET), 0}, {MANIFEST, BYTES(LINE_BASE), 0}}},
    {NULL, 0, 0, YES, {{BASE, BYTES("NEWER1.0..."), 0}, {MANIFEST, BYTES(LINE_BASE), 0}}},
    {NULL, 0, 0, NO, {{"dump.rdb", BYTES("NEWER1.0..."), 0}}},
    {"corrupt-base", 1, 0, YES, {{BASE, BYTES("RED"), 0}, {MANIFEST, BYTES(LINE_BASE), 0}}},
    {"dump-without-aof", 1, 0, YES, {{"dump.rdb", BYTES("NEWER1.0..."), 0}}},
    /* no set */
    {"dump-without-aof", 1, 1, YES, {{"dump.rdb", RDB, NULL, 0, 0}}},
    {"dump-without-aof", 1, 1, AUTO, {{"dump.rdb", RDB, NULL, 0, 0}}},
    {"dump-without-aof", 1, 0, YES, {{"dump.rdb", RDB_HALF, NULL, 0, 0}}},
    {"dump-without-aof", 1, 0, YES, {{"dump.rdb", RDB_FLIPPED, NULL, 0, 0}}},
    {"dump-without-aof", 1, 0, YES, {{"dump.rdb", RDB, NULL, 0, 0}, {DIR "x", BYTES("x"), 0}}},
    {"aof-without-manifest", 1, 1, YES, {{BASE, RDB, NULL, 0, 0}, {INCR, BYTES(DB0 SET), 0}}},
    {"aof-without-manifest", 1, 1, YES, {{BASE, RDB, NULL, 0, 0}}},
    {"aof-without-manifest",
     1,
     1,
     YES,
     {{BASE, RDB, NULL, 0, 50}, {INCR, BYTES(DB0 SET), 40}, {INCR2, BYTES(DB0 SET), 0}}},
    {"aof-without-manifest",
     1,
     0,
     YES,
     {{BASE, RDB, NULL, 0, 40}, {INCR, BYTES(DB0 SET), 50}, {INCR2, BYTES(DB0 SET), 0}}},
    {"aof-without-manifest",
     1,
     0,
     YES,
     {{BASE, RDB, NULL, 0, 50}, {INCR, BYTES(DB0 "*"), 40}, {INCR2, BYTES(DB0 SET), 0}}},
    {"aof-without-manifest", 1, 0, YES, {{BASE, RDB_HALF, NULL, 0, 0}}},
    {"aof-without-manifest", 1, 0, YES, {{BASE, RDB, NULL, 0, 0}, {OLD, BYTES(DB0 SET), 0}}},
    {"aof-without-manifest", 1, 0, YES, {{INCR, BYTES(DB0 SET), 0}}},
    {"aof-without-manifest",
     1,
     0,
     YES,
     {{BASE, RDB, NULL, 0, 0}, {DIR "appendonly.aof.2.base.rdb", RDB, NULL, 0, 0}}},
    {"aof-without-manifest",
     1,
     0,
     YES,
     {{DIR "appendonly.aof.2.base.rdb", RDB, NULL, 0, 0}, {INCR, BYTES(DB0 SET), 0}}},
    {"aof-without-manifest",
     1,
     0,
     YES,
     {{BASE, RDB, NULL, 0, 0},
      {INCR, BYTES(DB0 SET), 0},
      {DIR "appendonly.aof.3.incr.aof", BYTES(DB0 SET), 0}}},
    {"no-aof-directory", 1, 0, YES, {{"appendonlydir", BYTES("x"), 0}}},
    /* the manifest */
    {"manifest-without-newline",
     1,
     1,
     YES,
     {{BASE, RDB, NULL, 0, 0},
      {INCR, BYTES(SET), 0},
      {MANIFEST, BYTES(LINE_BASE "file appendonly.aof.1.incr.aof seq 1 type i"), 0}}},
    {"manifest-malformed",
     1,
     1,
     YES,
     {{BASE, RDB, NULL, 0, 0}, {INCR, BYTES(SET), 0}, {MANIFEST, BYTES(""), 0}}},
    {"manifest-malformed",
     1,
     1,
     YES,
     {{BASE, RDB, NULL, 0, 0}, {MANIFEST, BYTES("file a/b seq 1 type b\n"), 0}}},
    {"manifest-malformed",
     1,
     1,
     YES,
     {{BASE, RDB, NULL, 0, 0}, {MANIFEST, BYTES(LINE_BASE LINE_BASE), 0}}},
    {"manifest-malformed",
     1,
     1,
     YES,
     {{BASE, RDB, NULL, 0, 0}, {MANIFEST, BYTES(LINE_BASE "\n"), 0}}},
    {"manifest-malformed", 1, 0, YES, {{INCR, BYTES(SET), 0}, {MANIFEST, BYTES("x\n"), 0}}},
    {"manifest-malformed",
     1,
     0,
     YES,
     {{BASE, RDB, NULL, 0, 0},
      {MANIFEST, BYTES("file a seq 1 type b\0\n"), 0},
      {DIR "appendonly.aof.2.base.aof", BYTES(SET), 0}}},
    {"missing-aof-file", 1, 0, YES, {{BASE, RDB, NULL, 0, 0}, {MANIFEST, BYTES(LINES), 0}}},
    {"missing-aof-file", 1, 0, YES, {{INCR, BYTES(SET), 0}, {MANIFEST, BYTES(LINES), 0}}},
    {NULL,
     0,
     0,
     YES,
     {WHOLE_SET, {MANIFEST, BYTES(LINE_BASE "file gone seq 1 type h\n" LINE_INCR), 0}}},
    {"unlisted-aof-file", 1, 0, YES, {WHOLE_SET, {INCR2, BYTES(DB0 SET), 0}}},
    {NULL, 0, 0, YES, {WHOLE_SET, {INCR2, BYTES(""), 0}}},
    {"unlisted-aof-file",
     0,
     0,
     YES,
     {WHOLE_SET, {DIR "appendonly.aof.2.base.rdb", RDB, NULL, 0, 0}}},
    {"old-aof-ignored", 0, 0, YES, {WHOLE_SET, {OLD, BYTES(SET), 0}}},
    {"old-aof-ignored",
     1,
     0,
     YES,
     {{BASE, RDB_EMPTY, NULL, 0, 0},
      {INCR, BYTES(""), 0},
      {MANIFEST, BYTES(LINES), 0},
      {OLD, BYTES(SET), 0}}},
    /* a server before 7.0 has been told to append beside a dump */
    {"empty-aof-beside-dump", 1, 1, YES, {{OLD, BYTES(""), 0}, {"dump.rdb", RDB, NULL, 0, 0}}},
    {"empty-aof-beside-dump", 1, 1, AUTO, {{OLD, BYTES(""), 0}, {"dump.rdb", RDB, NULL, 0, 0}}},
    {"empty-aof-beside-dump", 1, 0, YES, {{OLD, BYTES(""), 0}, {"dump.rdb", RDB_HALF, NULL, 0, 0}}},
    {"empty-aof-beside-dump",
     1,
     0,
     YES,
     {{MANIFEST, BYTES("file " OLD " seq 1 type b\n"), 0},
      {OLD, BYTES(""), 0},
      {"dump.rdb", RDB, NULL, 0, 0}}},
    {NULL,
     0,
     0,
     YES,
     {{BASE, BYTES("#TS:1795272398\r\n" DB0 SET), 0},
      {INCR, BYTES(""), 0},
      {MANIFEST, BYTES(LINES), 0},
      {"dump.rdb", RDB, NULL, 0, 0}}},
    {NULL, 0, 0, YES, {{OLD, BYTES(""), 0}, {"dump.rdb", RDB_EMPTY, NULL, 0, 0}}},
    {NULL, 0, 0, NO, {{OLD, BYTES(""), 0}, {"dump.rdb", RDB, NULL, 0, 0}}},
    /* a base that no server has run on */
    {NULL,
     0,
     0,
     YES,
     {{BASE, RDB, NULL, 0, 0}, {MANIFEST, BYTES(MIRROR), 0}, {"dump.rdb", RDB, NULL, 0, 9}}},
    {"stale-base",
     1,
     1,
     YES,
     {{BASE, RDB, NULL, 0, 9}, {MANIFEST, BYTES(MIRROR), 0}, {"dump.rdb", RDB, NULL, 0, 0}}},
    {"stale-base",
     1,
     1,
     AUTO,
     {{BASE, RDB, NULL, 0, 9}, {MANIFEST, BYTES(MIRROR), 0}, {"dump.rdb", RDB, NULL, 0, 0}}},
    {"stale-base",
     0,
     0,
     AUTO,
     {{BASE, RDB, NULL, 0, 9}, {MANIFEST, BYTES(LINE_BASE), 0}, {"dump.rdb", RDB, NULL, 0, 0}}},
    {"stale-base",
     1,
     0,
     YES,
     {{BASE, RDB, NULL, 0, 9}, {MANIFEST, BYTES(MIRROR), 0}, {"dump.rdb", RDB_HALF, NULL, 0, 0}}},
    {"aof-ignored", 1, 0, NO, {WHOLE_SET}},
    {NULL, /* a copy: the file system has no links */
     0,
     0,
     NO,
     {{BASE, RDB, NULL, 0, 0}, {MANIFEST, BYTES(MIRROR), 0}, {"dump.rdb", RDB, NULL, 0, 9}}},
    {"aof-ignored",
     1,
     0,
     NO,
     {{BASE, RDB, NULL, 0, 0}, {MANIFEST, BYTES(MIRROR), 0}, {"dump.rdb", RDB_EMPTY, NULL, 0, 9}}},
    {"aof-ignored", 1, 0, NO, {WHOLE_SET, {"dump.rdb", RDB, NULL, 0, 9}}},
    {NULL, 0, 0, NO, {{BASE, RDB_EMPTY, NULL, 0, 0}, {MANIFEST, BYTES(LINE_BASE), 0}}},
    /* a server reads the manifest with appendonly no, too */
    {"manifest-malformed", 1, 0, NO, {{"dump.rdb", RDB, NULL, 0, 0}, {MANIFEST, BYTES("x\n"), 0}}},
    {"manifest-malformed",
     1,
     1,
     NO,
     {{"dump.rdb", RDB, NULL, 0, 0}, {BASE, RDB, NULL, 0, 9}, {MANIFEST, BYTES("x"), 0}}},
    {"manifest-without-newline",
     1,
     1,
     NO,
     {{"dump.rdb", RDB, NULL, 0, 0},
      {BASE, RDB, NULL, 0, 9},
      {MANIFEST, BYTES("file appendonly.aof.1.base.rdb seq 1 type b"), 0}}},
    /* commands */
    {"torn-tail", 0, 1, YES, {WITH_INCR(DB0 SET "*3\r\n$3\r\nse")}},
    {"torn-tail", 0, 1, YES, {WITH_INCR(DB0 SET MULTI SET)}},
    {"torn-transaction", 1, 1, YES, {WITH_INCR(DB0 SET MULTI SET "*3\r\n$3\r\nse")}},
    {"torn-transaction", 1, 1, AUTO, {WITH_INCR(DB0 SET MULTI SET "*3\r\n$3\r\nse")}},
    {"commands-behind-torn-transaction", 1, 1, YES, {WITH_INCR(DB0 SET MULTI SET DB0 SET)}},
    {"commands-behind-torn-transaction", 1, 0, YES, {WITH_INCR(DB0 SET MULTI SET DB1 SET)}},
    {"nul-run", 1, 1, YES, {WITH_INCR(DB0 SET "\0\0\0\0" SET)}},
    {"nul-run", 1, 1, YES, {WITH_INCR(DB0 SET "\0\0\0\0" SET MULTI SET DB0 SET "*")}},
    {"nul-run",
     1,
     1,
     YES,
     {{BASE, RDB_AND, SET "\0\0" SET, 56, 0}, {MANIFEST, BYTES(LINE_BASE), 0}}},
    {"nul-run", 1, 0, YES, {{OLD, BYTES(SET "\0\0" SET), 0}}},
    {"nul-tail", 1, 1, YES, {WITH_INCR(DB0 SET "\0\0\0\0")}},
    {"nul-tail", 1, 1, YES, {WITH_INCR(DB0 SET "*3\r\n$3\r\nse\0\0\0\0")}},
    {"bad-aof-bytes", 1, 0, YES, {WITH_INCR(DB0 SET "set a 1\r\n" SET)}},
    {"bad-aof-bytes", 1, 0, YES, {{INCR, BYTES("x"), 0}, {MANIFEST, BYTES(LINE_INCR), 0}}},
    {"truncated-middle-file",
     1,
     0,
     YES,
     {{BASE, RDB, NULL, 0, 0},
      {INCR, BYTES(DB0 "*3\r\n"), 0},
      {INCR2, BYTES(SET), 0},
      {MANIFEST, BYTES(LINES LINE_INCR2), 0}}},
    {"torn-tail",
     0,
     1,
     YES,
     {{BASE, RDB, NULL, 0, 0},
      {INCR, BYTES(DB0 "*3\r\n"), 0},
      {INCR2, BYTES(""), 0},
      {MANIFEST, BYTES(LINES LINE_INCR2), 0}}},
    /* RDBs */
    {"corrupt-base", 1, 0, YES, {{BASE, RDB_HALF, NULL, 0, 0}, {MANIFEST, BYTES(LINE_BASE), 0}}},
    {"corrupt-base", 1, 0, YES, {{BASE, RDB_FLIPPED, NULL, 0, 0}, {MANIFEST, BYTES(LINE_BASE), 0}}},
    {"corrupt-base", 1, 0, YES, {{OLD, RDB_HALF, NULL, 0, 0}}},
    {"corrupt-dump", 1, 0, NO, {{"dump.rdb", RDB_HALF, NULL, 0, 0}}},
    {"corrupt-dump", 1, 0, NO, {{"dump.rdb", RDB_FLIPPED, NULL, 0, 0}}},
    {"corrupt-dump", 1, 0, NO, {{"dump.rdb", BYTES(""), 0}}},
    /* what lies there besides */
    {"leftover-temp-file", 0, 1, YES, {WHOLE_SET, {"temp-12.rdb", RDB_HALF, NULL, 0, 9999}}},
    {"leftover-temp-file", 0, 0, YES, {WHOLE_SET, {"temp-12.rdb", RDB_HALF, NULL, 0, 0}}},
    {"leftover-temp-file", 0, 0, NO, {{"temp-rewriteaof-12.aof", BYTES(SET), 9999}}},
    {NULL, 0, 0, YES, {WHOLE_SET, {"temp-import.rdb", RDB, NULL, 0, 9999}}},
    {"leftover-temp-file", 0, 1, YES, {WHOLE_SET, {DIR "redkeep-new.x", BYTES("x"), 0}}},
    {"unknown-entry", 0, 0, YES, {WHOLE_SET, {"nodes.conf", BYTES("x"), 0}}},
    {"unfinished-restore", 0, 1, YES, {WHOLE_SET, {".redkeep-restore.partial/x", BYTES("x"), 0}}},
};

const size_t trap_count = sizeof(traps) / sizeof(traps[0]);

static void read_rdb(const char *name, struct buf *out)
{
    auto_free char *file = xasprintf("tests/data/rdb/%s", name);
    struct err err;

    buf_init(out, 1 << 20);
    int rc = fs_read_file(AT_FDCWD, file, out, &err);
    assert(rc == 0);
}

void trap_put(int dir_fd, const struct trap_piece *piece)
{
    auto_buf struct buf bytes = {0};
    struct err err;

    buf_init(&bytes, 1 << 20);
    if (piece->what != TEXT)
        read_rdb(piece->what == RDB_EMPTY ? "redis-7.0-empty.rdb" : "redis-7.0-small.rdb", &bytes);
    if (piece->what == RDB_HALF)
        bytes.len /= 2;
    if (piece->what == RDB_FLIPPED)
        bytes.data[bytes.len - 20] ^= 1;
    if (piece->text != NULL) {
        int rc = buf_append(&bytes, piece->text, piece->len, &err);
        assert(rc == 0);
    }
    tree_write(dir_fd, piece->path, buf_text(&bytes), bytes.len);
    const struct timespec times[] = {{.tv_sec = TRAP_NOW_S - piece->age_s},
                                     {.tv_sec = TRAP_NOW_S - piece->age_s}};
    int timed = utimensat(dir_fd, piece->path, times, 0);
    assert(timed == 0);
}

void trap_build(int dir_fd, const struct trap *trap)
{
    for (size_t i = 0; i < 6 && trap->pieces[i].path != NULL; i++)
        trap_put(dir_fd, &trap->pieces[i]);
}
