// A stock EventSource: node eventsource.mjs URL
// Tells what happens to it on stdout, one JSON object a line, until its stdin ends.

import { EventSource } from "eventsource";

const [url] = process.argv.slice(2);
const say = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

const source = new EventSource(url);
source.onopen = () => say("connected");
source.onerror = () => say(source.readyState === EventSource.CLOSED ? "disconnected" : "connecting");
source.onmessage = ({ data, lastEventId }) => say("message", { data: JSON.parse(data), lastEventId });
source.addEventListener("reset", ({ data }) => say("reset", { data: JSON.parse(data) }));

process.stdin.on("end", () => process.exit(0)).resume();
