// Pairs of videos: one button and one scrubber play both in step. Without this script each has its own controls.

for (const card of document.querySelectorAll(".pairs .card")) pair(card);

function pair(card) {
  const bar = card.querySelector(".together");
  const [button, scrubber, clock] = bar.children;
  let videos = [...card.querySelectorAll("video")];
  let playing = false;
  if (!videos.length) return;

  const duration = (video) => (Number.isFinite(video.duration) ? video.duration : 0);
  // The longest video leads; a shorter one stays at its last frame.
  const lead = () => videos.reduce((a, b) => (duration(b) > duration(a) ? b : a));

  function seek(seconds) {
    for (const video of videos) video.currentTime = Math.min(seconds, Math.max(0, duration(video) - 0.001));
  }

  function show() {
    const whole = duration(lead());
    const now = Math.min(lead().currentTime, whole);
    scrubber.value = whole ? Math.round((1000 * now) / whole) : 0;
    scrubber.setAttribute("aria-valuetext", `${now.toFixed(2)} seconds`);
    clock.textContent = `${now.toFixed(2)} / ${whole.toFixed(2)} s`;
    button.textContent = playing ? "❚❚" : "▶";
    button.setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  function play() {
    playing = true;
    if (lead().currentTime >= duration(lead()) - 0.05) seek(0);
    for (const video of videos) video.play().catch(() => {});
    requestAnimationFrame(step);
    show();
  }

  function pause() {
    playing = false;
    for (const video of videos) video.pause();
    seek(lead().currentTime);
    show();
  }

  function step() {
    if (!playing) return;
    const first = lead();
    if (first.ended) return play();
    for (const video of videos) {
      const at = Math.min(first.currentTime, duration(video));
      if (video !== first && at < duration(video) && Math.abs(video.currentTime - at) > 0.06) video.currentTime = at;
    }
    show();
    requestAnimationFrame(step);
  }

  function broken(video) {
    const blank = document.createElement("div");
    const link = document.createElement("a");
    blank.className = "blank";
    link.href = video.dataset.open;
    link.textContent = `Open ${video.dataset.name}`;
    blank.append("This browser can't play the file.", link);
    video.replaceWith(blank);
    videos = videos.filter((other) => other !== video);
    if (videos.length) show();
    else bar.hidden = true;
  }

  for (const video of [...videos]) {
    video.controls = false;
    video.addEventListener("loadedmetadata", () => {
      video.currentTime = Math.min(0.001, duration(video)); // some browsers draw nothing before the first seek
      show();
    });
    video.addEventListener("seeked", () => { if (!playing) show(); });
    video.addEventListener("click", () => (playing ? pause() : play()));
    video.addEventListener("error", () => broken(video));
    if (video.error) broken(video);
  }
  button.addEventListener("click", () => (playing ? pause() : play()));
  scrubber.addEventListener("input", () => {
    if (playing) pause();
    seek((scrubber.value / 1000) * duration(lead()));
  });
  if (videos.length) {
    bar.hidden = false;
    show();
  }
}
