/** Audio thread of the recorder: sends what comes in, in blocks. */

const BLOCK = 4096;

class RecorderProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.recording = true;
    this.begin();
    this.port.onmessage = () => {
      this.send();
      this.port.postMessage(null);
      this.recording = false;
    };
  }

  begin() {
    this.left = new Float32Array(BLOCK);
    this.right = new Float32Array(BLOCK);
    this.length = 0;
  }

  send() {
    const block = [this.left.subarray(0, this.length), this.right.subarray(0, this.length)];
    this.port.postMessage(block, [this.left.buffer, this.right.buffer]);
    this.begin();
  }

  process([input]) {
    if (input.length) {
      this.left.set(input[0], this.length);
      this.right.set(input[1] || input[0], this.length);
    }
    this.length += 128;
    if (this.length >= BLOCK) this.send();
    return this.recording;
  }
}

registerProcessor("intertone-recorder", RecorderProcessor);
