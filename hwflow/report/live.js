const data = JSON.parse(document.getElementById("data").textContent);
const net = await load(Uint8Array.from(atob(data.wasm), (c) => c.charCodeAt(0)).buffer);
const pad = document.getElementById("pad"), pen = pad.getContext("2d", { willReadFrequently: true });

// grey 0 .. 255 to the integers of the hardware, and back for showing
const integer = (grey) => data.bipolar ? (grey >= 128 ? 1 : -1) : Math.floor(data.dark + grey / 255 * (data.bright - data.dark) + 0.5);
const grey = (value) => Math.max(0, Math.min(255, Math.round((value - data.dark) / ((data.bright - data.dark) || 1) * 255)));

function pixels() {
  const rgba = pen.getImageData(0, 0, data.width, data.height).data, image = [];
  for (let i = 0; i < rgba.length; i += 4)
    for (let c = 0; c < data.channels; c++)
      image.push(integer(data.channels === 3 ? rgba[i + c] : Math.round((rgba[i] + rgba[i + 1] + rgba[i + 2]) / 3)));
  return image;
}

function show(canvas, image) {
  const context = canvas.getContext("2d"), drawn = context.createImageData(data.width, data.height);
  for (let i = 0; i < data.width * data.height; i++) {
    for (let c = 0; c < 3; c++) drawn.data[4 * i + c] = grey(image[i * data.channels + (data.channels === 3 ? c : 0)]);
    drawn.data[4 * i + 3] = 255;
  }
  context.putImageData(drawn, 0, 0);
}

function answer(image) {
  const { answer, labels, scores } = net.run(image);
  document.getElementById("label").textContent = [...labels].slice(0, 8).join(" ");
  const values = scores.length ? [...scores] : [...answer], best = labels[0];
  const low = Math.min(...values), high = Math.max(...values), list = document.getElementById("scores");
  list.replaceChildren(...values.slice(0, 100).map((v, i) => {
    const row = document.createElement("li"), bar = document.createElement("i");
    bar.style.width = `${100 * (v - low) / ((high - low) || 1)}%`;
    row.className = i === best ? "best" : "";
    row.append(`${i}`, bar, v.toPrecision(4));
    return row;
  }));
  return { answer, labels, scores };
}

let last = null;
const clear = () => { pen.fillStyle = "#000"; pen.fillRect(0, 0, data.width, data.height); };
function stroke(event) {
  const box = pad.getBoundingClientRect();
  const at = [(event.clientX - box.left) / box.width * data.width, (event.clientY - box.top) / box.height * data.height];
  pen.strokeStyle = "#fff";
  pen.lineCap = "round";
  pen.lineWidth = Math.max(1.6, data.width / 12);
  pen.beginPath();
  pen.moveTo(...(last ?? [at[0] - 0.1, at[1]]));
  pen.lineTo(...at);
  pen.stroke();
  last = at;
  answer(pixels());
}
pad.addEventListener("pointerdown", (event) => { last = null; stroke(event); });
pad.addEventListener("pointermove", (event) => { if (event.buttons & 1) stroke(event); });
document.getElementById("clear").addEventListener("click", () => { clear(); answer(pixels()); });

async function take(file) {
  const bitmap = await createImageBitmap(file);
  clear();
  pen.drawImage(bitmap, 0, 0, data.width, data.height);
  answer(pixels());
}
document.getElementById("file").addEventListener("change", (event) => { if (event.target.files[0]) take(event.target.files[0]); });
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); });

document.getElementById("tries").replaceChildren(...data.samples.map((image, i) => {
  const button = document.createElement("button"), canvas = document.createElement("canvas");
  canvas.width = data.width;
  canvas.height = data.height;
  show(canvas, image);
  button.type = "button";
  button.setAttribute("aria-label", data.labels.length ? `held-out image ${i}, a ${data.labels[i]}` : `image ${i}`);
  button.append(canvas);
  button.addEventListener("click", () => { show(pad, image); answer(image); });
  return button;
}));
clear();
answer(data.samples[0] ?? pixels());
if (data.samples[0]) show(pad, data.samples[0]);
window.hwflow = { run: (image) => net.run(image), answer, pixels };
document.documentElement.dataset.ready = "yes";
