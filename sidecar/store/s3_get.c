/*
 * The get source: a range in chunks, several under way at a time, delivered in order from a ring.
 * The chunk that was delivered last keeps its buffer until the next one is asked for; then the
 * buffer is used again.
 *
 * A far store gives each connection only so much, and a chunk is a part, 5 MiB or more. So a chunk
 * is asked for in two ranges: half the memory for as many connections.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "store/s3_call.h"

enum {
    MAX_TRANSFERS = 12, /* as many as s3_multipart.c sends */
    FIRST_CHUNKS = 2,
    RANGES = 2,                    /* of a chunk */
    SPLIT_BYTES = 2 * 1024 * 1024, /* below, a chunk is one range */
    MAX_BUFFER_BYTES = 80 * 1024 * 1024,
    LOOK_AGAIN_MS = 20,
};

struct chunk {
    uint8_t *data; /* NULL while nothing was asked for into this place */
    size_t len;
    struct s3_call *calls[RANGES]; /* of those that it was asked for in */
};

struct get_source {
    struct source base;
    struct s3 *s3;
    char *key;
    char *version;   /* NULL: as it is now */
    uint64_t offset; /* of the next chunk to ask for */
    uint64_t left;   /* bytes not asked for yet */
    uint64_t chunk_bytes;
    unsigned ranges;                      /* of a chunk, unless it is short */
    struct chunk ring[MAX_TRANSFERS + 1]; /* one more than may be under way: the delivered one */
    unsigned first;                       /* the chunk to deliver next */
    unsigned count;                       /* asked for and not delivered */
    unsigned window;                      /* how many may be */
    unsigned window_max;
    bool may_grow;
    int64_t observed_ms;
    uint8_t *lent; /* the buffer of the chunk that the caller has; NULL */
    uint8_t *spare[MAX_TRANSFERS + 1];
    unsigned spare_count;
};

static struct get_source *self(struct source *source)
{
    return (struct get_source *)source;
}

static struct chunk *chunk_at(struct get_source *get, unsigned i)
{
    return &get->ring[(get->first + i) % (MAX_TRANSFERS + 1)];
}

/* One that was used before, so that no more exist than are in use at a time. */
static int take_buffer(struct get_source *get, uint8_t **out, struct err *err)
{
    if (get->spare_count > 0) {
        *out = get->spare[--get->spare_count];
        return 0;
    }
    return store_map_buffer(get->chunk_bytes, get->key, out, err);
}

static void ask_for_range(struct get_source *get, struct chunk *chunk, unsigned i, unsigned ranges)
{
    size_t from = chunk->len / ranges * i;
    size_t to = i + 1 == ranges ? chunk->len : chunk->len / ranges * (i + 1);

    chunk->calls[i] = s3_call_new(get->s3, &(struct s3_call_request){
                                               .doing = "read",
                                               .method = "GET",
                                               .key = get->key,
                                               .version = get->version,
                                               .range_from = get->offset + from,
                                               .into = chunk->data + from,
                                               .into_size = to - from,
                                           });
    (void)s3_call_step(chunk->calls[i]); /* looked at when its turn comes */
}

static int ask_for_chunk(struct get_source *get, struct err *err)
{
    struct chunk *chunk = chunk_at(get, get->count);

    if (take_buffer(get, &chunk->data, err) != 0)
        return -1;

    chunk->len = (size_t)(get->left < get->chunk_bytes ? get->left : get->chunk_bytes);
    unsigned ranges = chunk->len < SPLIT_BYTES ? 1 : get->ranges;
    for (unsigned i = 0; i < ranges; i++)
        ask_for_range(get, chunk, i, ranges);
    get->offset += chunk->len;
    get->left -= chunk->len;
    get->count++;
    return 0;
}

static int fetch_ahead(struct get_source *get, struct err *err)
{
    while (get->count < get->window && get->left > 0)
        if (ask_for_chunk(get, err) != 0)
            return -1;
    return 0;
}

/* Adds those of its transfers to calls that have not settled. */
static size_t step_chunk(const struct chunk *chunk, struct s3_call **calls, size_t count)
{
    for (unsigned i = 0; i < RANGES; i++)
        if (chunk->calls[i] != NULL && !s3_call_step(chunk->calls[i]))
            calls[count++] = chunk->calls[i];
    return count;
}

/* What it would take over one connection. */
static int64_t elapsed_ms(const struct chunk *chunk)
{
    int64_t sum_ms = 0;

    for (unsigned i = 0; i < RANGES; i++)
        sum_ms += chunk->calls[i] != NULL ? s3_call_get_elapsed_ms(chunk->calls[i]) : 0;
    return sum_ms;
}

static int wait_for_first(struct get_source *get, struct err *err)
{
    const struct chunk *head = chunk_at(get, 0);
    struct s3_call *calls[MAX_TRANSFERS];
    size_t count;

    while (step_chunk(head, calls, 0) > 0) {
        int64_t ms = elapsed_ms(head);

        if (get->may_grow &&
            s3_may_grow(get->s3, get->window * get->ranges, get->window_max * get->ranges,
                        ms > get->observed_ms ? ms : get->observed_ms)) {
            get->window++;
            if (fetch_ahead(get, err) != 0)
                return -1;
        }
        count = 0;
        for (unsigned i = 0; i < get->count; i++)
            count = step_chunk(chunk_at(get, i), calls, count);
        if (count > 0 && s3_call_wait_any(calls, count, LOOK_AGAIN_MS, err) != 0)
            return -1;
    }
    for (unsigned i = 0; i < RANGES; i++)
        if (head->calls[i] != NULL && s3_call_get_result(head->calls[i], err) != 0)
            return -1;
    return 0;
}

static void free_calls(struct chunk *chunk)
{
    for (unsigned i = 0; i < RANGES; i++)
        s3_call_free(TAKE_PTR(chunk->calls[i]));
}

static int get_next(struct source *source, const uint8_t **out, size_t *out_len, struct err *err)
{
    struct get_source *get = self(source);
    struct chunk *chunk;

    if (get->lent != NULL)
        get->spare[get->spare_count++] = TAKE_PTR(get->lent);
    if (fetch_ahead(get, err) != 0)
        return -1;
    if (get->count == 0) {
        *out_len = 0;
        return 0;
    }

    chunk = chunk_at(get, 0);
    if (wait_for_first(get, err) != 0)
        return -1;
    get->observed_ms = elapsed_ms(chunk);
    free_calls(chunk);
    get->first = (get->first + 1) % (MAX_TRANSFERS + 1);
    get->count--;
    get->lent = TAKE_PTR(chunk->data);
    *out = get->lent;
    *out_len = chunk->len;
    return 0;
}

static void unmap(const struct get_source *get, uint8_t *data)
{
    if (data != NULL)
        (void)munmap(data, (size_t)get->chunk_bytes);
}

static void get_free(struct source *source)
{
    struct get_source *get = self(source);

    for (unsigned i = 0; i < MAX_TRANSFERS + 1; i++) {
        free_calls(&get->ring[i]);
        unmap(get, get->ring[i].data);
    }
    for (unsigned i = 0; i < get->spare_count; i++)
        unmap(get, get->spare[i]);
    unmap(get, get->lent);
    free(get->key);
    free(get->version);
    free(get);
}

/* With less than two chunks of two ranges nothing would be under way while a chunk is used. */
static void size_window(struct get_source *get)
{
    uint64_t affordable = MAX_BUFFER_BYTES / get->chunk_bytes;
    unsigned wanted = get->s3->upload_parallel;
    unsigned transfers = wanted != 0 && wanted < MAX_TRANSFERS ? wanted : MAX_TRANSFERS;

    get->ranges = transfers >= 2 * RANGES && get->chunk_bytes >= SPLIT_BYTES ? RANGES : 1;
    get->may_grow = wanted == 0;
    get->window_max = transfers / get->ranges;
    if (get->window_max > affordable)
        get->window_max = affordable > 1 ? (unsigned)affordable : 1;
    get->window = wanted == 0 && get->window_max > FIRST_CHUNKS ? FIRST_CHUNKS : get->window_max;
}

int s3_get_new(struct s3 *s3, const struct store_get_request *request, const char *version,
               struct source **out, struct err *err)
{
    static const struct source_ops ops = {.next = get_next, .free = get_free};
    struct get_source *get;

    if (store_check_get(request, err) != 0)
        return -1;

    get = xcalloc(1, sizeof(*get));
    get->base.ops = &ops;
    get->s3 = s3;
    get->key = xstrdup(request->key);
    get->version = version != NULL ? xstrdup(version) : NULL;
    get->offset = request->offset;
    get->left = request->size;
    get->chunk_bytes = request->chunk_bytes < request->size ? request->chunk_bytes : request->size;
    size_window(get);
    *out = &get->base;
    return 0;
}
