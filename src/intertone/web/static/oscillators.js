// A bank of sinusoids: one complex rotation a sample, amplitude and frequency ramped from one renewal to the next.

const STEADY = 1e-4; // radians by which a ramp of frequency may bend the phase and still be left out
const TURN = 2 * Math.PI;

export class Oscillators {
  constructor(channels, most) {
    this.channels = channels;
    this.most = most;
    const size = channels * most;
    this.phase = new Float64Array(size); // periods, at the last renewal
    this.real = new Float64Array(size);
    this.imaginary = new Float64Array(size);
    this.turnReal = new Float64Array(size);
    this.turnImaginary = new Float64Array(size);
    this.bendReal = new Float64Array(size);
    this.bendImaginary = new Float64Array(size);
    this.bent = new Uint8Array(size);
    this.amplitude = new Float64Array(size); // now
    this.slope = new Float64Array(size); // a sample
    this.wanted = new Float64Array(size);
    this.frequency = new Float64Array(size); // periods a sample, at the next renewal
    this.active = new Uint16Array(size);
    this.nActive = 0;
    this.count = 0;
  }

  // Begin in silence: frequencies jump to those of the first renewal.
  restart() {
    this.amplitude.fill(0);
    this.wanted.fill(0);
    this.frequency.fill(0);
    this.nActive = 0;
    this.count = 0;
  }

  // Begin at amplitudes and frequencies, so that the first ramp starts there.
  begin(amplitudes, frequencies, count) {
    for (let channel = 0; channel < this.channels; channel++)
      for (let k = 0; k < count; k++) {
        const at = channel * this.most + k;
        this.wanted[at] = amplitudes[at];
        this.frequency[at] = frequencies[at];
      }
    this.count = count;
  }

  // Move phases to the end of the ramps, then ramp to amplitudes and frequencies, (channels, most), over `samples`.
  // `turns` is added to each frequency during the ramp, periods a sample, to reach the wanted phase.
  renew(amplitudes, frequencies, turns, count, samples) {
    const { channels, most } = this;
    const last = Math.max(count, this.count);
    let nActive = 0;
    for (let channel = 0; channel < channels; channel++) {
      for (let k = 0; k < last; k++) {
        const at = channel * most + k;
        const wanted = k < count ? amplitudes[at] : 0;
        if (k >= count && this.wanted[at] === 0) {
          this.frequency[at] = 0;
          this.amplitude[at] = 0;
          continue;
        }
        const from = this.frequency[at] || frequencies[at];
        const to = k < count ? frequencies[at] : from;
        this.frequency[at] = to;
        const amplitude = this.wanted[at];
        this.amplitude[at] = amplitude;
        this.wanted[at] = wanted;
        this.slope[at] = (wanted - amplitude) / samples;
        const begin = this.phase[at];
        const turn = k < count ? turns[at] : 0;
        const end = begin + (0.5 * (from + to) + turn) * samples;
        this.phase[at] = end - Math.floor(end);
        if (amplitude === 0 && wanted === 0) continue;
        this._turn(at, begin, from + turn, (to - from) / samples, samples);
        this.active[nActive++] = at;
      }
    }
    this.nActive = nActive;
    this.count = count;
  }

  _turn(at, begin, from, bend, samples) {
    const bent = (Math.abs(bend) * samples * samples * TURN) / 8 > STEADY;
    const turn = TURN * (bent ? from + 0.5 * bend : from + 0.5 * bend * samples);
    this.real[at] = Math.cos(TURN * begin);
    this.imaginary[at] = Math.sin(TURN * begin);
    this.turnReal[at] = Math.cos(turn);
    this.turnImaginary[at] = Math.sin(turn);
    this.bent[at] = bent ? 1 : 0;
    if (bent) {
      this.bendReal[at] = Math.cos(TURN * bend);
      this.bendImaginary[at] = Math.sin(TURN * bend);
    }
  }

  // Add so many samples to the outputs, one array a channel.
  add(outputs, samples) {
    for (let index = 0; index < this.nActive; index++) {
      const at = this.active[index];
      const output = outputs[at < this.most ? 0 : 1];
      if (this.bent[at]) this._addBent(output, at, samples);
      else this._addSteady(output, at, samples);
    }
  }

  _addSteady(output, at, samples) {
    let x = this.real[at];
    let y = this.imaginary[at];
    let amplitude = this.amplitude[at];
    const slope = this.slope[at];
    const c = this.turnReal[at];
    const s = this.turnImaginary[at];
    for (let n = 0; n < samples; n++) {
      output[n] += amplitude * x;
      amplitude += slope;
      const next = x * c - y * s;
      y = x * s + y * c;
      x = next;
    }
    this.real[at] = x;
    this.imaginary[at] = y;
    this.amplitude[at] = amplitude;
  }

  _addBent(output, at, samples) {
    let x = this.real[at];
    let y = this.imaginary[at];
    let amplitude = this.amplitude[at];
    let c = this.turnReal[at];
    let s = this.turnImaginary[at];
    const slope = this.slope[at];
    const bendC = this.bendReal[at];
    const bendS = this.bendImaginary[at];
    for (let n = 0; n < samples; n++) {
      output[n] += amplitude * x;
      amplitude += slope;
      const next = x * c - y * s;
      y = x * s + y * c;
      x = next;
      const turned = c * bendC - s * bendS;
      s = c * bendS + s * bendC;
      c = turned;
    }
    this.real[at] = x;
    this.imaginary[at] = y;
    this.turnReal[at] = c;
    this.turnImaginary[at] = s;
    this.amplitude[at] = amplitude;
  }
}
