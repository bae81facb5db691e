// All voices of an instrument, their parameters and the limiter: pure, it runs in a worklet, a worker and node.

import { glideOf } from "./glide.js";
import { Limiter } from "./limiter.js";
import { Mixture } from "./mixture.js";
import { Monophony } from "./monophony.js";
import { NoiseShaper } from "./noise.js";
import { MOST_PARTIALS, MOST_VOICES, QUANTUM } from "./size.js";
import { Voice } from "./voice.js";

const SMOOTHED_SECONDS = 0.015;
const PARTIALS_BELOW = 0.45; // of the sample rate
const SPARE = 4; // voices that fade while new ones begin

// Name, default, least and largest value of each parameter.
export const PARAMETERS = [
  ["padX", 0, 0, 1], // place on the pad
  ["padY", 0, 0, 1],
  ["bend", 0, -48, 48], // semitones
  ["pressure", 0, 0, 1], // up to 6 dB louder
  ["volume", 1, 0, 4], // factor
  ["attack", 0, 0, 10], // seconds of a further fade; 0: the sounds' own
  ["decay", 0.5, 0, 10], // seconds in which the level comes within a twentieth of `sustain`
  ["sustain", 1, 0, 1], // level while a key is held; 1: the sounds' own
  ["release", 0, 0, 10], // seconds in which a released note falls by 60 dB; 0: the sounds' own
  ["harmonics", -1, -1, 1], // weight of the second sound's partials; -1: the pad's
  ["noise", -1, -1, 1],
  ["envelope", -1, -1, 1], // level over time and landmarks
  ["register", -1, -1, 4], // factor of the network's change from key to key; -1: 1
  ["glide", 0, 0, 5], // seconds
  ["tune", 440, 380, 500], // Hz of A4
];

export class Synthesiser {
  constructor(sampleRate, { voices = MOST_VOICES, residual = true, noise = true, limit = true } = {}) {
    this.sampleRate = sampleRate;
    this.hop = sampleRate > 64000 ? 8 * QUANTUM : 4 * QUANTUM;
    this.options = { residual, noise, limit };
    this.voices = Array.from({ length: voices + SPARE }, () => new Voice(sampleRate, this.hop));
    this.mostVoices = voices;
    this.mostPartials = MOST_PARTIALS;
    this.monophony = new Monophony();
    this.controls = Object.fromEntries(PARAMETERS.map(([name, value]) => [name, value]));
    this.limiter = new Limiter(sampleRate);
    this.pending = [];
    this.pedal = false;
    this.time = 0;
    this.volume = 1;
    this.lastKey = null;
    this.instrument = null;
    this.glide = null;
    this.waiting = null;
    this.sum = [new Float32Array(QUANTUM), new Float32Array(QUANTUM)];
    this.smoothing = 1 - Math.exp(-QUANTUM / sampleRate / SMOOTHED_SECONDS);
    this.underruns = 0;
  }

  // Change to an unpacked instrument. Sounding notes first fade out within a few milliseconds; new notes wait for this.
  // With `again`, held notes are restarted.
  setInstrument(instrument, again = false) {
    const { noise_centres: centres, noise_widths: widths, f_max: most, sample_rate: rate, channels } = instrument.header;
    const size = 2 * MOST_PARTIALS;
    const mixture = new Mixture(instrument, channels);
    mixture.mostPartials = this.mostPartials;
    this.waiting = {
      instrument,
      glide: instrument.glides ? glideOf(instrument) : null,
      channels,
      mixture,
      highestHz: Math.min(most, PARTIALS_BELOW * this.sampleRate),
      noiseShaper: new NoiseShaper(centres, widths, this.sampleRate, this.hop, rate / 2),
      scratchAmplitudes: new Float64Array(size),
      scratchFrequencies: new Float64Array(size),
      scratchTurns: new Float64Array(size),
      scratchNoise: new Float64Array(channels * instrument.nNoise),
    };
    if (!again) this.pending.length = 0;
    for (const voice of this.voices) {
      if (!voice.active) continue;
      const { target: key, velocity, id, keyDown } = voice;
      if (again && voice.held && voice.gateStep === 0) {
        this.pending.push({ key, velocity, id, own: voice.own.wanted(), keyDown });
      }
      voice.steal();
    }
    this._change();
  }

  // Move the levels and landmarks of what sounds to those of another instrument of one sound; voices go on. Where the
  // instrument before is of another kind, held notes begin again.
  glideTo(instrument) {
    const { glide } = this.waiting || this;
    if (glide?.takes(instrument)) glide.to(instrument);
    else this.setInstrument(instrument, true);
  }

  // Replace the instrument by the one that waits, once no voice sounds.
  _change() {
    for (const voice of this.voices) if (voice.active) return;
    Object.assign(this, this.waiting);
    this.waiting = null;
    for (const voice of this.voices) voice.residual = this.options.residual;
  }

  // Set parameters at once, without smoothing.
  setControls(values) {
    Object.assign(this.controls, values);
    this.volume = this.controls.volume;
  }

  // Limit the number of voices, and of partials in each; voices and partials beyond the limits fade out.
  setLimits(voices, partials) {
    this.mostVoices = Math.max(1, Math.min(this.voices.length - SPARE, voices));
    this.mostPartials = Math.max(1, Math.min(MOST_PARTIALS, partials));
    if (this.mixture) this.mixture.mostPartials = this.mostPartials;
    if (this.waiting) this.waiting.mixture.mostPartials = this.mostPartials;
    while (this._sounding() > this.mostVoices) this._oldest().steal();
  }

  // Begin a note. `own` holds its own bend (semitones), pressure (0 to 1) and timbre (-1 to 1) where it has them.
  noteOn(key, velocity, id, own = null) {
    if (!this.instrument) return;
    this.noteOff(id);
    const { monophony } = this;
    if (monophony.on) this.pending.length = 0;
    if (this.waiting) {
      this.pending.push({ key, velocity, id, own });
      if (monophony.on) monophony.wait({ key, velocity, id, own });
      return;
    }
    if (monophony.on) {
      const voice = monophony.press(this.voices, { key, velocity, id, own });
      for (const name in voice && own) voice.own.set(name, own[name]);
      if (voice) return;
      this.lastKey = null; // only keys that overlap glide
    }
    if (this._sounding() >= this.mostVoices) this._oldest().steal();
    const free = this.voices.find((voice) => !voice.active);
    if (free) this._begin(free, key, velocity, id, own);
    else this.pending.push({ key, velocity, id, own });
  }

  _begin(voice, key, velocity, id, own) {
    voice.started = this.time;
    this.noiseShaper.seed(this.noiseShaper.state + 2654435761);
    voice.start(this, key, velocity, id, own, this.controls);
    this.lastKey = key;
  }

  // Return the number of voices that sound, without those that fade out to make room for others.
  _sounding() {
    let count = 0;
    for (const voice of this.voices) if (voice.active && voice.gateStep === 0) count++;
    return count;
  }

  // Return the voice to steal.
  _oldest() {
    let found = null;
    for (const voice of this.voices) {
      if (voice.active && voice.gateStep === 0 && (!found || rank(voice) < rank(found))) found = voice;
    }
    return found;
  }

  // Play one note at a time, the last one; or all.
  setMono(on) {
    this.monophony.switch(on);
  }

  // Change what a note has of its own, until its key is let go: bend, pressure or timbre.
  express(id, name, value) {
    for (const one of this.pending) if (one.id === id) one.own = { ...one.own, [name]: value };
    for (const voice of this.voices) if (voice.active && voice.id === id && voice.keyDown) voice.own.set(name, value);
  }

  // Return after how many samples a new voice renews for the first time: soon, and when the fewest others do.
  firstHop(begun) {
    let found = this.hop;
    let fewest = Infinity;
    for (let left = QUANTUM; left <= this.hop; left += QUANTUM) {
      let others = 0;
      for (const voice of this.voices) {
        // one with nothing left renews now, and again after a hop
        if (voice.active && voice !== begun && (voice.left || this.hop) === left) others++;
      }
      if (others < fewest) {
        fewest = others;
        found = left;
      }
    }
    return found;
  }

  noteOff(id) {
    const { monophony } = this;
    if (monophony.on && this.waiting) {
      const before = monophony.drop(id);
      if (before) this.pending = [before];
    } else if (monophony.on && monophony.lift(this.voices, id)) return;
    for (let at = this.pending.length - 1; at >= 0; at--) if (this.pending[at].id === id) this.pending.splice(at, 1);
    for (const voice of this.voices) {
      if (!voice.active || voice.id !== id || !voice.keyDown) continue;
      voice.keyDown = false;
      if (!this.pedal) voice.release();
    }
  }

  sustain(down) {
    this.pedal = down;
    if (down) return;
    this.pending = this.pending.filter(({ keyDown = true }) => keyDown);
    for (const voice of this.voices) if (voice.active && !voice.keyDown) voice.release();
  }

  panic() {
    this.pending.length = 0;
    this.monophony.switch(this.monophony.on);
    this.pedal = false;
    for (const voice of this.voices) if (voice.active) voice.steal();
  }

  // Return what sounds: voices, and oscillators of all voices together.
  status() {
    let voices = 0;
    let partials = 0;
    for (const voice of this.voices) {
      if (!voice.active) continue;
      voices++;
      partials += voice.oscillators.nActive;
    }
    return { voices, partials, underruns: this.underruns };
  }

  // Write one quantum to left and right; `wanted` holds the value that each parameter shall have.
  process(left, right, wanted) {
    const { sum, controls } = this;
    for (let at = 0; at < PARAMETERS.length; at++) {
      const name = PARAMETERS[at][0];
      controls[name] += this.smoothing * (wanted[name] - controls[name]);
      if (Math.abs(wanted[name] - controls[name]) < 1e-6) controls[name] = wanted[name];
    }
    // a value < 0 means the pad's weights: a change to or from it is not smoothed
    for (const name of ["harmonics", "noise", "envelope", "register"]) {
      if (wanted[name] < 0 || controls[name] < 0) controls[name] = wanted[name];
    }
    sum[0].fill(0);
    sum[1].fill(0);
    if (this.waiting) this._change();
    if (this.glide && this.time % this.hop === 0) this.glide.advance(this.hop / this.sampleRate);
    for (let at = 0; at < this.voices.length; at++) {
      const voice = this.voices[at];
      if (!voice.active && this.pending.length && !this.waiting) this._next(voice);
      if (voice.active) voice.process(this, controls, sum);
    }
    this._volume(controls.volume);
    if (this.options.limit) this.limiter.process(sum[0], sum[1], left, right);
    else {
      left.set(sum[0]);
      right.set(sum[1]);
    }
    this.time += QUANTUM;
  }

  _next(voice) {
    const { key, velocity, id, own, keyDown = true } = this.pending.shift();
    this.lastKey = null; // what waited or begins again does not glide
    this._begin(voice, key, velocity, id, own);
    voice.keyDown = keyDown;
  }

  _volume(volume) {
    const slope = (volume - this.volume) / QUANTUM;
    for (let n = 0; n < QUANTUM; n++) {
      const gain = this.volume + slope * n;
      this.sum[0][n] *= gain;
      this.sum[1][n] *= gain;
    }
    this.volume = volume;
  }
}

// Return a rank by which voices are stolen: released ones first, then old ones.
function rank(voice) {
  return voice.started + (voice.held ? 1e12 : 0);
}
