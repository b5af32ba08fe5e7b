package bench

import (
	"fmt"
	"io"
	"time"
)

// progress tells people how far the measurements are. It writes nothing while
// one runs but between two runs, so that it takes no part in what is measured.
type progress struct {
	w        io.Writer
	terminal bool
	start    time.Time
	total    int
	number   int
	name     string
	open     bool // a line on the terminal is to be drawn over
}

func newProgress(w io.Writer, terminal bool, total int) *progress {
	return &progress{w: w, terminal: terminal, start: time.Now(), total: total}
}

// begin begins a measurement.
func (p *progress) begin(name string) {
	p.number++
	p.name = name
	p.line("")
}

// run begins a run of a measurement; run 0 is the warming-up.
func (p *progress) run(run, of int) {
	if !p.terminal {
		return
	}
	if run == 0 {
		p.line(": warming up")
		return
	}
	p.line(fmt.Sprintf(": run %d of %d", run, of))
}

// note says what a measurement is at.
func (p *progress) note(format string, args ...any) { p.line(": " + fmt.Sprintf(format, args...)) }

// done ends a measurement.
func (p *progress) done(r Result) {
	switch {
	case r.Skipped != "":
		p.line(": skipped: " + r.Skipped)
	case r.Failed != "":
		p.line(": failed: " + r.Failed)
	case r.Ratio != nil:
		p.line(fmt.Sprintf(": %s %s, ratio %s", show(r.Governed), r.Unit, show(r.Ratio)))
	default:
		p.line(fmt.Sprintf(": %s %s", show(r.Governed), r.Unit))
	}
	p.close()
}

func (p *progress) line(text string) {
	line := fmt.Sprintf("%6.1fs  [%d/%d] %s%s", time.Since(p.start).Seconds(), p.number, p.total, p.name, text)
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		p.open = true
		return
	}
	fmt.Fprintln(p.w, line)
}

// close ends the line on the terminal. It may be called more than once.
func (p *progress) close() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}
