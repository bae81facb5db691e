// From one instrument of one sound to another while notes sound: levels and landmarks move, phases go on.

import { LoopGlide } from "./loop.js";

const GLIDE_SECONDS = 0.1;
const FLOOR_DB = -110; // a glide from or to silence begins or ends here
const LEVELS = ["partials", "top", "noise"]; // dB, in which silence is −200
const ROWS = [...LEVELS, "level", "ramp", "transient", "register"];
const FACTS = ["attack", "release", "silence", "end", "decay", "referenceDb", "turn"];

const SAME = ["channels", "count", "nFrames", "slowTimes", "fastTimes", "measured", "bell", "f0", "nStrong", "nFast"];

// Return what moves an instrument of one sound to others like it.
export function glideOf(instrument) {
  return instrument.pitched.length ? new Glide(instrument) : new LoopGlide(instrument);
}

class Glide {
  // `instrument` is the object that the voices read; a glide changes its values in place.
  constructor(instrument) {
    this.instrument = instrument;
    this.sound = instrument.pitched[0];
    this.from = Object.fromEntries(ROWS.map((name) => [name, new Float32Array(this.sound[name].length)]));
    this.facts = Object.fromEntries(FACTS.map((name) => [name, 0]));
    this.loop = [0, 0];
    this.gains = new Float64Array(instrument.gains ? instrument.gains.decibels.length : 0);
    this.target = null;
    this.share = 1;
  }

  // Return whether this can glide to an instrument: all rows must have the same shapes.
  takes(instrument) {
    if (instrument.sounds.length !== 1 || !instrument.pitched.length) return false;
    const [target] = instrument.pitched;
    const { sound } = this;
    return SAME.every((name) => sound[name] === target[name]) && ROWS.every((name) => sound[name].length === target[name].length);
  }

  // Begin to glide from the present values to those of an instrument for which `takes` is true.
  to(instrument) {
    const { sound, from, facts } = this;
    const [target] = instrument.pitched;
    for (const name of ROWS) from[name].set(sound[name]);
    for (const name of FACTS) facts[name] = sound[name] ?? target[name];
    if (this.instrument.gains) this.gains.set(this.instrument.gains.decibels);
    // if only one of the two has a loop, its loop is used
    const loop = sound.loop || target.loop;
    if (loop) this.loop = [...loop];
    sound.loop = target.loop && [...this.loop];
    sound.released = target.released;
    this.target = target;
    this.targetGains = instrument.gains;
    this.share = 0;
  }

  // Advance the glide by a time, s.
  advance(seconds) {
    if (this.share === 1) return;
    const { sound, from, target, facts } = this;
    this.share = Math.min(1, this.share + seconds / GLIDE_SECONDS);
    const { share } = this;
    if (share === 1) {
      for (const name of ROWS) sound[name].set(target[name]);
    } else {
      for (let at = 0; at < ROWS.length; at++) {
        const name = ROWS[at];
        mix(sound[name], from[name], target[name], share, at < LEVELS.length ? FLOOR_DB : -Infinity);
      }
    }
    for (const name of FACTS) sound[name] = target[name] === null ? null : facts[name] + share * (target[name] - facts[name]);
    if (sound.loop) for (let end = 0; end < 2; end++) sound.loop[end] = this.loop[end] + share * (target.loop[end] - this.loop[end]);
    if (!this.targetGains) return;
    const { decibels } = this.instrument.gains;
    for (let at = 0; at < decibels.length; at++) decibels[at] = this.gains[at] + share * (this.targetGains.decibels[at] - this.gains[at]);
  }
}

function mix(found, from, to, share, floor) {
  for (let at = 0; at < found.length; at++) {
    const before = from[at] > floor ? from[at] : floor;
    const after = to[at] > floor ? to[at] : floor;
    found[at] = before + share * (after - before);
  }
}
