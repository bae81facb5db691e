// What a voice plays as it was recorded: the residual of attacks, and sounds without one pitch.

import { cubic } from "./lookup.js";
import { addLoop } from "./loop.js";
import { MOST_SOUNDS } from "./size.js";
import { attackShare } from "./transient.js";

const LOOP_FADE_SECONDS = 0.006; // a loop begins anywhere, so it fades in
const FARTHEST_SEMITONES = 1.5; // from which on a sound's residual is no longer used

export class Recordings {
  constructor(sampleRate) {
    this.sampleRate = sampleRate;
    this.residualGains = new Float64Array(MOST_SOUNDS);
    this.gains = new Float64Array(MOST_SOUNDS);
    this.wanted = new Float64Array(MOST_SOUNDS);
    this.power = 0;
    this.sample = 0;
    this.place = 0; // in a loop, 0 to 1
  }

  // Begin: shares of the residuals follow weight and power, and fade with the distance from each sound's own key.
  start(voice) {
    const { pitched, header } = voice.instrument;
    this.ratio = header.sample_rate / this.sampleRate;
    this.sample = 0;
    this.residualGains.fill(0);
    let total = 0;
    for (let i = 0; i < pitched.length; i++) total += voice.weights[i] * pitched[i].residualPower;
    this.power = 0;
    for (let i = 0; i < pitched.length && voice.residual; i++) {
      const sound = pitched[i];
      const semitones = Math.abs(12 * Math.log2(voice.hz / sound.f0));
      const near = Math.max(0, Math.cos(0.5 * Math.PI * Math.min(1, semitones / FARTHEST_SEMITONES)));
      const share = Math.sqrt((voice.weights[i] * sound.residualPower) / total);
      this.residualGains[i] = near * share;
      this.power += (near * share) ** 2;
    }
    this._weigh(voice);
    this.gains.set(this.wanted);
    this.place = 0;
  }

  // Read the pad: the gains of recordings ramp to their new values.
  follow(voice) {
    this.gains.set(this.wanted);
    this._weigh(voice);
  }

  _weigh(voice) {
    const { sounds } = voice.instrument;
    for (let i = 0; i < sounds.length; i++) {
      this.wanted[i] = sounds[i].pitched ? 0 : Math.sqrt(voice.allWeights[i]) * voice.userGain;
      const released = voice.releasedSeconds;
      if (!sounds[i].pitched && released > 0) this.wanted[i] *= 10 ** (-3 * (released / 0.3));
    }
  }

  // Return the amplitude of noise beside the residuals, so that both have the noise's power.
  restOfNoise(seconds) {
    const share = attackShare(seconds);
    return Math.sqrt(Math.max(0, 1 - share * share * this.power));
  }

  add(voice, outputs, channels) {
    const { pitched, sounds } = voice.instrument;
    const samples = outputs[0].length;
    const seconds = this.sample / this.sampleRate;
    const now = attackShare(seconds);
    const next = attackShare(seconds + samples / this.sampleRate);
    for (let i = 0; i < pitched.length && now > 0; i++) {
      const sound = pitched[i];
      const gain = this.residualGains[i] * voice.wantedGain;
      if (!gain) continue;
      for (let channel = 0; channel < channels; channel++) {
        const first = (channel < sound.channels ? channel : 0) * sound.residualSamples;
        this._play(outputs[channel], sound.residual, first, sound.residualSamples, gain * now, gain * next);
      }
    }
    for (let i = 0; i < sounds.length; i++) {
      if (sounds[i].pitched || (!this.gains[i] && !this.wanted[i])) continue;
      const { recording, loops } = sounds[i];
      const done = voice.hop - voice.left;
      const slope = (this.wanted[i] - this.gains[i]) / voice.hop;
      const from = this.gains[i] + slope * done;
      if (loops) {
        const step = ((voice.hz / sounds[i].loopHz) * this.ratio) / sounds[i].samples; // of the loop, a sample
        const rise = Math.min(1, seconds / LOOP_FADE_SECONDS);
        const risen = Math.min(1, (seconds + samples / this.sampleRate) / LOOP_FADE_SECONDS);
        this.place = addLoop(outputs[0], sounds[i], this.place, step, rise * from, risen * (from + slope * samples));
        continue;
      }
      for (let channel = 0; channel < channels; channel++) {
        const values = recording[channel < recording.length ? channel : 0];
        this._play(outputs[channel], values, 0, values.length, from, from + slope * samples);
      }
    }
    this.sample += samples;
  }

  // Add a stretch of a recording, resampled by cubic interpolation, its gain ramped.
  _play(output, values, first, length, from, to) {
    const samples = output.length;
    for (let n = 0; n < samples; n++) {
      const place = (this.sample + n) * this.ratio;
      const at = Math.floor(place);
      if (at >= length) return;
      const before = at > 0 ? values[first + at - 1] : 0;
      const next = at + 1 < length ? values[first + at + 1] : 0;
      const last = at + 2 < length ? values[first + at + 2] : 0;
      const value = cubic(before, values[first + at], next, last, place - at);
      output[n] += (from + ((to - from) * n) / samples) * value;
    }
  }

  // Return whether nothing of the recordings is heard any more after the release.
  quiet(voice) {
    return voice.instrument.sounds.every((sound, i) => sound.pitched || this.wanted[i] < 1e-3);
  }

  // Return whether all recordings are over.
  ended(voice) {
    const place = this.sample * this.ratio;
    return voice.instrument.sounds.every(
      (sound, i) => sound.pitched || (!sound.loops && place > sound.samples) || !this.wanted[i],
    );
  }
}
