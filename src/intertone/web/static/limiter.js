// A limiter that looks one quantum ahead: its gain ramps down before the peak comes, and slowly back.

const CEILING = 0.98;
const BACK_SECONDS = 0.2;

export class Limiter {
  constructor(sampleRate, quantum = 128) {
    this.quantum = quantum;
    this.waiting = [new Float32Array(quantum), new Float32Array(quantum)];
    this.waitingPeak = 0;
    this.gain = 1;
    this.back = 1 - Math.exp(-quantum / sampleRate / BACK_SECONDS);
  }

  // Write the quantum before this one, limited; nothing exceeds the ceiling.
  process(left, right, outLeft, outRight) {
    const { waiting, quantum } = this;
    let peak = 0;
    for (let n = 0; n < quantum; n++) {
      const most = Math.max(Math.abs(left[n]), Math.abs(right[n]));
      if (most > peak) peak = most;
    }
    const needed = Math.min(1, CEILING / Math.max(peak, this.waitingPeak, 1e-9));
    const next = needed < this.gain ? needed : this.gain + this.back * (needed - this.gain);
    const slope = (next - this.gain) / quantum;
    for (let n = 0; n < quantum; n++) {
      const gain = this.gain + slope * n;
      outLeft[n] = gain * waiting[0][n];
      outRight[n] = gain * waiting[1][n];
    }
    waiting[0].set(left);
    waiting[1].set(right);
    this.waitingPeak = peak;
    this.gain = next;
  }
}
