/* Counts the entries of /proc/self/task and /proc/self/fd. */
#include "support/leaks.h"

#include <assert.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 10
#define LOOKS_MAX 1000

static size_t count_entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    assert(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir); /* it was only read */
    return count;
}

static void wait_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};

    (void)nanosleep(&moment, NULL); /* woken early is fine, it is only looked again */
}

static void *tell_id(void *context)
{
    pid_t *id = context;

    *id = gettid();
    return NULL;
}

/* Sanitizers start a thread of their own beside the first of ours. The kernel may show ours for a
 * moment after it was joined: in what is counted before, it would be missed for ever after. */
static void start_one(void)
{
    pthread_t thread;
    pid_t id = 0;
    char path[64];

    if (pthread_create(&thread, NULL, tell_id, &id) != 0)
        return;
    (void)pthread_join(thread, NULL);
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d", (int)id);
    for (int i = 0; i < LOOKS_MAX && access(path, F_OK) == 0; i++)
        wait_a_moment();
}

struct leaks leaks_count(void)
{
    start_one();
    return (struct leaks){
        .threads = count_entries("/proc/self/task"),
        .fds = count_entries("/proc/self/fd"),
    };
}

bool leaks_none(const struct leaks *before)
{
    struct leaks now = leaks_count();

    for (int i = 0; i < LOOKS_MAX && now.threads != before->threads; i++) {
        wait_a_moment();
        now = leaks_count();
    }
    if (now.threads == before->threads && now.fds == before->fds)
        return true;
    (void)fprintf(stderr, "threads: %zu before, %zu now; descriptors: %zu before, %zu now\n",
                  before->threads, now.threads, before->fds, now.fds);
    return false;
}
