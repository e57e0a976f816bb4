/*
 * A save by script: a Redis that answers as the script says (redis_peer.h), a data directory where
 * the script's steps make dumps appear, and a clock that does not wait.
 */
#ifndef SUPPORT_SAVE_SCRIPT_H
#define SUPPORT_SAVE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/redis_save.h"
#include "support/fake_clock.h"
#include "support/redis_peer.h"

#define ASKED 100000000 /* the server's clock at the request, in seconds */
#define SERVER "run_id:R\r\nserver_time_usec:100000000999999\r\nredis_version:7.0.15\r\n"
#define STATE(saves, busy, status, saved_at)                                         \
    SERVER "rdb_saves:" #saves "\r\nrdb_bgsave_in_progress:" #busy                   \
           "\r\nrdb_last_bgsave_status:" #status "\r\nrdb_last_save_time:" #saved_at \
           "\r\nrdb_last_cow_size:4096\r\n"
#define KEYS "db0:keys=2,expires=0,avg_ttl=0\r\n"
#define IDLE STATE(4, 0, ok, 90)
#define FORKED STATE(5, 1, ok, 90) KEYS
#define SAVING STATE(5, 1, ok, 90)
#define SAVED STATE(5, 0, ok, 100)
#define DROPPED STATE(5, 0, ok, 90)
#define DIED STATE(5, 0, err, 90)

#define HELLO                                          \
    {                                                  \
        .expect = "CLIENT SETNAME", .reply = "+OK\r\n" \
    }
#define INFO(text)                       \
    {                                    \
        .expect = "INFO", .bulk = (text) \
    }
#define INFO_AND(text, what)                            \
    {                                                   \
        .expect = "INFO", .bulk = (text), .act = (what) \
    }
#define BGSAVE(text)                        \
    {                                       \
        .expect = "BGSAVE", .reply = (text) \
    }
#define STARTED BGSAVE("+Background saving started\r\n")
/* How most saves begin: twice the server is found idle; it is asked, and says that it forks. */
#define IDLE_SERVER HELLO, INFO(IDLE), INFO(IDLE)
#define FORKS STARTED, INFO(FORKED)
/* All of one: once it was done, INFO says `text`. */
#define ONE_SAVE(text, what)                           \
    {                                                  \
        IDLE_SERVER, FORKS, INFO_AND(text, what), END, \
    }
#define HANGS_UP(command)                 \
    {                                     \
        .expect = (command), .hang_up = 1 \
    }
#define SILENT(command)                  \
    {                                    \
        .expect = (command), .reply = "" \
    }
#define SCRIPT_RUNS                                                      \
    {                                                                    \
        .expect = "INFO", .reply = "-BUSY Redis is busy running ...\r\n" \
    }
#define END            \
    {                  \
        .expect = NULL \
    }

struct save_script {
    char *dir;
    int dir_fd;
    struct fake_clock clock;
    int reply_timeout_ms; /* 0: the connection's own */
    int percents[16];
    size_t percent_count;
};

void save_script_init(struct save_script *script);
void save_script_release(struct save_script *script);

/* Puts a dump in place whose child began at ctime_s and that holds `keys` keys in db 0. */
void save_script_dump(struct save_script *script, uint32_t ctime_s, uint8_t keys);
/* The acts of steps; arg is the script. */
void save_appears(void *arg);
void save_of_the_same_second_appears(void *arg);
void older_save_appears(void *arg);
void empty_save_appears(void *arg);
void save_of_other_count_appears(void *arg);
void broken_save_appears(void *arg);
void empty_file_appears(void *arg);
void opaque_save_appears(void *arg);
void directory_appears(void *arg);

/* Runs the steps; returns the result of the save. */
int save_script_run(struct save_script *script, const struct redis_peer_step *steps,
                    int64_t timeout_ms, struct redis_saved *out, struct err *err);
/* The steps, beside an old dump, make a proven save of so many attempts. */
void save_script_saves(const struct redis_peer_step *steps, int attempts, bool exact);
/* The steps, beside an old dump, fail with words that hold `says`, and leak nothing. */
enum problem save_script_fails(const struct redis_peer_step *steps, enum err_kind kind,
                               const char *says);

#endif
