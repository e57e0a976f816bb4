/*
 * The walk that every document of S3 is read with: the one user of expat (s3_xml.c), and what its
 * visitors share. Internal to s3_xml*.c. Pure; its promises are those of s3_xml.h.
 */
#ifndef STORE_S3_XML_WALK_H
#define STORE_S3_XML_WALK_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/* Shown each element at its end: its path from the root ("ListBucketResult/Contents/Key") and its
 * text, NULL at its beginning. -1 with *err set stops the walk with that error. */
typedef int s3_xml_visit_fn(void *context, const char *path, const char *text, struct err *err);

int s3_xml_walk(const struct buf *text, s3_xml_visit_fn *visit, void *context, struct err *err);

bool s3_xml_is_at(const char *path, const char *wanted);
/* Below the root, whatever its name, is path the element `wanted`? */
bool s3_xml_is_below_root(const char *path, const char *wanted);
/* At the start of the root element: is it the one wanted? 0 also for every other element. */
int s3_xml_check_root(const char *path, const char *text, const char *wanted, struct err *err);

/* Does the document say that the keys in it are encoded? It may say so behind them. */
int s3_xml_find_encoding(const struct buf *text, bool *out_is_encoded, struct err *err);
/* Decodes such a key, in place. */
int s3_xml_decode_key(char *text, struct err *err);

#endif
