// Draws the Gaussians by WebGL 2: one quad each, EWA projection as the trainer does it.
//
// The arrays lie in textures, one texel per Gaussian; the only attribute of an instance is its row in them.

// ---- camera: orbits the head; y up, the face looks along +z ----------------------------------------------------------
const home = { yaw: 0, pitch: 0, distance: avatar.view.distance };
const view = { ...home };
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

// Rows of the rotation: right, down, forward.
function cameraFromWorld() {
  const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
  const forward = [-sy * cp, -sp, -cy * cp], right = [cy, 0, -sy];
  const down = [forward[1] * right[2] - forward[2] * right[1], forward[2] * right[0] - forward[0] * right[2], forward[0] * right[1] - forward[1] * right[0]];
  const eye = avatar.view.target.map((t, j) => t - forward[j] * view.distance);
  const rows = [right, down, forward];
  return { rows, shift: rows.map(row => -dot(row, eye)) };
}

// Columns of the head's rotation: R_y(yaw) · R_x(pitch) · R_z(roll).
function headRotation() {
  const [cy, cp, cr] = [...head].map(Math.cos), [sy, sp, sr] = [...head].map(Math.sin);
  const x = [cy, 0, -sy], y = [sy * sp, cp, cy * sp], z = [sy * cp, -sp, cy * cp];
  return [x.map((v, j) => cr * v + sr * y[j]), x.map((v, j) => cr * y[j] - sr * v), z];
}

// The Gaussians stay in head space: the camera takes the head's turn about its joint.
function cameraFromHead() {
  const { rows, shift } = cameraFromWorld(), columns = headRotation(), joint = avatar.rig.head_joint;
  const turned = rows.map(row => columns.map(column => dot(row, column)));
  return { rows: turned, shift: shift.map((s, k) => s + dot(rows[k], joint) - dot(turned[k], joint)) };
}

// ---- shaders ---------------------------------------------------------------------------------------------------------
const WIDTH = 2048; // of the textures, in texels
const VERTEX = `#version 300 es
precision highp float;
layout(location=0) in vec2 corner;
layout(location=1) in uint row;
uniform highp sampler2D means, quats, scales, colors, seen;
uniform mat3 rotation; uniform vec3 shift; uniform vec2 focal; uniform vec2 size;
uniform vec3 tint; uniform float tintShare;
out vec2 at; out vec4 shade;
void main() {
  ivec2 texel = ivec2(row % ${WIDTH}u, row / ${WIDTH}u);
  vec3 p = rotation * texelFetch(means, texel, 0).xyz + shift;
  vec4 color = texelFetch(colors, texel, 0);
  shade = color; at = vec2(9.0); gl_Position = vec4(0.0, 0.0, 2.0, 1.0);
  if (p.z < 0.05 || color.a < 1.0 / 255.0) return;
  shade.rgb = mix(color.rgb, tint, tintShare * (1.0 - texelFetch(seen, texel, 0).r));
  vec4 q = normalize(texelFetch(quats, texel, 0));
  vec3 scale = texelFetch(scales, texel, 0).xyz;
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

// ---- textures: the order of this list is that of the texture units ---------------------------------------------------
const FLOATS = { 3: [gl.RGB32F, gl.RGB, gl.FLOAT], 4: [gl.RGBA32F, gl.RGBA, gl.FLOAT] };
const LAYERS = [
  { name: "means", channels: 3, format: FLOATS[3], values: means },
  { name: "colors", channels: 4, format: FLOATS[4], values: colors },
  { name: "quats", channels: 4, format: FLOATS[4], values: base.quats },
  { name: "scales", channels: 3, format: FLOATS[3], values: base.scales },
  { name: "seen", channels: 1, format: [gl.R8, gl.RED, gl.UNSIGNED_BYTE], values: seen || new Uint8Array(N) },
];

// Whole rows of the texture from the array as it is, then the last row, which the array does not fill.
function upload(slot) {
  const { channels, format: [, format, type], values } = LAYERS[slot];
  const full = Math.floor(N / WIDTH), rest = N % WIDTH;
  gl.activeTexture(gl.TEXTURE0 + slot);
  if (full) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, WIDTH, full, format, type, values);
  if (rest) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, full, rest, 1, format, type, values, full * WIDTH * channels);
}

function makeTexture(slot) {
  gl.activeTexture(gl.TEXTURE0 + slot);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texStorage2D(gl.TEXTURE_2D, 1, LAYERS[slot].format[0], WIDTH, Math.max(1, Math.ceil(N / WIDTH)));
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  upload(slot);
}

// All that lives on the GPU: made at the start, and again after the browser has taken the context away and given it back.
let uniforms = null;

function start() {
  const shader = program();
  uniforms = Object.fromEntries(["rotation", "shift", "focal", "size", "tint", "tintShare"].map(name => [name, gl.getUniformLocation(shader, name)]));
  gl.bindVertexArray(gl.createVertexArray());
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer()); // stays bound: the order goes into it
  gl.enableVertexAttribArray(1); gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_INT, 0, 0); gl.vertexAttribDivisor(1, 1);
  gl.useProgram(shader); gl.enable(gl.BLEND); gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  LAYERS.forEach((layer, slot) => { makeTexture(slot); gl.uniform1i(gl.getUniformLocation(shader, layer.name), slot); });
  changed(POSE);
}
canvas.addEventListener("webglcontextlost", e => { e.preventDefault(); uniforms = null; }); // without this it never comes back
canvas.addEventListener("webglcontextrestored", () => start());

// ---- overlay: what no photo showed is tinted -------------------------------------------------------------------------
const TINT = [0.95, 0.25, 0.55], MOST_TINT = 0.75;
let tinting = false;

// ---- a frame ---------------------------------------------------------------------------------------------------------
const onePixel = new Uint8Array(4);

function draw() {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [w, h] = [Math.max(1, Math.round(canvas.clientWidth * ratio)), Math.max(1, Math.round(canvas.clientHeight * ratio))];
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const { rows, shift } = cameraFromHead();
  if (stale >= POSE) { deform(); upload(0); upload(1); }
  if (stale >= VIEW) updateOrder(rows[2]);
  stale = 0;
  gl.bufferData(gl.ARRAY_BUFFER, order, gl.DYNAMIC_DRAW);
  gl.viewport(0, 0, w, h);
  gl.clearColor(0.157, 0.149, 0.137, 1); gl.clear(gl.COLOR_BUFFER_BIT);
  gl.uniformMatrix3fv(uniforms.rotation, true, rows.flat());
  gl.uniform3fv(uniforms.shift, shift);
  const focal = Math.min(w, h) * avatar.view.focal;
  gl.uniform2f(uniforms.focal, focal, focal); gl.uniform2f(uniforms.size, w, h);
  gl.uniform3fv(uniforms.tint, TINT); gl.uniform1f(uniforms.tintShare, tinting ? MOST_TINT : 0);
  gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, N);
  // Waits until the GPU has drawn: what is measured around this call is the whole frame.
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, onePixel);
}
