// The page around the avatar: panel, hands, and the loop of frames. The files in viewer/ come before this one.

const PRESETS = {
  Neutral: {}, Smile: { mouthSmileLeft: .9, mouthSmileRight: .9, cheekSquintLeft: .4, cheekSquintRight: .4 },
  Surprise: { browInnerUp: .9, browOuterUpLeft: .8, browOuterUpRight: .8, eyeWideLeft: .8, eyeWideRight: .8, jawOpen: .5 },
  Blink: { eyeBlinkLeft: 1, eyeBlinkRight: 1 }, Pucker: { mouthPucker: .9, mouthFunnel: .3 },
  Frown: { browDownLeft: .9, browDownRight: .9, mouthFrownLeft: .8, mouthFrownRight: .8 }, Open: { jawOpen: .8 },
};
const GROUPS = [["Brows", /^brow/], ["Eyes", /^eye/], ["Cheeks and nose", /^(cheek|nose)/], ["Jaw", /^(jaw|tongue)/], ["Mouth", /^mouth/]];
const byId = id => document.getElementById(id);
const inputs = new Map();
let clip = builtInClip();
let playing = false, turning = false, clock = 0, drawn = 0; // clock: seconds into the clip
const spent = []; // milliseconds of the last frames

const readable = name => name.replace(/([A-Z])/g, " $1").toLowerCase();
const say = text => { byId("note").textContent = text; };

// ---- expression and clip ---------------------------------------------------------------------------------------------
function setExpression(values) {
  setFrame([...units.map(u => values[u.name] || 0), 0, 0, 0]);
}

// Weights of the units, then yaw, pitch and roll of the head.
function setFrame(frame) {
  units.forEach((u, k) => { weights[k] = frame[k]; inputs.get(u.name).value = frame[k]; });
  head.set(frame.slice(U));
  changed(POSE);
}

const duration = () => (clip.seconds.length ? clip.seconds[clip.seconds.length - 1] : 0);

function seek(seconds) {
  clock = seconds;
  setFrame(frameAt(clip, clock));
  showClock();
}

function showClock() {
  byId("time").value = clock;
  byId("clock").textContent = `${clock.toFixed(1)} / ${duration().toFixed(1)} s`;
}

function play(on) {
  playing = on && clip.frames.length > 0;
  byId("play").textContent = playing ? "Pause" : "Play";
  byId("play").setAttribute("aria-pressed", playing);
}

function openClip(opened) {
  clip = opened;
  byId("play").disabled = byId("time").disabled = clip.frames.length === 0;
  byId("time").max = duration();
  clock = 0;
  showClock();
}

// A file that was dropped or chosen; the former clip stays where it cannot be read.
async function openFile(file) {
  try {
    const take = parseTake(await file.text());
    openClip(take);
    play(true);
    say(`${file.name}: ${take.frames.length} frames, ${duration().toFixed(1)} s` + (take.lost ? `, ${take.lost} without a face left out` : ""));
  } catch (e) {
    say(`${file.name}: ${e.message}`);
  }
}

// ---- panel -----------------------------------------------------------------------------------------------------------
function panel() {
  byId("title").textContent = avatar.title;
  document.title = avatar.title + " · Effigy";
  for (const [name, values] of Object.entries(PRESETS)) {
    const b = byId("presets").appendChild(document.createElement("button"));
    b.textContent = name;
    b.onclick = () => { play(false); setExpression(values); };
  }
  for (const [title, pattern] of GROUPS) {
    byId("sliders").appendChild(document.createElement("h2")).textContent = title;
    units.forEach((u, k) => { if (pattern.test(u.name)) addSlider(u, k); });
  }
  clipButtons(); viewButtons(); saveButtons();
}

function addSlider(u, k) {
  const l = byId("sliders").appendChild(document.createElement("label"));
  l.append(readable(u.name));
  const s = l.appendChild(document.createElement("input"));
  Object.assign(s, { type: "range", min: 0, max: 1, step: 0.01, value: 0 });
  s.oninput = () => { play(false); weights[k] = +s.value; changed(POSE); };
  inputs.set(u.name, s);
}

function clipButtons() {
  byId("play").onclick = () => play(!playing);
  byId("time").oninput = e => seek(+e.target.value);
  byId("open").onclick = () => byId("file").click();
  byId("file").onchange = e => { if (e.target.files.length) openFile(e.target.files[0]); e.target.value = ""; };
  addEventListener("dragover", e => e.preventDefault());
  addEventListener("drop", e => { e.preventDefault(); if (e.dataTransfer.files.length) openFile(e.dataTransfer.files[0]); });
}

function viewButtons() {
  const pressed = (button, on) => button.setAttribute("aria-pressed", on);
  const orbit = byId("orbit"), unseen = byId("unseen"), full = byId("full");
  orbit.onclick = () => { turning = !turning; pressed(orbit, turning); };
  byId("reset").onclick = () => { turning = false; pressed(orbit, false); Object.assign(view, home); changed(VIEW); };
  unseen.hidden = !seen;
  unseen.onclick = () => { tinting = !tinting && !!seen; pressed(unseen, tinting); changed(PICTURE); };
  const stage = document.querySelector("main");
  full.onclick = () => stage.requestFullscreen().catch(e => say(`no full screen: ${e.message}`));
  if (!document.fullscreenEnabled) disable(full, "Full screen is not available here.");
}

function saveButtons() {
  const record = byId("record");
  const show = text => { record.textContent = recorder ? "Stop recording" : "Record WebM"; record.setAttribute("aria-pressed", !!recorder); say(text); };
  record.onclick = () => { if (recorder) stopRecording(); else { startRecording(show); show("recording"); } };
  if (!WEBM) disable(record, "This browser does not record WebM.");
  byId("save").onclick = () => download(plyOf(), ".ply");
}

function disable(button, why) { button.disabled = true; button.title = why; }

// ---- hands: one finger or the mouse turns, two fingers or the wheel zoom ---------------------------------------------
function pointer() {
  const down = new Map();
  const zoom = factor => { view.distance = Math.max(0.25, Math.min(3, view.distance * factor)); changed(VIEW); };
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
      changed(VIEW);
    }
    const before = down.size === 2 ? spread() : 0;
    down.set(e.pointerId, [e.clientX, e.clientY]);
    if (before > 0 && spread() > 0) zoom(before / spread());
  };
  canvas.addEventListener("wheel", e => { e.preventDefault(); zoom(Math.exp(e.deltaY * 0.001)); }, { passive: false });
  new ResizeObserver(() => changed(PICTURE)).observe(canvas);
}

// ---- frames ----------------------------------------------------------------------------------------------------------
function frame(now) {
  const dt = Math.min(0.1, (now - (frame.last || now)) / 1000);
  frame.last = now;
  if (playing) seek(duration() > 0 ? (clock + dt) % duration() : 0);
  if (turning) { view.yaw = 0.9 * Math.sin(now / 1600); changed(VIEW); }
  if (recorder) changed(PICTURE); // a still picture is recorded too
  if (stale && uniforms) {
    const t = performance.now();
    draw(); drawn++;
    spent.push(performance.now() - t);
    if (spent.length > 20) spent.shift();
    byId("status").textContent = status();
  }
  requestAnimationFrame(frame);
}

// The mean of the last frames, since browsers round their clocks; without a running clock there is no figure.
function status() {
  const mean = spent.reduce((sum, ms) => sum + ms, 0) / spent.length;
  return `${N.toLocaleString("en")} Gaussians` + (tinting ? `, ${shown} % seen in photos` : "") + (mean > 0 ? ` · ${mean.toFixed(1)} ms per frame` : "");
}
const shown = seen ? Math.round(seen.reduce((sum, v) => sum + v, 0) / 255 / N * 100) : 0;

const wanted = new URLSearchParams(location.hash.slice(1));
if (wanted.get("sort") !== "page") startWorker();
start(); panel(); pointer(); openClip(clip);
// For scripts and tests: the same things a hand does, and what came of them.
window.effigy = {
  setExpression, setView: (yaw, pitch) => { view.yaw = yaw; view.pitch = pitch; changed(VIEW); }, openFile,
  view: () => ({ ...view }), weights: () => Object.fromEntries(units.map((u, k) => [u.name, weights[k]])), head: () => [...head],
  drawn: () => drawn, ordersReceived: () => ordersReceived, isSettled: () => !stale && !isOutdated && (!worker || !!parcel),
  canvas, gl, units: units.map(u => u.name),
};
if (wanted.has("preset")) setExpression(PRESETS[wanted.get("preset")] || {});
if (wanted.has("yaw")) view.yaw = +wanted.get("yaw");
if (wanted.has("unseen")) byId("unseen").click();
if (wanted.has("play")) byId("play").click();
requestAnimationFrame(frame);
