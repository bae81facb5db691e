/** Names of keys and pitches. */

const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];

/** Return the name of a MIDI key: 60 is C4. */
export function keyName(key) {
  return `${NAMES[((key % 12) + 12) % 12]}${Math.floor(key / 12) - 1}`;
}

/** Return a pitch in semitones (69 is A4) as a key and cents: "C4 −3 ¢". */
export function pitchName(pitch) {
  const key = Math.round(pitch);
  const cents = Math.round(100 * (pitch - key));
  return cents ? `${keyName(key)} ${cents > 0 ? "+" : "−"}${Math.abs(cents)} ¢` : keyName(key);
}

export function isBlack(key) {
  return [1, 3, 6, 8, 10].includes(((key % 12) + 12) % 12);
}

/** Return weights of sounds in words: "62 % horn, 38 % sitar". */
export function inWords(weights, names) {
  const parts = names.map((name, index) => [Math.round(100 * weights[index]), name]);
  return parts.filter(([percent]) => percent > 0).map(([percent, name]) => `${percent} % ${name}`).join(", ");
}
