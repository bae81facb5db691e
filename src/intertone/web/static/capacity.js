/** Limits of the number of voices and of partials in each: measured by a probe at the start, then set by underruns. */

import { MOST_PARTIALS, MOST_VOICES } from "./size.js";

const LEAST_VOICES = 4;
const ENOUGH_VOICES = 8; // fewer have fewer partials instead
const PARTIALS = [MOST_PARTIALS, 320, 160, 80];
const SHARE = 0.5; // of the time that sound lasts, in which it may be computed
const SETTLED_MS = 1000; // after a change, in which further gaps count as the same
const QUIET_MS = 30_000; // without a gap, after which more is tried

/** Return how many voices can be computed in real time if one takes this share of real time. */
export function voicesFor(load) {
  return Math.max(LEAST_VOICES, Math.min(MOST_VOICES, Math.floor(SHARE / Math.max(load, 1e-9))));
}

export class Capacity {
  /** @param apply Called with the voices, and the partials of each, whenever they change. */
  constructor(apply) {
    this.apply = apply;
    this.voices = MOST_VOICES;
    this.partials = MOST_PARTIALS;
    this.probing = null;
    this.gaps = null;
    this.changed = 0;
    this.used = false;
  }

  /**
   * Find out what this computer can do, the first time that this is called.
   * @param measure Returns the share of its time that one voice of so many partials takes: `measure(partials)`.
   */
  probe(measure) {
    this.probing ??= this.find(measure);
    return this.probing;
  }

  async find(measure) {
    let found = null;
    for (const partials of PARTIALS) {
      found = { voices: voicesFor(await measure(partials)), partials };
      if (found.voices >= ENOUGH_VOICES) break;
    }
    this.set(Math.min(this.voices, found.voices), Math.min(this.partials, found.partials));
  }

  set(voices, partials) {
    this.voices = voices;
    this.partials = partials;
    this.apply(voices, partials);
  }

  /**
   * Lower the limits after underruns; raise them after a while without underruns in which all voices were used.
   * @param gaps Number of underruns until now.
   * @param voices Number of voices that sound.
   * @param now Milliseconds.
   */
  watch(gaps, voices, now) {
    if (this.gaps === null) this.changed = now;
    this.used ||= voices >= this.voices;
    const more = this.gaps !== null && gaps > this.gaps;
    this.gaps = gaps;
    const waited = now - this.changed;
    if (more && waited >= SETTLED_MS) this.lower(now);
    else if (!more && this.used && waited >= QUIET_MS) this.raise(now);
  }

  lower(now) {
    this.changed = now;
    const next = PARTIALS[PARTIALS.indexOf(this.partials) + 1];
    const least = this.voices > ENOUGH_VOICES ? ENOUGH_VOICES : LEAST_VOICES;
    if (this.voices > ENOUGH_VOICES || !next) this.set(Math.max(least, Math.floor(0.75 * this.voices)), this.partials);
    else this.set(this.voices, next);
  }

  raise(now) {
    this.changed = now;
    this.used = false;
    if (this.partials < MOST_PARTIALS) this.set(this.voices, PARTIALS[PARTIALS.indexOf(this.partials) - 1]);
    else if (this.voices < MOST_VOICES) this.set(this.voices + 1, this.partials);
  }
}
