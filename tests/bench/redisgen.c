/*
 * The benchmark's data sets, as Redis commands on stdout for `redis-cli --pipe`. users: a JSON
 * profile, a session with a TTL, a hash, a counter and, for some, a sorted set, list, set, set of
 * integers and stream; about 3.9 keys and 1 kB of RDB a user. random: strings of 1 KiB that nothing
 * compresses. The same seed gives the same commands.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/parse.h"

/* 2100-01-01: absolute, so that the data never depends on when it was loaded. */
#define SESSION_EXPIRES_MS "4102444800000"

enum { ARGUMENT_MAX = 1024, RANDOM_BYTES = 1024, OUTPUT_BUFFER = 1 << 20 };

struct random {
    uint64_t state;
};

/* splitmix64 */
static uint64_t next(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static unsigned below(struct random *random, unsigned bound)
{
    return (unsigned)(next(random) % bound);
}

static const char *pick(struct random *random, const char *const *words, size_t count)
{
    return words[below(random, (unsigned)count)];
}
#define PICK(random, words) pick(random, words, sizeof(words) / sizeof((words)[0]))

static const char *const first_names[] = {"Ada",  "Boris", "Chen",  "Dina",   "Emeka", "Fatima",
                                          "Goro", "Hanna", "Ivo",   "Jasmin", "Kofi",  "Lena",
                                          "Mats", "Noor",  "Oskar", "Priya"};
static const char *const last_names[] = {
    "Abebe",  "Bauer",  "Costa",    "Dubois", "Eriksen", "Ferrari", "Garcia", "Haas",
    "Ivanov", "Jansen", "Kowalski", "Lopez",  "Meyer",   "Nagy",    "Okafor", "Petrov"};
static const char *const cities[] = {"Lisbon", "Berlin",  "Nairobi",  "Osaka",
                                     "Quito",  "Tallinn", "Winnipeg", "Zagreb"};
static const char *const words[] = {
    "account", "basket",  "catalog", "delivery", "engine",  "feature", "gateway", "history",
    "invoice", "journal", "keyword", "ledger",   "message", "network", "order",   "payment",
    "quality", "request", "service", "ticket",   "update",  "voucher", "window",  "zone"};
static const char *const agents[] = {"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/121.0",
                                     "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X)",
                                     "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0",
                                     "okhttp/4.12.0"};

static void begin(unsigned arguments)
{
    printf("*%u\r\n", arguments);
}

__attribute__((format(printf, 1, 2))) static void argument(const char *format, ...)
{
    char text[ARGUMENT_MAX];
    va_list list;

    va_start(list, format);
    int len = vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    printf("$%d\r\n%.*s\r\n", len, len, text);
}

/* Random letters of a 64-letter alphabet: an opaque token, which compresses by a quarter at most.
 */
static void token(struct random *random, char *out, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; i < len; i++)
        out[i] = letters[next(random) % 64];
    out[len] = '\0';
}

static void write_profile(struct random *random, uint64_t id)
{
    const char *first = PICK(random, first_names), *last = PICK(random, last_names);
    const char *city = PICK(random, cities);
    char bio[320] = "", avatar[108];
    unsigned count = 12 + below(random, 20);

    for (unsigned i = 0; i < count; i++) {
        size_t used = strlen(bio);

        (void)snprintf(bio + used, sizeof(bio) - used, "%s%s", i > 0 ? " " : "",
                       PICK(random, words));
    }
    token(random, avatar, sizeof(avatar) - 1);
    /* one statement each: the order in which arguments are evaluated is the compiler's choice */
    unsigned mailbox = below(random, 10000);
    unsigned phone = 1000000000U + below(random, 3000000000U);
    unsigned zip = below(random, 100000);
    unsigned score = below(random, 100000);
    begin(3);
    argument("SET");
    argument("user:%llu:profile", (unsigned long long)id);
    argument("{\"id\":%llu,\"name\":\"%s %s\",\"email\":\"%s.%s%u@example.com\",\"phone\":\"+%u\","
             "\"city\":\"%s\",\"zip\":\"%05u\",\"avatar\":\"%s\",\"score\":%u.%02u,\"bio\":\"%s\"}",
             (unsigned long long)id, first, last, first, last, mailbox, phone, city, zip, avatar,
             score / 100, score % 100, bio);
}

static void write_session(struct random *random, uint64_t id)
{
    char name[23], secret[129];

    token(random, name, sizeof(name) - 1);
    token(random, secret, sizeof(secret) - 1);
    unsigned ip = (unsigned)(next(random) >> 32);
    const char *agent = PICK(random, agents);
    begin(5);
    argument("SET");
    argument("session:%s", name);
    argument("%llu|%u.%u.%u.%u|%s|%s", (unsigned long long)id, ip >> 24, ip >> 16 & 255,
             ip >> 8 & 255, ip & 255, agent, secret);
    argument("PXAT");
    argument(SESSION_EXPIRES_MS);
}

static void write_stats(struct random *random, uint64_t id)
{
    static const char *const fields[] = {"logins", "last_login", "balance", "orders",
                                         "points", "rank",       "visits",  "version"};
    static const unsigned bounds[] = {5000, 1800000000, 10000000, 900, 250000, 100, 60000, 40};

    begin(2 + 2 * 8);
    argument("HSET");
    argument("user:%llu:stats", (unsigned long long)id);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        argument("%s", fields[i]);
        argument("%u", below(random, bounds[i]));
    }
}

static void write_counter(struct random *random, uint64_t id)
{
    begin(3);
    argument("SET");
    argument("counter:%llu", (unsigned long long)id);
    argument("%u", below(random, 1000000000));
}

static void write_sorted_set(struct random *random, uint64_t id)
{
    begin(2 + 2 * 30);
    argument("ZADD");
    argument("board:%llu", (unsigned long long)id);
    for (unsigned i = 0; i < 30; i++) {
        unsigned score = below(random, 1000000);

        argument("%u.%u", score / 10, score % 10);
        argument("player:%u", below(random, 10000000));
    }
}

static void write_list(struct random *random, uint64_t id)
{
    char event[17];

    begin(2 + 20);
    argument("RPUSH");
    argument("inbox:%llu", (unsigned long long)id);
    for (unsigned i = 0; i < 20; i++) {
        token(random, event, sizeof(event) - 1);
        const char *topic = PICK(random, words), *verb = PICK(random, words);

        argument("%s:%s:%s", topic, verb, event);
    }
}

static void write_set(struct random *random, uint64_t id)
{
    begin(2 + 12);
    argument("SADD");
    argument("tags:%llu", (unsigned long long)id);
    for (unsigned i = 0; i < 12; i++) {
        const char *word = PICK(random, words);

        argument("%s-%u", word, below(random, 100000));
    }
}

static void write_intset(struct random *random, uint64_t id)
{
    begin(2 + 30);
    argument("SADD");
    argument("friends:%llu", (unsigned long long)id);
    for (unsigned i = 0; i < 30; i++)
        argument("%u", below(random, 2000000));
}

static void write_stream(struct random *random, uint64_t id)
{
    for (unsigned i = 1; i <= 10; i++) {
        begin(3 + 2 * 3);
        argument("XADD");
        argument("events:%llu", (unsigned long long)id);
        argument("%u-%u", 1700000000U + i, below(random, 1000));
        argument("type");
        argument("%s", PICK(random, words));
        argument("value");
        argument("%u", below(random, 1000000));
        argument("from");
        argument("%s", PICK(random, cities));
    }
}

static void write_random(uint64_t seed, uint64_t id)
{
    struct random random = {.state = seed ^ (id * 0xd1342543de82ef95U)};
    uint64_t value[RANDOM_BYTES / sizeof(uint64_t)];

    for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++)
        value[i] = next(&random);
    begin(3);
    argument("SET");
    argument("random:%llu", (unsigned long long)id);
    printf("$%d\r\n", RANDOM_BYTES);
    (void)fwrite(value, sizeof(value), 1, stdout); /* main looks at ferror */
    printf("\r\n");
}

static void write_user(uint64_t seed, uint64_t id)
{
    static const struct {
        unsigned of_100; /* how many users in a hundred have one */
        void (*write)(struct random *random, uint64_t id);
    } kinds[] = {
        {100, write_profile}, {100, write_session},   {100, write_stats},
        {45, write_counter},  {15, write_sorted_set}, {12, write_list},
        {10, write_set},      {10, write_intset},     {2, write_stream},
    };
    struct random random = {.state = seed ^ (id * 0xd1342543de82ef95U)};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (below(&random, 100) < kinds[i].of_100)
            kinds[i].write(&random, id);
    }
}

int main(int argc, char **argv)
{
    static char buffer[OUTPUT_BUFFER];
    bool is_random = argc > 1 && strcmp(argv[1], "random") == 0;
    uint64_t count = 0, seed = 1;
    struct err err;

    if (argc < 3 || argc > 4 || (!is_random && strcmp(argv[1], "users") != 0) ||
        parse_u64(argv[2], &count, &err) != 0 ||
        (argc == 4 && parse_u64(argv[3], &seed, &err) != 0)) {
        (void)fputs("usage: redisgen users|random COUNT [SEED] | redis-cli --pipe\n", stderr);
        return 2;
    }
    (void)setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
    for (uint64_t id = 0; id < count && !ferror(stdout); id++) {
        if (is_random)
            write_random(seed, id);
        else
            write_user(seed, id);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("redisgen: stdout");
        return 1;
    }
    return 0;
}
