/*
 * Each worker takes the next piece in stream order, reads it, and compresses it into the slot with
 * the piece's number; the calling thread empties the slots in order into the sink. There is no
 * reader thread and no queue of blocks: a piece goes from page cache to frame within one thread.
 *
 * Failure: whoever fails first stores the error and raises `stopped`; everybody else leaves at the
 * next look, and the caller joins them before it returns.
 */
#include "stream/pack.h"

#include <pthread.h>
#include <string.h>

#include "base/cancel.h"
#include "base/cond.h"
#include "base/crc64.h"
#include "base/mem.h"

#define WORKERS_MAX 64
#define SPARE_SLOTS 1 /* finished frames that may wait while the sink is busy */
#define TICK_MS 200

struct slot {
    bool ready;
    uint8_t *frame;
    size_t stored;
    struct bundle_piece piece;
    uint64_t crc;
};

struct job {
    const struct bundle *bundle;
    const struct pack_options *options;
    pthread_mutex_t lock;
    pthread_cond_t slot_freed;
    pthread_cond_t slot_ready;
    struct bundle_cursor cursor;
    uint64_t taken;   /* pieces handed to workers */
    uint64_t emptied; /* pieces written to the sink */
    bool stopped;
    bool failed;
    struct err err; /* valid when failed */
    struct slot *slots;
    size_t slot_count;
};

uint64_t pack_bound(const struct bundle *bundle)
{
    uint64_t pieces = bundle_file_bytes(bundle) / BUNDLE_PIECE + bundle_count(bundle) + 1;
    uint64_t per_piece = frame_bound(BUNDLE_PIECE) - BUNDLE_PIECE;

    return bundle_tar_bytes(bundle) + pieces * per_piece;
}

/* Waits for a free slot and a piece to put into it; NULL when there is nothing left to do. */
static struct slot *take_piece(struct job *job)
{
    struct slot *slot = NULL;

    (void)pthread_mutex_lock(&job->lock);
    while (!job->stopped && !job->cursor.ended && job->taken - job->emptied == job->slot_count)
        (void)pthread_cond_wait(&job->slot_freed, &job->lock);
    if (!job->stopped) {
        struct slot *next = &job->slots[job->taken % job->slot_count];
        if (bundle_next(job->bundle, &job->cursor, &next->piece)) {
            job->taken++;
            slot = next;
        }
    }
    (void)pthread_mutex_unlock(&job->lock);
    return slot;
}

static void give_slot(struct job *job, struct slot *slot, const struct err *failure)
{
    (void)pthread_mutex_lock(&job->lock);
    slot->ready = failure == NULL;
    if (failure != NULL && !job->failed) {
        job->failed = true;
        job->err = *failure;
    }
    if (failure != NULL) {
        job->stopped = true;
        (void)pthread_cond_broadcast(&job->slot_freed);
    }
    (void)pthread_cond_signal(&job->slot_ready);
    (void)pthread_mutex_unlock(&job->lock);
}

static void *work(void *context)
{
    struct job *job = context;
    auto_with(cleanup_frame_writer) struct frame_writer *writer =
        frame_writer_new(job->options->level);
    auto_free uint8_t *block = xmalloc(bundle_piece_max(job->bundle));
    struct slot *slot;

    while ((slot = take_piece(job)) != NULL) {
        struct err err;
        int rc = bundle_read(job->bundle, &slot->piece, block, &slot->crc, &err);

        if (rc == 0)
            rc = frame_compress(writer, block, slot->piece.len, slot->frame, &slot->stored, &err);
        give_slot(job, slot, rc == 0 ? NULL : &err);
    }
    return NULL;
}

/* The slot with the next piece in order, *out NULL when all pieces were emptied. */
static int wait_ready(struct job *job, struct slot **out, struct err *err)
{
    struct slot *slot = &job->slots[job->emptied % job->slot_count];
    int rc = 0;

    (void)pthread_mutex_lock(&job->lock);
    for (;;) {
        bool all_taken = job->cursor.ended;
        if (slot->ready || job->failed || (all_taken && job->emptied == job->taken))
            break;
        cond_wait_ms(&job->slot_ready, &job->lock, TICK_MS);
        progress_tick(job->options->progress);
        if ((rc = cancel_check(err)) != 0)
            break;
    }
    *out = slot->ready ? slot : NULL;
    if (rc == 0 && !slot->ready && job->failed) {
        *err = job->err;
        rc = -1;
    }
    (void)pthread_mutex_unlock(&job->lock);
    return rc;
}

static int empty_slots(struct job *job, struct sink *out, uint64_t *crc, struct err *err)
{
    for (;;) {
        struct slot *slot;
        if (wait_ready(job, &slot, err) != 0)
            return -1;
        if (slot == NULL)
            return 0;

        if (sink_write(out, slot->frame, slot->stored, err) != 0)
            return -1;
        size_t member = slot->piece.member;
        if (member < bundle_count(job->bundle))
            crc[member] = crc64_combine(crc[member], slot->crc, slot->piece.file_len);
        progress_add(job->options->progress, slot->piece.len);
        progress_tick(job->options->progress);
        if (cancel_check(err) != 0)
            return -1;

        (void)pthread_mutex_lock(&job->lock);
        slot->ready = false;
        job->emptied++;
        (void)pthread_cond_signal(&job->slot_freed);
        (void)pthread_mutex_unlock(&job->lock);
    }
}

static void job_init(struct job *job, size_t workers)
{
    (void)pthread_mutex_init(&job->lock, NULL);
    (void)pthread_cond_init(&job->slot_freed, NULL);
    cond_init(&job->slot_ready);
    job->slot_count = workers + SPARE_SLOTS;
    job->slots = xcalloc(job->slot_count, sizeof(*job->slots));
    for (size_t i = 0; i < job->slot_count; i++)
        job->slots[i].frame = xmalloc(frame_bound(bundle_piece_max(job->bundle)));
}

static void job_release(struct job *job)
{
    for (size_t i = 0; i < job->slot_count; i++)
        free(job->slots[i].frame);
    free(job->slots);
    (void)pthread_cond_destroy(&job->slot_ready);
    (void)pthread_cond_destroy(&job->slot_freed);
    (void)pthread_mutex_destroy(&job->lock);
}

int pack_bundle(const struct bundle *bundle, const struct pack_options *options, struct sink *out,
                uint64_t *out_crc, struct err *err)
{
    struct job job = {.bundle = bundle, .options = options};
    size_t wanted = options->workers < WORKERS_MAX ? options->workers : WORKERS_MAX;
    pthread_t threads[WORKERS_MAX];
    size_t started = 0;
    int rc = 0;

    memset(out_crc, 0, bundle_count(bundle) * sizeof(*out_crc));
    job_init(&job, wanted);
    while (started < wanted && pthread_create(&threads[started], NULL, work, &job) == 0)
        started++;
    if (started == 0)
        rc = err_set(err, ERR_FAILED, "start a compressing thread: no more threads allowed");
    if (rc == 0)
        rc = empty_slots(&job, out, out_crc, err);

    (void)pthread_mutex_lock(&job.lock);
    job.stopped = true;
    (void)pthread_cond_broadcast(&job.slot_freed);
    (void)pthread_mutex_unlock(&job.lock);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    job_release(&job);
    return rc;
}
