// Loops of steady spectra, played on every key at another speed. High keys read a version of the loop with less bandwidth;
// a new loop is crossfaded with the one before.

import { cubic } from "./lookup.js";

const GLIDE_SECONDS = 0.1;

// Return which version of a loop has nothing that would fold when it is played this much faster than it was made; the
// first has all, and each has half the bandwidth of the one before.
export function versionFor(speed, count) {
  return Math.max(0, Math.min(count - 1, Math.ceil(Math.log2(speed) - 1e-6)));
}

// Add a stretch of a loop to an output, from a place on, 0 to 1; `step` is the part of the loop a sample. Return the
// place behind it. `from` and `to` are gains.
export function addLoop(output, sound, place, step, from, to) {
  const samples = output.length;
  const version = versionFor(0.5 * step * sound.loops[0].length, sound.loops.length);
  const now = sound.loops[version];
  const before = sound.before[version];
  const { share } = sound;
  const size = now.length;
  for (let n = 0; n < samples; n++) {
    const at = place * size;
    const first = Math.floor(at);
    let value = share > 0 ? share * around(now, first, at - first) : 0;
    if (share < 1) value += (1 - share) * around(before, first, at - first);
    output[n] += (from + ((to - from) * n) / samples) * value;
    place += step;
    if (place >= 1) place -= 1;
  }
  return place;
}

// Return the value of a loop behind one of its samples, by a part of the way to the next.
function around(values, first, part) {
  const size = values.length;
  const second = first + 1 < size ? first + 1 : 0;
  const third = first + 2 < size ? first + 2 : first + 2 - size;
  return cubic(values[first > 0 ? first - 1 : size - 1], values[first], values[second], values[third], part);
}

export class LoopGlide {
  // `instrument` is what voices read; its loop is crossfaded to others.
  constructor(instrument) {
    [this.sound] = instrument.sounds;
    this.next = null; // loop that comes after the crossfade that goes on
  }

  takes(instrument) {
    const [target] = instrument.sounds;
    return instrument.sounds.length === 1 && target.loops?.[0].length === this.sound.loops[0].length;
  }

  // Move to the loop of another instrument: at once, or after a crossfade that goes on; the newest counts.
  to(instrument) {
    this.next = instrument.sounds[0].loops;
    this._begin();
  }

  // Advance the crossfade by a time, s.
  advance(seconds) {
    this.sound.share = Math.min(1, this.sound.share + seconds / GLIDE_SECONDS);
    this._begin();
  }

  // Begin the crossfade to the newest loop, once the one before has ended.
  _begin() {
    const { sound, next } = this;
    if (!next || sound.share < 1) return;
    sound.before = sound.loops;
    sound.loops = next;
    sound.share = 0;
    this.next = null;
  }
}
