/*
 * Saved machines: see host_case.h.
 */
#include "support/host_case.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "host/check_read.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define FILE_MAX ((size_t)1024 * 1024)

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

static void copy_all(int from_fd, int to_fd);

static void copy_one(int from_fd, int to_fd, const char *name)
{
    char target[PATH_MAX] = "";
    struct stat st;
    struct err err;

    must(fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0, name);
    if (S_ISLNK(st.st_mode)) {
        must(readlinkat(from_fd, name, target, sizeof(target) - 1) > 0, name);
        must(symlinkat(target, to_fd, name) == 0, name);
    } else if (S_ISDIR(st.st_mode)) {
        must(mkdirat(to_fd, name, 0755) == 0, name);
        auto_close int from = openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        auto_close int to = openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        copy_all(from, to);
    } else {
        auto_buf struct buf text = {0};
        buf_init(&text, FILE_MAX);
        must(fs_read_file(from_fd, name, &text, &err) == 0, name);
        tree_write(to_fd, name, text.data, text.len);
    }
}

static void copy_all(int from_fd, int to_fd)
{
    auto_fs_list struct fs_list list = {0};
    struct err err;

    must(fs_list_dir(from_fd, ".", &list, &err) == 0, "list");
    for (size_t i = 0; i < list.count; i++)
        copy_one(from_fd, to_fd, list.names[i]);
}

static void read_config(struct host_case *c, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        size_t name_len = strcspn(text, " \n");
        auto_free char *name = xstrndup(text, name_len);
        size_t gap = text[name_len] == ' '; /* the last line may have lost it with its value */
        auto_free char *value = xstrndup(text + name_len + gap, len - name_len - gap);

        pairs_add(&c->config, name, value);
        text += len + (text[len] != '\0');
    }
}

void host_case_open(struct host_case *c, const char *name)
{
    *c = (struct host_case){.path = tmpdir_new()};
    c->facts = (struct check_facts){.now_ms = 1790000000000, .server_pid = -1};
    c->facts.root_fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(c->facts.root_fd >= 0, c->path);
    if (name == NULL) {
        c->facts.server_why = "connection refused";
        return;
    }
    auto_free char *saved = xasprintf("tests/data/host/%s", name);
    auto_close int saved_fd = open(saved, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(saved_fd >= 0, saved);
    copy_all(saved_fd, c->facts.root_fd);
    auto_free char *info = check_read_text(saved_fd, "info", FILE_MAX);
    auto_free char *config = check_read_text(saved_fd, "config", FILE_MAX);
    if (info != NULL) {
        pairs_add_info(&c->info, info, strlen(info));
        c->facts.info = &c->info;
    }
    if (config != NULL) {
        read_config(c, config);
        c->facts.config = &c->config;
    }
    c->facts.server_pid = check_find_server(c->facts.root_fd, c->facts.info);
}

void host_case_close(struct host_case *c)
{
    (void)close(c->facts.root_fd); /* only read */
    tmpdir_remove(c->path);
    pairs_release(&c->info);
    pairs_release(&c->config);
}

void host_case_write(struct host_case *c, const char *path, const char *text)
{
    if (text != NULL)
        tree_write(c->facts.root_fd, path, text, strlen(text));
    else
        must(unlinkat(c->facts.root_fd, path, 0) == 0, path);
}

void host_case_set(struct pairs *pairs, const char *name, const char *value)
{
    size_t kept = 0;

    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->names[i], name) == 0) {
            free(pairs->names[i]);
            free(pairs->values[i]);
            continue;
        }
        pairs->names[kept] = pairs->names[i];
        pairs->values[kept++] = pairs->values[i];
    }

    struct pairs all = {0};
    for (size_t i = 0; i < kept; i++)
        pairs_add(&all, pairs->names[i], pairs->values[i]);
    if (value != NULL)
        pairs_add(&all, name, value);
    pairs->count = kept;
    pairs_release(pairs);
    *pairs = all;
}

struct check_result host_case_look(const struct host_case *c, const struct check_row *rows,
                                   const char *id)
{
    for (const struct check_row *row = rows; row->id != NULL; row++) {
        if (strcmp(row->id, id) == 0) {
            struct check_result result = {
                .id = row->id, .scope = row->scope, .why = row->why, .status = CHECK_STATUS_COUNT};
            row->look(&c->facts, &result);
            return result;
        }
    }
    (void)fprintf(stderr, "no row %s\n", id);
    abort();
}

void host_case_forget(struct check_result *result)
{
    free(result->value);
    free(result->wanted);
    free(result->fix);
    free(result->before);
    free(result->act_value);
}
