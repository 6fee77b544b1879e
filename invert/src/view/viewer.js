// Draws an avatar's Gaussians by WebGL 2 and moves them by the 52 ARKit units. No network, no library.
//
// The page carries one JSON object: { title, n, units, means, quats, scales, colors, seen, clip, view }.
// Arrays are base64 of little-endian numbers; see `pack` in view.rs, which writes them. Colours are display RGB.

const avatar = JSON.parse(document.getElementById("avatar").textContent);
const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const f32 = text => new Float32Array(bytes(text).buffer);
const i8 = text => new Int8Array(bytes(text).buffer);

const N = avatar.n;
const base = { means: f32(avatar.means), quats: f32(avatar.quats), scales: f32(avatar.scales), colors: f32(avatar.colors) };
// Each unit: the Gaussians it moves [R]; displacement of their means [R, 3] and of colours and opacity [R, 4], as int8 times
// one step a unit.
const units = avatar.units.map(u => ({ name: u.name, rows: new Uint32Array(bytes(u.rows).buffer), step: u.step, colorStep: u.color_step, means: i8(u.means), colors: i8(u.colors) }));
// How much of each Gaussian the photos showed, 0 to 255; none where that is not known.
const seen = avatar.seen ? bytes(avatar.seen) : null;
const clip = { fps: avatar.clip.fps, frames: avatar.clip.frames };
const weights = new Float32Array(units.length);

// ---- moving: base + Σ weight · displacement ------------------------------------------------------------------------
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

// ---- overlay: what no photo showed is tinted -----------------------------------------------------------------------
const TINT = [0.95, 0.25, 0.55], MOST_TINT = 0.75;
let tinting = false;

// The color at `o` of the instances is that of Gaussian `i`.
function tint(o, i) {
  const share = MOST_TINT * (1 - seen[i] / 255);
  for (let j = 0; j < 3; j++) instances[o + j] += share * (TINT[j] - instances[o + j]);
}

// ---- camera: orbits the head; y up, the face looks along +z ----------------------------------------------------------
const home = { yaw: 0, pitch: 0, distance: avatar.view.distance };
const view = { ...home };

function cameraFromWorld() {
  const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
  const [tx, ty, tz] = avatar.view.target;
  const forward = [-sy * cp, -sp, -cy * cp], right = [cy, 0, -sy];
  const down = [forward[1] * right[2] - forward[2] * right[1], forward[2] * right[0] - forward[0] * right[2], forward[0] * right[1] - forward[1] * right[0]];
  const eye = [tx - forward[0] * view.distance, ty - forward[1] * view.distance, tz - forward[2] * view.distance];
  const dot = r => -(r[0] * eye[0] + r[1] * eye[1] + r[2] * eye[2]);
  return { right, down, forward, shift: [dot(right), dot(down), dot(forward)] };
}

// ---- order: far to near, counting sort on 16-bit depth ---------------------------------------------------------------
const depths = new Uint16Array(N), order = new Uint32Array(N), buckets = new Uint32Array(65537);

function sortByDepth(c) {
  let lo = Infinity, hi = -Infinity;
  const z = sortByDepth.z || (sortByDepth.z = new Float32Array(N));
  for (let i = 0; i < N; i++) {
    z[i] = c.forward[0] * means[3 * i] + c.forward[1] * means[3 * i + 1] + c.forward[2] * means[3 * i + 2];
    lo = Math.min(lo, z[i]); hi = Math.max(hi, z[i]);
  }
  const scale = 65535 / Math.max(hi - lo, 1e-9);
  buckets.fill(0);
  for (let i = 0; i < N; i++) { depths[i] = (hi - z[i]) * scale; buckets[depths[i] + 1]++; }
  for (let b = 0; b < 65536; b++) buckets[b + 1] += buckets[b];
  for (let i = 0; i < N; i++) order[buckets[depths[i]]++] = i;
}

let stale = true; // something changed since the last frame

// ---- drawing: one quad a Gaussian, EWA projection as the trainer does it ----------------------------------------------
const VERTEX = `#version 300 es
precision highp float;
layout(location=0) in vec2 corner;
layout(location=1) in vec3 mean;
layout(location=2) in vec4 quat;
layout(location=3) in vec3 scale;
layout(location=4) in vec4 color;
uniform mat3 rotation; uniform vec3 shift; uniform vec2 focal; uniform vec2 size;
out vec2 at; out vec4 shade;
void main() {
  vec3 p = rotation * mean + shift;
  shade = color; at = vec2(9.0); gl_Position = vec4(0.0, 0.0, 2.0, 1.0);
  if (p.z < 0.05 || color.a < 1.0 / 255.0) return;
  vec4 q = normalize(quat);
  mat3 r = mat3(1.0 - 2.0*(q.z*q.z + q.w*q.w), 2.0*(q.y*q.z + q.x*q.w), 2.0*(q.y*q.w - q.x*q.z),
                2.0*(q.y*q.z - q.x*q.w), 1.0 - 2.0*(q.y*q.y + q.w*q.w), 2.0*(q.z*q.w + q.x*q.y),
                2.0*(q.y*q.w + q.x*q.z), 2.0*(q.z*q.w - q.x*q.y), 1.0 - 2.0*(q.y*q.y + q.z*q.z));
  mat3 m = rotation * r * mat3(scale.x, 0, 0, 0, scale.y, 0, 0, 0, scale.z);
  mat3 s = m * transpose(m);
  vec2 jx = vec2(focal.x / p.z, -focal.x * p.x / (p.z * p.z)), jy = vec2(focal.y / p.z, -focal.y * p.y / (p.z * p.z));
  float a = jx.x*jx.x*s[0][0] + 2.0*jx.x*jx.y*s[2][0] + jx.y*jx.y*s[2][2] + 0.3;
  float b = jx.x*jy.x*s[1][0] + jx.x*jy.y*s[2][0] + jx.y*jy.x*s[2][1] + jx.y*jy.y*s[2][2];
  float c = jy.x*jy.x*s[1][1] + 2.0*jy.x*jy.y*s[2][1] + jy.y*jy.y*s[2][2] + 0.3;
  float mid = 0.5 * (a + c), gap = sqrt(max(mid*mid - (a*c - b*b), 1e-9));
  vec2 axis = abs(b) > 1e-6 ? normalize(vec2(b, mid + gap - a)) : (a >= c ? vec2(1, 0) : vec2(0, 1));
  float reach = sqrt(2.0 * log(255.0 * color.a));
  vec2 major = axis * sqrt(mid + gap), minor = vec2(axis.y, -axis.x) * sqrt(max(mid - gap, 0.05));
  at = corner * reach;
  vec2 pixel = focal * p.xy / p.z + (major * at.x + minor * at.y);
  gl_Position = vec4(pixel.x * 2.0 / size.x, -pixel.y * 2.0 / size.y, 0.0, 1.0);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec2 at; in vec4 shade; out vec4 pixel;
void main() {
  float alpha = min(0.999, shade.a * exp(-0.5 * dot(at, at)));
  if (alpha < 1.0 / 255.0) discard;
  pixel = vec4(clamp(shade.rgb, 0.0, 1.0) * alpha, alpha);
}`;

const canvas = document.getElementById("canvas");
const gl = canvas.getContext("webgl2", { antialias: false, alpha: false, preserveDrawingBuffer: true });
if (!gl) document.getElementById("status").textContent = "This page needs WebGL 2.";

function program() {
  const p = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const s = gl.createShader(kind);
    gl.shaderSource(s, text); gl.compileShader(s);
    if (!gl.getShaderParameter(s, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(s));
    gl.attachShader(p, s);
  }
  gl.linkProgram(p);
  if (!gl.getProgramParameter(p, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(p));
  return p;
}
// All that lives on the GPU: made at the start, and again after the browser has taken the context away and given it back.
const STRIDE = 14, instances = new Float32Array(N * STRIDE);
let at = null, instanceBuffer = null;

function start() {
  const shader = program(), uniform = name => gl.getUniformLocation(shader, name);
  at = { rotation: uniform("rotation"), shift: uniform("shift"), focal: uniform("focal"), size: uniform("size") };
  instanceBuffer = gl.createBuffer();
  gl.bindVertexArray(gl.createVertexArray());
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  gl.bindBuffer(gl.ARRAY_BUFFER, instanceBuffer);
  [[1, 3, 0], [2, 4, 3], [3, 3, 7], [4, 4, 10]].forEach(([slot, count, offset]) => {
    gl.enableVertexAttribArray(slot);
    gl.vertexAttribPointer(slot, count, gl.FLOAT, false, STRIDE * 4, offset * 4);
    gl.vertexAttribDivisor(slot, 1);
  });
  gl.useProgram(shader); gl.enable(gl.BLEND); gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  stale = true;
}
canvas.addEventListener("webglcontextlost", e => { e.preventDefault(); at = null; }); // without this it never comes back
canvas.addEventListener("webglcontextrestored", () => start());

function draw() {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [w, h] = [Math.max(1, Math.round(canvas.clientWidth * ratio)), Math.max(1, Math.round(canvas.clientHeight * ratio))];
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const c = cameraFromWorld();
  sortByDepth(c);
  for (let k = 0, o = 0; k < N; k++, o += STRIDE) {
    const i = order[k];
    instances[o] = means[3*i]; instances[o+1] = means[3*i+1]; instances[o+2] = means[3*i+2];
    for (let j = 0; j < 4; j++) { instances[o+3+j] = base.quats[4*i+j]; instances[o+10+j] = colors[4*i+j]; }
    for (let j = 0; j < 3; j++) instances[o+7+j] = base.scales[3*i+j];
    if (tinting) tint(o + 10, i);
  }
  gl.bindBuffer(gl.ARRAY_BUFFER, instanceBuffer);
  gl.bufferData(gl.ARRAY_BUFFER, instances, gl.DYNAMIC_DRAW);
  gl.viewport(0, 0, w, h);
  gl.clearColor(0.157, 0.149, 0.137, 1); gl.clear(gl.COLOR_BUFFER_BIT);
  const { right: r, down: d, forward: f } = c;
  gl.uniformMatrix3fv(at.rotation, false, [r[0], d[0], f[0], r[1], d[1], f[1], r[2], d[2], f[2]]);
  gl.uniform3fv(at.shift, c.shift);
  const focal = Math.min(w, h) * avatar.view.focal;
  gl.uniform2f(at.focal, focal, focal); gl.uniform2f(at.size, w, h);
  gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, N);
  // Waits until the GPU has drawn: what is measured around this call is the whole frame.
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, onePixel);
}
const onePixel = new Uint8Array(4);

// ---- panel -----------------------------------------------------------------------------------------------------------
const PRESETS = {
  Neutral: {}, Smile: { mouthSmileLeft: .9, mouthSmileRight: .9, cheekSquintLeft: .4, cheekSquintRight: .4 },
  Surprise: { browInnerUp: .9, browOuterUpLeft: .8, browOuterUpRight: .8, eyeWideLeft: .8, eyeWideRight: .8, jawOpen: .5 },
  Blink: { eyeBlinkLeft: 1, eyeBlinkRight: 1 }, Pucker: { mouthPucker: .9, mouthFunnel: .3 },
  Frown: { browDownLeft: .9, browDownRight: .9, mouthFrownLeft: .8, mouthFrownRight: .8 }, Open: { jawOpen: .8 },
};
const GROUPS = [["Brows", /^brow/], ["Eyes", /^eye/], ["Cheeks and nose", /^(cheek|nose)/], ["Jaw", /^(jaw|tongue)/], ["Mouth", /^mouth/]];
const inputs = new Map();
let playing = false, turning = false, clock = 0, drawn = 0;
const spent = []; // milliseconds of the last frames

const readable = name => name.replace(/([A-Z])/g, " $1").toLowerCase();

function setExpression(values) {
  units.forEach((u, k) => { weights[k] = values[u.name] || 0; inputs.get(u.name).value = weights[k]; });
  stale = true;
}

function panel() {
  document.getElementById("title").textContent = avatar.title;
  document.title = avatar.title + " · Effigy";
  const presets = document.getElementById("presets");
  for (const [name, values] of Object.entries(PRESETS)) {
    const b = presets.appendChild(document.createElement("button"));
    b.textContent = name;
    b.onclick = () => { stop(); setExpression(values); };
  }
  const sliders = document.getElementById("sliders");
  for (const [title, pattern] of GROUPS) {
    sliders.appendChild(document.createElement("h2")).textContent = title;
    units.forEach((u, k) => {
      if (!pattern.test(u.name)) return;
      const l = sliders.appendChild(document.createElement("label"));
      l.append(readable(u.name));
      const s = l.appendChild(document.createElement("input"));
      Object.assign(s, { type: "range", min: 0, max: 1, step: 0.01, value: 0 });
      s.oninput = () => { stop(); weights[k] = +s.value; stale = true; };
      inputs.set(u.name, s);
    });
  }
  const play = document.getElementById("play"), orbit = document.getElementById("orbit");
  play.onclick = () => { playing = !playing; play.setAttribute("aria-pressed", playing); };
  orbit.onclick = () => { turning = !turning; orbit.setAttribute("aria-pressed", turning); };
  document.getElementById("reset").onclick = () => { turning = false; orbit.setAttribute("aria-pressed", false); Object.assign(view, home); stale = true; };
  play.hidden = clip.frames.length === 0;
  const unseen = document.getElementById("unseen");
  unseen.hidden = !seen;
  unseen.onclick = () => { tinting = !tinting && !!seen; unseen.setAttribute("aria-pressed", tinting); stale = true; };
}
function stop() { playing = false; document.getElementById("play").setAttribute("aria-pressed", false); }

// One finger or the mouse turns, two fingers or the wheel zoom.
function pointer() {
  const down = new Map();
  const zoom = factor => { view.distance = Math.max(0.25, Math.min(3, view.distance * factor)); stale = true; };
  const spread = () => { const [a, b] = [...down.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
  canvas.onpointerdown = e => {
    down.set(e.pointerId, [e.clientX, e.clientY]);
    try { canvas.setPointerCapture(e.pointerId); } catch { /* a pointer that a script made */ }
  };
  canvas.onpointerup = canvas.onpointercancel = e => { down.delete(e.pointerId); };
  canvas.onpointermove = e => {
    const last = down.get(e.pointerId);
    if (!last) return;
    if (down.size === 1) {
      view.yaw -= (e.clientX - last[0]) * 0.008;
      view.pitch = Math.max(-1.2, Math.min(1.2, view.pitch + (e.clientY - last[1]) * 0.008));
      stale = true;
    }
    const before = down.size === 2 ? spread() : 0;
    down.set(e.pointerId, [e.clientX, e.clientY]);
    if (before > 0 && spread() > 0) zoom(before / spread());
  };
  canvas.addEventListener("wheel", e => { e.preventDefault(); zoom(Math.exp(e.deltaY * 0.001)); }, { passive: false });
  new ResizeObserver(() => { stale = true; }).observe(canvas);
}

function frame(now) {
  const dt = Math.min(0.1, (now - (frame.last || now)) / 1000);
  frame.last = now;
  if (playing && clip.frames.length) {
    clock = (clock + dt * clip.fps) % clip.frames.length;
    const a = clip.frames[Math.floor(clock)], b = clip.frames[(Math.floor(clock) + 1) % clip.frames.length], t = clock % 1;
    units.forEach((u, k) => { weights[k] = a[k] * (1 - t) + b[k] * t; inputs.get(u.name).value = weights[k]; });
    stale = true;
  }
  if (turning) { view.yaw = 0.9 * Math.sin(now / 1600); stale = true; }
  if (stale && at) {
    const t = performance.now();
    deform(); draw(); stale = false; drawn++;
    spent.push(performance.now() - t);
    if (spent.length > 20) spent.shift();
    document.getElementById("status").textContent = status();
  }
  requestAnimationFrame(frame);
}

// The mean of the last frames, since browsers round their clocks; without a running clock there is no figure.
function status() {
  const mean = spent.reduce((sum, ms) => sum + ms, 0) / spent.length;
  return `${N.toLocaleString("en")} Gaussians` + (tinting ? `, ${shown} % seen in photos` : "") + (mean > 0 ? ` · ${mean.toFixed(1)} ms per frame` : "");
}
const shown = seen ? Math.round(seen.reduce((sum, v) => sum + v, 0) / 255 / N * 100) : 0;

start(); panel(); pointer();
// For scripts and tests: the same things a hand does.
window.effigy = { setExpression, setView: (yaw, pitch) => { view.yaw = yaw; view.pitch = pitch; stale = true; }, view: () => ({ ...view }), drawn: () => drawn, canvas, gl, units: units.map(u => u.name) };
const wanted = new URLSearchParams(location.hash.slice(1));
if (wanted.has("preset")) setExpression(PRESETS[wanted.get("preset")] || {});
if (wanted.has("yaw")) view.yaw = +wanted.get("yaw");
if (wanted.has("unseen")) document.getElementById("unseen").click();
if (wanted.has("play")) document.getElementById("play").click();
requestAnimationFrame(frame);
