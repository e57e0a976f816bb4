/*
 * Each question has a function that runs in the child and makes its answer bytes, and one that
 * waits for these.
 */
#include "commands/asking.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "backup/catalog_folders.h"
#include "base/json.h"
#include "base/mem.h"
#include "commands/objects.h"
#include "host/apart.h"
#include "host/path_answers.h"
#include "redis/redis_url.h"
#include "store/s3_deleting.h"

enum {
    BUCKET_MS = 6000,
    DISK_MS = 3000,
    ANSWER_MAX = ERR_MSG_MAX + 64,
    NOTES_MAX = 8, /* of verifications: a drill is among the newest, or long ago */
    NOTE_BYTES_MAX = 64 * 1024,
};

static void look_up(void *context, struct buf *answer)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    (void)answer; /* that it comes to an end is the answer */
    if (getaddrinfo(context, NULL, &wanted, &found) == 0)
        freeaddrinfo(found);
}

bool asking_name(const char *redis_url, const struct clock *clock, int timeout_ms)
{
    auto_redis_address struct redis_address address = {0};
    auto_buf struct buf answer = {0};
    struct err ignored; /* a URL that is none leads nowhere */

    if (redis_url_parse(redis_url, &address, &ignored) != 0 || address.kind != REDIS_ADDRESS_TCP)
        return true;
    buf_init(&answer, ANSWER_MAX);
    return apart_ask(look_up, address.host, clock, timeout_ms, &answer);
}

struct store_question {
    const struct command_context *command;
    int known_may_delete;
};

static void ask_store(void *context, struct buf *answer)
{
    const struct store_question *asked = context;
    const struct command_context *command = asked->command;
    auto_store struct store *store = NULL;
    struct s3_deleting deleting = {.keeps_versions = -1, .may_delete = -1};
    struct err err = {0};
    struct err ignored; /* it fits */
    auto_free char *below = xasprintf("%s/backups", command->settings->instance);
    const struct s3_deleting_question question = {.below = below,
                                                  .known_may_delete = asked->known_may_delete};

    if (command_open_store(command, NULL, &store, &err) == 0)
        (void)s3_deleting_ask(store, &question, &deleting, &err); /* err says the rest */
    (void)buf_append(answer, &deleting, sizeof(deleting), &ignored);
    (void)buf_append(answer, err.msg, strlen(err.msg), &ignored);
}

/* The message without its hint: it stands in the middle of a line. */
static char *words_of(const char *message)
{
    const char *hint = err_hint(message);
    size_t len = hint != NULL ? (size_t)(hint - message) : strlen(message);

    while (len > 0 && strchr(". ", message[len - 1]) != NULL)
        len--;
    return xstrndup(message, len);
}

void asking_bucket(const struct command_context *context, struct check_backup *out, char **out_why)
{
    struct store_question asked = {.command = context, .known_may_delete = out->may_delete};
    struct s3_deleting deleting;
    auto_buf struct buf answer = {0};

    *out_why = NULL;
    buf_init(&answer, ANSWER_MAX);
    if (!apart_ask(ask_store, &asked, context->clock, BUCKET_MS, &answer) ||
        answer.len < sizeof(deleting)) {
        out->may_delete = -1;
        *out_why = xasprintf("the bucket has not answered within %d seconds", BUCKET_MS / 1000);
        return;
    }
    memcpy(&deleting, answer.data, sizeof(deleting));
    out->is_versioned = deleting.keeps_versions;
    out->may_delete = deleting.may_delete;
    if (answer.len > sizeof(deleting))
        *out_why = words_of(buf_text(&answer) + sizeof(deleting));
    else if (deleting.keeps_versions == 0 && deleting.may_delete < 0)
        *out_why = xstrdup("the bucket's versioning is suspended: what is deleted now is gone; "
                           "whether these credentials may delete is not tried there, since that "
                           "would leave a delete marker");
}

struct note {
    char id[CATALOG_ID_SIZE];
    char *name;
    int64_t time_ms;
};

static void release_notes(struct note notes[NOTES_MAX])
{
    for (size_t i = 0; i < NOTES_MAX; i++)
        free(notes[i].name);
}

/* Into its place among the newest, newest first. */
static void keep_note(struct note notes[NOTES_MAX], const struct note *note)
{
    size_t at = NOTES_MAX;

    while (at > 0 && (notes[at - 1].name == NULL || notes[at - 1].time_ms < note->time_ms))
        at--;
    if (at == NOTES_MAX)
        return;
    free(notes[NOTES_MAX - 1].name);
    memmove(&notes[at + 1], &notes[at], (NOTES_MAX - 1 - at) * sizeof(*notes));
    notes[at] = *note;
    notes[at].name = xstrdup(note->name);
}

static void find_notes(const struct catalog_folders *folders, struct note notes[NOTES_MAX])
{
    for (size_t i = 0; i < folders->count; i++) {
        const struct catalog_folder *folder = &folders->folders[i];
        const char *name = NULL;

        while ((name = catalog_folders_next_name(folders, folder, name)) != NULL) {
            struct note note = {.name = (char *)(uintptr_t)name};

            if (!folder->has_manifest ||
                catalog_classify(name, &note.time_ms) != CATALOG_VERIFIED_OK)
                continue;
            memcpy(note.id, folder->id, sizeof(note.id));
            keep_note(notes, &note);
        }
    }
}

/* False when it is of no drill, or says no times. */
static bool read_note(struct store *store, const char *instance, const struct note *note,
                      struct asked_drill *out)
{
    auto_free char *key = catalog_key(instance, note->id, note->name);
    auto_buf struct buf text = {0};
    auto_json struct json *row = NULL;
    auto_manifest struct manifest manifest = {0};
    bool is_drill = false;
    struct err ignored; /* the next one, then */

    buf_init(&text, NOTE_BYTES_MAX);
    if (store_get_small(store, key, &text, &ignored) != 0 ||
        json_parse(buf_text(&text), text.len, &row, &ignored) != 0 ||
        json_get_bool(row, "drilled", &is_drill, &ignored) != 0 || !is_drill ||
        catalog_read(store, instance, note->id, &manifest, &ignored) != 0)
        return false;
    *out = (struct asked_drill){.time_ms = note->time_ms,
                                .recovery_ms = json_get_duration_ms(row, "seconds"),
                                .load_ms = json_get_duration_ms(row, "load_seconds"),
                                .bytes = manifest_file_bytes(&manifest)};
    return out->recovery_ms >= 0;
}

static void look_for_drill(void *context, struct buf *answer)
{
    const struct command_context *command = context;
    const char *instance = command->settings->instance;
    auto_store struct store *store = NULL;
    auto_catalog_folders struct catalog_folders folders = {0};
    struct note notes[NOTES_MAX] = {{.name = NULL}};
    struct asked_drill drill;
    struct err ignored; /* none is known, then */

    if (command_open_store(command, NULL, &store, &ignored) != 0 ||
        catalog_folders_list(store, instance, &folders, &ignored) != 0)
        return;
    find_notes(&folders, notes);
    for (size_t i = 0; i < NOTES_MAX && notes[i].name != NULL; i++) {
        if (!read_note(store, instance, &notes[i], &drill))
            continue;
        (void)buf_append(answer, &drill, sizeof(drill), &ignored); /* it fits */
        break;
    }
    release_notes(notes);
}

bool asking_drill(const struct command_context *context, struct asked_drill *out)
{
    const char *repository = context->settings->repository;
    struct command_context asked = *context;
    auto_buf struct buf answer = {0};

    if (repository == NULL || (strncmp(repository, "file://", 7) == 0 &&
                               !path_answers(repository + 7, false, context->clock, DISK_MS)))
        return false;
    buf_init(&answer, ANSWER_MAX);
    if (!apart_ask(look_for_drill, &asked, context->clock, BUCKET_MS, &answer) ||
        answer.len != sizeof(*out))
        return false;
    memcpy(out, answer.data, sizeof(*out));
    return true;
}
