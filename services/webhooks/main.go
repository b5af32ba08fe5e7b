// Command webhooks takes webhook deliveries as GitHub sends them, at
// POST /hooks/github, and publishes each as an event of the domain github.
//
//	LOCKSTEP_WEBHOOK_SECRET=… webhooks --listen :8090 --url nats://127.0.0.1:4222 --creds app.creds
package main

import (
	"os"

	"github.com/lockstep-mesh/lockstep/services/webhooks/ingress"
)

func main() { os.Exit(ingress.Main(os.Args[1:], os.Getenv, os.Stderr)) }
