package route

import "github.com/lockstep-mesh/lockstep/mesh/reply"

// Codes of an Error. They are stable: programs may compare them.
const (
	CodeUnavailable = reply.CodeUnavailable // a stream cannot be read or written now
	CodeNotRunning  = "not_running"         // the route does not run
	CodeRequest     = reply.CodeRequest     // what was asked for makes no sense
	CodeNoRoute     = "no_route"            // there is no such route here
	CodeBudget      = "budget"              // the destination has had as much written again as it may for now
	CodeAudit       = "audit"               // it cannot be recorded who asks
	CodeDamaged     = "damaged"             // the egress stream is not what its own ledger says
	CodePolicy      = "policy"              // nothing can be masked now
	CodeAppendOnly  = "append_only"         // the egress stream lets go of no message
	CodeIncomplete  = "incomplete"          // the origin's stream has lost its first events
)

// Error says what a route could not do for somebody who asked it.
type Error = reply.Error

// Problem is an Error on the wire.
type Problem = reply.Problem
