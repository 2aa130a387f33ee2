// Bun's own server (uWebSockets underneath) with its native publish; defaults throughout.

import { obey, ready } from "./contract.mjs";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("", { status: 400 })),
  websocket: {
    open: (client) => client.subscribe("everybody"),
    message: () => {},
  },
});

ready(server.port, Bun.version);
obey((payloads) => {
  for (const text of payloads) server.publish("everybody", text);
});
