// Clips: the one that the page carries, and recordings of the Live Link Face app, read as formats/src/live_link.rs does.
//
// A clip is { seconds [F], frames [F], lost }; a frame is the weights of the units, then yaw, pitch and roll of the head.

const U = units.length;

// The page's own clip; it returns to its first frame.
function builtInClip() {
  const { fps, frames } = avatar.clip;
  const all = frames.concat(frames.slice(0, 1)).map(values => { const frame = new Float32Array(U + 3); frame.set(values); return frame; });
  return { seconds: all.map((_, i) => i / fps), frames: all, lost: 0 };
}

// The frame at a time, linear between the two around it.
function frameAt({ seconds, frames }, now) {
  let a = 0, b = seconds.length - 1;
  while (b - a > 1) {
    const middle = (a + b) >> 1;
    if (seconds[middle] <= now) a = middle; else b = middle;
  }
  const apart = seconds[b] - seconds[a], mix = apart > 0 ? Math.min(1, Math.max(0, (now - seconds[a]) / apart)) : 0;
  return frames[a].map((value, k) => value * (1 - mix) + frames[b][k] * mix);
}

// ---- Live Link Face --------------------------------------------------------------------------------------------------
const ANGLES = ["Head", "LeftEye", "RightEye"].flatMap(joint => ["Yaw", "Pitch", "Roll"].map(angle => joint + angle));
const COLUMNS = [...units.map(u => u.name[0].toUpperCase() + u.name.slice(1)), ...ANGLES];
const MOST_WEIGHT = 3, MOST_RAD = 2 * Math.PI, LONGEST_GAP_S = 60, DAY_S = 86400;

// A CSV → a clip. An error is one line that names line and column.
function parseTake(text) {
  let header = null, lost = 0;
  const rows = [];
  text.replace(/^\ufeff/, "").split("\n").forEach((words, k) => {
    if (!words.trim()) return;
    const cells = words.split(",").map(cell => cell.trim().replace(/^"+|"+$/g, ""));
    if (!header) header = parseHeader(cells, k + 1);
    else if (cells[header.count] === "0") lost++;
    else rows.push(parseRow(header, cells, k + 1));
  });
  if (!header) throw new Error("line 1: the file is empty, expected the columns of Live Link Face");
  if (!rows.length) throw new Error(lost ? "line 2: no frame shows a face" : "line 2: no frames after the columns");
  [0, 1].forEach(eye => lookByAngles(rows, eye));
  return { seconds: secondsOf(rows), frames: rows.map(row => row.values.slice(0, U + 3)), lost };
}

// Where the columns stand; the angles of a joint come together or not at all.
function parseHeader(cells, line) {
  const names = cells.map(cell => cell.toLowerCase());
  const find = name => {
    const first = names.indexOf(name.toLowerCase());
    if (first !== names.lastIndexOf(name.toLowerCase())) throw new Error(`line ${line}: column ${name} is there twice`);
    return first;
  };
  const channels = COLUMNS.map(find), timecode = find("Timecode");
  const missing = name => new Error(`line ${line}: column ${name} is missing, expected the columns of Live Link Face`);
  if (timecode < 0) throw missing("Timecode");
  channels.forEach((place, k) => {
    const joint = U + 3 * Math.floor((k - U) / 3);
    const isNeeded = k < U || channels.slice(joint, joint + 3).some(other => other >= 0);
    if (place < 0 && isNeeded) throw missing(COLUMNS[k]);
  });
  return { n: cells.length, timecode, count: find("BlendShapeCount"), channels };
}

function parseRow(header, cells, line) {
  const fail = (column, what) => { throw new Error(`line ${line}, column ${column}: ${what}`); };
  const timecode = cells[header.timecode] || "", parts = timecode.match(/^(\d+)[:;](\d+)[:;](\d+)[:;](\d+(?:\.\d*)?)$/);
  const [hours, minutes, seconds, frame] = parts ? parts.slice(1).map(Number) : [NaN];
  if (!(hours < 24 && minutes < 60 && seconds < 60 && frame < 1000)) fail("Timecode", `expected HH:MM:SS:FF.mmm, got "${timecode}"`);
  const values = Float32Array.from(header.channels, (place, k) => {
    if (place < 0) return 0;
    const cell = cells[place], [most, kind] = k < U ? [MOST_WEIGHT, "a weight from 0 to 1"] : [MOST_RAD, "radians"];
    if (cell === undefined) fail(COLUMNS[k], `no value, for the line has ${cells.length} of ${header.n} cells`);
    if (cell === "" || !(Math.abs(Number(cell)) <= most)) fail(COLUMNS[k], `expected ${kind}, got "${cell}"`);
    return Number(cell);
  });
  return { line, whole: hours * 3600 + minutes * 60 + seconds, frame, values };
}

// An eye whose angles are recorded looks where they say: they replace its eyeLook units.
function lookByAngles(rows, eye) {
  const first = U + 3 + 3 * eye, side = ["Left", "Right"][eye], outward = eye === 0 ? 1 : -1;
  if (rows.every(({ values }) => values.slice(first, first + 3).every(angle => angle === 0))) return;
  const { look_side, look_up, look_down } = avatar.rig;
  const turns = [["Out", 0, outward / look_side], ["In", 0, -outward / look_side], ["Down", 1, 1 / look_down], ["Up", 1, -1 / look_up]];
  for (const [name, angle, factor] of turns) {
    const k = units.findIndex(u => u.name === "eyeLook" + name + side);
    if (k >= 0) rows.forEach(({ values }) => { values[k] = Math.min(1, Math.max(0, values[first + angle] * factor)); });
  }
}

// Seconds since the first frame. Timecodes count 60 frames a second, or 30 where a take lasts longer than its second and
// counts no frame beyond 29; a take may run past midnight.
function secondsOf(rows) {
  const start = rows[0], all = [];
  const is30 = rows.some(row => row.whole !== start.whole) && rows.every(row => row.frame < 30);
  const fps = is30 ? 30 : 60;
  let day = 0;
  for (const { line, whole, frame } of rows) {
    const fail = what => { throw new Error(`line ${line}, column Timecode: ${what}`); };
    if (frame >= fps) fail(`frame ${frame} of ${fps} frames a second`);
    const before = all.length ? all[all.length - 1] : 0;
    let now = day + whole + frame / fps - start.whole - start.frame / fps;
    if (now < before - DAY_S / 2) { day += DAY_S; now += DAY_S; }
    if (now < before - 1e-9) fail("time goes back");
    if (now - before > LONGEST_GAP_S) fail(`${(now - before).toFixed(0)} s after the frame before`);
    all.push(now);
  }
  return all;
}
