// A sample page of the documentation, with what a browser gives it: node page.mjs BASE < SCRIPT
// Tells on stdout what the page writes to its console, one JSON object a line, until it is ended.

import { readFileSync } from "node:fs";
import { runInThisContext } from "node:vm";
import { EventSource } from "eventsource";
import WebSocket from "ws";

const [base, script] = process.argv.slice(2);
const say = (event, text) => process.stdout.write(`${JSON.stringify({ event, text })}\n`);

globalThis.location = new URL(base);
globalThis.WebSocket = class extends WebSocket {
  constructor(url) {
    super(url);
    this.on("error", () => {});   // in a browser an event that is not listened to does no harm
  }
};
globalThis.EventSource = class extends EventSource {
  constructor(url) {
    super(new URL(url, base));
  }
};
console.log = (...words) => say("log", words.join(" "));
console.warn = (...words) => say("warn", words.join(" "));

process.stdin.on("end", () => process.exit(0)).resume();
runInThisContext(readFileSync(script, "utf8"));
