// Runs in the page that page_measure.sh makes: lays every document of `pages` out at every width, and
// writes a line for each into #measured: its name, the width, and "fine" or what is wrong.
"use strict";

const widths = [360, 768, 1280];
const wantsDark = document.documentElement.dataset.scheme === "dark";

function channels(colour) {
    const found = colour.match(/[\d.]+/g).map(Number);
    return { rgb: found.slice(0, 3), alpha: found.length > 3 ? found[3] : 1 };
}

function luminance(rgb) {
    const [r, g, b] = rgb.map((v) => {
        const part = v / 255;
        return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
}

// What is behind an element: the first ancestor that is painted.
function ground(element, view) {
    for (let at = element; at; at = at.parentElement) {
        const colour = channels(view.getComputedStyle(at).backgroundColor);
        if (colour.alpha > 0) return colour.rgb;
    }
    return [255, 255, 255];
}

function ownText(element) {
    return [...element.childNodes]
        .filter((node) => node.nodeType === 3)
        .map((node) => node.data.trim())
        .join(" ")
        .trim();
}

function isMeantToBeSeen(element) {
    if (element.closest("head, title, desc, script, style, thead")) return false;
    return !element.closest("details:not([open]) > :not(summary)");
}

function judge(view, width) {
    const wrong = [];
    const root = view.document.documentElement;
    let seen = 0;

    if (view.innerWidth !== width) wrong.push(`laid out at ${view.innerWidth}`);
    if (view.matchMedia("(prefers-color-scheme: dark)").matches !== wantsDark)
        wrong.push("the wrong colour scheme");
    if (root.scrollWidth > width) wrong.push(`${root.scrollWidth} px wide`);
    for (const element of view.document.querySelectorAll("body *")) {
        const text = ownText(element);
        if (text === "" || !isMeantToBeSeen(element)) continue;
        const style = view.getComputedStyle(element);
        const box = element.getBoundingClientRect();
        const isDrawn = element.namespaceURI.endsWith("/svg");
        const colour = channels(isDrawn ? style.fill : style.color);
        const ratio = contrast(colour.rgb, ground(element, view));
        const what = `"${text.slice(0, 30)}"`;
        seen++;
        if (box.width < 1 || box.height < 1) wrong.push(`${what} has no room`);
        if (box.left < -1 || box.right > width + 1) wrong.push(`${what} is cut off`);
        if (ratio < 4.5 || colour.alpha < 1) wrong.push(`${what}: contrast ${ratio.toFixed(2)}`);
        if (style.visibility !== "visible" || style.opacity !== "1") wrong.push(`${what} is hidden`);
        if (parseFloat(style.fontSize) < 12) wrong.push(`${what} is tiny`);
    }
    if (seen < 20) wrong.push(`only ${seen} texts`);
    return wrong;
}

const frames = [];
for (const [name, source] of Object.entries(pages))
    for (const width of widths) {
        const frame = document.createElement("iframe");
        frame.style.cssText = `width:${width}px;height:800px;border:0`;
        frame.srcdoc = source;
        document.body.append(frame);
        frames.push({ name, width, frame });
    }

addEventListener("load", () => {
    document.getElementById("measured").textContent = frames
        .map(({ name, width, frame }) => {
            const view = frame.contentWindow;
            const wrong = judge(view, width);
            return `${name} ${width} ${wrong.length === 0 ? "fine" : wrong.join("; ")}\n`;
        })
        .join("");
});
