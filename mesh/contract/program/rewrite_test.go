package program_test

import (
	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
)

// keeping is a plan's source that goes into everything and changes nothing: the
// pass that rewrites must come to the verdict of the one that doesn't.
type keeping struct{ plan *program.Plan }

func keepingPlan() *program.Plan {
	k := &keeping{}
	k.plan = program.NewPlan(k)
	return k.plan
}

func (k *keeping) Step(kind program.Kind) *program.Step {
	if kind == program.Array || kind == program.Object {
		return &program.Step{Action: program.Enter, Kind: kind, Members: k, Items: k}
	}
	return program.Always(program.Keep, kind)
}

func (k *keeping) Choose(program.Kind, func(*v5.Schema) (holds, known bool)) *program.Step {
	return nil
}

func (k *keeping) Rewrite(dst, _ []byte, _ *program.Counts) ([]byte, bool) { return dst, false }

func (k *keeping) Member([]byte) (program.Member, bool) { return program.Member{Plan: k.plan}, true }

func (k *keeping) Item(int) *program.Plan { return k.plan }

func (k *keeping) Positional() bool { return true }
