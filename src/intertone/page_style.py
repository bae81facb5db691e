"""JavaScript and CSS of the HTML pages."""

SCRIPT = """
document.addEventListener("play", event => {
  for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
}, true);
function playSpot(spot) {
  const figure = spot.closest("figure"), player = figure.querySelector("audio");
  for (const other of figure.querySelectorAll(".on")) other.classList.remove("on");
  for (const part of [spot, figure.querySelector(`[data-spot="${spot.id}"]`)]) if (part) part.classList.add("on");
  figure.querySelector("output").textContent = spot.getAttribute("aria-label");
  player.src = spot.dataset.sound;
  player.play();
}
for (const spot of document.querySelectorAll("[data-sound]")) {
  spot.addEventListener("click", () => playSpot(spot));
  spot.addEventListener("keydown", event => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); playSpot(spot); }
  });
}
for (const name of document.querySelectorAll("[data-spot]"))
  name.addEventListener("click", () => playSpot(document.getElementById(name.dataset.spot)));
"""
"""Script of the pages: only one sound plays at a time; areas of a picture play their sound on click, Enter or space."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1d21; --soft: #5c626b; --rule: #d5d8dd; --paper: #fdfdfb;
  --tint: #f2f3ef; --accent: #2a5d8f;
  --serif: Charter, "Bitstream Charter", "Iowan Old Style", Cambria, Georgia, serif;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e5e2; --soft: #a0a6ae; --rule: #383c42; --paper: #141619;
  --tint: #1e2125; --accent: #8fbde6; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.55 var(--serif);
  overflow-wrap: break-word; }
main { width: 100%; max-width: 68rem; margin: 0 auto; padding: 1.5rem 1.25rem 5rem; min-width: 0; }
h1 { font-size: 2rem; line-height: 1.2; margin: 1rem 0 1.5rem; letter-spacing: -0.01em; }
h2 { font-size: 1.4rem; line-height: 1.25; margin: 3.5rem 0 1rem; padding-top: 0.9rem;
  border-top: 1px solid var(--rule); }
h3 { font: 600 1rem/1.35 var(--sans); margin: 0 0 0.15rem; }
p, ul { max-width: 44rem; margin: 0 0 1rem; }
ul { padding-left: 1.2rem; }
li { margin-bottom: 0.35rem; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
pre { font: 0.85rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  background: var(--tint); padding: 0.7rem 0.9rem; border-radius: 4px; overflow-x: auto; max-width: 100%; }
figure { margin: 1.75rem 0; }
figcaption { font: 0.875rem/1.5 var(--sans); color: var(--soft); max-width: 50rem; margin-bottom: 0.6rem; }
figcaption b { color: var(--ink); font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font: 0.875rem/1.4 var(--sans); font-variant-numeric: tabular-nums;
  border-top: 2px solid var(--ink); border-bottom: 2px solid var(--ink); }
th, td { text-align: left; font-weight: 400; padding: 0.3rem 1.1rem 0.3rem 0; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0.25rem; }
tbody th { min-width: 8.5rem; }
thead th { vertical-align: bottom; color: var(--soft); border-bottom: 1px solid var(--ink); max-width: 9rem; }
tbody tr + tr > * { border-top: 1px solid var(--rule); }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
.verdict { font: 600 0.9375rem/1.5 var(--sans); margin: -0.75rem 0 1.75rem; }
.picture img { display: block; max-width: 100%; height: auto; }
.picture figcaption { margin: 0.5rem 0 0; }
.ground { position: relative; width: fit-content; max-width: 100%; }
.ground svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.ground rect { fill: transparent; cursor: pointer; }
.ground rect:hover { fill: #8884; stroke: #fff; stroke-width: 2; }
.ground rect:focus { outline: none; }
.ground rect.on, .ground rect:focus-visible { stroke: #fff; stroke-width: 3; paint-order: stroke;
  filter: drop-shadow(0 0 2px #000); }
.heard { display: flex; flex-wrap: wrap; align-items: center; gap: 0.3rem 1rem; font: 0.875rem/1.5 var(--sans);
  margin: 0.5rem 0; }
.heard audio { width: 20rem; max-width: 100%; height: 2.25rem; }
.names { display: flex; flex-wrap: wrap; gap: 0.3rem; margin: 0.5rem 0; }
.names button { font: 0.8125rem/1.4 var(--sans); color: var(--ink); background: var(--tint); padding: 0.15rem 0.55rem;
  border: 1px solid var(--rule); border-radius: 1rem; cursor: pointer; }
.names button.on { border-color: var(--accent); color: var(--accent); }
.listening { margin: 2rem 0; }
.listening p { font: 0.875rem/1.5 var(--sans); color: var(--soft); max-width: 50rem; margin-bottom: 0.6rem; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15.5rem, 100%), 1fr)); gap: 0.9rem 1rem; }
.clip { margin: 0; min-width: 0; }
.clip figcaption { margin: 0 0 0.2rem; color: var(--ink); }
.clip img { display: block; width: 100%; height: auto; }
.clip audio { display: block; width: 100%; height: 2.25rem; margin-top: 0.3rem; }
nav { font: 0.875rem/1.5 var(--sans); max-width: 68rem; margin: 0 auto; padding: 1rem 1.25rem 0; }
nav ol { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0.15rem 1.1rem; }
nav li { margin: 0; }
nav a { text-decoration: none; color: var(--soft); }
nav a:hover, nav a:focus { color: var(--accent); text-decoration: underline; }
@media (min-width: 84rem) {
  body { display: grid; grid-template-columns: 13rem minmax(0, 68rem); justify-content: center; column-gap: 1rem; }
  nav { position: sticky; top: 0; align-self: start; padding: 3rem 0 0 1rem; max-height: 100vh; overflow-y: auto; }
  nav ol { display: block; }
  nav li { margin-bottom: 0.4rem; }
}
@media print { nav, .clip audio, .heard, .names { display: none; } h2, figcaption { break-after: avoid; }
  .clip, tr { break-inside: avoid; } }
"""
"""Style sheet of the pages: colours of a light and a dark scheme, fonts and layout."""
