// SPDX-License-Identifier: GPL-2.0

// Draws the faults that the page has, as far as they are in view, and tells which is under the pointer.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  // The columns are little endian, as every machine with a browser is.
  const column = (Type, text) => new Type(bytes(text).buffer);
  const time = column(Uint32Array, data.time), page = column(Uint32Array, data.page);
  const count = column(Uint32Array, data.count), took = column(Float32Array, data.took);
  const band = column(Uint8Array, data.band), kind = column(Uint8Array, data.kind);
  const code = column(Uint16Array, data.code);

  const canvas = document.getElementById("canvas"), value = document.getElementById("value");
  const context = canvas.getContext("2d");
  const LEFT = 214, BOTTOM = 44, RIGHT = 16;
  // What is in view: parts of the time, and of the height of all bands from above.
  let view = { x0: 0, x1: 1, y0: 0, y1: 1 };
  let width = 0, height = 0, waiting = false;
  const hidden = new Set();
  const number = new Intl.NumberFormat("en");
  const address = (which, pages) => "0x" + (BigInt("0x" + data.bands[which].start) + BigInt(pages) * 4096n).toString(16);

  // Of each record: its height from above, as a part of all.
  const up = new Float64Array(data.records);
  for (let n = 0; n < data.records; n++) {
    const { top, height, pages } = data.bands[band[n]];
    up[n] = (top + (1 - (page[n] + 0.5) / pages) * height) / data.height;
  }
  const most = count.reduce((most, one) => Math.max(most, one), 1);

  const toX = (part) => LEFT + (part - view.x0) / (view.x1 - view.x0) * (width - LEFT - RIGHT);
  const toY = (part) => (part - view.y0) / (view.y1 - view.y0) * (height - BOTTOM);
  const fromX = (x) => view.x0 + (x - LEFT) / (width - LEFT - RIGHT) * (view.x1 - view.x0);
  const fromY = (y) => view.y0 + y / (height - BOTTOM) * (view.y1 - view.y0);

  const step = (span) => {
    const power = 10 ** Math.floor(Math.log10(span / 8));
    return [1, 2, 5, 10].map((digit) => digit * power).find((step) => span / step <= 10);
  };

  const cut = (text, most) => {
    if (context.measureText(text).width <= most) return text;
    while (text && context.measureText(text + "…").width > most) text = text.slice(0, -1);
    return text + "…";
  };

  const axes = () => {
    context.font = "11px 'DejaVu Sans', sans-serif";
    context.textBaseline = "middle";
    const seconds = data.span_ns / 1e9, every = step((view.x1 - view.x0) * seconds);
    const decimals = Math.max(0, -Math.floor(Math.log10(every) + 1e-9));
    context.textAlign = "center";
    for (let at = Math.ceil(view.x0 * seconds / every) * every; at <= view.x1 * seconds; at += every) {
      const x = toX(at / seconds);
      context.fillStyle = "#e4e7ea";
      context.fillRect(x, 0, 1, height - BOTTOM);
      context.fillStyle = "#1f2328";
      context.fillText(at.toFixed(decimals), x, height - BOTTOM + 14);
    }
    context.fillText("Time (s)", (LEFT + width) / 2, height - 10);
    context.textAlign = "right";
    for (const { name, top, height: tall, pages, faults } of data.bands) {
      const above = toY(top / data.height), below = toY((top + tall) / data.height);
      if (below < 0 || above > height - BOTTOM) continue;
      context.fillStyle = "#9aa1a9";
      for (const y of [above, below]) if (y >= 0 && y <= height - BOTTOM) context.fillRect(LEFT, y, width - LEFT - RIGHT, 0.75);
      const middle = (Math.max(above, 0) + Math.min(below, height - BOTTOM)) / 2;
      context.fillStyle = "#1f2328";
      const short = cut(name.split(", ").map((name) => name.split("/").pop()).join(", "), LEFT - 16);
      if (below - above < 28) {
        if (below - above > 9) context.fillText(short, LEFT - 8, middle);
        continue;
      }
      context.fillText(short, LEFT - 8, middle - 7);
      context.fillStyle = "#515860";
      context.fillText(cut(`${number.format(pages)} pages, ${number.format(faults)} faults`, LEFT - 16), LEFT - 8, middle + 7);
    }
  };

  const draw = () => {
    waiting = false;
    const ratio = window.devicePixelRatio || 1;
    width = canvas.clientWidth;
    height = Math.max(320, Math.round(data.height * 1.25) + BOTTOM);
    canvas.style.height = `${height}px`;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    axes();
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, width - LEFT - RIGHT, height - BOTTOM);
    context.clip();
    // The rarer kinds on top.
    const zoom = 1 / Math.min(view.x1 - view.x0, view.y1 - view.y0);
    const size = Math.min(6, (data.records < 20000 ? 2.5 : 1.2) + Math.log2(zoom) * 0.5);
    for (const which of order) {
      if (hidden.has(which)) continue;
      context.fillStyle = data.kinds[which].colour;
      for (let n = 0; n < data.records; n++) {
        if (kind[n] !== which) continue;
        const part = time[n] / 4294967296;
        if (part < view.x0 || part > view.x1 || up[n] < view.y0 || up[n] > view.y1) continue;
        context.globalAlpha = most > 1 ? 0.45 + 0.55 * Math.log(count[n]) / Math.log(most) : 0.8;
        context.fillRect(toX(part) - size / 2, toY(up[n]) - size / 2, size, size);
      }
    }
    context.restore();
  };
  const redraw = () => {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  };

  const inView = (from, to) => {
    const span = Math.min(1, Math.max(1e-7, to - from));
    const start = Math.min(1 - span, Math.max(0, from));
    return [start, start + span];
  };
  const look = (x0, x1, y0, y1) => {
    [view.x0, view.x1] = inView(x0, x1);
    [view.y0, view.y1] = inView(y0, y1);
    redraw();
  };
  const zoomBy = (factor, x, y, addresses) => {
    const { x0, x1, y0, y1 } = view;
    if (addresses) look(x0, x1, y + (y0 - y) * factor, y + (y1 - y) * factor);
    else look(x + (x0 - x) * factor, x + (x1 - x) * factor, y0, y1);
  };
  const moveBy = (x, y) => {
    const { x0, x1, y0, y1 } = view;
    look(x0 + x * (x1 - x0), x1 + x * (x1 - x0), y0 + y * (y1 - y0), y1 + y * (y1 - y0));
  };

  const nearest = (x, y) => {
    let best = -1, least = 100;
    for (let n = 0; n < data.records; n++) {
      if (hidden.has(kind[n])) continue;
      const dx = toX(time[n] / 4294967296) - x, dy = toY(up[n]) - y;
      const distance = dx * dx + dy * dy;
      if (distance < least) [best, least] = [n, distance];
    }
    return best;
  };
  const tell = (x, y) => {
    const n = x > LEFT && y < height - BOTTOM ? nearest(x, y) : -1;
    value.hidden = n < 0;
    if (n < 0) return;
    const where = data.bands[band[n]];
    const at = time[n] / 4294967296 * data.span_ns / 1e6;
    const lines = [
      `${address(band[n], page[n])}  ${where.name}`,
      `${data.kinds[kind[n]].name} at ${at.toFixed(3)} ms` + (took[n] > 0 ? `, ${number.format(took[n])} us` : ""),
      data.codes[code[n]] || "",
    ];
    if (count[n] > 1) lines.push(`the slowest of ${number.format(count[n])} faults here`);
    value.textContent = lines.filter(Boolean).join("\n");
    value.style.left = `${Math.min(x + 14, width - value.offsetWidth - 4)}px`;
    value.style.top = `${Math.min(y + 14, height - value.offsetHeight - 4)}px`;
  };

  let held = null;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const delta = event.deltaY || event.deltaX;
    zoomBy(delta > 0 ? 1.25 : 0.8, fromX(event.offsetX), fromY(event.offsetY), event.shiftKey);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    held = { x: event.offsetX, y: event.offsetY, view: { ...view } };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return tell(event.offsetX, event.offsetY);
    value.hidden = true;
    const { x0, x1, y0, y1 } = held.view;
    const dx = (held.x - event.offsetX) / (width - LEFT - RIGHT) * (x1 - x0);
    const dy = (held.y - event.offsetY) / (height - BOTTOM) * (y1 - y0);
    look(x0 + dx, x1 + dx, y0 + dy, y1 + dy);
  });
  canvas.addEventListener("pointerup", () => { held = null; });
  canvas.addEventListener("pointerleave", () => { value.hidden = true; });
  canvas.addEventListener("dblclick", () => look(0, 1, 0, 1));
  canvas.addEventListener("keydown", (event) => {
    const middle = [(view.x0 + view.x1) / 2, (view.y0 + view.y1) / 2];
    const keys = {
      ArrowLeft: () => moveBy(-0.1, 0), ArrowRight: () => moveBy(0.1, 0), ArrowUp: () => moveBy(0, -0.1),
      ArrowDown: () => moveBy(0, 0.1), "+": () => zoomBy(0.8, ...middle, event.shiftKey), "-": () => zoomBy(1.25, ...middle),
      Escape: () => look(0, 1, 0, 1),
    };
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });

  const totals = data.kinds.map(() => 0);
  for (let n = 0; n < data.records; n++) totals[kind[n]] += count[n];
  const order = data.kinds.map((_, n) => n).filter((n) => totals[n]).sort((a, b) => totals[b] - totals[a]);
  for (const which of order) {
    const label = document.createElement("label"), box = document.createElement("input"), colour = document.createElement("i");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(which); else hidden.add(which);
      redraw();
    });
    colour.style.background = data.kinds[which].colour;
    label.append(box, colour, `${number.format(totals[which])} ${data.kinds[which].name}`);
    document.getElementById("legend").append(label);
  }
  const rows = document.querySelector("#bands tbody");
  for (let n = data.bands.length - 1; n >= 0; n--) {
    const { name, pages, touched, faults } = data.bands[n], row = rows.insertRow();
    for (const text of [address(n, 0), address(n, pages), number.format(pages), number.format(touched), number.format(faults), name]) {
      row.insertCell().textContent = text;
    }
  }
  // For tests: what is drawn, and what is told of a place.
  window.faults = { data, get view() { return view; }, tell, look, toX, toY, time, up };
  window.addEventListener("resize", redraw);
  draw();
})();
