/*
 * Secrets: copies, release, and that their pages are left out of core files.
 */
#include "base/secret.h"

#include <check.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Does /proc/self/smaps say "dd" (do not dump) of the mapping that holds address? */
static bool is_left_out_of_dumps(const void *address)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    char line[1024];
    bool inside = false;
    bool left_out = false;

    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps)) {
        uintptr_t from;
        uintptr_t to;

        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
            inside = (uintptr_t)address >= from && (uintptr_t)address < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dd"))
            left_out = true;
    }
    (void)fclose(maps); /* only read from */
    return left_out;
}

START_TEST(a_secret_of_any_length_is_copied_and_not_dumped)
{
    static const size_t lengths[] = {0, 1, 31, 4094, 4095, 4096, 4097, 10000};
    size_t len = lengths[_i];
    char *text = malloc(len + 1);
    auto_secret struct secret secret = {0};

    ck_assert_ptr_nonnull(text);
    memset(text, 's', len + 1); /* not terminated */
    secret_set(&secret, text, len);
    memset(text, 'x', len + 1);
    ck_assert_uint_eq(secret.len, len);
    ck_assert_uint_eq(strlen(secret.text), len);
    ck_assert_uint_eq(strspn(secret.text, "s"), len);
    ck_assert(is_left_out_of_dumps(secret.text));
    free(text);
}
END_TEST

START_TEST(setting_again_replaces_even_from_its_own_text)
{
    auto_secret struct secret secret = {0};

    secret_set(&secret, "swordfish", 9);
    secret_set(&secret, secret.text + 5, 4);
    ck_assert_str_eq(secret.text, "fish");
    secret_copy(&secret, &secret);
    ck_assert_str_eq(secret.text, "fish");
}
END_TEST

START_TEST(copying_what_is_not_set_unsets)
{
    auto_secret struct secret from = {0};
    auto_secret struct secret to = {0};

    secret_set(&to, "old", 3);
    secret_copy(&to, &from);
    ck_assert_ptr_null(to.text);
    secret_set(&from, "new", 3);
    secret_copy(&to, &from);
    ck_assert_str_eq(to.text, "new");
    ck_assert_ptr_ne(to.text, from.text);
}
END_TEST

START_TEST(release_leaves_a_zeroed_struct_and_may_be_repeated)
{
    struct secret secret = {0};

    secret_set(&secret, "x", 1);
    secret_release(&secret);
    ck_assert_ptr_null(secret.text);
    ck_assert_uint_eq(secret.len, 0);
    secret_release(&secret);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secret");
    TCase *tcase = tcase_create("secrets");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tcase, a_secret_of_any_length_is_copied_and_not_dumped, 0, 8);
    tcase_add_test(tcase, setting_again_replaces_even_from_its_own_text);
    tcase_add_test(tcase, copying_what_is_not_set_unsets);
    tcase_add_test(tcase, release_leaves_a_zeroed_struct_and_may_be_repeated);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
