/** WAV files. */

function header(channels, frames, rate, bytes, format) {
  const view = new DataView(new ArrayBuffer(44 + channels * frames * bytes));
  const text = (at, word) => [...word].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, view.byteLength - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, format, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * channels * bytes, true);
  view.setUint16(32, channels * bytes, true);
  view.setUint16(34, 8 * bytes, true);
  text(36, "data");
  view.setUint32(40, channels * frames * bytes, true);
  return view;
}

/** Return a WAV file of float samples; `channels` are Float32Arrays of one length. */
export function floatWav(channels, rate) {
  const frames = channels[0].length;
  const view = header(channels.length, frames, rate, 4, 3);
  const samples = new Float32Array(view.buffer, 44);
  channels.forEach((channel, index) => {
    for (let frame = 0; frame < frames; frame += 1) samples[frame * channels.length + index] = channel[frame];
  });
  return view.buffer;
}

/** Return a WAV file of 24-bit samples; what is louder than full scale is clipped. */
export function wav24(channels, rate) {
  const frames = channels[0].length;
  const view = header(channels.length, frames, rate, 3, 1);
  let at = 44;
  for (let frame = 0; frame < frames; frame += 1) {
    for (const channel of channels) {
      const value = Math.round(Math.max(-1, Math.min(1, channel[frame])) * 8388607);
      view.setUint16(at, value & 0xffff, true);
      view.setInt8(at + 2, value >> 16);
      at += 3;
    }
  }
  return view.buffer;
}
