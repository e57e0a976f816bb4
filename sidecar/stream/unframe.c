/*
 * Each worker, holding the input lock, takes the next whole frame out of the compressed stream (and
 * so the next number in order), then decompresses it outside the lock into the slot of that number.
 * The reader empties the slots in order. A frame that spans two chunks is joined in the worker's
 * own buffer; one that lies within a chunk is copied, because the chunk may be gone before it is
 * used.
 */
#include "stream/unframe.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "stream/frame.h"

#define WORKERS_MAX 64
#define JOIN_BYTES ((size_t)128 << 10) /* taken at a time while looking for a frame's end */
#define SPARE_SLOTS 2 /* decompressed blocks that may wait while the reader is busy */

struct block {
    bool ready;
    struct buf bytes;
};

struct unframe {
    struct source base;
    struct source *compressed;

    pthread_mutex_t input_lock; /* taken before lock, never after it */
    const uint8_t *chunk;       /* borrowed from compressed */
    size_t chunk_len;
    bool input_ended;
    uint64_t taken; /* frames handed to workers; written under both locks */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t emptied;
    bool lent; /* the block before `emptied` is in the reader's hands */
    bool all_taken;
    bool stopped;
    bool failed;
    struct err err;
    struct block *blocks;
    size_t block_count;
    pthread_t threads[WORKERS_MAX];
    size_t thread_count;
};

static struct unframe *self(struct source *source)
{
    return (struct unframe *)(void *)source;
}

static int next_chunk(struct unframe *un, struct err *err)
{
    if (source_next(un->compressed, &un->chunk, &un->chunk_len, err) != 0)
        return -1;
    if (un->chunk_len == 0)
        un->input_ended = true;
    return 0;
}

static int use_chunk(struct unframe *un, struct buf *frame, size_t len, struct err *err)
{
    if (buf_append(frame, un->chunk, len, err) != 0)
        return -1;
    un->chunk += len;
    un->chunk_len -= len;
    return 0;
}

/* Joins chunks behind what frame holds until it is one whole frame. */
static int join_frame(struct unframe *un, struct buf *frame, size_t *out_content, struct err *err)
{
    for (;;) {
        size_t stored = 0;
        size_t had = frame->len;
        size_t room = frame->max - had;
        size_t most = room < JOIN_BYTES ? room : JOIN_BYTES;
        size_t step = un->chunk_len < most ? un->chunk_len : most;

        if (un->chunk_len == 0) {
            if (next_chunk(un, err) != 0)
                return -1;
            if (un->input_ended)
                return err_set(err, ERR_CORRUPT, "it ends inside a zstd frame");
            continue;
        }
        if (buf_append(frame, un->chunk, step, err) != 0)
            return -1;
        enum frame_state state = frame_measure(frame->data, frame->len, &stored, out_content);
        if (state == FRAME_MALFORMED || (state == FRAME_PARTIAL && step == 0))
            return err_set(err, ERR_CORRUPT, "it holds bytes that are not a zstd frame of redkeep");
        size_t used = state == FRAME_WHOLE ? stored - had : step;
        un->chunk += used;
        un->chunk_len -= used;
        if (state == FRAME_WHOLE) {
            frame->len = stored;
            return 0;
        }
    }
}

/* Takes the next frame; frame->len is 0 at the end of the stream. */
static int take_frame(struct unframe *un, struct buf *frame, size_t *out_content, struct err *err)
{
    size_t stored = 0;

    buf_clear(frame);
    if (un->chunk_len == 0 && !un->input_ended && next_chunk(un, err) != 0)
        return -1;
    if (un->input_ended)
        return 0;
    switch (frame_measure(un->chunk, un->chunk_len, &stored, out_content)) {
    case FRAME_WHOLE:
        return use_chunk(un, frame, stored, err);
    case FRAME_PARTIAL:
        return join_frame(un, frame, out_content, err);
    case FRAME_MALFORMED:
        break;
    }
    return err_set(err, ERR_CORRUPT, "it holds bytes that are not a zstd frame of redkeep");
}

static void fail(struct unframe *un, const struct err *err)
{
    (void)pthread_mutex_lock(&un->lock);
    if (!un->failed) {
        un->failed = true;
        un->err = *err;
    }
    un->stopped = true;
    (void)pthread_cond_broadcast(&un->changed);
    (void)pthread_mutex_unlock(&un->lock);
}

static uint64_t blocks_in_use(const struct unframe *un)
{
    return un->taken - un->emptied + (un->lent ? 1 : 0);
}

/* Waits until block number `taken` is free; false when the work is over. */
static bool wait_free(struct unframe *un)
{
    (void)pthread_mutex_lock(&un->lock);
    while (!un->stopped && blocks_in_use(un) == un->block_count)
        (void)pthread_cond_wait(&un->changed, &un->lock);
    bool go_on = !un->stopped && !un->all_taken;
    (void)pthread_mutex_unlock(&un->lock);
    return go_on;
}

/* The block to decompress into, NULL at the end of the stream or after a failure. */
static struct block *take_work(struct unframe *un, struct buf *frame, size_t *out_content)
{
    struct block *block = NULL;
    struct err err;

    (void)pthread_mutex_lock(&un->input_lock);
    if (wait_free(un)) {
        if (take_frame(un, frame, out_content, &err) != 0) {
            fail(un, &err);
        } else {
            (void)pthread_mutex_lock(&un->lock);
            if (frame->len > 0)
                block = &un->blocks[un->taken++ % un->block_count];
            else
                un->all_taken = true;
            (void)pthread_cond_broadcast(&un->changed);
            (void)pthread_mutex_unlock(&un->lock);
        }
    }
    (void)pthread_mutex_unlock(&un->input_lock);
    return block;
}

static void *work(void *context)
{
    struct unframe *un = context;
    auto_with(cleanup_frame_reader) struct frame_reader *reader = frame_reader_new();
    auto_buf struct buf frame = {0};
    struct block *block;
    size_t content = 0;

    buf_init(&frame, frame_bound(FRAME_CONTENT_MAX));
    while ((block = take_work(un, &frame, &content)) != NULL) {
        struct err err;

        if (block->bytes.cap < content + 1) {
            block->bytes.data = xrealloc(block->bytes.data, content + 1);
            block->bytes.cap = content + 1;
        }
        if (frame_decompress(reader, frame.data, frame.len, block->bytes.data, content, &err) !=
            0) {
            fail(un, &err);
            break;
        }
        (void)pthread_mutex_lock(&un->lock);
        block->bytes.len = content;
        block->ready = true;
        (void)pthread_cond_broadcast(&un->changed);
        (void)pthread_mutex_unlock(&un->lock);
    }
    return NULL;
}

static int unframe_next(struct source *source, const uint8_t **out, size_t *out_len,
                        struct err *err)
{
    struct unframe *un = self(source);
    size_t len = 0;
    int rc = 0;

    (void)pthread_mutex_lock(&un->lock);
    un->lent = false;
    while (len == 0) { /* a frame that holds nothing, such as a skippable one, is passed over */
        struct block *block = &un->blocks[un->emptied % un->block_count];

        (void)pthread_cond_broadcast(&un->changed);
        while (!block->ready && !un->failed && !(un->all_taken && un->emptied == un->taken))
            (void)pthread_cond_wait(&un->changed, &un->lock);
        if (un->failed || !block->ready)
            break;
        block->ready = false;
        un->emptied++;
        len = block->bytes.len;
        *out = block->bytes.data;
    }
    un->lent = len > 0;
    if (un->failed) {
        *err = un->err;
        rc = -1;
    } else {
        *out_len = len;
    }
    (void)pthread_mutex_unlock(&un->lock);
    return rc;
}

static void unframe_free(struct source *source)
{
    struct unframe *un = self(source);

    (void)pthread_mutex_lock(&un->lock);
    un->stopped = true;
    (void)pthread_cond_broadcast(&un->changed);
    (void)pthread_mutex_unlock(&un->lock);
    for (size_t i = 0; i < un->thread_count; i++)
        (void)pthread_join(un->threads[i], NULL);
    for (size_t i = 0; i < un->block_count; i++)
        buf_release(&un->blocks[i].bytes);
    free(un->blocks);
    (void)pthread_cond_destroy(&un->changed);
    (void)pthread_mutex_destroy(&un->lock);
    (void)pthread_mutex_destroy(&un->input_lock);
    source_free(un->compressed);
    free(un);
}

static const struct source_ops unframe_ops = {.next = unframe_next, .free = unframe_free};

int unframe_new(struct source *compressed, unsigned workers, struct source **out, struct err *err)
{
    struct unframe *un = xcalloc(1, sizeof(*un));
    size_t wanted = workers < WORKERS_MAX ? workers : WORKERS_MAX;

    un->base.ops = &unframe_ops;
    un->compressed = compressed;
    (void)pthread_mutex_init(&un->input_lock, NULL);
    (void)pthread_mutex_init(&un->lock, NULL);
    (void)pthread_cond_init(&un->changed, NULL);
    un->block_count = wanted + SPARE_SLOTS;
    un->blocks = xcalloc(un->block_count, sizeof(*un->blocks));
    while (un->thread_count < wanted &&
           pthread_create(&un->threads[un->thread_count], NULL, work, un) == 0)
        un->thread_count++;
    if (un->thread_count == 0) {
        unframe_free(&un->base);
        return err_set(err, ERR_FAILED, "start a decompressing thread: no more threads allowed");
    }
    *out = &un->base;
    return 0;
}
