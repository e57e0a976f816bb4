/*
 * The card of the checks: what is wrong with the ground that the data stands on, why that matters,
 * and the line to paste; how much is fine, and how much could not be seen, are numbers.
 */
#include <string.h>

#include "base/mem.h"
#include "daemon/page_html.h"

/* Their ends are what page_text would not leave alone. */
static void put_lines(const char *text, struct buf *out)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        auto_free char *line = xstrndup(text, len);

        page_text(out, line);
        text += len;
        if (*text == '\n') {
            page_put(out, "\n");
            text++;
        }
    }
}

static void put_finding(const struct status_check *check, struct buf *out)
{
    page_put(out, "<li><p class=\"name\"><code>");
    page_text(out, check->id);
    page_printf(out, "</code><span class=\"badge %s\">%s</span></p>\n<p class=\"foreign\">",
                check->status == CHECK_FAIL ? "bad" : "warn", check_scope_name(check->scope));
    page_text(out, check->value);
    if (check->wanted != NULL) {
        page_put(out, "; wanted: ");
        page_text(out, check->wanted);
    }
    page_put(out, "</p>\n<p class=\"soft\">");
    page_text(out, check->why);
    page_put(out, "</p>\n");
    if (check->fix != NULL) {
        page_put(out, "<pre class=\"detail\">");
        put_lines(check->fix, out);
        page_put(out, "</pre>\n");
    }
    page_put(out, "</li>\n");
}

void page_checks(const struct status *status, struct buf *out)
{
    size_t counts[CHECK_STATUS_COUNT] = {0};

    page_put(out, "<section class=\"card\" aria-labelledby=\"checks\">\n"
                  "<h2 id=\"checks\">Checks</h2>\n");
    if (status->checks_read_ms < 0) {
        page_put(out, "<p>None was made yet.</p>\n</section>\n");
        return;
    }
    for (size_t i = 0; i < status->checks.count; i++)
        counts[status->checks.rows[i].status]++;
    page_printf(out, "<p class=\"soft\">%zu fail, %zu warn, %zu fine, %zu could not be seen, ",
                counts[CHECK_FAIL], counts[CHECK_WARN], counts[CHECK_OK] + counts[CHECK_FIXED],
                counts[CHECK_UNKNOWN]);
    page_distance(out, status->checks_read_ms, status->now_ms);
    page_put(out, "</p>\n");
    if (counts[CHECK_FAIL] + counts[CHECK_WARN] > 0) {
        page_put(out, "<ul class=\"jobs\">\n");
        for (size_t i = 0; i < status->checks.count; i++) {
            if (status->checks.rows[i].status >= CHECK_WARN)
                put_finding(&status->checks.rows[i], out);
        }
        page_put(out, "</ul>\n");
    }
    page_put(out, "</section>\n");
}
