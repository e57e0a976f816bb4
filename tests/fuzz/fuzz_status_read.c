/*
 * The answers of jobs, from the record to all that is made of it: what a repository says ends in
 * /status, /metrics and the page. Whatever it is, the JSON is JSON, and no markup of others gets
 * into the page.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/metrics.h"
#include "daemon/page.h"
#include "daemon/status.h"
#include "support/status_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct status *status)
{
    auto_buf struct buf out;
    struct json *back = NULL;
    struct err err;

    buf_init(&out, PAGE_BYTES_MAX);
    page_format(status, &out);
    if (strcmp(buf_text(&out) + out.len - 8, "</html>\n") != 0 ||
        strstr(buf_text(&out), "<x") != NULL)
        abort();
    buf_clear(&out);
    metrics_format(status, &out);
    auto_json struct json *json = status_to_json(status);
    auto_free char *text = json_print(json, false);
    if (json_parse(text, strlen(text), &back, &err) != 0)
        abort();
    json_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json *answer = NULL;
    struct status_backup backup;
    struct status status;
    struct err err;

    if (json_parse((const char *)data, size, &answer, &err) != 0)
        return 0;
    (void)status_sample("fresh", &status); /* it is there */
    if (status_read_list(&status, answer, STATUS_SAMPLE_NOW_MS, &err) == 0)
        show(&status);
    else if (err.kind != ERR_CORRUPT)
        abort();
    if (status_read_manifest(answer, &backup, &err) == 0) {
        status_add_backup(&status, &backup);
        show(&status);
    } else if (err.kind != ERR_CORRUPT) {
        abort();
    }
    json_free(answer);
    status_release(&status);
    return 0;
}
