/*
 * JSON values over cJSON: see json.h. A struct json is a cJSON node under another name. Parsing
 * checks first what cJSON is lenient about (depth, NULs); printing is our own walk, because cJSON
 * prints 10^15 as 1e+15, passes invalid UTF-8 on, and indents with tabs.
 */
#include "base/json.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/text.h"

#define MAX_DEPTH 64
#define MAX_EXACT 9007199254740992.0 /* 2^53 */

static const cJSON *node(const struct json *value)
{
    return (const cJSON *)(const void *)value;
}

static cJSON *mutable_node(struct json *value)
{
    return (cJSON *)(void *)value;
}

static struct json *value_of(cJSON *made)
{
    return xcheck(made); /* cJSON fails for lack of memory only */
}

static const struct json *borrowed(const cJSON *found)
{
    return (const struct json *)(const void *)found;
}

/* The offset of the first thing that cJSON would let pass though we do not, or len. */
static size_t find_refused(const char *text, size_t len)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == '\0')
            return i;
        if (in_string) {
            if (c == '\\' && len - i >= 6 && memcmp(text + i + 1, "u0000", 5) == 0)
                return i; /* it would end the C string */
            if (c == '\\')
                i++; /* what is escaped ends no string; a NUL there is found by cJSON */
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > MAX_DEPTH)
                return i;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return len;
}

static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!memchr(" \t\r\n", text[i], 4))
            return false;
    }
    return true;
}

int json_parse(const char *text, size_t len, struct json **out, struct err *err)
{
    size_t refused = find_refused(text, len);

    if (refused < len)
        return err_set(err, ERR_CORRUPT, "JSON: a NUL, or more than %d levels, at byte %zu",
                       MAX_DEPTH, refused);

    const char *end = text;
    cJSON *root = cJSON_ParseWithLengthOpts(text, len, &end, 0);

    if (!root)
        return err_set(err, ERR_CORRUPT, "JSON: not valid at byte %zu of %zu", (size_t)(end - text),
                       len);
    if (!is_blank(end, len - (size_t)(end - text))) {
        cJSON_Delete(root);
        return err_set(err, ERR_CORRUPT, "JSON: more behind the value at byte %zu",
                       (size_t)(end - text));
    }
    *out = value_of(root);
    return 0;
}

void json_free(struct json *root)
{
    cJSON_Delete(mutable_node(root));
}

struct json *json_object(void)
{
    return value_of(cJSON_CreateObject());
}

struct json *json_array(void)
{
    return value_of(cJSON_CreateArray());
}

void json_set(struct json *object, const char *key, struct json *value)
{
    assert(cJSON_IsObject(node(object)));
    if (!cJSON_AddItemToObject(mutable_node(object), key, mutable_node(value)))
        (void)value_of(NULL);
}

void json_set_string(struct json *object, const char *key, const char *text)
{
    json_set(object, key, value_of(text ? cJSON_CreateString(text) : cJSON_CreateNull()));
}

void json_set_u64(struct json *object, const char *key, uint64_t value)
{
    json_set_double(object, key, (double)value);
}

void json_set_i64(struct json *object, const char *key, int64_t value)
{
    json_set_double(object, key, (double)value);
}

void json_set_double(struct json *object, const char *key, double value)
{
    json_set(object, key, value_of(cJSON_CreateNumber(value)));
}

void json_set_bool(struct json *object, const char *key, bool value)
{
    json_set(object, key, value_of(cJSON_CreateBool(value)));
}

void json_set_null(struct json *object, const char *key)
{
    json_set(object, key, value_of(cJSON_CreateNull()));
}

void json_set_time(struct json *object, const char *key, int64_t time_ms)
{
    char text[32];

    if (time_ms < 0) {
        json_set_null(object, key);
        return;
    }
    format_rfc3339(time_ms, text, sizeof(text));
    json_set_string(object, key, text);
}

void json_push(struct json *array, struct json *value)
{
    assert(cJSON_IsArray(node(array)));
    if (!cJSON_AddItemToArray(mutable_node(array), mutable_node(value)))
        (void)value_of(NULL);
}

void json_push_string(struct json *array, const char *text)
{
    json_push(array, value_of(text ? cJSON_CreateString(text) : cJSON_CreateNull()));
}

/* What is being printed. Without a ceiling nothing can fail. */
struct printer {
    struct buf out;
    bool pretty;
};

static void put(struct printer *printer, const char *text)
{
    struct err unused;

    (void)buf_append(&printer->out, text, strlen(text), &unused); /* no ceiling */
}

static void put_string(struct printer *printer, const char *text)
{
    size_t len = strlen(text);
    char escaped[TEXT_ESCAPE_MAX + 1];

    put(printer, "\"");
    for (size_t i = 0; i < len;) {
        i += text_escape_json(text + i, len - i, escaped);
        put(printer, escaped);
    }
    put(printer, "\"");
}

/* As few digits as read back the same: 0.007, not 0.0070000000000000001. */
static void put_fraction(struct printer *printer, double value)
{
    char text[40];

    (void)snprintf(text, sizeof(text), "%.15g", value);
    cJSON *back = cJSON_Parse(text);
    if (back == NULL || islessgreater(back->valuedouble, value))
        (void)snprintf(text, sizeof(text), "%.17g", value);
    cJSON_Delete(back);
    put(printer, text);
}

static void put_number(struct printer *printer, double value)
{
    struct err unused;

    if (!isfinite(value)) /* JSON has no word for it; unknown is null */
        put(printer, "null");
    else if (fabs(value) <= MAX_EXACT && !islessgreater(value, nearbyint(value)))
        (void)buf_printf(&printer->out, &unused, "%" PRId64, (int64_t)value); /* no ceiling */
    else
        put_fraction(printer, value);
}

static void put_line(struct printer *printer, int depth)
{
    if (!printer->pretty)
        return;
    put(printer, "\n");
    while (depth-- > 0)
        put(printer, "  ");
}

static void put_value(struct printer *printer, const cJSON *value, int depth);

static void put_members(struct printer *printer, const cJSON *value, int depth)
{
    bool keyed = cJSON_IsObject(value);

    put(printer, keyed ? "{" : "[");
    for (const cJSON *member = value->child; member; member = member->next) {
        put_line(printer, depth + 1);
        if (keyed) {
            put_string(printer, member->string);
            put(printer, printer->pretty ? ": " : ":");
        }
        put_value(printer, member, depth + 1);
        if (member->next)
            put(printer, ",");
    }
    if (value->child)
        put_line(printer, depth);
    put(printer, keyed ? "}" : "]");
}

static void put_value(struct printer *printer, const cJSON *value, int depth)
{
    if (cJSON_IsObject(value) || cJSON_IsArray(value))
        put_members(printer, value, depth);
    else if (cJSON_IsString(value))
        put_string(printer, value->valuestring);
    else if (cJSON_IsNumber(value))
        put_number(printer, value->valuedouble);
    else if (cJSON_IsBool(value))
        put(printer, cJSON_IsTrue(value) ? "true" : "false");
    else
        put(printer, "null");
}

char *json_print(const struct json *value, bool pretty)
{
    struct printer printer = {.pretty = pretty};

    buf_init(&printer.out, SIZE_MAX - 1);
    put_value(&printer, node(value), 0);
    return buf_take(&printer.out);
}

/* The member of object; NULL when it is missing or null. */
static const cJSON *find(const struct json *object, const char *key)
{
    if (!object || !cJSON_IsObject(node(object)))
        return NULL;

    const cJSON *found = cJSON_GetObjectItemCaseSensitive(node(object), key);

    return found && !cJSON_IsNull(found) ? found : NULL;
}

static int wrong(struct err *err, const cJSON *found, const char *key, const char *wanted)
{
    if (!found)
        return err_set(err, ERR_CORRUPT, "JSON: \"%.64s\" is missing", key);
    return err_set(err, ERR_CORRUPT, "JSON: \"%.64s\" is not %s", key, wanted);
}

int json_get(const struct json *object, const char *key, const struct json **out, struct err *err)
{
    const cJSON *found = find(object, key);

    if (!found || (!cJSON_IsObject(found) && !cJSON_IsArray(found)))
        return wrong(err, found, key, "an object or array");
    *out = borrowed(found);
    return 0;
}

int json_get_string(const struct json *object, const char *key, const char **out, struct err *err)
{
    const cJSON *found = find(object, key);

    if (!found || !cJSON_IsString(found))
        return wrong(err, found, key, "a string");
    *out = found->valuestring;
    return 0;
}

int json_get_u64(const struct json *object, const char *key, uint64_t *out, struct err *err)
{
    int64_t value = 0;

    if (json_get_i64(object, key, &value, err))
        return -1;
    if (value < 0)
        return wrong(err, find(object, key), key, "a number from 0 to 2^53");
    *out = (uint64_t)value;
    return 0;
}

int json_get_i64(const struct json *object, const char *key, int64_t *out, struct err *err)
{
    const cJSON *found = find(object, key);

    if (!found || !cJSON_IsNumber(found))
        return wrong(err, found, key, "a number");

    double value = found->valuedouble;

    if (!(fabs(value) <= MAX_EXACT) || islessgreater(value, nearbyint(value)))
        return wrong(err, found, key, "a whole number of at most 2^53");
    *out = (int64_t)value;
    return 0;
}

int64_t json_get_duration_ms(const struct json *object, const char *key)
{
    const cJSON *found = find(object, key);

    if (!found || !cJSON_IsNumber(found) || !(found->valuedouble >= 0) ||
        !(found->valuedouble <= MAX_EXACT / 1000))
        return -1;
    return (int64_t)nearbyint(found->valuedouble * 1000);
}

int json_get_bool(const struct json *object, const char *key, bool *out, struct err *err)
{
    const cJSON *found = find(object, key);

    if (!cJSON_IsBool(found))
        return wrong(err, found, key, "true or false");
    *out = cJSON_IsTrue(found);
    return 0;
}

int json_get_time(const struct json *object, const char *key, int64_t *out_ms, struct err *err)
{
    const char *text = NULL;

    if (json_get_string(object, key, &text, err))
        return -1;
    if (parse_rfc3339(text, out_ms, err)) {
        err->kind = ERR_CORRUPT; /* it came out of a file, not from the user */
        return err_wrap(err, "JSON: \"%.64s\"", key);
    }
    return 0;
}

bool json_has(const struct json *object, const char *key)
{
    return find(object, key) != NULL;
}

size_t json_size(const struct json *value)
{
    size_t count = 0;

    for (const struct json *member = json_first(value); member; member = json_next(member))
        count++;
    return count;
}

const struct json *json_first(const struct json *value)
{
    return value ? borrowed(node(value)->child) : NULL;
}

const struct json *json_next(const struct json *member)
{
    return borrowed(node(member)->next);
}

const char *json_text(const struct json *value)
{
    return value && cJSON_IsString(node(value)) ? node(value)->valuestring : NULL;
}
