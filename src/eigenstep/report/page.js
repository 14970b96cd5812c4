function start() {
  const sections = JSON.parse(document.getElementById("runs").textContent).map(startRun);
  const drawAll = () => {
    colourSwatches();
    drawInTurn([...sections].sort((a, b) => b.inView() - a.inView()));
  };
  document.getElementById("axis").addEventListener("change", (event) => {
    document.documentElement.dataset.axis = event.target.value;
    drawAll();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { forgetTheme(); drawAll(); });
  drawAll();
}

/* What is on the screen first and at once, the rest when the browser has a moment. */
function drawInTurn([first, ...rest]) {
  if (!first) return;
  first.plots.draw();
  if (first.cloud) first.cloud.paint();
  if (rest.length && rest[0].inView()) drawInTurn(rest);
  else setTimeout(() => drawInTurn(rest));
}

function startRun(run) {
  const section = document.getElementById(run.id);
  let cloud = null;
  const inView = () => {
    const { top, bottom } = section.getBoundingClientRect();
    return top < innerHeight && bottom > 0;
  };
  const plots = new RunPlots(run, section, (value) => {
    if (!cloud) return;
    cloud.pause();
    cloud.seek(nearest(run.cloud[document.documentElement.dataset.axis], value));
  });
  if (!run.cloud) {
    section.querySelector(".cloud-figure").hidden = true;
    section.querySelector(".cloud-absent").hidden = false;
    return { plots, cloud, inView };
  }
  const fields = Object.fromEntries([...section.querySelectorAll("[data-field]")].map((field) => [field.dataset.field, field]));
  const stage = section.querySelector(".stage");
  cloud = new Cloud(run.cloud, section, (frame) => {
    for (const name of ["step", "time", "loss", "learned"]) fields[name].textContent = shortNumber(run.cloud[name][frame]);
    stage.textContent = STAGES[Math.min(run.cloud.extent[frame], STAGES.length - 1)];
    plots.show({ step: run.cloud.step[frame], time: run.cloud.time[frame] });
  });
  markSlider(run.cloud, section.querySelector(".ticks"));
  cloud.seek(cloud.frames - 1);
  return { plots, cloud, inView };
}

function colourSwatches() {
  const colours = theme();
  for (const element of document.querySelectorAll("[data-mode]")) {
    element.style.background = colours.mode(Number(element.dataset.mode), Number(element.closest(".run").dataset.coloured));
  }
}

start();
