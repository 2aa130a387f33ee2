// A stock WebSocket client of Node.js that offers subprotocols: node subprotocol.mjs URL NAME...
// Sends a connect command of Centrifugo's, and tells what happens to it on stdout, one JSON object a line, until
// its stdin ends.

import WebSocket from "ws";

const [url, ...names] = process.argv.slice(2);
const say = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

const socket = new WebSocket(url, names);
socket.on("open", () => {
  say("connected", { protocol: socket.protocol });
  socket.send('{"id":1,"connect":{}}');
});
socket.on("ping", () => say("ping"));
socket.on("message", (data) => say("message", { data: JSON.parse(data) }));
socket.on("close", (code) => say("disconnected", { code }));

process.stdin.on("end", () => process.exit(0)).resume();
