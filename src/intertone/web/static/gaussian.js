// Random numbers that are drawn once.

// Return complex numbers whose parts are normal with a mean square of a half.
export function gaussianTable(count) {
  const found = new Float32Array(2 * count);
  let state = 22222;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 1) / 4294967297;
  };
  for (let at = 0; at < count; at++) {
    const radius = Math.sqrt(-Math.log(random()));
    const angle = 2 * Math.PI * random();
    found[2 * at] = radius * Math.cos(angle);
    found[2 * at + 1] = radius * Math.sin(angle);
  }
  return found;
}
