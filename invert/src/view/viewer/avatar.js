// The avatar: its Gaussians at rest, and how the 52 ARKit units move them.
//
// The page carries one JSON object: { title, n, means, quats, scales, colors, seen, units, clip, view, rig }.
// Arrays are base64 of little-endian numbers; see `pack` in view.rs, which writes them. Colors are display RGB.

const avatar = JSON.parse(document.getElementById("avatar").textContent);
const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const f32 = text => new Float32Array(bytes(text).buffer);
const i8 = text => new Int8Array(bytes(text).buffer);

const N = avatar.n;
const base = { means: f32(avatar.means), quats: f32(avatar.quats), scales: f32(avatar.scales), colors: f32(avatar.colors) };
// Each unit: the Gaussians it moves [R]; displacement of their means [R, 3] and of colors and opacity [R, 4], as int8 times
// one step a unit.
const units = avatar.units.map(u => ({ name: u.name, rows: new Uint32Array(bytes(u.rows).buffer), step: u.step, colorStep: u.color_step, means: i8(u.means), colors: i8(u.colors) }));
// How much of each Gaussian the photos showed, 0 to 255; none where that is not known.
const seen = avatar.seen ? bytes(avatar.seen) : null;

// ---- pose: the weights of the units, and how the head is turned ------------------------------------------------------
const weights = new Float32Array(units.length);
const head = new Float32Array(3); // yaw to the person's left, pitch down, roll to the person's right shoulder; radians

// What changed since the last frame; each includes the ones before it.
const PICTURE = 1, VIEW = 2, POSE = 3;
let stale = POSE;
function changed(what) { stale = Math.max(stale, what); }

// ---- moving: base + Σ weight · displacement --------------------------------------------------------------------------
const means = new Float32Array(base.means);
const colors = new Float32Array(base.colors);

function deform() {
  means.set(base.means);
  colors.set(base.colors);
  for (let k = 0; k < units.length; k++) {
    if (weights[k] === 0) continue;
    const u = units[k], s = weights[k] * u.step, c = weights[k] * u.colorStep;
    for (let r = 0; r < u.rows.length; r++) {
      const i = u.rows[r];
      for (let j = 0; j < 3; j++) means[3 * i + j] += s * u.means[3 * r + j];
      for (let j = 0; j < 4; j++) colors[4 * i + j] += c * u.colors[4 * r + j];
    }
  }
}
