package ledger

import "github.com/lockstep-mesh/lockstep/mesh/reply"

// Codes of an Error. They are stable: programs may compare them.
const (
	CodeUnavailable = reply.CodeUnavailable // a stream cannot be read or written now, or the origin does not answer
	CodeRequest     = reply.CodeRequest     // what was asked for makes no sense
	CodeNoDomain    = "no_domain"           // nothing of that origin and domain is verified here
	CodeBusy        = "busy"                // somebody else repairs, audits or undoes there
	CodeAppendOnly  = "append_only"         // the domain's stream lets go of no message
	CodeChain       = "chain"               // what the origin says does not fit what it said before
	CodeNoRepair    = "no_repair"           // there is no such repair, or it is undone
	CodeBudget      = "budget"              // the origin has written again as much as it does in an hour
)

// Error says what could not be done for somebody who asked about the ledger.
type Error = reply.Error

// Problem is an Error on the wire. In Written it is the origin's, with a code of
// package route.
type Problem = reply.Problem

func failed(op string, err error) error {
	return reply.Failed(op, err, "ask again: what was done is not done twice")
}
