package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// result is what one kind of request came to.
type result struct {
	Name      string  `json:"name"`
	Requests  int     `json:"requests"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	// What is to be beaten: nothing where they are 0.
	BeatPerSecond float64 `json:"beat_per_second,omitempty"`
	BeatP99       float64 `json:"beat_p99_ms,omitempty"`
}

// onThisMachine refuses an address that is not a loopback one: a load on somebody
// else's registry is an attack.
func onThisMachine(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("--url must be like http://127.0.0.1:8081, and is %q", address)
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--url must lead to this machine (127.0.0.1, ::1 or localhost), and leads to %s", u.Hostname())
	}
	return nil
}

// dialLoopback connects to this machine only, whatever a name stands for.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if remote, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !remote.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("%s leads to %v, which is not this machine", address, conn.RemoteAddr()), conn.Close())
	}
	return conn, nil
}

// client asks one registry.
type client struct {
	http http.Client
	base string
}

// ask sends a request and reads the answer to its end; one that is not a success is an
// error.
func (c *client) ask(ctx context.Context, r request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	asked, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.body != nil {
		asked.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	}
	response, err := c.http.Do(asked)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %.300s", r.method, r.path, response.Status, answer)
	}
	return answer, nil
}

// measure asks each kind of request for as long as the settings say.
func measure(ctx context.Context, s settings, talk io.Writer) ([]result, error) {
	transport := &http.Transport{DialContext: dialLoopback, MaxIdleConns: s.connections, MaxIdleConnsPerHost: s.connections, MaxConnsPerHost: s.connections}
	defer transport.CloseIdleConnections()
	c := &client{http: http.Client{Transport: transport}, base: strings.TrimSuffix(s.url, "/")}
	q := newQuestions(strconv.FormatInt(time.Now().UnixMilli(), 36), s.subjects)
	fmt.Fprintf(talk, "registering %d subjects at %s\n", s.subjects, s.url)
	if err := prepare(ctx, s, c, q); err != nil {
		return nil, fmt.Errorf("register the subjects to ask about: %w", err)
	}
	var results []result
	for _, k := range q.kinds() {
		if !strings.HasPrefix(k.Name, s.only) {
			continue
		}
		fmt.Fprintf(talk, "%s, %v\n", k.Name, s.during)
		r, err := load(ctx, s, c, k)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name, err)
		}
		results = append(results, r)
	}
	if len(results) == 0 {
		return nil, &usageError{fmt.Sprintf("no request has a name that begins with %q", s.only)}
	}
	return results, nil
}

// together calls do on each connection, with the numbers from 0 on, until one fails or
// says that it is done.
func together(ctx context.Context, connections int, do func(ctx context.Context, i int) (more bool, err error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var work sync.WaitGroup
	for range connections {
		work.Go(func() {
			for ctx.Err() == nil {
				more, err := do(ctx, int(next.Add(1))-1)
				if err != nil {
					cancel(err)
				}
				if err != nil || !more {
					return
				}
			}
		})
	}
	work.Wait()
	return context.Cause(ctx)
}

// prepare registers the subjects.
func prepare(ctx context.Context, s settings, c *client, q *questions) error {
	return together(ctx, s.connections, func(ctx context.Context, i int) (bool, error) {
		if i >= len(q.ids) {
			return false, nil
		}
		answer, err := c.ask(ctx, request{http.MethodPost, "/subjects/" + q.subject(i) + "/versions", q.bodies[i]})
		if err != nil {
			return false, err
		}
		var registered struct{ ID int }
		if err := json.Unmarshal(answer, &registered); err != nil || registered.ID == 0 {
			return false, fmt.Errorf("the answer to a registration has no id: %.300s", answer)
		}
		q.ids[i] = registered.ID
		return true, nil
	})
}

// load asks one kind of request.
func load(ctx context.Context, s settings, c *client, k kind) (result, error) {
	var mu sync.Mutex
	var took []time.Duration
	began := time.Now()
	err := together(ctx, s.connections, func(ctx context.Context, i int) (bool, error) {
		r := k.make(i)
		asked := time.Now()
		if asked.Sub(began) >= s.during {
			return false, nil
		}
		if _, err := c.ask(ctx, r); err != nil {
			return false, err
		}
		mu.Lock()
		took = append(took, time.Since(asked))
		mu.Unlock()
		return true, nil
	})
	elapsed := time.Since(began)
	if err != nil {
		return result{}, err
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return result{
		Name: k.Name, Requests: len(took), PerSecond: float64(int(float64(len(took)) / elapsed.Seconds())),
		P50: ms(took[len(took)/2]), P99: ms(took[len(took)*99/100]), BeatPerSecond: k.Beat, BeatP99: ms(k.Within),
	}, nil
}

// report writes the results.
func report(out io.Writer, s settings, results []result) error {
	if s.output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			Connections int      `json:"connections"`
			Subjects    int      `json:"subjects"`
			Results     []result `json:"results"`
		}{s.connections, s.subjects, results})
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "REQUEST\tREQUESTS/S\tP50 MS\tP99 MS\tTO BEAT\tP99 MS\t")
	for _, r := range results {
		beat, within := "-", "-"
		if r.BeatPerSecond > 0 {
			beat, within = fmt.Sprintf("%.0f", r.BeatPerSecond), fmt.Sprintf("%.0f", r.BeatP99)
		}
		fmt.Fprintf(table, "%s\t%.0f\t%.2f\t%.2f\t%s\t%s\t\n", r.Name, r.PerSecond, r.P50, r.P99, beat, within)
	}
	return table.Flush()
}
