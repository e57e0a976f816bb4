/*
 * See store_conditions.h. The bytes of two writers are never the same, as the contract wants it.
 */
#include "support/store_conditions.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"

static int put_if(struct store *store, const char *key, const char *text, const char *tag,
                  char **out_tag, struct err *err)
{
    return store_put_small_if(
        store, &(struct store_put_if){.key = key, .data = text, .len = strlen(text), .tag = tag},
        out_tag, err);
}

static void must_put(struct store *store, const char *key, const char *text, const char *tag,
                     char **out_tag)
{
    struct err err = {0};

    ck_assert_msg(put_if(store, key, text, tag, out_tag, &err) == 0, "%s", err.msg);
    ck_assert_ptr_nonnull(*out_tag);
    ck_assert_str_ne(*out_tag, "");
}

static void must_be_busy(struct store *store, const char *key, const char *text, const char *tag)
{
    char *out_tag = NULL;
    struct err err = {0};

    ck_assert_int_eq(put_if(store, key, text, tag, &out_tag, &err), -1);
    ck_assert_msg(err.kind == ERR_BUSY, "kind %d: %s", (int)err.kind, err.msg);
    ck_assert_msg(strstr(err.msg, key) != NULL, "%s", err.msg);
    ck_assert_ptr_null(out_tag);
}

static char *must_read(struct store *store, const char *key, const char *wanted)
{
    auto_buf struct buf bytes;
    char *tag = NULL;
    struct err err = {0};

    buf_init(&bytes, 1000);
    ck_assert_msg(store_get_small_tagged(store, key, &bytes, &tag, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(buf_text(&bytes), wanted);
    ck_assert_str_ne(tag, "");
    return tag;
}

void store_conditions_hold(struct store *a, struct store *b)
{
    static const char key[] = "conditions/x";
    auto_free char *first = NULL;
    auto_free char *second = NULL;
    auto_free char *third = NULL;
    auto_free char *seen = NULL;
    auto_free char *empty = NULL;
    auto_buf struct buf bytes;
    char *none = NULL;
    struct err err = {0};

    buf_init(&bytes, 1000);
    ck_assert_int_eq(store_get_small_tagged(a, key, &bytes, &none, &err), -1);
    ck_assert_msg(err.kind == ERR_NOT_FOUND && none == NULL, "%s", err.msg);
    must_be_busy(a, key, "nothing to be changed", "\"0123456789abcdef0123456789abcdef\"");

    must_put(a, key, "one", NULL, &first);
    must_be_busy(b, key, "another one", NULL);
    seen = must_read(b, key, "one");
    ck_assert_str_eq(seen, first);
    must_put(b, key, "two", seen, &second);
    ck_assert_str_ne(first, second);
    must_be_busy(a, key, "two of mine", first);
    must_be_busy(a, key, "three", NULL);
    must_put(b, key, "three", second, &third);
    must_be_busy(a, key, "three of mine", second);
    free(must_read(a, key, "three"));

    ck_assert_int_eq(store_remove(a, key, &err), 0);
    must_be_busy(b, key, "it was removed", third);
    must_put(b, key, "", NULL, &empty);
    free(must_read(a, key, ""));

    ck_assert_int_eq(put_if(a, "conditions/../x", "x", NULL, &none, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
    buf_release(&bytes);
    buf_init(&bytes, 2);
    must_put(a, "conditions/y", "long", NULL, &none);
    free(TAKE_PTR(none));
    ck_assert_int_eq(store_get_small_tagged(a, "conditions/y", &bytes, &none, &err), -1);
    ck_assert_msg(err.kind == ERR_CORRUPT && none == NULL, "%s", err.msg);
}

/* Its tag, or NULL when there is none. */
static char *look(struct store *store, const char *key, uint64_t *out)
{
    auto_buf struct buf bytes;
    char *tag = NULL;
    struct err err = {0};

    buf_init(&bytes, 1000);
    *out = 0;
    if (store_get_small_tagged(store, key, &bytes, &tag, &err) != 0) {
        ck_assert_msg(err.kind == ERR_NOT_FOUND, "%s", err.msg);
        return NULL;
    }
    auto_free char *text = xstrndup(buf_text(&bytes), strcspn(buf_text(&bytes), " "));
    ck_assert_int_eq(parse_u64(text, out, &err), 0);
    return tag;
}

unsigned store_conditions_count(struct store *store, const char *key, unsigned times)
{
    unsigned beaten = 0;

    while (times > 0) {
        uint64_t number;
        uint64_t nonce;
        auto_free char *tag = look(store, key, &number);
        auto_free char *text = NULL;
        auto_free char *new_tag = NULL;
        struct err err = {0};

        fs_random(&nonce, sizeof(nonce));
        text = xasprintf("%llu %llx", (unsigned long long)number + 1, (unsigned long long)nonce);
        if (put_if(store, key, text, tag, &new_tag, &err) == 0) {
            times--;
            continue;
        }
        ck_assert_msg(err.kind == ERR_BUSY, "%s", err.msg);
        beaten++;
    }
    return beaten;
}

unsigned store_conditions_read(struct store *store, const char *key)
{
    uint64_t number;

    free(look(store, key, &number));
    return (unsigned)number;
}
