// Prompts with their questions: a prompt's images and its tree are built when it is opened.

const treeSource = document.getElementById("trees-data");
if (treeSource) questionTrees(JSON.parse(treeSource.textContent));

function questionTrees(trees) {
  const root = document.getElementById("trees");
  const list = document.getElementById("tree-list");
  const search = root.querySelector("input");
  const shown = document.getElementById("trees-shown");

  const entries = trees.map((tree) => {
    const words = [tree.prompt, tree.name, ...tree.questions.map((question) => question[4])].join("\n").toLowerCase();
    return { tree, words, element: prompt(tree) };
  });
  list.append(...entries.map((entry) => entry.element));

  function select() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const entry of entries) {
      const found = words.every((word) => entry.words.includes(word));
      entry.element.hidden = !found;
      count += found;
    }
    shown.textContent = `${count} of ${entries.length} prompts.`;
  }

  function prompt(tree) {
    const element = make("details", "tree");
    const summary = make("summary");
    const text = make("span", "tree-prompt", tree.prompt || "(no prompt)");
    text.dir = "auto";
    const facts = make("span", "tree-facts");
    for (const note of [tree.name, ...tree.notes]) if (note) facts.append(make("span", "", note));
    summary.append(text, facts);
    element.append(summary);
    element.addEventListener("toggle", () => {
      if (element.open && element.children.length === 1) element.append(images(tree), questionList(tree));
    });
    return element;
  }

  function images(tree) {
    const row = make("div", "tree-images");
    tree.images.forEach((image, index) => {
      const figure = make("figure");
      figure.append(picture(image, index));
      const caption = make("figcaption");
      caption.append(make("b", "", `Image ${index + 1}`));
      for (const note of image.notes || []) caption.append(make("span", "", note));
      figure.append(caption);
      row.append(figure);
    });
    return row;
  }

  function picture(image, index) {
    const file = image.media;
    const linked = file && file.kind === "image" ? file.href : null;
    const source = image.poster === undefined ? linked : posterSource(image.poster);
    if (!source) return make("div", "blank", file ? file.name : "No picture");
    const img = make("img");
    img.src = source;
    img.alt = `Image ${index + 1}`;
    img.loading = "lazy";
    if (!file) return img;
    const link = make("a");
    link.href = file.href;
    link.append(img);
    return link;
  }

  function questionList(tree) {
    const box = make("div", "tree-body");
    const key = make("p", "tree-key");
    key.append(chip("yes", "✓", "yes"), chip("no", "✕", "no"), chip("zeroed", "⊘", "zeroed: counts as no, since a question that it depends on does"),
      chip("other", "?", "another answer, counts as no"));
    if (tree.judge) key.append(make("span", "", `Judge: ${tree.judge}`));
    box.append(key);
    const top = make("ul", "tree-list");
    const open = [top];
    for (const [depth, number, parents, category, text, answers] of tree.questions) {
      open.length = depth + 1;
      const item = make("li");
      item.append(question(number, parents, depth, category, text, answers));
      open[depth].append(item);
      const below = make("ul", "tree-list");
      item.append(below);
      open.push(below);
    }
    for (const empty of top.querySelectorAll("ul:empty")) empty.remove();
    box.append(top);
    return box;
  }

  function question(number, parents, depth, category, text, answers) {
    const row = make("div", "question");
    const words = make("div", "question-text");
    const line = make("span", "", text);
    line.dir = "auto";
    words.append(make("b", "", `${number}.`), " ", line, " ", make("small", "", category));
    if (parents.length > 1 || (parents.length && !depth)) words.append(" ", make("small", "", `depends on ${parents.join(", ")}`));
    const answered = make("div", "question-answers");
    answers.forEach((answer, index) => answered.append(given(answer, index)));
    row.append(words, answered);
    return row;
  }

  function given(answer, index) {
    const place = `${index + 1}`;
    if (!answer) return chip("missing", "–", "no answer", place);
    const [text, chance, zeroed] = answer;
    const words = chance === null ? text : `${text} (${chance})`;
    if (text === "no") return chip("no", "✕", words, place);
    if (text !== "yes") return chip("other", "?", words || "(empty)", place);
    const rules = Object.entries(zeroed);
    if (!rules.length) return chip("yes", "✓", words, place);
    const by = [...new Set(rules.map(([, parent]) => parent))];
    const all = rules.length > 1 || !rules[0][0] ? "" : ` (${rules[0][0]} only)`;
    return chip("zeroed", "⊘", `${words}, zeroed by ${by.join(", ")}${all}`, place);
  }

  function chip(kind, sign, text, place) {
    const element = make("span", `answer ${kind}`);
    if (place) element.append(make("small", "", place));
    const mark = make("span", "sign", sign);
    mark.setAttribute("aria-hidden", "true");
    element.append(mark, make("span", "", text));
    return element;
  }

  search.addEventListener("input", select);
  root.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  root.hidden = false;
  select();
}
