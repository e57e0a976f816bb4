/*
 * The table of backups, newest first: a dozen at once, the rest behind a word to click. On a phone
 * the rows become blocks, each cell with its own label; the roles keep it a table to a screen
 * reader.
 */
#include "daemon/page_html.h"

#include "base/mem.h"

enum { SHOWN_AT_ONCE = 12 };

static void open_cell(struct buf *out, const char *label)
{
    page_printf(out, "<td role=\"cell\" data-label=\"%s\">", label);
}

static void put_checks(const struct status_backup *backup, int64_t now_ms, struct buf *out)
{
    bool is_damaged = backup->verified_ms >= 0 && !backup->verified_ok;

    if (is_damaged)
        page_put(out, "<span class=\"badge bad\">damaged</span>");
    else if (backup->proven)
        page_put(out, "<span class=\"badge good\">proven</span>");
    else
        page_put(out, "<span class=\"badge warn\">not proven</span>");
    if (backup->verified_ms >= 0) {
        page_put(out, " <span class=\"soft\">read back ");
        page_distance(out, backup->verified_ms, now_ms);
        page_put(out, "</span>");
    }
    if (backup->pinned)
        page_put(out, " <span class=\"badge\">pinned</span>");
    if (backup->encrypted)
        page_put(out, " <span class=\"badge\">encrypted</span>");
}

static void put_took(const struct status_backup *backup, struct buf *out)
{
    if (backup->save_ms < 0 && backup->pack_ms < 0) {
        page_put(out, "\xe2\x80\x93");
        return;
    }
    page_put(out, "<span title=\"save ");
    page_duration(out, backup->save_ms);
    page_put(out, ", store ");
    page_duration(out, backup->pack_ms);
    page_put(out, "\">");
    page_duration(out, (backup->save_ms > 0 ? backup->save_ms : 0) +
                           (backup->pack_ms > 0 ? backup->pack_ms : 0));
    page_put(out, "</span>");
}

static void put_row(const struct status_backup *backup, int64_t now_ms, struct buf *out)
{
    page_put(out, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\" title=\"");
    page_text(out, backup->id);
    page_put(out, "\">");
    page_time(out, backup->created_ms, now_ms);
    page_put(out, " <span class=\"soft\">");
    page_distance(out, backup->created_ms, now_ms);
    page_put(out, "</span></th>");
    open_cell(out, "Keys");
    if (backup->has_keys)
        page_number(out, backup->keys);
    else
        page_put(out, "\xe2\x80\x93");
    page_put(out, "</td>");
    open_cell(out, "Size");
    page_size(out, backup->size_bytes);
    page_put(out, "</td>");
    open_cell(out, "Stored");
    page_size(out, backup->stored_bytes);
    page_put(out, "</td>");
    open_cell(out, "Took");
    put_took(backup, out);
    page_put(out, "</td>");
    open_cell(out, "Checks");
    put_checks(backup, now_ms, out);
    page_put(out, "</td></tr>\n");
}

static void put_table(const struct status *status, size_t from, size_t to, struct buf *out)
{
    page_put(out, "<table role=\"table\" aria-labelledby=\"backups\">\n<thead role=\"rowgroup\">"
                  "<tr role=\"row\"><th role=\"columnheader\" scope=\"col\">Taken</th>"
                  "<th role=\"columnheader\" scope=\"col\">Keys</th>"
                  "<th role=\"columnheader\" scope=\"col\">Size</th>"
                  "<th role=\"columnheader\" scope=\"col\">Stored</th>"
                  "<th role=\"columnheader\" scope=\"col\">Took</th>"
                  "<th role=\"columnheader\" scope=\"col\">Checks</th></tr></thead>\n"
                  "<tbody role=\"rowgroup\">\n");
    for (size_t i = from; i < to; i++)
        put_row(&status->backups[i], status->now_ms, out);
    page_put(out, "</tbody>\n</table>\n");
}

static void put_none(const struct status *status, struct buf *out)
{
    page_put(out, status->has_backups ? "<p>The repository holds no backup of this instance.</p>\n"
                                      : "<p>The repository was not read yet.</p>\n");
}

static void put_count(const struct status *status, struct buf *out)
{
    if (!status->has_backups)
        return;
    page_put(out, " <span class=\"soft\">");
    page_number(out, status->backups_total);
    page_put(out, " in the repository, as of ");
    page_time(out, status->backups_read_ms, status->now_ms);
    page_put(out, "</span>");
}

void page_backups(const struct status *status, struct buf *out)
{
    size_t first = status->backup_count < SHOWN_AT_ONCE ? status->backup_count : SHOWN_AT_ONCE;

    page_put(out, "<section class=\"card wide\" aria-labelledby=\"backups\">\n"
                  "<h2><span id=\"backups\">Backups</span>");
    put_count(status, out);
    page_put(out, "</h2>\n");
    if (status->backup_count == 0)
        put_none(status, out);
    else
        put_table(status, 0, first, out);
    if (first < status->backup_count) {
        page_printf(out, "<details><summary>%zu older ones</summary>\n",
                    status->backup_count - first);
        put_table(status, first, status->backup_count, out);
        page_put(out, "</details>\n");
    }
    page_put(out, "</section>\n");
}
