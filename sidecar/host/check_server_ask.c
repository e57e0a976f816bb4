/*
 * Asks INFO and CONFIG, see check_server.h: a field that is missing, or is no number, makes its row
 * unknown, whatever else the text holds.
 */
#include "host/check_server.h"

#include <string.h>

static const char *why_not(const struct check_facts *facts)
{
    return facts->server_why != NULL ? facts->server_why : "the server was not asked";
}

const char *check_info_text(const struct check_facts *facts, const char *name,
                            struct check_result *result)
{
    const char *text = pairs_get(facts->info, name);

    if (facts->info == NULL)
        check_unknown(result, "this needs the server: %s", why_not(facts));
    else if (text == NULL)
        check_unknown(result, "this needs %s, which the server's INFO does not show", name);
    return text;
}

static bool count_of(const struct pairs *pairs, const char *name, int64_t *out,
                     struct check_result *result)
{
    int64_t value = 0;

    if (!pairs_i64(pairs, name, &value) || value < 0) {
        check_unknown(result, "this needs %s, and \"%.*s\" is no count", name, CHECK_TEXT_MAX,
                      pairs_get(pairs, name));
        return false;
    }
    *out = value;
    return true;
}

bool check_info_count(const struct check_facts *facts, const char *name, int64_t *out,
                      struct check_result *result)
{
    return check_info_text(facts, name, result) != NULL && count_of(facts->info, name, out, result);
}

const char *check_config_text(const struct check_facts *facts, const char *name,
                              struct check_result *result)
{
    const char *text = pairs_get(facts->config, name);

    if (facts->config == NULL && facts->info == NULL)
        check_unknown(result, "this needs the server: %s", why_not(facts));
    else if (facts->config == NULL)
        check_unknown(result, CHECK_NEEDS_CONFIG);
    else if (text == NULL)
        check_unknown(result, "this needs %s, which the server's CONFIG GET does not show", name);
    return text;
}

bool check_config_count(const struct check_facts *facts, const char *name, int64_t *out,
                        struct check_result *result)
{
    return check_config_text(facts, name, result) != NULL &&
           count_of(facts->config, name, out, result);
}

void check_unseen_process(const struct check_facts *facts, struct check_result *result)
{
    if (facts->info == NULL && facts->server_why != NULL)
        check_unknown(result, "this needs the server: %s", facts->server_why);
    else
        check_unknown(result, CHECK_NEEDS_PID);
}

bool check_has_no_aof(const struct check_facts *facts, struct check_result *result)
{
    int is_on = check_aof_is_on(facts);

    if (is_on == 0)
        check_ok(result, "not used: appendonly no");
    else if (is_on < 0 && check_info_text(facts, "aof_enabled", result) != NULL)
        check_unknown(result, "this needs aof_enabled, which is neither 0 nor 1");
    return is_on != 1;
}

int64_t check_info_or(const struct check_facts *facts, const char *name, int64_t otherwise)
{
    int64_t value = otherwise;

    return pairs_i64(facts->info, name, &value) ? value : otherwise;
}

int check_aof_is_on(const struct check_facts *facts)
{
    if (pairs_is(facts->info, "aof_enabled", "1"))
        return 1;
    if (pairs_is(facts->info, "aof_enabled", "0"))
        return 0;
    if (pairs_is(facts->config, "appendonly", "yes"))
        return 1;
    return pairs_is(facts->config, "appendonly", "no") ? 0 : -1;
}

int check_has_saves(const struct check_facts *facts)
{
    const char *save = pairs_get(facts->config, "save");

    return save == NULL ? -1 : save[0] != '\0';
}

bool check_is_bare_cache(const struct check_facts *facts)
{
    const char *policy = pairs_get(facts->info, "maxmemory_policy");

    return check_aof_is_on(facts) == 0 && check_has_saves(facts) == 0 &&
           (facts->is_cache || (policy != NULL && strncmp(policy, "allkeys-", 8) == 0));
}

void check_set_by(struct check_result *result, const char *name, const char *value)
{
    check_fix_by(result, "%s %s", name, value);
    check_act_by(result, CHECK_ACT_CONFIG, name, value);
}

int64_t check_add(int64_t a, int64_t b)
{
    int64_t sum = 0;

    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

int64_t check_times(int64_t a, int64_t b)
{
    int64_t product = 0;

    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}
