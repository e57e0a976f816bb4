/*
 * The words that stand for the enums of a manifest in its text; for manifest.c and
 * manifest_parse.c alone.
 */
#ifndef BACKUP_MANIFEST_WORDS_H
#define BACKUP_MANIFEST_WORDS_H

#include "backup/manifest.h"

#define MANIFEST_KIND_COUNT (MANIFEST_CLUSTER + 1)
#define MANIFEST_MAGIC_COUNT (RDB_MAGIC_OPAQUE + 1)

extern const char *const manifest_kind_words[MANIFEST_KIND_COUNT];
extern const char *const manifest_magic_words[MANIFEST_MAGIC_COUNT];

#endif
