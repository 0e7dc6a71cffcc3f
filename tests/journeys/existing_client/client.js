// What the existing web client does, call by call; it knows nothing of Darkroom.
"use strict";

const API = "/api/v1";

const client = {
  /** Where the token comes from: the sign-in service behind the same proxy. */
  async signIn(email) {
    const answer = await fetch(`${API}/auth/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email, password: "password" }),
    });
    localStorage.setItem("token", (await answer.json()).access_token);
  },

  async call(method, path, { json, form, params } = {}) {
    const query = params ? `?${new URLSearchParams(params)}` : "";
    const headers = { Authorization: `Bearer ${localStorage.getItem("token")}` };
    if (json !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(`${API}${path}${query}`, {
      method,
      headers,
      body: form ?? (json === undefined ? undefined : JSON.stringify(json)),
    });
    const body = await answer.json();
    document.getElementById("message").textContent = answer.ok ? "" : body.detail;
    return answer.ok ? body : { failed: answer.status, ...body };
  },

  /** The file that was chosen on the page. */
  upload() {
    const form = new FormData();
    form.append("file", document.getElementById("file").files[0]);
    return client.call("POST", "/upload", { form });
  },

  create: (mode, source_image, config) => client.call("POST", "/tasks", { json: { mode, source_image, config } }),
  get: (id) => client.call("GET", `/tasks/${id}`),
  cancel: (id) => client.call("POST", `/tasks/${id}/cancel`),
  list: (params) => client.call("GET", "/tasks", { params }),
  history: (params) => client.call("GET", "/tasks/history", { params }),

  /** Ask until a task has ended; every state that was seen. */
  async poll(id, everyMilliseconds) {
    const seen = [];
    for (;;) {
      const task = await client.get(id);
      seen.push(task);
      if (task.failed || ["done", "failed", "cancelled"].includes(task.status)) return seen;
      await new Promise((resume) => setTimeout(resume, everyMilliseconds));
    }
  },

  /** Lines of the list, as people read them. */
  render(tasks) {
    const lines = tasks.map((task) => {
      const line = document.createElement("li");
      const took = task.status === "done" ? ` ${task.processing_time.toFixed(1)} s` : "";
      line.textContent = `${task.mode} ${task.status} ${task.progress}% ${new Date(task.created_at).getFullYear()}${took}`;
      return line;
    });
    document.getElementById("tasks").replaceChildren(...lines);
  },

  /** A picture of the service on the page, without a token; its width, 0 if it isn't one. */
  show(path) {
    return new Promise((tell) => {
      const picture = document.createElement("img");
      picture.onload = picture.onerror = () => tell(picture.naturalWidth);
      picture.src = window.location.origin + path;
      document.getElementById("pictures").append(picture);
    });
  },
};
