package route_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Guards against an operator who cannot see or release from outside the
// process what he can inside, and against errors without code or cure.
func TestDeskAnswersOverNATS(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	_, withheld := o.fill(t, r, 9)
	d, err := route.Serve(o.conn, "production", []*route.Route{r}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx := t.Context()
	listed, err := route.AskWithheld(ctx, o.conn, "production", route.WithheldRequest{Filter: route.Filter{Limit: 2}})
	if err != nil || len(listed.Routes) != 1 || listed.Routes[0].Total != 3 || len(listed.Routes[0].Records) != 2 || listed.Routes[0].To != "staging" {
		t.Fatalf("%+v (%v)", listed, err)
	}
	done, err := route.AskRelease(ctx, o.conn, "production", route.ReleaseRequest{Of: route.Of{To: "staging", Domain: "orders"}, Filter: route.Filter{Sequences: withheld[1:]}, By: "ann"})
	if err != nil || done.Routes[0].Released != 2 {
		t.Fatalf("%+v (%v)", done, err)
	}
	if got := o.released(t); !slices.Equal(got, withheld[1:]) {
		t.Errorf("released %v", got)
	}
	for _, c := range []struct {
		name, code string
		ask        func() error
	}{
		{"no such route", route.CodeNoRoute, func() error {
			_, err := route.AskWithheld(ctx, o.conn, "production", route.WithheldRequest{Of: route.Of{To: "moon"}})
			return err
		}},
		{"nobody asks", route.CodeRequest, func() error {
			_, err := route.AskRelease(ctx, o.conn, "production", route.ReleaseRequest{})
			return err
		}},
		{"no such environment", route.CodeUnavailable, func() error {
			_, err := route.AskRelease(ctx, o.conn, "atlantis", route.ReleaseRequest{By: "ann"})
			return err
		}},
	} {
		var typed *route.Error
		if err := c.ask(); !errors.As(err, &typed) || typed.Code != c.code || typed.Cure == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	reply, err := o.conn.RequestWithContext(ctx, wire.AdminSubject("production", wire.VerbRelease), []byte(`{"by":"ann","all":true}`))
	if err != nil || !strings.Contains(string(reply.Data), `"code":"request"`) {
		t.Errorf("an unknown field is answered with %+v (%v)", reply, err)
	}
}
