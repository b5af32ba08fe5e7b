package reply_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/reply"
)

// Guards against a problem that a peer of another version does not read, and against
// one that loses its code, its reason or its cure on the way.
func TestProblemOnTheWire(t *testing.T) {
	cause := errors.New("bob audits")
	for name, c := range map[string]struct {
		err              error
		wire, code, said string
	}{
		"none":    {nil, `null`, "", ""},
		"whole":   {&reply.Error{Code: "busy", Op: "repair orders", Cause: cause, Cure: "wait"}, `{"code":"busy","why":"repair orders: bob audits","cure":"wait"}`, "busy", "ask: repair orders: bob audits; wait"},
		"wrapped": {fmt.Errorf("asked: %w", &reply.Error{Code: "busy", Op: "repair orders", Cause: cause}), `{"code":"busy","why":"repair orders: bob audits"}`, "busy", "ask: repair orders: bob audits"},
		"bare":    {&reply.Error{Code: "busy", Op: "repair orders"}, `{"code":"busy","why":"repair orders"}`, "busy", "ask: repair orders"},
		"no code": {cause, `{"code":"unavailable","why":"bob audits","cure":"ask again"}`, reply.CodeUnavailable, "ask: bob audits; ask again"},
	} {
		body, err := json.Marshal(reply.ProblemOf(c.err))
		if err != nil || string(body) != c.wire {
			t.Errorf("%s: is told as %s, %v", name, body, err)
		}
		var p *reply.Problem
		if err := json.Unmarshal(body, &p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		err = p.Err("ask")
		if c.err == nil {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var typed *reply.Error
		if !errors.As(err, &typed) || typed.Code != c.code || typed.Error() != c.said {
			t.Errorf("%s: arrives as %v", name, err)
		}
	}
}

// Guards against a failure that loses its own code to a vaguer one, or its cause.
func TestFailed(t *testing.T) {
	if err := reply.Failed("repair", nil, "ask again"); err != nil {
		t.Error(err)
	}
	coded := fmt.Errorf("asked: %w", &reply.Error{Code: "busy", Op: "repair orders"})
	if err := reply.Failed("repair", coded, "ask again"); err != coded { //nolint:errorlint // the very same
		t.Errorf("said %v", err)
	}
	cause := errors.New("the disk is full")
	var typed *reply.Error
	if err := reply.Failed("repair", cause, "ask again"); !errors.As(err, &typed) || typed.Code != reply.CodeUnavailable || !errors.Is(err, cause) || err.Error() != "repair: the disk is full; ask again" {
		t.Errorf("said %v", err)
	}
}
