/*
 * The versions of a key come newest first, a delete marker among them where it was deleted. Of
 * those that are not younger than the moment the youngest counts; when it is a marker, the key was
 * not there.
 *
 * Times: some servers tell them in milliseconds, S3 itself in whole seconds, cut. So what was
 * stored within the second that was asked for is there with S3. Of equal times the one that comes
 * first in the listing is the younger, which is the order that S3 promises (and what IsLatest says
 * of the first). An upload in parts has the time at which it began: data that was not whole yet may
 * be seen, but its manifest, stored later, is not.
 *
 * Some servers list all versions of a page before its markers, so a page is sorted by key, and
 * the versions of one key may go on on the next page.
 */
#include "store/s3_versions.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "store/s3_xml_versions.h"

struct version {
    char *key; /* the repository's prefix included */
    char *id;
    uint64_t size;
    int64_t modified_ms;
    bool is_marker;
    size_t place; /* in the listing */
};

/* What was there, key by key: return -1 with *err set to stop. */
typedef int found_fn(void *context, const struct version *version, struct err *err);

struct listing {
    struct s3 *s3;
    const char *prefix; /* of the keys that are wanted, the repository's included */
    bool is_one_key;    /* prefix is the only key that is wanted */
    const char *max_keys;
    found_fn *found;
    void *context;
    struct version *page;
    size_t count;
    size_t room;
    char *key;           /* whose versions are looked at; NULL at the beginning */
    struct version best; /* of them, so far; its key is NULL while there is none */
};

static void release_version(struct version *version)
{
    free(version->key);
    free(version->id);
    *version = (struct version){0};
}

static void clear_page(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        release_version(&listing->page[i]);
    listing->count = 0;
}

static void release_listing(struct listing *listing)
{
    clear_page(listing);
    free(listing->page);
    free(listing->key);
    release_version(&listing->best);
}

static int keep_version(void *context, const struct s3_xml_version *version, struct err *err)
{
    struct listing *listing = context;

    if (strncmp(version->key, listing->prefix, strlen(listing->prefix)) != 0)
        return err_set(err, ERR_STORE, "the answer lists a key that was not asked for");
    if (listing->count == listing->room) {
        listing->room = listing->room * 2 + 64;
        listing->page = xreallocarray(listing->page, listing->room, sizeof(*listing->page));
    }
    listing->page[listing->count] = (struct version){.key = xstrdup(version->key),
                                                     .id = xstrdup(version->id),
                                                     .size = version->size,
                                                     .modified_ms = version->modified_ms,
                                                     .is_marker = version->is_marker,
                                                     .place = listing->count};
    listing->count++;
    return 0;
}

static int by_key_and_place(const void *a, const void *b)
{
    const struct version *left = a;
    const struct version *right = b;
    int order = strcmp(left->key, right->key);

    return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

/* All versions of the key were seen. */
static int end_key(struct listing *listing, struct err *err)
{
    int rc = 0;

    if (listing->best.key != NULL && !listing->best.is_marker)
        rc = listing->found(listing->context, &listing->best, err);
    release_version(&listing->best);
    free(TAKE_PTR(listing->key));
    return rc;
}

static int look_at(struct listing *listing, struct version *version, struct err *err)
{
    int order = listing->key != NULL ? strcmp(version->key, listing->key) : 1;

    if (order < 0)
        return err_set(err, ERR_STORE, "the answer lists the versions in no order");
    if (order > 0) {
        if (end_key(listing, err) != 0)
            return -1;
        listing->key = xstrdup(version->key);
    }
    if (version->modified_ms > listing->s3->as_of_ms ||
        (listing->best.key != NULL && version->modified_ms <= listing->best.modified_ms))
        return 0;
    release_version(&listing->best);
    listing->best = *version;
    *version = (struct version){0};
    return 0;
}

static int look_at_page(struct listing *listing, struct err *err)
{
    if (listing->count > 0)
        qsort(listing->page, listing->count, sizeof(*listing->page), by_key_and_place);
    for (size_t i = 0; i < listing->count; i++)
        if (look_at(listing, &listing->page[i], err) != 0)
            return -1;
    return 0;
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* One page; *marker is what it begins behind, and then what the next does. */
static int fetch_page(struct listing *listing, struct s3_xml_marker *marker, struct err *err)
{
    struct s3 *s3 = listing->s3;
    struct s3_call_request request = {
        .doing = "list the versions in",
        .method = "GET",
        .query = {{"versions", NULL},
                  {"encoding-type", "url"},
                  {"max-keys", listing->max_keys},
                  {"prefix", listing->prefix}},
        .query_count = 4,
    };
    auto_s3_call struct s3_call *call = NULL;
    struct s3_xml_marker next = {0};

    if (marker->key != NULL)
        request.query[request.query_count++] = (struct s3_param){"key-marker", marker->key};
    if (marker->id != NULL)
        request.query[request.query_count++] = (struct s3_param){"version-id-marker", marker->id};
    if (s3_call_run(s3, &request, &call, err) != 0)
        return -1;
    clear_page(listing);
    if (s3_xml_parse_versions(&s3_call_get_answer(call)->body, keep_version, listing, &next, err) !=
        0)
        return err_wrap(err, "list the versions in s3://%.100s/%.250s", s3->target.bucket,
                        listing->prefix);
    bool is_circle =
        next.key != NULL && is_same(next.key, marker->key) && is_same(next.id, marker->id);
    s3_xml_marker_release(marker);
    *marker = next;
    if (is_circle)
        return err_set(err, ERR_STORE,
                       "list the versions in s3://%.100s/%.250s: the pages go in circles",
                       s3->target.bucket, listing->prefix);
    return 0;
}

/* Keys come in byte order, so the one that is its own prefix comes first. */
static bool is_enough(const struct listing *listing)
{
    return listing->is_one_key && listing->key != NULL &&
           strcmp(listing->key, listing->prefix) != 0;
}

static int run_listing(struct listing *listing, struct err *err)
{
    struct s3_xml_marker marker = {0};
    int rc;

    do {
        rc = fetch_page(listing, &marker, err);
        if (rc == 0)
            rc = look_at_page(listing, err);
    } while (rc == 0 && marker.key != NULL && !is_enough(listing));
    if (rc == 0)
        rc = end_key(listing, err);
    s3_xml_marker_release(&marker);
    release_listing(listing);
    return rc;
}

struct folding {
    const char *prefix; /* the repository's own is its first prefix_len bytes */
    size_t own_len;
    char delimiter;
    char *folded; /* the entry that was given last, when it was a prefix */
    store_list_fn *each;
    void *context;
};

/* The delimiter is not left to the server, which folds what was deleted too. */
static int fold(void *context, const struct version *version, struct err *err)
{
    struct folding *folding = context;
    size_t len = strlen(version->key);
    const char *behind = version->key + strlen(folding->prefix);
    const char *end = folding->delimiter != '\0' ? strchr(behind, folding->delimiter) : NULL;

    if (len == folding->own_len || version->key[len - 1] == '/')
        return 0; /* what consoles make to show a directory; no object of ours */
    if (end == NULL)
        return folding->each(folding->context,
                             &(struct store_entry){.key = version->key + folding->own_len,
                                                   .size = version->size,
                                                   .modified_ms = version->modified_ms},
                             err);

    char *key = xstrndup(version->key + folding->own_len,
                         (size_t)(end + 1 - version->key) - folding->own_len);
    bool is_known = is_same(key, folding->folded);
    free(folding->folded);
    folding->folded = key;
    return is_known ? 0 : folding->each(folding->context, &(struct store_entry){.key = key}, err);
}

int s3_versions_list(struct s3 *s3, const char *prefix, char delimiter, store_list_fn *each,
                     void *context, struct err *err)
{
    auto_free char *full = xasprintf("%s%s", s3->target.prefix, prefix);
    struct folding folding = {.prefix = full,
                              .own_len = strlen(s3->target.prefix),
                              .delimiter = delimiter,
                              .each = each,
                              .context = context};
    struct listing listing = {
        .s3 = s3, .prefix = full, .max_keys = "1000", .found = fold, .context = &folding};
    int rc = run_listing(&listing, err);

    free(folding.folded);
    return rc;
}

struct finding {
    const char *key;
    struct s3_version version; /* its id is NULL: not found */
};

static int find(void *context, const struct version *version, struct err *err)
{
    struct finding *finding = context;

    (void)err;
    if (strcmp(version->key, finding->key) != 0)
        return 0;
    free(finding->version.id); /* never twice; a listing that says so leaks nothing */
    finding->version = (struct s3_version){.id = xstrdup(version->id), .size = version->size};
    return 0;
}

int s3_versions_find(struct s3 *s3, const char *key, struct s3_version *out, struct err *err)
{
    auto_free char *full = xasprintf("%s%s", s3->target.prefix, key);
    struct finding finding = {.key = full};
    struct listing listing = {.s3 = s3,
                              .prefix = full,
                              .is_one_key = true,
                              .max_keys = "100",
                              .found = find,
                              .context = &finding};
    char time[32];

    if (store_check_key(key, err) != 0)
        return -1;
    if (run_listing(&listing, err) != 0) {
        free(finding.version.id);
        return -1;
    }
    if (finding.version.id == NULL) {
        format_rfc3339_ms(s3->as_of_ms, time, sizeof(time));
        return err_set(err, ERR_NOT_FOUND,
                       "read s3://%.100s/%.400s: at %s there was no such object", s3->target.bucket,
                       full, time);
    }
    *out = finding.version;
    return 0;
}

static int ignore(void *context, const struct version *version, struct err *err)
{
    (void)context;
    (void)version;
    (void)err;
    return 0;
}

int s3_versions_check(struct s3 *s3, struct err *err)
{
    const struct s3_call_request request = {
        .doing = "ask for the versioning of",
        .method = "GET",
        .query = {{"versioning", NULL}},
        .query_count = 1,
    };
    struct listing listing = {
        .s3 = s3, .prefix = s3->target.prefix, .max_keys = "1", .found = ignore};
    auto_s3_call struct s3_call *call = NULL;
    struct s3_xml_marker marker = {0};
    enum s3_xml_versioning versioning;

    if (s3_call_run(s3, &request, &call, err) != 0)
        return -1;
    if (s3_xml_parse_versioning(&s3_call_get_answer(call)->body, &versioning, err) != 0)
        return err_wrap(err, "ask for the versioning of s3://%.100s", s3->target.bucket);
    if (versioning == S3_XML_VERSIONING_NEVER)
        return err_set(err, ERR_CONFIG,
                       "the bucket %.100s keeps no versions, so what was deleted or overwritten "
                       "there is gone. HINT: only a bucket whose versioning was enabled before can "
                       "be read as it was; enable it now, for the next time",
                       s3->target.bucket);
    int rc = fetch_page(&listing, &marker, err);
    s3_xml_marker_release(&marker);
    release_listing(&listing);
    return rc;
}
