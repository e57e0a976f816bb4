/*
 * How far a long job is: see progress.h. The rate is that of the last ten seconds or so, kept as a
 * ring of samples: an average from the start on would hide a stall, one since the last drawing
 * would jump about.
 */
#include "base/progress.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/report.h"
#include "base/text.h"

#define DRAW_EVERY_MS 200
#define LOG_EVERY_MS 5000
#define REPORT_EVERY_MS 1000
#define SAMPLE_EVERY_MS 1000
#define SAMPLES 11
#define DEFAULT_WIDTH 80
#define MIN_BAR 10
#define MAX_BAR 40
#define LONGEST_LEFT_S 360000 /* 100 hours */

struct sample {
    int64_t at_ms;
    uint64_t bytes;
};

struct progress {
    _Atomic uint64_t done;
    uint64_t total;
    const struct clock *clock;
    char *what;
    bool is_reported; /* by a job, whose supervisor shows it: neither bar nor lines */
    bool on_terminal;
    bool drawn;
    int64_t shown_ms; /* the last drawing or line */
    struct sample samples[SAMPLES];
    unsigned sample_count; /* ever taken */
};

static char *harmless(const char *text)
{
    struct buf out;
    struct err unused;
    size_t len = strlen(text);
    char escaped[TEXT_ESCAPE_MAX + 1];

    buf_init(&out, SIZE_MAX - 1);
    for (size_t i = 0; i < len;) {
        i += text_escape_plain(text + i, len - i, escaped);
        (void)buf_append(&out, escaped, strlen(escaped), &unused); /* no ceiling */
    }
    return buf_take(&out);
}

struct progress *progress_new(const char *what, uint64_t total_bytes, const struct clock *clock)
{
    struct progress *progress = xcalloc(1, sizeof(*progress));

    progress->total = total_bytes;
    progress->clock = clock;
    progress->what = harmless(what);
    progress->is_reported = report_is_on();
    progress->on_terminal = !progress->is_reported && log_shows_bar();
    progress->shown_ms = clock_mono_ms(clock);
    progress->samples[0].at_ms = progress->shown_ms;
    progress->sample_count = 1;
    return progress;
}

void progress_add(struct progress *progress, uint64_t bytes)
{
    if (progress)
        atomic_fetch_add_explicit(&progress->done, bytes, memory_order_relaxed);
}

static void take_sample(struct progress *progress, int64_t now_ms, uint64_t done)
{
    const struct sample *last = &progress->samples[(progress->sample_count - 1) % SAMPLES];

    if (now_ms - last->at_ms < SAMPLE_EVERY_MS)
        return;
    progress->samples[progress->sample_count % SAMPLES] = (struct sample){now_ms, done};
    progress->sample_count++;
}

/* Bytes a second since the oldest sample. */
static uint64_t rate_of(const struct progress *progress, int64_t now_ms, uint64_t done)
{
    unsigned oldest = progress->sample_count < SAMPLES ? 0 : progress->sample_count % SAMPLES;
    const struct sample *from = &progress->samples[oldest];
    int64_t span_ms = now_ms - from->at_ms;

    if (span_ms <= 0)
        return 0;
    return (uint64_t)((double)(done - from->bytes) * 1000.0 / (double)span_ms);
}

static unsigned percent_of(const struct progress_view *view)
{
    if (view->done_bytes >= view->total_bytes)
        return 100;

    unsigned percent = (unsigned)((double)view->done_bytes * 100.0 / (double)view->total_bytes);

    return percent > 99 ? 99 : percent; /* 100 is for what is really done */
}

/* "0:02", "1:02:03", "-:--" when it cannot be told. */
static void format_left(const struct progress_view *view, char *out, size_t out_size)
{
    uint64_t left = view->done_bytes < view->total_bytes ? view->total_bytes - view->done_bytes : 0;
    uint64_t s = view->rate ? left / view->rate + (left % view->rate != 0) : UINT64_MAX;

    if (left > 0 && s >= LONGEST_LEFT_S)
        (void)snprintf(out, out_size, "-:--");
    else if (left == 0 || s < 3600)
        (void)snprintf(out, out_size, "%u:%02u", left ? (unsigned)(s / 60) : 0,
                       left ? (unsigned)(s % 60) : 0);
    else
        (void)snprintf(out, out_size, "%u:%02u:%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
                       (unsigned)(s % 60));
}

/* How many characters text has: its columns, nearly. */
static size_t columns_of(const char *text)
{
    size_t columns = 0;

    for (; *text; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

/* Cuts text behind so many characters. */
static void cut_columns(char *text, size_t columns)
{
    for (; *text; text++) {
        if (((unsigned char)*text & 0xc0) != 0x80 && columns-- == 0) {
            *text = '\0';
            return;
        }
    }
}

/* "[=====>    ]" with so many columns between the brackets. */
static char *draw_bar(unsigned percent, size_t columns)
{
    char *bar = xmalloc(columns + 3);
    size_t full = columns * percent / 100;

    bar[0] = '[';
    memset(bar + 1, ' ', columns);
    memset(bar + 1, '=', full);
    if (full < columns)
        bar[1 + full] = '>';
    memcpy(bar + columns + 1, "]", 2);
    return bar;
}

char *progress_bar(const struct progress_view *view, size_t width)
{
    char done[16];
    char total[16];
    char rate[16];
    char left[16];
    char *line;

    format_size(view->done_bytes, done, sizeof(done));
    format_size(view->total_bytes, total, sizeof(total));
    format_size(view->rate, rate, sizeof(rate));
    if (view->total_bytes == 0) {
        line = xasprintf("%s: %s  %s/s", view->what, done, rate);
        cut_columns(line, width);
        return line;
    }
    format_left(view, left, sizeof(left));

    unsigned percent = percent_of(view);
    auto_free char *figures =
        xasprintf("%3u%%  %s / %s  %s/s  %s left", percent, done, total, rate, left);
    size_t used = columns_of(view->what) + strlen(": [] ") + columns_of(figures);

    if (used + MIN_BAR > width) {
        line = xasprintf("%s: %s", view->what, figures);
    } else {
        size_t columns = width - used < MAX_BAR ? width - used : MAX_BAR;
        auto_free char *bar = draw_bar(percent, columns);

        line = xasprintf("%s: %s %s", view->what, bar, figures);
    }
    cut_columns(line, width);
    return line;
}

char *progress_line(const struct progress_view *view)
{
    char done[16];
    char total[16];
    char rate[16];
    char left[16];

    format_size(view->done_bytes, done, sizeof(done));
    format_size(view->rate, rate, sizeof(rate));
    if (view->total_bytes == 0)
        return xasprintf("%s: %s, %s/s", view->what, done, rate);

    format_size(view->total_bytes, total, sizeof(total));
    format_left(view, left, sizeof(left));
    return xasprintf("%s: %u%%, %s of %s, %s/s, %s left", view->what, percent_of(view), done, total,
                     rate, left);
}

/* One column less than the terminal has: in the last one some terminals begin a new line. */
static size_t terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 2)
        return DEFAULT_WIDTH - 1;
    return size.ws_col - 1u;
}

static void show(struct progress *progress, int64_t now_ms, const char *line_end)
{
    uint64_t done = atomic_load_explicit(&progress->done, memory_order_relaxed);
    struct progress_view view = {
        .what = progress->what,
        .done_bytes = done,
        .total_bytes = progress->total,
        .rate = rate_of(progress, now_ms, done),
    };

    take_sample(progress, now_ms, done);
    progress->shown_ms = now_ms;
    if (progress->is_reported) {
        report_progress(&view);
    } else if (progress->on_terminal) {
        auto_free char *bar = progress_bar(&view, terminal_width());
        auto_free char *line = xasprintf("\r%s\x1b[K%s", bar, line_end);

        log_set_bar(line_end[0] == '\0');
        (void)!write(STDERR_FILENO, line, strlen(line)); /* a bar that cannot be drawn is no loss */
        progress->drawn = true;
    } else {
        auto_free char *line = progress_line(&view);

        log_info("%s", line);
    }
}

void progress_tick(struct progress *progress)
{
    if (!progress)
        return;

    int64_t now_ms = clock_mono_ms(progress->clock);
    int64_t every_ms = progress->is_reported   ? REPORT_EVERY_MS
                       : progress->on_terminal ? DRAW_EVERY_MS
                                               : LOG_EVERY_MS;

    if (now_ms - progress->shown_ms >= every_ms)
        show(progress, now_ms, "");
}

void progress_free(struct progress *progress)
{
    if (!progress)
        return;
    if (progress->drawn)
        show(progress, clock_mono_ms(progress->clock), "\n");
    free(progress->what);
    free(progress);
}
