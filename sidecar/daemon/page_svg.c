/*
 * The time line. Its axis is logarithmic in the age: an hour ago and a month ago are both to be
 * seen, as backups lie dense today and sparse behind. Places are percentages and heights are
 * pixels, so that the picture fits a phone and a wall without its letters changing size.
 *
 *       |        ||  |  | | | || |||||//////////|- - - - -:
 *     4 weeks       1 week   1 day        1 h   now     next
 */
#include <math.h>
#include <stdbool.h>

#include "daemon/page_html.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

#define LEFT 1.0  /* percent of the width: the oldest restore point */
#define NOW 84.0  /* now */
#define NEXT 98.0 /* the next backup, whenever it is */
#define NO_BACKUPS_MS HOUR_MS
#define TICK_DISTANCE 15.5 /* of a phone: some 45 pixels */

struct scale {
    int64_t now_ms;
    double unit_ms; /* ages up to it are nearly linear */
    double whole;   /* log of the oldest */
    double oldest_ms;
};

static struct scale scale_of(const struct status *status)
{
    struct scale scale = {.now_ms = status->now_ms, .oldest_ms = (double)NO_BACKUPS_MS};

    for (size_t i = 0; i < status->backup_count; i++) {
        double age_ms = (double)status->now_ms - (double)status->backups[i].created_ms;
        if (age_ms > scale.oldest_ms)
            scale.oldest_ms = age_ms;
    }
    scale.unit_ms = scale.oldest_ms / 400;
    if (scale.unit_ms < (double)MINUTE_MS)
        scale.unit_ms = (double)MINUTE_MS;
    scale.whole = log1p(scale.oldest_ms / scale.unit_ms);
    return scale;
}

static double place_of_age(const struct scale *scale, double age_ms)
{
    if (age_ms <= 0)
        return NOW;
    return NOW - (NOW - LEFT) * log1p(age_ms / scale->unit_ms) / scale->whole;
}

static double place_of(const struct scale *scale, int64_t ms)
{
    return place_of_age(scale, (double)scale->now_ms - (double)ms);
}

/* Letters would stand on each other. */
static bool is_taken(const double *places, size_t count, double at)
{
    for (size_t i = 0; i < count; i++)
        if (fabs(places[i] - at) < TICK_DISTANCE)
            return true;
    return false;
}

static void put_ticks(const struct scale *scale, struct buf *out)
{
    static const struct {
        int64_t age_ms;
        const char *name;
    } ticks[] = {
        /* the roundest first, as long as there is room */
        {DAY_MS, "1 day"},          {HOUR_MS, "1 h"},          {7 * DAY_MS, "1 week"},
        {30 * DAY_MS, "1 month"},   {6 * HOUR_MS, "6 h"},      {365 * DAY_MS, "1 year"},
        {15 * MINUTE_MS, "15 min"}, {3 * DAY_MS, "3 days"},    {91 * DAY_MS, "3 months"},
        {3 * HOUR_MS, "3 h"},       {12 * HOUR_MS, "12 h"},    {14 * DAY_MS, "2 weeks"},
        {182 * DAY_MS, "6 months"}, {730 * DAY_MS, "2 years"},
    };
    double places[sizeof(ticks) / sizeof(ticks[0]) + 1] = {NOW};
    size_t count = 1;

    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        double at = place_of_age(scale, (double)ticks[i].age_ms);

        if (at < LEFT + TICK_DISTANCE / 2 || is_taken(places, count, at))
            continue;
        places[count++] = at;
        page_printf(out,
                    "<line class=\"tick\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"56\" y2=\"62\"/>"
                    "<text x=\"%.2f%%\" y=\"78\" text-anchor=\"middle\">%s</text>\n",
                    at, at, at, ticks[i].name);
    }
}

static const char *class_of(const struct status_backup *backup)
{
    if (backup->verified_ms >= 0 && !backup->verified_ok)
        return "bad";
    return backup->proven ? "good" : "warn";
}

static void put_backups(const struct status *status, const struct scale *scale, struct buf *out)
{
    for (size_t i = status->backup_count; i-- > 0;) {
        const struct status_backup *backup = &status->backups[i];

        page_printf(out,
                    "<rect class=\"%s\" x=\"%.2f%%\" y=\"22\" width=\"4\" height=\"30\" "
                    "rx=\"2\" transform=\"translate(-2)\"><title>",
                    class_of(backup), place_of(scale, backup->created_ms));
        page_text(out, backup->id);
        page_put(out, "</title></rect>\n");
    }
}

static void put_words(const struct status *status, struct buf *out)
{
    page_put(out, "<title id=\"line-title\">Time line of the restore points</title>\n"
                  "<desc id=\"line-words\">");
    if (status->backup_count == 0) {
        page_put(out, "No restore point is known.");
    } else {
        page_number(out, status->backup_count);
        page_put(out, " restore points; the newest was taken ");
        page_distance(out, status->backups[0].created_ms, status->now_ms);
        page_put(out, ", the oldest that is shown ");
        page_distance(out, status->backups[status->backup_count - 1].created_ms, status->now_ms);
        page_put(out, ".");
    }
    if (status->next_backup_ms >= 0) {
        page_put(out, " The next backup is due ");
        page_distance(out, status->next_backup_ms, status->now_ms);
        page_put(out, ".");
    }
    page_put(out, "</desc>\n");
}

/* From the newest proven backup to now: what a lost volume would cost. */
static void put_risk(const struct status *status, const struct scale *scale, struct buf *out)
{
    double from = status->last_backup_ok_ms < 0 ? 0 : place_of(scale, status->last_backup_ok_ms);

    if (status->last_backup_ok_ms < 0 && !status->has_backups)
        return; /* who knows */
    page_printf(out,
                "<rect class=\"risk\" x=\"%.2f%%\" y=\"29\" width=\"%.2f%%\" height=\"16\" "
                "fill=\"url(#hatch)\"/>\n",
                from, NOW - from);
}

static void put_next(const struct status *status, struct buf *out)
{
    if (status->next_backup_ms < 0)
        return;
    page_printf(out,
                "<line class=\"ahead\" x1=\"%.0f%%\" x2=\"%.0f%%\" y1=\"37\" y2=\"37\"/>"
                "<rect class=\"next\" x=\"%.0f%%\" y=\"23\" width=\"5\" height=\"28\" rx=\"2\" "
                "transform=\"translate(-2.5)\"/>"
                "<text x=\"100%%\" y=\"14\" text-anchor=\"end\">next ",
                NOW, NEXT, NEXT);
    page_distance(out, status->next_backup_ms, status->now_ms);
    page_put(out, "</text>\n");
}

void page_svg(const struct status *status, struct buf *out)
{
    struct scale scale = scale_of(status);

    page_put(out, "<svg class=\"line\" role=\"img\" aria-labelledby=\"line-title line-words\" "
                  "width=\"100%\" height=\"86\">\n");
    put_words(status, out);
    page_put(out, "<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" "
                  "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
                  "<rect class=\"hatch\" width=\"2.5\" height=\"6\"/></pattern></defs>\n");
    page_printf(out, "<line class=\"axis\" x1=\"0\" x2=\"%.0f%%\" y1=\"37\" y2=\"37\"/>\n", NOW);
    put_risk(status, &scale, out);
    if (status->backup_count > 0)
        put_ticks(&scale, out);
    put_next(status, out);
    put_backups(status, &scale, out);
    page_printf(
        out,
        "<line class=\"now\" x1=\"%.0f%%\" x2=\"%.0f%%\" y1=\"18\" y2=\"62\"/>"
        "<text class=\"now\" x=\"%.0f%%\" y=\"78\" text-anchor=\"middle\">now</text>\n</svg>\n",
        NOW, NOW, NOW);
}
