/* A lock is told to the second, in UTC, and rounded up by none: a second is nothing to a day. */
#include "store/s3_lock.h"

#include "base/parse.h"

#define DAY_MS ((int64_t)24 * 60 * 60 * 1000)

void s3_lock_format_checksum(const uint8_t sha256[SHA256_BYTES], char out[S3_CHECKSUM_SIZE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *to = out;

    for (size_t i = 0; i < SHA256_BYTES; i += 3) {
        uint32_t bits = (uint32_t)sha256[i] << 16 | (uint32_t)sha256[i + 1] << 8;

        bits |= i + 2 < SHA256_BYTES ? sha256[i + 2] : 0;
        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = digits[bits >> shift & 63];
    }
    out[S3_CHECKSUM_SIZE - 2] = '='; /* 32 bytes are ten triples and two */
    out[S3_CHECKSUM_SIZE - 1] = '\0';
}

size_t s3_lock_format(const struct store_lock *lock, int64_t now_ms, const uint8_t *sha256,
                      struct s3_lock_text *text, struct s3_header *out)
{
    if (lock->days == 0)
        return 0;
    format_rfc3339(now_ms + (int64_t)lock->days * DAY_MS, text->until, sizeof(text->until));
    out[0] = (struct s3_header){"x-amz-object-lock-mode",
                                lock->is_compliance ? "COMPLIANCE" : "GOVERNANCE"};
    out[1] = (struct s3_header){"x-amz-object-lock-retain-until-date", text->until};
    out[2] = (struct s3_header){"x-amz-checksum-algorithm", "SHA256"};
    if (sha256 != NULL) {
        s3_lock_format_checksum(sha256, text->checksum);
        out[2] = (struct s3_header){"x-amz-checksum-sha256", text->checksum};
    }
    return S3_LOCK_HEADERS;
}
