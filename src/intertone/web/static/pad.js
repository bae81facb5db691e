// The place on the pad as weights of sounds, and the grid of the network's correction.

// Write the weights of `count` sounds at a place of the pad, bilinear; see `pad_weights` in Python.
export function padWeights(x, y, count, weights) {
  weights.fill(0);
  if (count === 1) {
    weights[0] = 1;
  } else if (count === 2) {
    weights[0] = 1 - x;
    weights[1] = x;
  } else {
    weights[0] = (1 - x) * (1 - y);
    weights[1] = x * (1 - y);
    weights[2] = (1 - x) * y;
    const last = x * y;
    if (count === 4) weights[3] = last;
    else for (let index = 0; index < 3; index++) weights[index] += last / 3;
  }
}

// Write the weights of the sounds for one attribute: those of the pad where its slider stands at -1, else
// `1 - value` of the first sound and `value` of the second.
export function sliderWeights(value, weights, found) {
  if (value < 0) {
    found.set(weights);
    return;
  }
  found.fill(0);
  found[0] = 1 - value;
  found[1] = value;
}
