// The parts of the codes at a place of the map; the same law as `CodeMap.weights` in Python.

const NEAR = 6;

// Return [index, part] of the points that have a part at a place, the largest first. Points have x and y, 0 to 1.
export function nearest(points, x, y) {
  const far = points.map((point, index) => [index, Math.hypot(point.x - x, point.y - y)]);
  far.sort((a, b) => a[1] - b[1]);
  if (!far.length) return [];
  if (far[0][1] < 1e-6) return [[far[0][0], 1]];
  const reach = far[Math.min(NEAR, far.length - 1)][1];
  const parts = [];
  let total = 0;
  for (const [index, distance] of far.slice(0, NEAR)) {
    const part = (Math.max(0, reach - distance) / distance) ** 2;
    if (!part) continue;
    parts.push([index, part]);
    total += part;
  }
  return parts.map(([index, part]) => [index, part / total]);
}

// Return the names of the largest parts with their percentages, as a person reads them.
export function nearInWords(points, parts) {
  const some = parts.slice(0, 3).filter(([, part]) => part >= 0.05);
  return some.map(([index, part]) => `${points[index].name} ${Math.round(100 * part)} %`).join(", ");
}
