// A stock centrifuge client: node centrifuge.mjs URL CHANNEL
// Tells what happens to it on stdout, one JSON object a line, until its stdin ends.

import { Centrifuge } from "centrifuge";
import WebSocket from "ws";

const [url, channel] = process.argv.slice(2);
const say = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));
const report = ({ channel, wasRecovering, recovered }) => say("subscribed", { channel, wasRecovering, recovered });

const centrifuge = new Centrifuge(url, { websocket: WebSocket });
centrifuge.on("connecting", ({ code, reason }) => say("connecting", { code, reason }));
centrifuge.on("connected", () => say("connected"));
centrifuge.on("disconnected", ({ code, reason }) => say("disconnected", { code, reason }));
// What the server subscribed the client to: broadcasts.
centrifuge.on("subscribed", report);
centrifuge.on("publication", ({ channel, data }) => say("message", { channel, data }));

const subscription = centrifuge.newSubscription(channel);
subscription.on("subscribed", report);
subscription.on("publication", ({ data }) => say("message", { channel, data }));
subscription.on("error", ({ error }) => say("error", { text: error.message }));

subscription.subscribe();
centrifuge.connect();
process.stdin.on("end", () => process.exit(0)).resume();
