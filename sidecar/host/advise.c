/*
 * The advice as a whole: the parts in their order (advise_plan.h), and what all of them use. First
 * the numbers that were seen, then the mode and the intervals, then what has to be reserved, then
 * the lines of both files, and at last what is risky in all that.
 */
#include "host/advise.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "host/advise_plan.h"

/* A save writes so much of used_memory a second, on the slower of the machines measured. */
#define SAVE_BYTES_PER_S ((int64_t)50 * 1000 * 1000)
/* What is larger is no size and no time: sums of a few stay far from the end of an int64_t. */
#define NUMBER_MAX ((int64_t)1 << 50)

const char *const advise_durability_words[] = {"best_effort", "fsync_every_second", "fsync_always",
                                               NULL};
const char *const advise_use_words[] = {"cache", "sessions", "queue", "record", NULL};
const char *const advise_storage_words[] = {"nvme", "ssd", "hdd", "network", NULL};

const char *advise_mode_name(enum advise_mode mode)
{
    static const char *const names[] = {"none", "rdb", "aof", "hybrid"};

    return names[mode];
}

const char *advise_load_name(enum advise_load load)
{
    static const char *const names[] = {NULL, "now", "last-load", "drill"};

    return names[load];
}

void advise_say(struct advise_texts *texts, const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = xmalloc((size_t)len + 1);
    va_start(args, format);
    (void)vsnprintf(text, (size_t)len + 1, format, args); /* it has been measured */
    va_end(args);
    texts->texts = xreallocarray(texts->texts, texts->count + 1, sizeof(*texts->texts));
    texts->texts[texts->count++] = text;
}

static int64_t number_of(const struct pairs *pairs, const char *name)
{
    int64_t value = -1;

    return pairs_i64(pairs, name, &value) && value >= 0 && value <= NUMBER_MAX ? value : -1;
}

int64_t advise_info(const struct advise_plan *plan, const char *name)
{
    return number_of(plan->server->info, name);
}

int64_t advise_config(const struct advise_plan *plan, const char *name)
{
    return number_of(plan->server->config, name);
}

bool advise_config_is(const struct advise_plan *plan, const char *name, const char *value)
{
    return pairs_is(plan->server->config, name, value);
}

int64_t advise_percent(int64_t bytes, int64_t percent)
{
    return bytes < 0 ? -1 : bytes / 100 * percent + bytes % 100 * percent / 100;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void advise_look(struct advise_plan *plan)
{
    int64_t last_save_s = advise_info(plan, "rdb_last_bgsave_time_sec");

    plan->used_bytes = advise_info(plan, "used_memory");
    /* 0 is what a server says that has not forked yet */
    plan->cow_bytes =
        larger(advise_info(plan, "rdb_last_cow_size"), advise_info(plan, "aof_last_cow_size"));
    if (plan->cow_bytes <= 0)
        plan->cow_bytes = -1;
    plan->save_s = last_save_s;
    if (last_save_s < 0 && plan->used_bytes >= 0)
        plan->save_s = plan->used_bytes / SAVE_BYTES_PER_S;
}

void advise(const struct advise_wish *wish, const struct advise_server *server, struct advice *out)
{
    struct advise_plan plan = {.wish = wish, .server = server, .advice = out};

    *out = (struct advice){.recovery_volume_s = server->drill_s};
    advise_look(&plan);
    advise_choose(&plan);
    advise_reserve(&plan);
    advise_compose(&plan);
    advise_warn_of_server(&plan);
    advise_warn(&plan);
}

static void release_texts(struct advise_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->texts[i]);
    free(texts->texts);
    *texts = (struct advise_texts){0};
}

static void release_lines(struct advise_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->lines[i].value);
    free(lines->lines);
    *lines = (struct advise_lines){0};
}

void advice_release(struct advice *advice)
{
    release_texts(&advice->reasons);
    release_texts(&advice->warnings);
    release_lines(&advice->redis);
    release_lines(&advice->redkeep);
}
