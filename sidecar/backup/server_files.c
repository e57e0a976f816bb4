/* One row per name: where it is kept, what the setting is called on the server, what it is by
 * default. */
#include "backup/server_files.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "stream/untar.h"

void server_files_release(struct server_files *files)
{
    free(files->dir);
    free(files->dbfilename);
    free(files->appendfilename);
    free(files->appenddirname);
    free(files->aclfile);
    free(files->acl_elsewhere);
    free(files->cluster_config);
    free(files->appendonly);
    *files = (struct server_files){0};
}

/* The server's answer, NULL when it has none. */
static int ask(struct redis *redis, const char *name, char **out, struct err *err)
{
    enum redis_config_answer answer = REDIS_CONFIG_UNKNOWN;

    *out = NULL;
    return redis != NULL ? redis_config_get(redis, name, &answer, out, err) : 0;
}

static int find(struct redis *redis, const char *set, const char *name, const char *fallback,
                char **out, struct err *err)
{
    if (set != NULL)
        *out = xstrdup(set);
    else if (ask(redis, name, out, err) != 0)
        return -1;
    if (*out == NULL)
        *out = xstrdup(fallback);
    if (!untar_name_is_safe(*out) || strchr(*out, '/') != NULL)
        return err_set(err, ERR_CONFIG, "%s '%.200s' is not a plain file name", name, *out);
    return 0;
}

/* The server names its ACL file by a path; ours is the same file only when it lies in `dir`. */
static int find_acl(struct redis *redis, const char *set, struct server_files *files,
                    struct err *err)
{
    auto_free char *path = NULL;

    if (set != NULL) {
        files->aclfile = xstrdup(set);
        return 0;
    }
    if (ask(redis, "aclfile", &path, err) != 0)
        return -1;
    if (path == NULL) {
        files->aclfile = xstrdup("users.acl");
        return 0;
    }
    const char *name = path;
    size_t dir_len = files->dir != NULL ? strlen(files->dir) : 0;
    bool has_dir = dir_len > 0;
    while (dir_len > 0 && files->dir[dir_len - 1] == '/')
        dir_len--;
    if (has_dir && strncmp(path, files->dir, dir_len) == 0 && path[dir_len] == '/')
        name = path + dir_len + 1;
    if (strncmp(name, "./", 2) == 0)
        name += 2;
    if (strchr(name, '/') != NULL)
        files->acl_elsewhere = TAKE_PTR(path);
    else if (*name != '\0')
        files->aclfile = xstrdup(name);
    return 0;
}

int server_files_find(struct redis *redis, const struct server_names *names,
                      struct server_files *out, struct err *err)
{
    auto_server_files struct server_files files = {0};

    if (ask(redis, "dir", &files.dir, err) != 0 ||
        ask(redis, "appendonly", &files.appendonly, err) != 0 ||
        find(redis, names->dbfilename, "dbfilename", "dump.rdb", &files.dbfilename, err) != 0 ||
        find(redis, names->appendfilename, "appendfilename", "appendonly.aof",
             &files.appendfilename, err) != 0 ||
        find(redis, names->appenddirname, "appenddirname", "appendonlydir", &files.appenddirname,
             err) != 0 ||
        find(redis, NULL, "cluster-config-file", "nodes.conf", &files.cluster_config, err) != 0 ||
        find_acl(redis, names->aclfile, &files, err) != 0)
        return -1;
    *out = files;
    files = (struct server_files){0};
    return 0;
}
