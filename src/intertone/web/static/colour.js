/** Colours of the four corners, and the colour map of spectrograms. */

export const CORNERS = ["#ff5d3b", "#f6b73c", "#22b59b", "#7277f5"];

/** Stops of the colour map, from silence to the loudest; lightness rises on dark ground and falls on light ground. */
const DARK = ["#100d0c", "#3a1745", "#8f2450", "#dd4f35", "#f9ab3b", "#fff4d2"];
const LIGHT = ["#f7f2e8", "#f3cf86", "#e88a3c", "#bf3a3e", "#6d1d52", "#1d0d24"];

export function rgb(text) {
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

export function isDark() {
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Return 256 colours of four bytes each, for the present theme. */
export function colourMap() {
  const stops = (isDark() ? DARK : LIGHT).map(rgb);
  const map = new Uint8ClampedArray(1024);
  for (let level = 0; level < 256; level += 1) {
    const place = (level / 255) * (stops.length - 1);
    const below = Math.min(stops.length - 2, Math.floor(place));
    for (let part = 0; part < 3; part += 1) {
      map[4 * level + part] = stops[below][part] + (place - below) * (stops[below + 1][part] - stops[below][part]);
    }
    map[4 * level + 3] = 255;
  }
  return map;
}

/** Call `redraw` whenever the theme changes. */
export function onTheme(redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

/** Give a canvas as many pixels as it covers on the screen; return whether their number has changed. */
export function fit(canvas) {
  const scale = Math.min(2, devicePixelRatio || 1);
  const width = Math.max(1, Math.round(canvas.clientWidth * scale));
  const height = Math.max(1, Math.round(canvas.clientHeight * scale));
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}
