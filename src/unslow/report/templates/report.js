"use strict";
(function () {
  const flame = document.getElementById("flame");
  if (!flame) return;
  const search = document.getElementById("search");
  const matched = document.getElementById("matched");
  const reset = document.getElementById("reset");
  const frames = Array.from(flame.querySelectorAll(".frame"));

  search.addEventListener("input", function () {
    const wanted = search.value.trim().toLowerCase();
    let hits = 0;
    flame.classList.toggle("searching", wanted !== "");
    for (const frame of frames) {
      const hit = wanted !== "" && frame.title.toLowerCase().includes(wanted);
      frame.classList.toggle("hit", hit);
      if (hit) hits += 1;
    }
    matched.textContent = wanted === "" ? "" : hits + " frames";
  });

  function whole() {
    for (const box of flame.querySelectorAll(".box")) {
      box.classList.remove("gone");
      if (box.dataset.width) box.style.width = box.dataset.width;
    }
    reset.hidden = true;
  }

  flame.addEventListener("click", function (event) {
    const frame = event.target.closest(".frame");
    if (!frame) return;
    whole();
    let box = frame.parentElement;
    while (box && box !== flame) {
      if (box.classList.contains("box")) {
        for (const other of box.parentElement.children) if (other !== box) other.classList.add("gone");
        box.dataset.width = box.dataset.width || box.style.width;
        box.style.width = "100%";
      }
      box = box.parentElement;
    }
    reset.hidden = false;
  });
  reset.addEventListener("click", whole);
})();
