// A stock centrifuge-go client: centrifuge URL CHANNEL
// Tells what happens to it on stdout, one JSON object a line, until its stdin ends.
package main

import (
	"encoding/json"
	"io"
	"log"
	"os"
	"sync"

	"github.com/centrifugal/centrifuge-go"
)

type fields map[string]any

var output sync.Mutex

func say(event string, more fields) {
	line := fields{"event": event}
	for name, value := range more {
		line[name] = value
	}
	output.Lock()
	defer output.Unlock()
	must(json.NewEncoder(os.Stdout).Encode(line))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func message(channel string, publication centrifuge.Publication) {
	say("message", fields{"channel": channel, "data": json.RawMessage(publication.Data)})
}

func main() {
	url, channel := os.Args[1], os.Args[2]

	client := centrifuge.NewJsonClient(url, centrifuge.Config{})
	client.OnConnecting(func(e centrifuge.ConnectingEvent) {
		say("connecting", fields{"code": e.Code, "reason": e.Reason})
	})
	client.OnConnected(func(centrifuge.ConnectedEvent) { say("connected", nil) })
	client.OnDisconnected(func(e centrifuge.DisconnectedEvent) {
		say("disconnected", fields{"code": e.Code, "reason": e.Reason})
	})
	// What the server subscribed the client to: broadcasts.
	client.OnSubscribed(func(e centrifuge.ServerSubscribedEvent) {
		say("subscribed", fields{"channel": e.Channel, "wasRecovering": e.WasRecovering, "recovered": e.Recovered})
	})
	client.OnPublication(func(e centrifuge.ServerPublicationEvent) { message(e.Channel, e.Publication) })

	subscription, err := client.NewSubscription(channel)
	must(err)
	subscription.OnSubscribed(func(e centrifuge.SubscribedEvent) {
		say("subscribed", fields{"channel": channel, "wasRecovering": e.WasRecovering, "recovered": e.Recovered})
	})
	subscription.OnPublication(func(e centrifuge.PublicationEvent) { message(channel, e.Publication) })
	subscription.OnError(func(e centrifuge.SubscriptionErrorEvent) {
		say("error", fields{"text": e.Error.Error()})
	})

	must(subscription.Subscribe())
	must(client.Connect())
	_, err = io.Copy(io.Discard, os.Stdin)
	must(err)
}
