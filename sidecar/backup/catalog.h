/*
 * What one instance has in a repository: the ids of its backups, their manifests, and the notes
 * beside them. A backup is there if and only if its manifest is (INVARIANT 1); data without a
 * manifest is not listed. Notes say what became of a backup later, by their names alone, so that a
 * listing tells (catalog_folders.h).
 */
#ifndef BACKUP_CATALOG_H
#define BACKUP_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/manifest.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/store.h"

#define CATALOG_ID_SIZE 24 /* "20261120T173000Z-4f3a9c" with its NUL */

struct catalog {
    char (*ids)[CATALOG_ID_SIZE]; /* oldest first */
    size_t count;
    char (*pins)[CATALOG_ID_SIZE]; /* of pinned.json, oldest first; of an orphan, too */
    size_t pin_count;
};

/* Lists the instance's backups: one request per thousand objects, no manifest is read. Foreign
 * objects are passed over. The caller releases *out; on failure there is nothing to release. */
int catalog_list(struct store *store, const char *instance, struct catalog *out, struct err *err);
void catalog_release(struct catalog *catalog);

/* The names of the instances that the repository has, for people: "a, b, c" (at most ten), heap;
 * NULL when there are none. */
int catalog_instances(struct store *store, char **out, struct err *err);

/* The same without instance, for whoever finds nothing of it; heap, NULL when there are none. Not
 * to know them is no failure. */
char *catalog_other_instances(struct store *store, const char *instance);

/* Reads one manifest. ERR_NOT_FOUND: no such backup. ERR_CORRUPT, ERR_TOO_NEW as manifest_parse;
 * also when it calls itself by another id or instance. */
int catalog_read(struct store *store, const char *instance, const char *id, struct manifest *out,
                 struct err *err);

/* The id of a backup that is asked for now: it sorts behind all others of the same second, for
 * which it may wait for the next one. */
struct catalog_new {
    char id[CATALOG_ID_SIZE];
    int64_t time_ms;              /* when it was asked for */
    char before[CATALOG_ID_SIZE]; /* the newest of those listed that sort before it; "" for none */
    char later[CATALOG_ID_SIZE];  /* the newest of all, if the clock went back behind it; "" */
};

int catalog_new_id(struct store *store, const char *instance, const struct clock *clock,
                   struct catalog_new *out, struct err *err);

/* Keeps a backup from retention: "pinned.json". text: why, as JSON. One that is pinned already
 * stays as it is. */
int catalog_pin(struct store *store, const char *instance, const char *id, const char *text,
                struct err *err);
int catalog_unpin(struct store *store, const char *instance, const char *id, struct err *err);

struct catalog_verified {
    const char *id;
    int64_t time_ms; /* when it was looked at */
    bool ok;
    const char *text; /* what was found, as JSON */
};

/* Notes that a backup was verified: "verified-20261120T173000Z-ok.json", or "-bad.json". */
int catalog_note_verified(struct store *store, const char *instance,
                          const struct catalog_verified *verified, struct err *err);

/* What an object in the folder of a backup is, by its name. Pure. */
enum catalog_object {
    CATALOG_FOREIGN, /* nothing of redkeep's */
    CATALOG_MANIFEST,
    CATALOG_DATA,
    CATALOG_PIN,
    CATALOG_VERIFIED_OK,
    CATALOG_VERIFIED_BAD,
};

/* *out_time_ms is set for what was verified: when. */
enum catalog_object catalog_classify(const char *name, int64_t *out_time_ms);
/* Of a key below "<instance>/backups/": the id of the folder, and what is behind it. False for what
 * is in no folder of that form. Pure. */
bool catalog_split_key(const char *key, char out_id[CATALOG_ID_SIZE], const char **out_name);
/* "<instance>/backups/<id>/<name>"; heap, the caller frees. */
char *catalog_key(const char *instance, const char *id, const char *name);

/* "20261120T173000Z-" and six hex digits of tail (its low 24 bits). */
void catalog_make_id(int64_t time_ms, uint32_t tail, char out[CATALOG_ID_SIZE]);
/* Does text have that form? Pure. */
bool catalog_is_id(const char *text);
/* The moment that an id begins with; -1 when it is none, such as the 31st of June. Pure. */
int64_t catalog_id_time(const char *id);
/* Can instance be one segment of a key? ERR_CONFIG says why not. Pure. */
int catalog_check_instance(const char *instance, struct err *err);

static inline void cleanup_catalog(struct catalog *catalog)
{
    catalog_release(catalog);
}
#define auto_catalog auto_with(cleanup_catalog)

#endif
