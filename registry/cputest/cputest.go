// Package cputest is for tests that bound what something may cost: they count the
// processor time of their process, for how long it takes depends on what else the
// machine does. Nothing but tests imports it.
package cputest

import "time"

// Used is the processor time that this process has used. Where the system does not
// tell, it is the time that has passed.
func Used() time.Duration { return used() }
