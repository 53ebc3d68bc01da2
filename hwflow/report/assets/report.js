const plots = JSON.parse(document.getElementById("report-plots").textContent);

const themes = ["", "light", "dark"];
const themeButton = document.getElementById("theme");
themeButton.hidden = false;
themeButton.addEventListener("click", () => {
  const root = document.documentElement;
  const next = themes[(themes.indexOf(root.dataset.theme ?? "") + 1) % themes.length];
  if (next) root.dataset.theme = next;
  else delete root.dataset.theme;
  themeButton.textContent = `Theme: ${next || "as the system"}`;
});

// Moves the window [low, high] of a plot's x axis within [0, last].
function movable(figure, view, last) {
  const output = figure.querySelector("output");
  const least = Math.min(last, 40);
  let low = 0, high = last;
  const show = (from, to) => {
    const span = Math.min(last, Math.max(least, to - from));
    low = Math.min(Math.max(0, from), last - span);
    high = low + span;
    view.signal("low", low).signal("high", high).runAsync();
    output.textContent = `cycles ${Math.round(low).toLocaleString("en")} to ${Math.round(high).toLocaleString("en")}`;
  };
  const zoom = (factor, at = 0.5) => {
    const span = high - low, centre = low + at * span;
    const next = Math.min(last, Math.max(least, span * factor));
    show(centre - at * next, centre + (1 - at) * next);
  };
  const actions = {
    in: () => zoom(0.5),
    out: () => zoom(2),
    left: () => show(low - (high - low) / 2, high - (high - low) / 2),
    right: () => show(low + (high - low) / 2, high + (high - low) / 2),
    all: () => show(0, last),
  };
  for (const button of figure.querySelectorAll("[data-do]"))
    button.addEventListener("click", actions[button.dataset.do]);
  const live = figure.querySelector(".live");
  const share = (event) => {
    const box = live.getBoundingClientRect(), left = view.origin()[0];
    return Math.min(1, Math.max(0, (event.clientX - box.left - left) / view.width()));
  };
  live.addEventListener("wheel", (event) => {
    if (!event.shiftKey) return;
    event.preventDefault();
    zoom((event.deltaY || event.deltaX) < 0 ? 0.8 : 1.25, share(event));
  }, { passive: false });
  let grabbed = null;
  live.style.touchAction = "pan-y";
  live.addEventListener("pointerdown", (event) => { grabbed = { at: share(event), low, high }; });
  live.addEventListener("pointermove", (event) => {
    if (!grabbed || !event.buttons) return;
    const moved = (grabbed.at - share(event)) * (grabbed.high - grabbed.low);
    show(grabbed.low + moved, grabbed.high + moved);
  });
  addEventListener("pointerup", () => { grabbed = null; });
  figure.querySelector(".zoom").hidden = false;
  show(0, last);
}

for (const [name, { spec, last }] of Object.entries(plots)) {
  const figure = document.getElementById(name);
  const live = figure.querySelector(".live");
  live.hidden = false;
  try {
    const { view } = await vegaEmbed(live, spec, { actions: false, renderer: "svg", mode: "vega-lite" });
    // The picture itself is named by the container.
    live.querySelector("svg")?.setAttribute("aria-hidden", "true");
    figure.querySelector(".still").hidden = true;
    if (last !== null) movable(figure, view, last);
    figure.dataset.drawn = "yes";
  } catch (error) {
    live.hidden = true;
    console.error(`${name}: ${error}`);
  }
}
document.documentElement.dataset.ready = "yes";
