package demo

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress tells people how far the demonstration is: on a terminal in one line
// that changes, else in a line now and then.
type progress struct {
	w        io.Writer
	terminal bool
	begin    time.Time
	work     sync.WaitGroup
	stop     chan struct{}
	closing  sync.Once

	mu     sync.Mutex
	title  string
	detail func() string // what changes within a phase; may be nil
	drawn  bool          // a line on the terminal is to be drawn over
}

func newProgress(w io.Writer, terminal bool) *progress {
	p := &progress{w: w, terminal: terminal, begin: time.Now(), stop: make(chan struct{})}
	every := 5 * time.Second
	if terminal {
		every = 100 * time.Millisecond
	}
	p.work.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-ticker.C:
				p.mu.Lock()
				if p.detail != nil || p.terminal {
					p.draw()
				}
				p.mu.Unlock()
			}
		}
	})
	return p
}

// phase begins a phase.
func (p *progress) phase(title string, detail func() string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal && p.drawn {
		p.draw()
		fmt.Fprintln(p.w)
	}
	p.title, p.detail, p.drawn = title, detail, false
	p.draw()
}

func (p *progress) draw() {
	if p.title == "" {
		return
	}
	text := fmt.Sprintf("%6.1fs  %s", time.Since(p.begin).Seconds(), p.title)
	if p.detail != nil {
		if detail := p.detail(); detail != "" {
			text += ": " + detail
		}
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", text)
		p.drawn = true
		return
	}
	fmt.Fprintln(p.w, text)
}

// close ends the last phase. It may be called more than once.
func (p *progress) close() {
	p.closing.Do(func() {
		close(p.stop)
		p.work.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.terminal && p.drawn {
			p.draw()
			fmt.Fprintln(p.w)
		}
	})
}
