/*
 * One walk serves all documents: it keeps the path of element names from the root, collects the
 * text of the innermost element, and shows every element to a visitor when it ends. Names are
 * compared without their namespace, which servers of other makers leave out or change.
 */
#include "store/s3_xml.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "store/s3_answer.h"
#include "store/s3_xml_walk.h"

enum {
    MAX_DEPTH = 12,
    MAX_PATH_BYTES = 256,
    MAX_TEXT_BYTES =
        16 * 1024, /* a key is 1024 bytes, three times that encoded; tokens are 4 KiB */
};

struct walk {
    XML_Parser parser;
    s3_xml_visit_fn *visit;
    void *context;
    struct err *err;
    const char *broken; /* why the document is refused; NULL while it is fine */
    bool stopped;       /* by the visitor, which has set *err */
    size_t depth;
    size_t path_len[MAX_DEPTH + 1];
    char path[MAX_PATH_BYTES];
    struct buf text;
};

static void refuse(struct walk *walk, const char *why)
{
    if (walk->broken == NULL)
        walk->broken = why;
    (void)XML_StopParser(walk->parser, XML_FALSE);
}

static void show(struct walk *walk, const char *text)
{
    if (walk->broken != NULL || walk->stopped ||
        walk->visit(walk->context, walk->path, text, walk->err) == 0)
        return;
    walk->stopped = true;
    (void)XML_StopParser(walk->parser, XML_FALSE);
}

static void XMLCALL on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct walk *walk = context;
    const char *colon = strrchr(name, ':');
    const char *local = colon != NULL ? colon + 1 : name;
    size_t at = walk->path_len[walk->depth];
    size_t slash = walk->depth > 0 ? 1 : 0;
    size_t len = strlen(local);

    (void)attributes;
    if (walk->depth == MAX_DEPTH || at + slash + len + 1 > sizeof(walk->path)) {
        refuse(walk, "it is nested too deep");
        return;
    }
    if (slash == 1)
        walk->path[at] = '/';
    memcpy(walk->path + at + slash, local, len + 1);
    walk->path_len[++walk->depth] = at + slash + len;
    buf_clear(&walk->text);
    show(walk, NULL);
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
    struct walk *walk = context;

    (void)name;
    show(walk, buf_text(&walk->text));
    walk->path[walk->path_len[--walk->depth]] = '\0';
    buf_clear(&walk->text);
}

static void XMLCALL on_text(void *context, const XML_Char *text, int len)
{
    struct walk *walk = context;
    struct err ignored;

    if (buf_append(&walk->text, text, (size_t)len, &ignored) != 0)
        refuse(walk, "a value is too long");
}

static void XMLCALL on_doctype(void *context, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_subset;
    refuse(context, "it declares a document type");
}

static int run_walk(struct walk *walk, const struct buf *text)
{
    enum XML_Status status;

    XML_SetUserData(walk->parser, walk);
    XML_SetElementHandler(walk->parser, on_start, on_end);
    XML_SetCharacterDataHandler(walk->parser, on_text);
    XML_SetStartDoctypeDeclHandler(walk->parser, on_doctype);
    status = text->len > INT32_MAX
                 ? XML_STATUS_ERROR
                 : XML_Parse(walk->parser, buf_text(text), (int)text->len, XML_TRUE);
    if (walk->stopped)
        return -1;
    if (status == XML_STATUS_OK)
        return 0;
    return err_set(walk->err, ERR_STORE, "the answer is not the XML document it should be: %s",
                   walk->broken != NULL ? walk->broken
                                        : XML_ErrorString(XML_GetErrorCode(walk->parser)));
}

int s3_xml_walk(const struct buf *text, s3_xml_visit_fn *visit, void *context, struct err *err)
{
    struct walk *walk = xcalloc(1, sizeof(*walk));
    int rc;

    walk->parser = XML_ParserCreate(NULL);
    if (walk->parser == NULL)
        abort(); /* out of memory, as in xmalloc */
    walk->visit = visit;
    walk->context = context;
    walk->err = err;
    buf_init(&walk->text, MAX_TEXT_BYTES);
    rc = run_walk(walk, text);
    XML_ParserFree(walk->parser);
    if (walk->text.data != NULL)
        explicit_bzero(walk->text.data, walk->text.cap); /* it may have held a secret key */
    buf_release(&walk->text);
    free(walk);
    return rc;
}

bool s3_xml_is_at(const char *path, const char *wanted)
{
    return strcmp(path, wanted) == 0;
}

bool s3_xml_is_below_root(const char *path, const char *wanted)
{
    const char *slash = strchr(path, '/');

    return slash != NULL && s3_xml_is_at(slash + 1, wanted);
}

static int refuse_root(const char *path, const char *wanted, struct err *err)
{
    char name[64];

    s3_answer_copy_text(name, sizeof(name), path, strlen(path));
    return err_set(err, ERR_STORE, "the answer is <%s> where <%s> belongs", name, wanted);
}

int s3_xml_check_root(const char *path, const char *text, const char *wanted, struct err *err)
{
    if (text != NULL || strchr(path, '/') != NULL || s3_xml_is_at(path, wanted))
        return 0;
    return refuse_root(path, wanted, err);
}

/* Error documents. STS and IAM wrap theirs: <ErrorResponse><Error><Code>. */
struct error_reader {
    struct s3_error *out;
    bool is_error;
};

static void keep_text(char *out, size_t out_size, const char *text)
{
    s3_answer_copy_text(out, out_size, text, strlen(text));
}

static int visit_error(void *context, const char *path, const char *text, struct err *err)
{
    struct error_reader *reader = context;
    struct s3_error *out = reader->out;

    (void)err;
    if (text == NULL) {
        reader->is_error =
            reader->is_error || s3_xml_is_at(path, "Error") || s3_xml_is_at(path, "ErrorResponse");
        return 0;
    }
    if (strncmp(path, "ErrorResponse/", 14) == 0 && s3_xml_is_below_root(path, "RequestId"))
        keep_text(out->request_id, sizeof(out->request_id), text);
    if (strncmp(path, "ErrorResponse/Error/", 20) == 0)
        path += 14;
    if (s3_xml_is_at(path, "Error/Code"))
        keep_text(out->code, sizeof(out->code), text);
    else if (s3_xml_is_at(path, "Error/Message"))
        keep_text(out->message, sizeof(out->message), text);
    else if (s3_xml_is_at(path, "Error/RequestId"))
        keep_text(out->request_id, sizeof(out->request_id), text);
    else if (s3_xml_is_at(path, "Error/Region"))
        keep_text(out->region, sizeof(out->region), text);
    return 0;
}

bool s3_xml_parse_error(const struct buf *text, struct s3_error *out)
{
    struct s3_error found = {.code = ""};
    struct error_reader reader = {.out = &found};
    struct err ignored;

    if (text->len == 0 || s3_xml_walk(text, visit_error, &reader, &ignored) != 0 ||
        !reader.is_error)
        return false;
    if (found.code[0] == '\0')
        keep_text(found.code, sizeof(found.code), "Unknown");
    *out = found;
    return true;
}

/* A page of a listing. */
struct list_reader {
    s3_xml_entry_fn *each;
    void *context;
    bool is_encoded;
    bool is_truncated;
    char *token;
    char *key;
    bool has_size;
    struct s3_xml_entry entry;
};

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);

    return c != '\0' && at != NULL ? (int)(at - digits) : -1;
}

/* encoding-type=url is the encoding of forms: a blank is '+'. */
int s3_xml_decode_key(char *text, struct err *err)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        int high = *from == '%' ? hex_value(from[1]) : 0;
        int low = *from == '%' && high >= 0 ? hex_value(from[2]) : 0;

        if (high < 0 || low < 0 || (*from == '%' && high == 0 && low == 0))
            return err_set(err, ERR_STORE, "the answer holds a key that is not URL-encoded");
        if (*from == '%') {
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else {
            *to++ = *from == '+' ? ' ' : *from;
        }
    }
    *to = '\0';
    return 0;
}

static int give_entry(struct list_reader *reader, struct err *err)
{
    int rc;

    if (reader->key == NULL || (!reader->entry.is_prefix && !reader->has_size))
        return err_set(err, ERR_STORE, "the answer lists an object without its key or size");

    reader->entry.key = reader->key;
    rc = reader->is_encoded ? s3_xml_decode_key(reader->key, err) : 0;
    if (rc == 0)
        rc = reader->each(reader->context, &reader->entry, err);
    free(reader->key);
    reader->key = NULL;
    reader->has_size = false;
    reader->entry = (struct s3_xml_entry){0};
    return rc;
}

static void keep_key(struct list_reader *reader, const char *text)
{
    free(reader->key);
    reader->key = xstrdup(text);
}

static int visit_list_leaf(struct list_reader *reader, const char *path, const char *text,
                           struct err *err)
{
    if (s3_xml_is_at(path, "Contents/Key")) {
        keep_key(reader, text);
    } else if (s3_xml_is_at(path, "CommonPrefixes/Prefix")) {
        keep_key(reader, text);
        reader->entry.is_prefix = true;
    } else if (s3_xml_is_at(path, "Contents/Size")) {
        struct err why;

        if (parse_u64(text, &reader->entry.size, &why) != 0)
            return err_set(err, ERR_STORE, "the answer lists an object of no known size");
        reader->has_size = true;
    } else if (s3_xml_is_at(path, "Contents/LastModified")) {
        struct err ignored;

        if (parse_rfc3339(text, &reader->entry.modified_ms, &ignored) != 0)
            reader->entry.modified_ms = -1;
    } else if (s3_xml_is_at(path, "IsTruncated")) {
        reader->is_truncated = s3_xml_is_at(text, "true");
    } else if (s3_xml_is_at(path, "NextContinuationToken")) {
        free(reader->token);
        reader->token = xstrdup(text);
    }
    return 0;
}

static int visit_list(void *context, const char *path, const char *text, struct err *err)
{
    const char *slash = strchr(path, '/');

    if (s3_xml_check_root(path, text, "ListBucketResult", err) != 0)
        return -1;
    if (text == NULL || slash == NULL)
        return 0;
    if (s3_xml_is_at(slash + 1, "Contents") || s3_xml_is_at(slash + 1, "CommonPrefixes"))
        return give_entry(context, err);
    return visit_list_leaf(context, slash + 1, text, err);
}

/* EncodingType may come after the keys it speaks of, so it is read in a walk of its own. */
static int visit_encoding(void *context, const char *path, const char *text, struct err *err)
{
    bool *is_encoded = context;

    (void)err;
    if (text != NULL && s3_xml_is_below_root(path, "EncodingType"))
        *is_encoded = s3_xml_is_at(text, "url");
    return 0;
}

int s3_xml_find_encoding(const struct buf *text, bool *out_is_encoded, struct err *err)
{
    return s3_xml_walk(text, visit_encoding, out_is_encoded, err);
}

int s3_xml_parse_list(const struct buf *text, s3_xml_entry_fn *each, void *context,
                      char **out_token, struct err *err)
{
    struct list_reader reader = {.each = each, .context = context};
    int rc = s3_xml_find_encoding(text, &reader.is_encoded, err);

    if (rc == 0)
        rc = s3_xml_walk(text, visit_list, &reader, err);
    free(reader.key);
    if (rc == 0 && reader.is_truncated && reader.token == NULL)
        rc = err_set(err, ERR_STORE, "the answer says that there is more, but not where");
    if (rc != 0 || !reader.is_truncated) {
        free(reader.token);
        reader.token = NULL;
    }
    if (rc == 0)
        *out_token = reader.token;
    return rc;
}

/* Multipart uploads. */
static int visit_upload_id(void *context, const char *path, const char *text, struct err *err)
{
    char **id = context;

    if (s3_xml_check_root(path, text, "InitiateMultipartUploadResult", err) != 0)
        return -1;
    if (text != NULL && text[0] != '\0' && s3_xml_is_below_root(path, "UploadId")) {
        free(*id);
        *id = xstrdup(text);
    }
    return 0;
}

int s3_xml_parse_upload_id(const struct buf *text, char **out_id, struct err *err)
{
    char *id = NULL;

    if (s3_xml_walk(text, visit_upload_id, &id, err) != 0) {
        free(id);
        return -1;
    }
    if (id == NULL)
        return err_set(err, ERR_STORE, "the answer holds no upload id");
    *out_id = id;
    return 0;
}

static int visit_complete(void *context, const char *path, const char *text, struct err *err)
{
    (void)context;
    return s3_xml_check_root(path, text, "CompleteMultipartUploadResult", err);
}

int s3_xml_parse_complete(const struct buf *text, struct err *err)
{
    return s3_xml_walk(text, visit_complete, NULL, err);
}

/* STS. */
#define STS_RESULT "AssumeRoleWithWebIdentityResult/Credentials/"

static int visit_credentials(void *context, const char *path, const char *text, struct err *err)
{
    struct s3_keys *out = context;

    if (s3_xml_check_root(path, text, "AssumeRoleWithWebIdentityResponse", err) != 0)
        return -1;
    if (text == NULL)
        return 0;
    if (s3_xml_is_below_root(path, STS_RESULT "AccessKeyId")) {
        free(out->access_key);
        out->access_key = xstrdup(text);
    } else if (s3_xml_is_below_root(path, STS_RESULT "SecretAccessKey")) {
        secret_set(&out->secret_key, text, strlen(text));
    } else if (s3_xml_is_below_root(path, STS_RESULT "SessionToken")) {
        secret_set(&out->session_token, text, strlen(text));
    } else if (s3_xml_is_below_root(path, STS_RESULT "Expiration")) {
        return parse_rfc3339(text, &out->expires_ms, err);
    }
    return 0;
}

int s3_xml_parse_credentials(const struct buf *text, struct s3_keys *out, struct err *err)
{
    return s3_xml_walk(text, visit_credentials, out, err);
}
