// Orders the Gaussians from far to near, in a worker: the page draws with the last order that it has.

// A counting sort on 16-bit depth. Its text is the worker's program too: it uses nothing from outside.
function depthSorter(n) {
  const z = new Float32Array(n), depths = new Uint16Array(n), buckets = new Uint32Array(65537);
  return (means, forward, order) => {
    let lo = Infinity, hi = -Infinity;
    for (let i = 0; i < n; i++) {
      z[i] = forward[0] * means[3 * i] + forward[1] * means[3 * i + 1] + forward[2] * means[3 * i + 2];
      lo = Math.min(lo, z[i]); hi = Math.max(hi, z[i]);
    }
    const scale = 65535 / Math.max(hi - lo, 1e-9);
    buckets.fill(0);
    for (let i = 0; i < n; i++) { depths[i] = (hi - z[i]) * scale; buckets[depths[i] + 1]++; }
    for (let b = 0; b < 65536; b++) buckets[b + 1] += buckets[b];
    for (let i = 0; i < n; i++) order[buckets[depths[i]]++] = i;
  };
}

const WORKER = `const sort = (${depthSorter})(${N});
onmessage = ({ data }) => {
  sort(data.means, data.forward, data.order);
  postMessage(data, [data.means.buffer, data.order.buffer]);
};`;

let order = new Uint32Array(N), ordersReceived = 0;
let sortHere = depthSorter(N); // the first frame, and all of them where no worker starts
let worker = null;
let parcel = null;             // the arrays that travel to the worker and back; null while they are there
let isOutdated = false;        // something moved while the worker sorted

function startWorker() {
  const fail = () => { worker = null; sortHere = depthSorter(N); changed(VIEW); };
  try {
    worker = new Worker(URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" })));
  } catch {
    return;
  }
  worker.onerror = fail;
  worker.onmessage = ({ data }) => {
    parcel = { means: data.means, order };
    order = data.order;
    ordersReceived++;
    changed(isOutdated ? VIEW : PICTURE);
    isOutdated = false;
  };
  parcel = { means: new Float32Array(3 * N), order: new Uint32Array(N) };
}

// Gaussians or camera have moved: `order` follows, at once without a worker and on the first frame, otherwise soon.
function updateOrder(forward) {
  if (sortHere) {
    sortHere(means, forward, order);
    if (worker) sortHere = null;
  } else if (parcel) {
    parcel.means.set(means);
    worker.postMessage({ ...parcel, forward }, [parcel.means.buffer, parcel.order.buffer]);
    parcel = null;
  } else {
    isOutdated = true;
  }
}
