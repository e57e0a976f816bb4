/*
 * The head of an HTTP answer, line by line.
 */
#include "store/s3_answer.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/parse.h"

void s3_answer_copy_text(char *out, size_t out_size, const char *text, size_t len)
{
    size_t n = len < out_size - 1 ? len : out_size - 1;

    for (size_t i = 0; i < n; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    out[n] = '\0';
}

void s3_answer_init(struct s3_answer *answer, size_t body_max)
{
    *answer = (struct s3_answer){.content_length = -1, .date_s = -1, .retry_after_s = -1};
    buf_init(&answer->body, body_max);
}

/* RFC 9110 5.6.7, the only form that is sent today: "Fri, 24 May 2013 00:00:00 GMT". */
static int64_t parse_http_date(const char *text)
{
    struct tm utc = {0};
    const char *rest = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &utc);

    return rest != NULL && *rest == '\0' ? (int64_t)timegm(&utc) : -1;
}

static int64_t parse_seconds(const char *text)
{
    struct err ignored;
    uint64_t number;

    return parse_u64(text, &number, &ignored) == 0 && number <= INT32_MAX ? (int64_t)number : -1;
}

struct text_field {
    const char *name;
    size_t at; /* in struct s3_answer */
    size_t size;
};

#define FIELD(header, member)                                                               \
    {                                                                                       \
        header, offsetof(struct s3_answer, member), sizeof(((struct s3_answer *)0)->member) \
    }

static void keep_header(struct s3_answer *answer, const char *name, const char *value)
{
    static const struct text_field fields[] = {
        FIELD("etag", etag),
        FIELD("content-range", content_range),
        FIELD("x-amz-request-id", request_id),
        FIELD("x-amz-bucket-region", region),
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (strcasecmp(name, fields[i].name) == 0)
            s3_answer_copy_text((char *)answer + fields[i].at, fields[i].size, value,
                                strlen(value));
    if (strcasecmp(name, "date") == 0)
        answer->date_s = parse_http_date(value);
    if (strcasecmp(name, "retry-after") == 0)
        answer->retry_after_s = parse_seconds(value);
}

void s3_answer_add_header(struct s3_answer *answer, const char *line, size_t len)
{
    char text[1024];
    char *value;

    while (len > 0 && memchr(" \t\r\n", line[len - 1], 4) != NULL)
        len--;
    s3_answer_copy_text(text, sizeof(text), line, len);
    value = strchr(text, ':');
    if (value == NULL)
        return;

    *value++ = '\0';
    value += strspn(value, " ");
    keep_header(answer, text, value);
}

bool s3_answer_get_range(const struct s3_answer *answer, struct s3_range *out)
{
    char text[sizeof(answer->content_range)];
    char *dash;
    char *slash;
    struct s3_range range;
    struct err ignored;

    memcpy(text, answer->content_range, sizeof(text));
    dash = strchr(text, '-');
    slash = strchr(text, '/');
    if (strncmp(text, "bytes ", 6) != 0 || dash == NULL || slash == NULL || slash < dash)
        return false;

    *dash++ = '\0';
    *slash++ = '\0';
    if (parse_u64(text + 6, &range.from, &ignored) != 0 ||
        parse_u64(dash, &range.to, &ignored) != 0 || parse_u64(slash, &range.total, &ignored) != 0)
        return false;
    *out = range;
    return true;
}
