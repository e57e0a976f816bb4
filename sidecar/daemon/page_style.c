/*
 * The style sheet of the page: colours once for light and once for dark, everything else by them.
 * System fonts, nothing fetched. Below 40rem the table becomes blocks.
 */
#include "daemon/page_html.h"

static const char *const parts[] = {
    /* colours, letters, head */
    (":root{color-scheme:light dark;"
     "--ground:#f3f4f6;--card:#fff;--ink:#15181d;--soft:#586070;--line:#dde1e7;--track:#e6e9ee;"
     "--good:#0b7a3e;--good-fill:#e2f4e9;--warn:#865400;--warn-fill:#fcf0d5;"
     "--bad:#b4231a;--bad-fill:#fdeae8;--busy:#1f55c0;--busy-fill:#e5edfc}\n"
     "@media (prefers-color-scheme:dark){:root{"
     "--ground:#0e1115;--card:#171b21;--ink:#e7eaee;--soft:#a1abba;--line:#2a303a;--track:#2a303a;"
     "--good:#58cf8b;--good-fill:#12301f;--warn:#efbb57;--warn-fill:#33270a;"
     "--bad:#ff8d83;--bad-fill:#3b1715;--busy:#8db2ff;--busy-fill:#17264a}}\n"
     "*{box-sizing:border-box}\n"
     "html{-webkit-text-size-adjust:100%}\n"
     "body{margin:0 auto;max-width:68rem;padding:1.5rem 1.25rem 2rem;background:var(--ground);"
     "color:var(--ink);font:1rem/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;"
     "font-variant-numeric:tabular-nums;overflow-wrap:anywhere}\n"
     "h1,h2,h3,p,ul,dl,dd{margin:0;padding:0}\n"
     "ul{list-style:none}\n"
     "a{color:inherit}\n"
     "header{margin-bottom:1.25rem}\n"
     "header .soft{display:flex;flex-wrap:wrap;gap:0 1rem;justify-content:space-between}\n"
     ".brand{font-size:.8125rem;font-weight:600;letter-spacing:.08em;color:var(--soft)}\n"
     "h1{font-size:1.75rem;line-height:1.2;font-weight:650;letter-spacing:-.015em}\n"
     "h2{font-size:1rem;font-weight:650;margin-bottom:.75rem}\n"
     "h2 .soft{font-weight:400;margin-left:.5rem}\n"
     "h3{font-size:1rem;font-weight:600}\n"
     ".soft{color:var(--soft);font-size:.875rem}\n"
     ".foreign{unicode-bidi:isolate}\n"
     ".stamp{white-space:nowrap}\n"
     "code{font:.8125rem ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\n"),
    /* what would come back */
    (".outlook,.card,.problems li{background:var(--card);border:1px solid var(--line);"
     "border-radius:.75rem;padding:1.25rem}\n"
     ".outlook{border-top:.3rem solid var(--soft);padding-top:1.1rem;margin-bottom:1.25rem}\n"
     ".outlook.good{border-top-color:var(--good)}\n"
     ".outlook.bad{border-top-color:var(--bad)}\n"
     ".over{font-size:.875rem;color:var(--soft)}\n"
     ".outlook h2{font-size:clamp(1.375rem,1rem + 2vw,1.875rem);line-height:1.25;"
     "letter-spacing:-.015em;margin:.1rem 0 .4rem;text-wrap:balance}\n"
     ".outlook.bad h2{color:var(--bad)}\n"
     ".cost{margin-bottom:1.1rem;max-width:46rem}\n"),
    /* the time line */
    (".line{display:block;overflow:visible;fill:var(--soft);"
     "font:.75rem/1 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\n"
     ".line rect.good,.legend .good{fill:var(--good);background:var(--good)}\n"
     ".line rect.warn,.legend .warn{fill:var(--warn);background:var(--warn)}\n"
     ".line rect.bad,.legend .bad{fill:var(--bad);background:var(--bad)}\n"
     ".line rect.good,.line rect.warn,.line rect.bad{stroke:var(--card);stroke-width:1}\n"
     ".hatch{fill:var(--bad);opacity:.55}\n"
     ".axis,.tick{stroke:var(--line);stroke-width:2}\n"
     ".tick{stroke-width:1}\n"
     ".line line.now{stroke:var(--ink);stroke-width:2}\n"
     ".line text.now{fill:var(--ink);font-weight:600}\n"
     ".ahead{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:3 4}\n"
     ".next{fill:var(--card);stroke:var(--soft);stroke-width:1.5;stroke-dasharray:3 2}\n"
     ".legend{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin-top:.6rem;font-size:.8125rem;"
     "color:var(--soft)}\n"
     ".legend i{display:inline-block;width:.3rem;height:.85rem;border-radius:.15rem;"
     "margin-right:.4rem;vertical-align:-.1rem}\n"
     ".legend .risk{width:1rem;height:.7rem;background:repeating-linear-gradient(135deg,"
     "var(--bad) 0 2px,transparent 2px 5px);opacity:.7}\n"),
    /* problems */
    (".problems{display:grid;gap:.75rem;margin-bottom:1.25rem}\n"
     ".problems li{border-left:.3rem solid var(--bad);display:grid;gap:.5rem}\n"
     ".detail{background:var(--track);border-radius:.4rem;padding:.4rem .6rem;font-size:.875rem}\n"
     ".note{background:var(--warn-fill);color:var(--warn);border-radius:.4rem;padding:.4rem .6rem;"
     "font-size:.875rem;margin-top:.75rem}\n"),
    /* cards */
    (".cards{columns:3 19rem;column-gap:1.25rem;margin-bottom:1.25rem}\n"
     ".card{break-inside:avoid;margin-bottom:1.25rem}\n"
     ".card:last-child{margin-bottom:0}\n"
     ".card h3{margin-top:1rem;font-size:.875rem;color:var(--soft)}\n"
     ".state{margin-bottom:.6rem}\n"
     "dl{display:grid;gap:.3rem}\n"
     "p+dl{margin-top:.6rem}\n"
     "dl div{display:flex;justify-content:space-between;gap:1rem}\n"
     "dt{color:var(--soft);white-space:nowrap}\n"
     "dd{text-align:right;min-width:0}\n"
     ".badge{display:inline-block;padding:.05rem .5rem;border-radius:1rem;font-size:.8125rem;"
     "font-weight:600;white-space:nowrap;background:var(--track)}\n"
     ".badge.good{background:var(--good-fill);color:var(--good)}\n"
     ".badge.warn{background:var(--warn-fill);color:var(--warn)}\n"
     ".badge.bad{background:var(--bad-fill);color:var(--bad)}\n"
     ".badge.busy{background:var(--busy-fill);color:var(--busy)}\n"
     "progress{appearance:none;display:block;width:100%;height:.5rem;margin:.4rem 0;border:0;"
     "border-radius:.25rem;overflow:hidden;background:var(--track);color:var(--busy)}\n"
     "progress.bad{color:var(--bad)}\n"
     "progress.plain{color:var(--soft)}\n"
     "progress::-webkit-progress-bar{background:var(--track)}\n"
     "progress::-webkit-progress-value{background:currentColor}\n"
     "progress::-moz-progress-bar{background:currentColor}\n"
     "pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0}\n"
     ".jobs{display:grid;gap:.75rem}\n"
     ".name{display:flex;justify-content:space-between;align-items:center;gap:1rem}\n"),
    /* the table and the end */
    ("table{width:100%;border-collapse:collapse}\n"
     "th,td{padding:.45rem .5rem;text-align:right;border-top:1px solid var(--line);"
     "font-weight:400;white-space:nowrap}\n"
     "th:first-child,td:last-child,th:last-child{text-align:left}\n"
     "td:last-child{white-space:normal}\n"
     "th:first-child{padding-left:0}\n"
     "thead th{border-top:0;color:var(--soft);font-size:.8125rem}\n"
     "th time{font-weight:600}\n"
     "summary{cursor:pointer;padding:.6rem 0;color:var(--soft)}\n"
     "footer{margin-top:1.5rem}\n"
     ":focus-visible{outline:2px solid var(--busy);outline-offset:2px}\n"),
    /* a phone */
    ("@media (max-width:40rem){body{padding:1rem .75rem 1.5rem}\n"
     ".outlook,.card,.problems li{padding:1rem}\n"
     ".line rect.good,.line rect.warn,.line rect.bad{width:3px;stroke-width:.4}\n"
     "table,tbody,tr,th,td{display:block}\n"
     "thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}\n"
     "tr{border-top:1px solid var(--line);padding:.5rem 0}\n"
     "th,td,td:last-child{border:0;padding:.1rem 0;text-align:left;white-space:normal}\n"
     "td{display:flex;flex-wrap:wrap;justify-content:flex-end;gap:.1rem .5rem}\n"
     "td::before{content:attr(data-label);color:var(--soft);flex:1 0 auto}}\n"),
};

void page_style(struct buf *out)
{
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        page_put(out, parts[i]);
}
