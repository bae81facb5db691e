// What the network says, as it is stored: changes of a sound's rows from key to key, and rows between sounds.

// Write the network's change of a sound's rows at the voice's key and place.
export function registerAt(register, keys, sound, voice, i) {
  const nRows = register.length;
  const steps = sound.registerSteps;
  const strength = voice.registerStrength;
  const step = keys[1] - keys[0];
  const key = Math.max(0, Math.min(keys.length - 1, (voice.key - keys[0]) / step));
  const first = Math.min(Math.floor(key), keys.length - 2);
  const own = Math.max(0, Math.min(1, (sound.pitch - keys[0]) / step - first)); // where nothing changes
  const place = key - first;
  let below = 1 - place;
  let upper = place;
  if (own > 0 && own < 1) {
    below = Math.max(0, 1 - place / own);
    upper = Math.max(0, (place - own) / (1 - own));
  }
  const time = Math.max(0, Math.min(steps - 1, voice.places[i] / voice.framesAStep - 0.5));
  const column = Math.min(Math.floor(time), Math.max(0, steps - 2));
  const later = time - column;
  const next = column + 1 < steps ? 1 : 0;
  const values = sound.register;
  for (let row = 0; row < nRows; row++) {
    const at = (first * nRows + row) * steps + column;
    const above = at + nRows * steps;
    const low = values[at] + later * (values[at + next] - values[at]);
    const high = values[above] + later * (values[above + next] - values[above]);
    register[row] = strength * (below * low + upper * high);
  }
}

// Write the network's correction between the sounds at the voice's key, time and place on the pad.
export function padCorrection(found, instrument, voice) {
  const { pad, header, sounds } = instrument;
  found.fill(0);
  if (!pad || !voice.padStrength) return;
  const nKeys = pad.shape[0];
  const nPlaces = pad.shape[1];
  const nRows = pad.shape[2];
  const columns = pad.shape[3];
  const { pad_keys: keys } = header;
  const key = Math.max(0, Math.min(nKeys - 1, (voice.key - keys[0]) / (keys[1] - keys[0])));
  const time = Math.max(0, Math.min(columns - 1, voice.share * columns - 0.5));
  const x = 4 * voice.padX;
  const y = nPlaces > 5 ? 4 * voice.padY : 0;
  const flat = sounds.length === 2 || nPlaces === 5;
  for (let corner = 0; corner < 16; corner++) {
    const weight =
      cornerShare(key, nKeys, corner & 1) *
      cornerShare(time, columns, (corner >> 1) & 1) *
      cornerShare(x, 5, (corner >> 2) & 1) *
      (flat ? (corner >> 3 ? 0 : 1) : cornerShare(y, 5, corner >> 3));
    if (!weight) continue;
    const place = cornerAt(x, 5, (corner >> 2) & 1) + (flat ? 0 : 5 * cornerAt(y, 5, corner >> 3));
    const column = cornerAt(time, columns, (corner >> 1) & 1);
    const first = (cornerAt(key, nKeys, corner & 1) * nPlaces + place) * nRows;
    const share = weight * voice.padStrength;
    for (let row = 0; row < nRows; row++) found[row] += share * pad.values[(first + row) * columns + column];
  }
}

function cornerAt(place, size, upper) {
  return Math.min(size - 1, Math.floor(place) + upper);
}

function cornerShare(place, size, upper) {
  const share = place - Math.floor(place);
  return upper ? share : 1 - share;
}
