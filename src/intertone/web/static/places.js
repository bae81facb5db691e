// Where a voice is in each sound: attack, sustain and release of the mixture, laid over those of the sounds.

import { MOST_SOUNDS } from "./size.js";

const TURN_SECONDS = 0.1; // in which a ping-pong loop reverses
const DAMPED_SECONDS = 0.3; // in which a sound without a release of its own falls by 60 dB after the key is let go
export const ATTACK = 0;
export const SUSTAIN = 1;
export const RELEASE = 2;
const DAMPED_DB = -60;
const RECOVERED_SECONDS = 0.05;

export class Places {
  constructor() {
    this.places = new Float64Array(MOST_SOUNDS); // frames
    this.speeds = new Float64Array(MOST_SOUNDS); // frames a frame
    this.moved = new Float64Array(MOST_SOUNDS); // frames by which the last step moved the place, negative backwards
    this.movedSeconds = 1; // duration of that step
    this.directions = new Float64Array(MOST_SOUNDS); // 0: the first pass; else the speed within the loop
    this.turning = new Float64Array(MOST_SOUNDS);
    this.extraDb = new Float64Array(MOST_SOUNDS);
    this.releasedAt = new Float64Array(MOST_SOUNDS);
    this.hasRelease = new Uint8Array(MOST_SOUNDS); // of the sound, when the key was let go
    this.envelopeWeights = new Float64Array(MOST_SOUNDS);
  }

  // Be at the onset.
  begin() {
    this.stage = ATTACK;
    this.travelled = 0; // share of the attack
    this.share = 0; // of the whole time
    this.seconds = 0;
    this.releasedSeconds = -1;
    this.releaseShare = 0;
    for (const values of [this.places, this.speeds, this.moved, this.directions, this.turning, this.extraDb]) values.fill(0);
  }

  // Interpolate attack, sustain and release, in frames.
  _mixTimes() {
    const { pitched } = this.instrument;
    const weights = this.envelopeWeights;
    let attack = 0;
    let release = 0;
    let fade = 0;
    let end = 0;
    for (let i = 0; i < pitched.length; i++) {
      attack += weights[i] * Math.log(pitched[i].attack);
      release += weights[i] * pitched[i].release;
      fade += weights[i] * (pitched[i].silence - pitched[i].release);
      end += weights[i] * pitched[i].end;
    }
    this.attackFrames = pitched.length ? Math.exp(attack) : 1;
    this.sustainFrames = Math.max(1e-3, release - this.attackFrames);
    this.fadeFrames = Math.max(fade, 0.01);
    this.endFrames = Math.max(1, end);
  }

  // Advance the places by a time.
  _advance(seconds, controls) {
    let frames = seconds / this.frameSeconds;
    const { pitched } = this.instrument;
    this.moved.fill(0);
    this.movedSeconds = seconds;
    if (this.stage === ATTACK) {
      const step = Math.min(frames, (1 - this.travelled) * this.attackFrames);
      this.travelled += step / this.attackFrames;
      for (let i = 0; i < pitched.length; i++) {
        this.speeds[i] = pitched[i].attack / this.attackFrames;
        this._go(i, pitched[i].attack * this.travelled);
      }
      this.share = (this.attackFrames * this.travelled) / this.endFrames;
      frames -= step;
      if (this.travelled > 1 - 1e-9) this.stage = SUSTAIN;
    }
    if (this.stage === SUSTAIN && frames > 0) {
      for (let i = 0; i < pitched.length; i++) this._sustain(pitched[i], i, frames);
      this.share = Math.min(this.share + frames / this.endFrames, 0.9);
    } else if (this.stage === RELEASE) {
      this._fade(frames, controls);
    }
    this.seconds += seconds;
    if (this.releasedSeconds >= 0) this.releasedSeconds += seconds;
  }

  // Go to a place of a sound.
  _go(i, place) {
    this.moved[i] += place - this.places[i];
    this.places[i] = place;
  }

  _sustain(sound, i, frames) {
    // a glide from a sound that decays to one that is held takes back what it had decayed
    if (sound.loop && this.extraDb[i] < 0) this.extraDb[i] *= Math.exp((-frames * this.frameSeconds) / RECOVERED_SECONDS);
    if (this.directions[i] && sound.loop) {
      this._loop(sound, i, frames);
      return;
    }
    this.directions[i] = 0;
    const natural = (sound.release - sound.attack) / this.sustainFrames;
    const last = sound.loop ? sound.turn : sound.release;
    const first = Math.min(frames, Math.max(0, last - this.places[i]) / Math.max(natural, 1e-6));
    this._go(i, this.places[i] + natural * first);
    this.speeds[i] = natural;
    const rest = frames - first;
    if (rest <= 0) return;
    if (sound.loop) {
      this.directions[i] = natural;
      this._loop(sound, i, rest);
    } else if (sound.released) {
      this.extraDb[i] -= sound.decay * rest; // its recording was let go here
    } else {
      this._go(i, this.places[i] + rest);
      this.speeds[i] = 1;
    }
  }

  // Play a ping-pong loop: the speed changes sign smoothly; played backwards, frequencies are the same.
  _loop(sound, i, frames) {
    const low = sound.loop[0];
    const high = sound.loop[1];
    const turn = 1 / (TURN_SECONDS / this.frameSeconds);
    const wanted = this.places[i] >= high ? -1 : this.places[i] <= low ? 1 : Math.sign(this.turning[i]) || -1;
    this.turning[i] = wanted;
    const now = this.directions[i];
    const step = 2 * turn * frames;
    this.directions[i] = now < wanted ? Math.min(wanted, now + step) : Math.max(wanted, now - step);
    if (this.directions[i] === 0) this.directions[i] = 1e-9;
    this._go(i, Math.min(sound.release, Math.max(sound.attack, this.places[i] + this.directions[i] * frames)));
    this.speeds[i] = 1;
  }

  _fade(frames, controls) {
    const { pitched } = this.instrument;
    let own = false;
    for (let i = 0; i < pitched.length; i++) own = own || (this.hasRelease[i] && this.envelopeWeights[i] > 0);
    const damped = DAMPED_SECONDS / this.frameSeconds;
    const wanted = controls.release > 0 ? controls.release / this.frameSeconds : 0;
    const length = Math.max(own ? this.fadeFrames : damped, wanted);
    const before = this.releaseShare;
    this.releaseShare += frames / length;
    for (let i = 0; i < pitched.length; i++) {
      const sound = pitched[i];
      const span = sound.silence - sound.release;
      if (this.hasRelease[i]) {
        this.speeds[i] = span / length;
        const share = Math.min(1, this.releaseShare);
        this.moved[i] = span * (share - Math.min(1, before)); // without the step from the sustain to the release
        this.places[i] = sound.release + span * share;
        continue;
      }
      this.speeds[i] = own && span > 0 ? span / length : 1;
      this._go(i, this.places[i] + this.speeds[i] * frames);
      const early = Math.max(0, Math.min(1, (sound.release - this.releasedAt[i]) / 10));
      this.extraDb[i] += DAMPED_DB * early * (this.releaseShare - before);
    }
    this.share = Math.min(1, 1 - (1 - Math.min(1, this.releaseShare)) * (this.fadeFrames / this.endFrames));
  }
}
