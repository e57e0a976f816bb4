/*
 * JSON values: building, printing, and typed getters that fail with the key that was wrong
 * (ERR_CORRUPT; callers wrap it with where). The only user of cJSON. Numbers are exact up to 2^53.
 * Of several members with one key the getters see the first.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct json; /* an object, array or scalar; a root owns everything below it */

/* Parses exactly len bytes holding one value (white space around it is fine), nesting at most 64.
 * ERR_CORRUPT, naming the offset, when it is not JSON or holds a NUL, escaped ones included. The
 * caller frees *out. */
int json_parse(const char *text, size_t len, struct json **out, struct err *err);
void json_free(struct json *root);

/* Roots. */
struct json *json_object(void);
struct json *json_array(void);

/* Setters on an object; the key is appended (give each key once). NULL text becomes null. */
void json_set_string(struct json *object, const char *key, const char *text);
void json_set_u64(struct json *object, const char *key, uint64_t value);
void json_set_i64(struct json *object, const char *key, int64_t value);
void json_set_double(struct json *object, const char *key, double value);
void json_set_bool(struct json *object, const char *key, bool value);
void json_set_null(struct json *object, const char *key);
/* RFC 3339 in UTC, whole seconds (jq reads no others); a negative time is unknown: null. */
void json_set_time(struct json *object, const char *key, int64_t time_ms);
/* Gives root value to object, which then owns it. */
void json_set(struct json *object, const char *key, struct json *value);
/* Gives root value to array. */
void json_push(struct json *array, struct json *value);
void json_push_string(struct json *array, const char *text);

/* Heap text that the caller frees, always UTF-8 (what is not becomes U+FFFD). pretty: one member a
 * line, indented by two blanks a level, no final newline; else no blanks at all. */
char *json_print(const struct json *value, bool pretty);

/* Getters; *out is borrowed from the tree. Missing, null or another type: ERR_CORRUPT. */
int json_get(const struct json *object, const char *key, const struct json **out,
             struct err *err); /* an object or array */
int json_get_string(const struct json *object, const char *key, const char **out, struct err *err);
int json_get_u64(const struct json *object, const char *key, uint64_t *out, struct err *err);
int json_get_i64(const struct json *object, const char *key, int64_t *out, struct err *err);
int json_get_bool(const struct json *object, const char *key, bool *out, struct err *err);
int json_get_time(const struct json *object, const char *key, int64_t *out_ms, struct err *err);
/* Seconds, a fraction is fine, as milliseconds; -1 when they are missing, negative or no number. */
int64_t json_get_duration_ms(const struct json *object, const char *key);
/* Is key there and not null? */
bool json_has(const struct json *object, const char *key);
/* Arrays and objects: the number of members. */
size_t json_size(const struct json *value);
/* The first member, and the member behind a member; NULL when there is none. */
const struct json *json_first(const struct json *value);
const struct json *json_next(const struct json *member);
/* The text of a string value, NULL for anything else. */
const char *json_text(const struct json *value);

DEFINE_CLEANUP(cleanup_json, struct json *, json_free);
#define auto_json auto_with(cleanup_json)

#endif
