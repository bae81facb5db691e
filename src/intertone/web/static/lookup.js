// Values between stored ones.

// Return the value at a place, in steps; outside it is the first or the last.
export function lerp(values, place) {
  const last = values.length - 1;
  const at = Math.max(0, Math.min(last, place));
  const first = Math.min(Math.floor(at), Math.max(0, last - 1));
  return values[first] + (at - first) * (values[Math.min(last, first + 1)] - values[first]);
}

// Return the value between b and c, at a part of the way, of a cubic through them with the slopes of their neighbours
// (Catmull-Rom).
export function cubic(a, b, c, d, part) {
  return b + 0.5 * part * (c - a + part * (2 * a - 5 * b + 4 * c - d + part * (3 * (b - c) + d - a)));
}

// Return the value of a row at a place: `times` rows of `stride` values follow each other from `first` on.
export function rowAt(values, first, stride, place, times) {
  const before = Math.min(Math.floor(place), times - 2);
  const low = values[first + before * stride];
  return low + (place - before) * (values[first + (before + 1) * stride] - low);
}

// Return the phase of a partial at the onset, in periods; partials that were not measured are spread evenly.
export function phaseOf(sound, channel, k) {
  if (k >= sound.measured) return ((k + 1) * (k + 1) * 0.6180339887498949) % 1;
  if (k >= sound.count) return 0;
  return sound.start[(channel < sound.channels ? channel : 0) * sound.count + k];
}
