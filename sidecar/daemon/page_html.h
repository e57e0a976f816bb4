/*
 * The pieces that the page is made of: markup of our own, foreign text made harmless, and times,
 * sizes and numbers in the words of people. A page that reaches its ceiling is cut between pieces.
 */
#ifndef DAEMON_PAGE_HTML_H
#define DAEMON_PAGE_HTML_H

#include <stdint.h>

#include "base/buf.h"
#include "daemon/status.h"

#define PAGE_TEXT_MAX 600 /* bytes of a foreign text; the rest is cut off */

/* Markup, as it is: nothing foreign may be in it, nor in the arguments. */
void page_put(struct buf *out, const char *markup);
void page_printf(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Escaped for text and for quoted attributes; control characters, and those that turn the direction
 * of writing, become U+FFFD. NULL is "". */
void page_text(struct buf *out, const char *text);
/* The same for texts of our own, in which what stands in `backticks` is code. */
void page_words(struct buf *out, const char *text);

/* <time>: "18:30", "19 Nov 18:30", "19 Nov 2025 18:30", with the whole as its title. */
void page_time(struct buf *out, int64_t ms, int64_t now_ms);
/* "in 30 min", "30 min ago", "now". */
void page_distance(struct buf *out, int64_t ms, int64_t now_ms);
/* "40 s", "30 min", "2 h 10 min", "3 days"; these three do not break at their blanks. */
void page_span(struct buf *out, int64_t ms);
void page_duration(struct buf *out, int64_t ms);   /* "17.6 s" */
void page_size(struct buf *out, uint64_t bytes);   /* "1.9 GB" */
void page_number(struct buf *out, uint64_t value); /* "18,212,254" */

/* The parts of the page: its style sheet; the time line of restore points, what a lost volume would
 * cost, now, and the next backup; the cards of server, schedule, volume and jobs; the table of
 * backups. */
void page_style(struct buf *out);
void page_svg(const struct status *status, struct buf *out);
void page_cards(const struct status *status, struct buf *out);
void page_checks(const struct status *status, struct buf *out); /* a card, where there is one */
void page_backups(const struct status *status, struct buf *out);

#endif
