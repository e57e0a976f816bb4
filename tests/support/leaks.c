/* Counts the entries of /proc/self/task and /proc/self/fd. */
#include "support/leaks.h"

#include <assert.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

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

static void *do_nothing(void *context)
{
    return context;
}

struct leaks leaks_count(void)
{
    pthread_t thread;

    /* Sanitizers start a thread of their own beside the first of ours. */
    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0)
        (void)pthread_join(thread, NULL);
    return (struct leaks){
        .threads = count_entries("/proc/self/task"),
        .fds = count_entries("/proc/self/fd"),
    };
}

bool leaks_none(const struct leaks *before)
{
    const struct timespec moment = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    struct leaks now = leaks_count();

    for (int i = 0; i < LOOKS_MAX && now.threads != before->threads; i++) {
        (void)nanosleep(&moment, NULL); /* woken early is fine, it only looks again */
        now = leaks_count();
    }
    if (now.threads == before->threads && now.fds == before->fds)
        return true;
    (void)fprintf(stderr, "threads: %zu before, %zu now; descriptors: %zu before, %zu now\n",
                  before->threads, now.threads, before->fds, now.fds);
    return false;
}
