// Command payments publishes the events of the domain payments of a believable shop:
// what is paid, refused and paid back. One seed gives one history, of which the three
// services orders, customers and payments each publish their part.
//
//	payments --url nats://127.0.0.1:4222 --creds app.creds --seed 1 --rate 50
package main

import (
	"os"

	"github.com/lockstep-mesh/lockstep/services/internal/feed"
)

func main() { os.Exit(feed.Main(feed.Payments, os.Args[1:], os.Getenv, os.Stderr)) }
