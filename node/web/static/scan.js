"use strict";
/* Reads a label with the camera. Where the browser reads data carriers itself (BarcodeDetector) nothing leaves
   the device; elsewhere a picture a second goes to this node, which keeps none of them. Without this script
   the form below it takes a photograph. */
(() => {
  const scan = document.getElementById("scan");
  if (!scan || !navigator.mediaDevices) return;
  const [start, stop] = scan.querySelectorAll("button");
  const video = scan.querySelector("video"), said = scan.querySelector("[role=status]");
  const SIDE = 1280, EVERY_MS = 1000;
  let stream = null;

  const find = (codes) => {
    if (codes.length === 1) return location.assign("/find?q=" + encodeURIComponent(codes[0]));
    said.replaceChildren(...codes.map((code) => {
      const link = document.createElement("a");
      link.href = "/find?q=" + encodeURIComponent(code);
      link.textContent = code;
      link.className = "id";
      return link;
    }));
  };

  const own = async () => {
    const wanted = ["qr_code", "data_matrix", "code_128"];
    if (!("BarcodeDetector" in window)) return null;
    const formats = (await BarcodeDetector.getSupportedFormats()).filter((one) => wanted.includes(one));
    return formats.length === wanted.length ? new BarcodeDetector({ formats }) : null;
  };

  const sent = async () => {
    const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth * scale;
    canvas.height = video.videoHeight * scale;
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const picture = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
    const form = new FormData();
    form.append("photo", picture, "label.jpg");
    const answer = await fetch("/find", { method: "POST", body: form, headers: { Accept: "application/json" } });
    const told = await answer.json();
    if (answer.status === 503) return [];
    if (!answer.ok) throw new Error(told.detail || answer.statusText);
    return told.codes;
  };

  const end = () => {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = null;
    video.hidden = stop.hidden = true;
    start.hidden = false;
  };

  const look = async (detector) => {
    while (stream) {
      const codes = detector ? (await detector.detect(video)).map((one) => one.rawValue) : await sent();
      if (stream && codes.length) return codes;
      await new Promise((done) => setTimeout(done, detector ? 100 : EVERY_MS));
    }
    return [];
  };

  start.addEventListener("click", async () => {
    said.textContent = "";
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: SIDE } } });
      video.srcObject = stream;
      await video.play();
      video.hidden = stop.hidden = false;
      start.hidden = true;
      const codes = await look(await own());
      end();
      if (codes.length) find(codes);
    } catch (error) {
      end();
      said.textContent = "The camera cannot be used: " + error.message + ". Take a photograph instead.";
    }
  });
  stop.addEventListener("click", end);
  start.hidden = false;
})();
