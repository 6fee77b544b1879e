// Files that the page saves: the Gaussians as PLY, the canvas as WebM.

function download(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = avatar.title.replace(/[\\/:*?"<>|\s]+/g, "-") + ending;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60e3);
}

// ---- PLY: columns and units of splat/src/ply.rs ----------------------------------------------------------------------
const PLY_COLUMNS = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"];
const SH_C0 = 0.28209479177387814, MOST_LOGIT = 17, FLAT_LOG_SCALE = Math.log(1e-6);

// The Gaussians as posed, in head space (the head is straight), y down and z forward as viewers expect.
function plyOf() {
  deform();
  const records = new Float32Array(N * PLY_COLUMNS.length);
  let count = 0;
  for (let i = 0; i < N; i++) {
    const record = plyRecord(i);
    const isDrawable = record.every(Number.isFinite) && record.slice(-4).some(v => v !== 0);
    if (isDrawable) records.set(record, PLY_COLUMNS.length * count++);
  }
  const properties = PLY_COLUMNS.map(name => `property float ${name}\n`).join("");
  const header = `ply\nformat binary_little_endian 1.0\nelement vertex ${count}\n${properties}end_header\n`;
  return new Blob([header, records.subarray(0, PLY_COLUMNS.length * count)], { type: "application/octet-stream" });
}

// Half a turn about x takes y up to y down; the quaternion is multiplied by i.
function plyRecord(i) {
  const [x, y, z] = means.subarray(3 * i), [qw, qx, qy, qz] = base.quats.subarray(4 * i), [r, g, b, a] = colors.subarray(4 * i);
  const logit = Math.log(a / (1 - a)), log = s => (s > 0 ? Math.log(s) : FLAT_LOG_SCALE);
  return [
    x, -y, -z, 0, 0, 0, ...[r, g, b].map(c => (c - 0.5) / SH_C0),
    a <= 0 ? -MOST_LOGIT : a >= 1 ? MOST_LOGIT : Math.min(MOST_LOGIT, Math.max(-MOST_LOGIT, logit)),
    ...[0, 1, 2].map(j => log(base.scales[3 * i + j])), -qx, qw, -qz, qy,
  ];
}

// ---- WebM ------------------------------------------------------------------------------------------------------------
const WEBM = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"].find(type => window.MediaRecorder && canvas.captureStream && MediaRecorder.isTypeSupported(type));
let recorder = null; // while it records

// Records what is drawn until `stopRecording`; then `ended` is called, with the reason if it failed.
function startRecording(ended) {
  const chunks = [], stream = canvas.captureStream();
  let failure = "";
  recorder = new MediaRecorder(stream, { mimeType: WEBM, videoBitsPerSecond: 8e6 });
  recorder.ondataavailable = e => { chunks.push(e.data); };
  recorder.onerror = e => { failure = `recording failed: ${(e.error && e.error.message) || "no reason given"}`; };
  recorder.onstop = () => {
    stream.getTracks().forEach(track => track.stop());
    recorder = null;
    const film = new Blob(chunks, { type: "video/webm" });
    if (!film.size) failure = failure || "recording failed: it was too short for a frame";
    if (!failure) download(film, ".webm");
    ended(failure);
  };
  recorder.start(1000); // milliseconds between chunks
}
function stopRecording() { if (recorder.state !== "inactive") recorder.stop(); }
