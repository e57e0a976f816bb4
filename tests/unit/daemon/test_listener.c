/*
 * The listener as settings come and go: what nobody changed stays, and what cannot be had takes
 * nothing away.
 */
#include "daemon/listener.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "daemon/status.h"
#include "support/http_visitor.h"
#include "support/leaks.h"

struct world {
    struct leaks before;
    struct status status;
    struct endpoints *endpoints;
    struct listener listener;
};

static void world_init(struct world *world)
{
    *world = (struct world){.before = leaks_count()};
    status_init(&world->status);
    world->endpoints = endpoints_new(&world->status, clock_system());
}

static void world_release(struct world *world)
{
    listener_release(&world->listener);
    endpoints_free(world->endpoints);
    status_release(&world->status);
    ck_assert(leaks_none(&world->before));
}

static void use(struct world *world, const char *listen, const char *token)
{
    auto_secret struct secret secret = {0};
    struct err err = {0};

    if (token != NULL)
        secret_set(&secret, token, strlen(token));
    ck_assert_msg(listener_use(&world->listener, listen, &secret, world->endpoints, &err) == 0,
                  "%s", err.msg);
}

static char *address(const struct world *world)
{
    ck_assert_ptr_nonnull(world->listener.http);
    return xstrdup(http_address(world->listener.http));
}

START_TEST(the_same_settings_keep_the_same_listener)
{
    struct world world;

    world_init(&world);
    use(&world, "127.0.0.1:0", "sesame");
    struct http *http = world.listener.http;
    use(&world, "127.0.0.1:0", "sesame");
    ck_assert_ptr_eq(world.listener.http, http);
    world_release(&world);
}
END_TEST

START_TEST(another_token_is_used_at_the_same_address)
{
    static const char *const tokens[] = {"sesame", "semase", "sesame street", NULL, "s"};
    struct world world;

    world_init(&world);
    use(&world, "127.0.0.1:0", "first");
    auto_free char *listen = address(&world);
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        use(&world, listen, tokens[i]);
        auto_free char *now = address(&world);
        ck_assert_str_eq(now, listen);
        ck_assert_uint_eq(world.listener.token.len, tokens[i] != NULL ? strlen(tokens[i]) : 0);
    }
    world_release(&world);
}
END_TEST

START_TEST(an_address_that_cannot_be_had_leaves_the_one_of_before)
{
    struct world other;
    struct world world;
    struct err err = {0};

    world_init(&other);
    use(&other, "127.0.0.1:0", NULL);
    auto_free char *taken = address(&other);
    world_init(&world);
    use(&world, "127.0.0.1:0", "sesame");
    auto_free char *any = address(&world);
    use(&world, any, "sesame"); /* a port of its own */
    ck_assert_int_eq(listener_use(&world.listener, taken, NULL, world.endpoints, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "the port is taken"));
    ck_assert_ptr_nonnull(strstr(err.msg, "stay as they were"));
    auto_free char *now = address(&world);
    ck_assert_str_eq(now, any);
    ck_assert_str_eq(world.listener.token.text, "sesame");
    auto_free char *answer = visitor_get_once(now, "/livez");
    ck_assert_uint_eq(visitor_status(answer), 200);
    world_release(&world);
    world_release(&other);
}
END_TEST

START_TEST(the_first_address_that_cannot_be_had_is_an_error)
{
    struct world other;
    struct world world;
    struct err err = {0};

    world_init(&other);
    use(&other, "127.0.0.1:0", NULL);
    auto_free char *taken = address(&other);
    world_init(&world);
    ck_assert_int_eq(listener_use(&world.listener, taken, NULL, world.endpoints, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_null(world.listener.http);
    world_release(&world);
    world_release(&other);
}
END_TEST

START_TEST(it_can_be_turned_off_and_on)
{
    struct world world;

    world_init(&world);
    use(&world, NULL, "sesame");
    ck_assert_ptr_null(world.listener.http);
    use(&world, "127.0.0.1:0", "sesame");
    ck_assert_ptr_nonnull(world.listener.http);
    use(&world, NULL, "sesame");
    ck_assert_ptr_null(world.listener.http);
    world_release(&world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listener");
    TCase *tcase = tcase_create("listener");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, the_same_settings_keep_the_same_listener);
    tcase_add_test(tcase, another_token_is_used_at_the_same_address);
    tcase_add_test(tcase, an_address_that_cannot_be_had_leaves_the_one_of_before);
    tcase_add_test(tcase, the_first_address_that_cannot_be_had_is_an_error);
    tcase_add_test(tcase, it_can_be_turned_off_and_on);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
