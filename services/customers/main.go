// Command customers publishes the events of the domain customers of a believable shop:
// who registers, moves and leaves. One seed gives one history, of which the three
// services orders, customers and payments each publish their part.
//
//	customers --url nats://127.0.0.1:4222 --creds app.creds --seed 1 --rate 50
package main

import (
	"os"

	"github.com/lockstep-mesh/lockstep/services/internal/feed"
)

func main() { os.Exit(feed.Main(feed.Customers, os.Args[1:], os.Getenv, os.Stderr)) }
