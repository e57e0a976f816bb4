/*
 * The document: its head, what a lost volume would leave (the question that brings people here),
 * the time line, what is wrong and what to do, then the parts of page_cards.c and page_backups.c.
 * It asks for itself again every 15 seconds; nothing else moves.
 */
#include "daemon/page.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/zone.h"
#include "daemon/page_html.h"

enum outlook {
    OUTLOOK_UNKNOWN,
    OUTLOOK_NOTHING, /* no proven backup */
    OUTLOOK_OLD,     /* one that is older than it may be */
    OUTLOOK_GOOD,
};

/* What a repository that cannot be asked would give back nobody knows. */
static bool is_repository_away(const struct status *status)
{
    return status_find(status, PROBLEM_STORE_UNREACHABLE) != NULL ||
           status_find(status, PROBLEM_STORE_DENIED) != NULL ||
           status_find(status, PROBLEM_STORE_MISSING) != NULL;
}

static enum outlook outlook_of(const struct status *status)
{
    auto_free char *why = NULL;

    if (is_repository_away(status))
        return OUTLOOK_UNKNOWN;
    if (status->last_backup_ok_ms < 0)
        return status->has_backups ? OUTLOOK_NOTHING : OUTLOOK_UNKNOWN;
    return status_backup_is_fresh(status, &why) ? OUTLOOK_GOOD : OUTLOOK_OLD;
}

/* How the whole looks from afar: the icon of the tab. */
static const char *colour_of(const struct status *status, enum outlook outlook)
{
    if (outlook == OUTLOOK_NOTHING || outlook == OUTLOOK_OLD)
        return "d93025";
    if (status->problem_count > 0 || status->readiness.state != READINESS_READY)
        return "e8a100";
    return outlook == OUTLOOK_GOOD ? "1a9c53" : "8a94a3";
}

static void put_head(const struct status *status, enum outlook outlook, struct buf *out)
{
    page_put(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta http-equiv=\"refresh\" content=\"15\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    if (status->problem_count > 0)
        page_printf(out, "(%zu) ", status->problem_count);
    page_text(out, status->instance);
    page_printf(out,
                " \xc2\xb7 redkeep</title>\n<link rel=\"icon\" href=\"data:image/svg+xml,"
                "%%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%%3E"
                "%%3Ccircle cx='8' cy='8' r='7' fill='%%23%s'/%%3E%%3C/svg%%3E\">\n<style>\n",
                colour_of(status, outlook));
    page_style(out);
    page_put(out, "</style>\n</head>\n<body>\n");
}

static void put_top(const struct status *status, struct buf *out)
{
    char now[64] = "";

    page_put(out, "<header>\n<p class=\"brand\">redkeep</p>\n<h1>");
    page_text(out, status->instance != NULL ? status->instance : "no name yet");
    page_put(out, "</h1>\n<p class=\"soft\">");
    if (status->repository != NULL) {
        page_put(out, "<span>kept in <span class=\"foreign\">");
        page_text(out, status->repository);
        page_put(out, "</span></span>");
    } else {
        page_put(out, "<span>kept nowhere: no repository is set</span>");
    }
    if (status->now_ms >= 0)
        zone_format(status->now_ms, now, sizeof(now));
    page_printf(out, "<span class=\"stamp\">%s</span></p>\n</header>\n<main>\n", now);
    if (status->is_stopping)
        page_put(out, "<p class=\"note\" role=\"status\">This sidecar is stopping: it stores what "
                      "the server wrote last.</p>\n");
}

static void put_headline(const struct status *status, enum outlook outlook, struct buf *out)
{
    switch (outlook) {
    case OUTLOOK_UNKNOWN:
        page_put(out, "It is not known what would come back");
        break;
    case OUTLOOK_NOTHING:
        page_put(out, "Nothing would come back");
        break;
    case OUTLOOK_OLD:
        page_put(out, "Only what was there at ");
        page_time(out, status->last_backup_ok_ms, status->now_ms);
        page_put(out, " would come back");
        break;
    case OUTLOOK_GOOD:
        page_put(out, "Everything up to ");
        page_time(out, status->last_backup_ok_ms, status->now_ms);
        page_put(out, " would come back");
        break;
    }
}

static void put_cost(const struct status *status, enum outlook outlook, struct buf *out)
{
    if (outlook == OUTLOOK_UNKNOWN) {
        page_put(out, "The repository was not read yet.");
        return;
    }
    if (outlook == OUTLOOK_NOTHING) {
        page_put(out, "The repository holds no proven backup of this instance.");
        return;
    }
    page_put(out, "The writes of the last <b>");
    page_span(out, status_lag_ms(status));
    page_put(out, "</b> would be lost");
    if (status->changes_since_backup >= 0) {
        page_put(out, ": ");
        page_number(out, (uint64_t)status->changes_since_backup);
        page_put(out, status->changes_since_backup == 1 ? " change" : " changes");
    }
    page_put(out, ".");
    if (outlook == OUTLOOK_OLD) {
        page_put(out, " The newest proven backup may be at most ");
        page_span(out, status->backup_max_age_ms);
        page_put(out, " old.");
    }
}

static void put_legend(const struct status *status, struct buf *out)
{
    page_put(out, "<ul class=\"legend\" aria-label=\"Legend\">"
                  "<li><i class=\"good\"></i>restore point</li>"
                  "<li><i class=\"warn\"></i>not proven</li>"
                  "<li><i class=\"bad\"></i>damaged</li>"
                  "<li><i class=\"risk\"></i>would be lost</li>");
    if (status->backup_count > 0) /* else there is nothing to measure */
        page_put(out, "<li>the older, the closer together</li>");
    page_put(out, "</ul>\n");
}

static void put_outlook(const struct status *status, enum outlook outlook, struct buf *out)
{
    static const char *const classes[] = {
        [OUTLOOK_UNKNOWN] = "unknown",
        [OUTLOOK_NOTHING] = "bad",
        [OUTLOOK_OLD] = "bad",
        [OUTLOOK_GOOD] = "good",
    };

    page_printf(out,
                "<section class=\"outlook %s\" aria-labelledby=\"outlook\">\n"
                "<p class=\"over\">If the volume were lost now</p>\n<h2 id=\"outlook\">",
                classes[outlook]);
    put_headline(status, outlook, out);
    page_put(out, "</h2>\n<p class=\"cost\">");
    put_cost(status, outlook, out);
    page_put(out, "</p>\n");
    page_svg(status, out);
    put_legend(status, out);
    page_put(out, "</section>\n");
}

static void put_problem(const struct status_problem *standing, int64_t now_ms, struct buf *out)
{
    const struct problem_row *words = problem_row(standing->problem);

    page_put(out, "<li>\n<h3>");
    page_words(out, words->cause);
    page_put(out, "</h3>\n");
    if (standing->detail != NULL) {
        page_put(out, "<p class=\"detail foreign\">");
        page_text(out, standing->detail);
        page_put(out, "</p>\n");
    }
    page_put(out, "<p><b>What to do:</b> ");
    page_words(out, words->remedy);
    page_put(out, "</p>\n<p class=\"soft\"><code>");
    page_text(out, words->code);
    page_put(out, "</code> since ");
    page_time(out, standing->since_ms, now_ms);
    page_put(out, ", ");
    page_distance(out, standing->since_ms, now_ms);
    page_put(out, "</p>\n</li>\n");
}

static void put_problems(const struct status *status, struct buf *out)
{
    if (status->problem_count == 0)
        return;
    page_printf(out,
                "<section aria-labelledby=\"problems\">\n<h2 id=\"problems\">%zu %s</h2>\n"
                "<ul class=\"problems\">\n",
                status->problem_count, status->problem_count == 1 ? "problem" : "problems");
    for (size_t i = 0; i < status->problem_count; i++)
        put_problem(&status->problems[i], status->now_ms, out);
    page_put(out, "</ul>\n</section>\n");
}

static void put_end(const struct status *status, struct buf *out)
{
    page_put(out, "</main>\n<footer class=\"soft\">redkeep ");
    page_text(out, status->version);
    if (status->started_ms >= 0) {
        page_put(out, ", started ");
        page_distance(out, status->started_ms, status->now_ms);
    }
    page_put(out, " \xc2\xb7 <a href=\"/status\">status</a> \xc2\xb7 "
                  "<a href=\"/metrics\">metrics</a> \xc2\xb7 "
                  "<a href=\"/readyz\">readyz</a> \xc2\xb7 "
                  "<a href=\"/backupz\">backupz</a></footer>\n</body>\n</html>\n");
}

void page_format(const struct status *status, struct buf *out)
{
    enum outlook outlook = outlook_of(status);

    put_head(status, outlook, out);
    put_top(status, out);
    put_outlook(status, outlook, out);
    put_problems(status, out);
    page_cards(status, out);
    page_backups(status, out);
    put_end(status, out);
}
