// Fast Fourier transform of a power of two, in place, without allocation after its making.

export class Fourier {
  constructor(size) {
    this.size = size;
    this.cosines = new Float64Array(size / 2);
    this.sines = new Float64Array(size / 2);
    for (let at = 0; at < size / 2; at++) {
      this.cosines[at] = Math.cos((2 * Math.PI * at) / size);
      this.sines[at] = Math.sin((2 * Math.PI * at) / size);
    }
    this.order = new Uint32Array(size);
    for (let at = 0, bits = Math.log2(size); at < size; at++) {
      let reversed = 0;
      for (let bit = 0; bit < bits; bit++) reversed |= ((at >> bit) & 1) << (bits - 1 - bit);
      this.order[at] = reversed;
    }
  }

  // Inverse transform in place, without the factor 1 / size.
  inverse(real, imaginary) {
    const { size, cosines, sines, order } = this;
    for (let at = 0; at < size; at++) {
      const other = order[at];
      if (other > at) {
        const a = real[at];
        real[at] = real[other];
        real[other] = a;
        const b = imaginary[at];
        imaginary[at] = imaginary[other];
        imaginary[other] = b;
      }
    }
    for (let half = 1; half < size; half *= 2) {
      const step = size / (2 * half);
      for (let first = 0; first < size; first += 2 * half) {
        for (let at = 0; at < half; at++) {
          const c = cosines[at * step];
          const s = sines[at * step];
          const low = first + at;
          const high = low + half;
          const re = real[high] * c - imaginary[high] * s;
          const im = real[high] * s + imaginary[high] * c;
          real[high] = real[low] - re;
          imaginary[high] = imaginary[low] - im;
          real[low] += re;
          imaginary[low] += im;
        }
      }
    }
  }
}
