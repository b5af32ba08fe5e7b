package node

import "github.com/nats-io/nats.go"

// ApplicationInboxes is the prefix under which the inboxes of applications are
// reached from the account of the streams: a message on
// ApplicationInboxes+"._INBOX.x" there arrives on _INBOX.x in the applications'.
const ApplicationInboxes = appDeliverRoot

// Local is an option for Connect and ConnectApplications: the connection goes
// through the process's memory instead of the network. Its latency is half of
// TCP's over the loopback, its throughput lower, unless what reads it gathers.
func (n *Node) Local() nats.Option { return nats.InProcessServer(n.server) }
