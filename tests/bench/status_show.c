/*
 * usage: status_show STATE json|backupz|metrics|page
 * Prints what the sidecar would answer in a state of support/status_sample.h; without arguments,
 * the names of the states. For tests that hand the answers to other programs, and to look at them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/metrics.h"
#include "daemon/page.h"
#include "daemon/status.h"
#include "support/status_sample.h"

static char *print_json(struct json *json)
{
    char *text = json_print(json, true);

    json_free(json);
    return text;
}

static char *show(const struct status *status, const char *what)
{
    auto_buf struct buf out;

    buf_init(&out, PAGE_BYTES_MAX);
    if (strcmp(what, "json") == 0)
        return print_json(status_to_json(status));
    if (strcmp(what, "backupz") == 0)
        return print_json(status_backupz_json(status));
    if (strcmp(what, "metrics") == 0)
        metrics_format(status, &out);
    else if (strcmp(what, "page") == 0)
        page_format(status, &out);
    else
        return NULL;
    return buf_take(&out);
}

int main(int argc, char **argv)
{
    struct status status;

    if (argc == 1) {
        for (size_t i = 0; status_sample_name(i) != NULL; i++)
            (void)puts(status_sample_name(i));
        return 0;
    }
    if (argc != 3 || status_sample(argv[1], &status) != 0) {
        (void)fputs("usage: status_show [STATE json|backupz|metrics|page]\n", stderr);
        return 2;
    }
    auto_free char *text = show(&status, argv[2]);
    if (text != NULL)
        (void)fputs(text, stdout);
    status_release(&status);
    return text != NULL ? 0 : 2;
}
