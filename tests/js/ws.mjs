// A stock WebSocket client of Node.js, which offers permessage-deflate: node ws.mjs URL
// Sends one long message, which it deflates if that was agreed, and tells what happens to it on stdout, one
// JSON object a line, until its stdin ends.

import WebSocket from "ws";

const [url] = process.argv.slice(2);
const say = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

const socket = new WebSocket(url);
socket.on("open", () => {
  say("connected", { extensions: socket.extensions });
  socket.send("heartbeat".repeat(500));
});
socket.on("message", (data) => say("message", { data: JSON.parse(data) }));
socket.on("close", (code) => say("disconnected", { code }));

process.stdin.on("end", () => process.exit(0)).resume();
