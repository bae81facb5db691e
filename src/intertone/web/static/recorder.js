/** Records what is heard to a WAV file of 24 bits. */

import { wav24 } from "./wav.js";

export class Recorder {
  /**
   * @param context The audio context.
   * @param source Node that is recorded.
   * @param worklet Address of the recorder's audio thread.
   */
  constructor(context, source, worklet) {
    this.context = context;
    this.source = source;
    this.loading = context.audioWorklet.addModule(worklet);
    this.node = null;
  }

  get recording() {
    return this.node !== null;
  }

  async start() {
    await this.loading;
    this.blocks = [];
    this.node = new AudioWorkletNode(this.context, "intertone-recorder", {
      channelCount: 2, channelCountMode: "explicit", numberOfOutputs: 1,
    });
    this.ended = new Promise((resolve) => {
      this.node.port.onmessage = ({ data }) => (data ? this.blocks.push(data) : resolve());
    });
    this.source.connect(this.node);
    this.node.connect(this.context.destination); // its output is silent; without a way out it would not be called
  }

  /** Stop and return the file, or null where nothing was recorded. */
  async stop() {
    this.node.port.postMessage("stop");
    await this.ended;
    this.source.disconnect(this.node);
    this.node.disconnect();
    this.node = null;
    const frames = this.blocks.reduce((sum, [left]) => sum + left.length, 0);
    if (!frames) return null;
    const channels = [0, 1].map((index) => joined(this.blocks.map((block) => block[index]), frames));
    return new Blob([wav24(channels, this.context.sampleRate)], { type: "audio/wav" });
  }
}

function joined(blocks, frames) {
  const all = new Float32Array(frames);
  let at = 0;
  for (const block of blocks) {
    all.set(block, at);
    at += block.length;
  }
  return all;
}

/** Offer a file for download. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
