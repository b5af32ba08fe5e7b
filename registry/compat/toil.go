package compat

import "github.com/lockstep-mesh/lockstep/registry/jsonschema"

// maxToil bounds what a derivation or a search does in all, in units of about 20 ns
// or 16 bytes, whichever counts more. It is far beyond what the other bounds let
// through for schemas of ordinary size: those count questions and cases, this counts
// what one of them costs, which a schema of a megabyte makes large.
const maxToil = 20_000_000

// quickToil is what a quick check may take: several times what pairs of ordinary size
// need.
const quickToil = 400_000

// Costs in units of toil.
const (
	toilLook     = 4   // a schema is looked at, beside the lists it is looked for in
	toilStep     = 16  // a way to go on is kept
	toilFinding  = 40  // a finding is kept
	toilQuestion = 10  // a question is asked
	toilDocument = 200 // a document is written, read and validated; more for each value
)

// overworked is what toil panics with.
type overworked struct{}

// toil takes note of work, and ends the run when it is too much; within bounds it
// is called from anywhere.
func (c *check) toil(units int) {
	if c.ease -= units; c.ease < 0 {
		panic(overworked{}) //nolint:forbidigo // bounded and CheckQuickly catch it: it unwinds what is dozens of calls deep
	}
}

// bounded runs a derivation or a search that may toil so much; it reports false if that
// was ended because it was too much.
func (c *check) bounded(units int, run func()) (whole bool) {
	if c.quick {
		run()
		return true
	}
	quiet, open := c.quiet, len(c.open)
	c.ease = units
	defer func() {
		c.ease = maxToil // for what comes after, which is little
		switch r := recover(); r.(type) {
		case nil:
		case overworked:
			// What was being answered when it ended is open no more.
			c.quiet, c.open = quiet, c.open[:open]
			clear(c.openAt)
			whole = false
		default:
			panic(r) //nolint:forbidigo // not ours
		}
	}()
	run()
	return true
}

// CheckQuickly is CheckLinked as long as that is little work: milliseconds, not seconds. It
// reports false where it is not; nothing is known then.
func CheckQuickly(reader, writer *jsonschema.Linked, policy Policy) (v Verdict, ok bool) {
	if identical(reader.Bundle(), writer.Bundle(), map[[2]*jsonschema.Bundle]bool{}) {
		return Verdict{Result: Compatible}, true
	}
	c := newCheck(reader.Schema, writer.Schema, policy)
	c.locateReader, c.locateWriter = reader.Locate, writer.Locate
	c.quick, c.ease = true, quickToil
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case overworked:
			v, ok = Verdict{}, false
		default:
			panic(r) //nolint:forbidigo // not ours
		}
	}()
	return c.run(), true
}
