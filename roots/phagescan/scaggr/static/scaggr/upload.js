// Sends the files that are dropped or chosen, a few at a time, and shows how far each one is.

const AT_ONCE = 3;
const form = document.getElementById("upload");
const input = document.getElementById("file");
const list = document.getElementById("uploads");
const overlay = document.getElementById("overlay");
const limit = Number(form.dataset.limit);
const waiting = [];
let running = 0;

// What people read when the server's answer is not one of its own sentences.
function fault(request) {
  const text = (request.getResponseHeader("Content-Type") || "").startsWith("text/plain") && request.responseText;
  if (text && request.status >= 400) return text;
  if (request.status === 413) return form.dataset.tooBig;
  if (request.status === 507) return "The server has no room left for files. Its operator has to make room.";
  if (request.status === 0) return "The connection broke. Try again.";
  if ([200, 401, 403].includes(request.status)) return "You are not logged in any more. Reload the page.";
  if (request.status === 400) return "It arrived damaged, or its name is too long. Try again.";
  return `The server did not take it (${request.status}). Try again in a moment.`;
}

function fail(line, why) {
  const badge = line.querySelector(".badge");
  badge.textContent = "Not taken";
  badge.className = "badge warn";
  line.querySelector("progress").remove();
  line.querySelector(".why").textContent = why;
  line.querySelector(".why").hidden = false;
}

function send(file, line) {
  const request = new XMLHttpRequest();
  const data = new FormData();
  data.append("file", file, file.name);
  request.open("POST", form.action);
  request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
  request.setRequestHeader("HX-Request", "true");
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) line.querySelector("progress").value = event.loaded / event.total;
  });
  request.addEventListener("loadend", () => {
    running -= 1;
    // A request that was led to the login page has come to another address.
    if (request.status === 200 && request.responseURL === form.action) line.outerHTML = request.responseText;
    else fail(line, fault(request));
    next();
  });
  request.send(data);
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    send(...waiting.shift());
  }
}

function add(file, folder) {
  const line = document.getElementById("line").content.firstElementChild.cloneNode(true);
  line.querySelector(".title").textContent = file.name;
  line.querySelector("progress").setAttribute("aria-label", `Upload of ${file.name}`);
  list.append(line);
  if (folder) fail(line, "This is a folder. Drop the files inside it.");
  else if (file.size > limit) fail(line, form.dataset.tooBig);
  else waiting.push([file, line]);
}

input.addEventListener("change", () => {
  for (const file of input.files) add(file, false);
  input.value = "";
  next();
});

const carriesFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  window.addEventListener(name, (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    overlay.hidden = name === "drop" || (name === "dragleave" && !event.relatedTarget);
    if (name !== "drop") return;
    for (const item of event.dataTransfer.items) {
      if (item.kind === "file") add(item.getAsFile(), item.webkitGetAsEntry?.()?.isDirectory);
    }
    next();
  });
}

window.addEventListener("beforeunload", (event) => {
  if (running) event.preventDefault();
});

// Nothing is asked while nothing is being scanned.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "news" && !document.querySelector(".open [name=run]")) event.preventDefault();
});
