// Pictures and clips: embedded ones are scripts of plain text, the others lie beside the page.

function embedded(index) {
  return document.getElementById(`blob-${index}`).textContent;
}

function posterSource(poster) {
  return typeof poster === "number" ? embedded(poster) : poster;
}

function mediaSource(file) {
  return file.blob === undefined ? file.href : embedded(file.blob);
}

function fileName(file) {
  return file.name || decodeURIComponent(file.href.split("/").pop());
}
