// Instruments made ready to be played: unpacked, and the loudness of their mixtures measured, which takes half a second.

import { unpackInstrument } from "./instrument.js";
import { measureGains } from "./loudness.js";

// Return an instrument as the synthesiser takes it. It throws an Error with one sentence if the file is none.
export function prepared(bytes) {
  const instrument = unpackInstrument(bytes);
  instrument.gains = measureGains(instrument);
  return instrument;
}

// Does that in a thread of its own, one instrument after the other, so that a page goes on meanwhile; where the browser
// refuses the thread, on the page.
export class Preparer {
  // `address` is that of prepare-worker.js.
  constructor(address) {
    this.waiting = []; // in the order in which the thread answers
    this.worker = null;
    try {
      this.worker = new Worker(address, { type: "module" });
    } catch {
      return;
    }
    this.worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.waiting.shift();
      if (data.error) reject(new Error(data.error));
      else resolve(data.instrument);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.worker.terminate();
      this.worker = null;
      for (const { bytes, resolve } of this.waiting.splice(0)) {
        resolve(new Promise((done) => done(prepared(bytes))));
      }
    };
  }

  // Return a promise of an instrument.
  prepare(bytes) {
    return new Promise((resolve, reject) => {
      if (!this.worker) {
        resolve(prepared(bytes));
        return;
      }
      this.worker.postMessage(bytes); // first: where it fails, no answer comes
      this.waiting.push({ bytes, resolve, reject });
    });
  }
}
