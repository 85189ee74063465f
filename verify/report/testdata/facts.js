// Looks at the page that it stands in and tells the frame around it what is wrong, for pages_test.go.
(async () => {
  const found = [];
  const root = document.documentElement;
  document.querySelectorAll("details").forEach((d) => (d.open = true));
  if (printed) // as the printer would have it
    for (const sheet of document.styleSheets)
      for (const rule of sheet.cssRules) {
        if (rule.media?.mediaText === "print") rule.media.mediaText = "all";
        else if (rule.media?.mediaText.startsWith("screen")) rule.media.mediaText = "not all";
      }

  if (root.scrollWidth > innerWidth) found.push(`the page is ${root.scrollWidth} wide in a window of ${innerWidth}`);
  for (const e of document.querySelectorAll(".scroll"))
    if (printed && e.scrollWidth > e.clientWidth + 1) found.push(`on paper ${e.ariaLabel} is cut: ${e.scrollWidth} wide in ${e.clientWidth}`);

  // The colours that axe does not look at: of what is drawn.
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = channels(colour).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const ground = (e) => {
    for (; e; e = e.parentElement) if (channels(getComputedStyle(e).backgroundColor)[3] !== 0) return getComputedStyle(e).backgroundColor;
    return "rgb(255, 255, 255)";
  };
  for (const drawing of document.querySelectorAll("svg")) {
    const box = drawing.getBoundingClientRect();
    for (const mark of drawing.querySelectorAll("circle, polyline, path, text")) {
      if (!mark.checkVisibility()) continue;
      const what = `${mark.tagName} ${mark.textContent}`;
      const at = mark.getBoundingClientRect();
      if (at.left < box.left - 1 || at.top < box.top - 1 || at.right > box.right + 1 || at.bottom > box.bottom + 1)
        found.push(`${what} sticks out of its drawing`);
      const style = getComputedStyle(mark);
      const [colour, least] = mark.tagName === "text" ? [style.fill, 4.5] : mark.tagName === "polyline" ? [style.stroke, 3] : [style.fill, 3];
      const got = mark.tagName === "path" ? 21 : contrast(colour, ground(drawing)); // paths are the faint lines of the grid
      if (got < least) found.push(`${what} has a contrast of ${got.toFixed(1)}, at least ${least} is due`);
    }
  }

  if (self.axe)
    for (const v of (await axe.run(document, { resultTypes: ["violations"] })).violations)
      for (const n of v.nodes) found.push(`axe, ${v.id}: ${v.help}: ${n.target} ${n.failureSummary}`);

  const wide = (selector, least) => [...document.querySelectorAll(selector)].filter((e) => e.getBoundingClientRect().width > least).length;
  const style = getComputedStyle(document.body);
  parent.postMessage(JSON.stringify({
    found, ground: style.backgroundColor, ink: style.color, height: root.scrollHeight,
    lines: wide("polyline", 50), dots: wide("circle", 2), pictures: wide("img", 8), axe: self.axe?.version ?? "",
  }), "*");
})().catch((e) => parent.postMessage(JSON.stringify({ found: [String(e)] }), "*"));
