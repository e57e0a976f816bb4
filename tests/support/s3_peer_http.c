/*
 * Requests off a socket: see s3_peer_http.h.
 */
#include "support/s3_peer_http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/parse.h"

char *peer_copy_header(const struct peer_incoming *in, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = strstr(in->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *value = line + len + 1 + strspn(line + len + 1, " ");

            return xstrndup(value, strcspn(value, "\r"));
        }
    }
    return NULL;
}

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static void decode_path(struct peer_incoming *in)
{
    const char *question = strchr(in->target, '?');
    const char *end = question != NULL ? question : in->target + strlen(in->target);
    char *to = in->path;

    for (const char *from = in->target; from < end; from++) {
        bool coded = *from == '%' && end - from > 2;

        *to++ = coded ? (char)(hex_value(from[1]) * 16 + hex_value(from[2])) : *from;
        from += coded ? 2 : 0;
    }
    *to = '\0';
    (void)snprintf(in->query, sizeof(in->query), "%s", question != NULL ? question + 1 : "");
}

bool peer_read_head(int fd, struct peer_incoming *in)
{
    size_t len = 0;
    auto_free char *length = NULL;
    uint64_t body_len;
    struct err ignored;

    for (;;) {
        ssize_t n = recv(fd, in->head + len, PEER_HEAD_MAX - 1 - len, 0);
        char *end;

        if (n <= 0)
            return false;
        len += (size_t)n;
        in->head[len] = '\0';
        end = strstr(in->head, "\r\n\r\n");
        if (end == NULL)
            continue;
        in->head_len = (size_t)(end - in->head) + 4;
        in->extra = len - in->head_len;
        break;
    }
    length = peer_copy_header(in, "Content-Length");
    in->body_len = length != NULL && parse_u64(length, &body_len, &ignored) == 0 ? body_len : 0;
    if (sscanf(in->head, "%15s %16383s", in->method, in->target) != 2)
        return false;
    decode_path(in);
    return true;
}

bool peer_read_body(int fd, struct peer_incoming *in, size_t upto)
{
    size_t len = in->extra < upto ? in->extra : upto;

    in->body = xmalloc(in->body_len + 1);
    memcpy(in->body, in->head + in->head_len, len);
    while (len < upto) {
        ssize_t n = recv(fd, in->body + len, upto - len, 0);

        if (n <= 0)
            return false;
        len += (size_t)n;
    }
    in->body[len] = '\0';
    return true;
}

bool peer_has_right_digest(const struct peer_incoming *in)
{
    auto_free char *wanted = peer_copy_header(in, "x-amz-content-sha256");
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];

    sha256_of(in->body, in->body_len, digest);
    hex_encode(digest, sizeof(digest), hex);
    return wanted == NULL || strcmp(wanted, hex) == 0;
}
