// `ws` on Node.js: the loop over clients of its own documentation, defaults throughout.

import { createRequire } from "node:module";
import { WebSocketServer } from "ws";
import { obey, ready } from "./contract.mjs";

const { version } = createRequire(import.meta.url)("ws/package.json");
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 4096 });

server.on("listening", () => {
  ready(server.address().port, `${version}, Node.js ${process.versions.node}`);
  obey((payloads) => {
    for (const text of payloads) {
      const data = Buffer.from(text);
      for (const client of server.clients) client.send(data, { binary: false });
    }
  });
});
