package bench

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/lockstep-mesh/lockstep/services/internal/measure"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
)

// sampled is a sample whose number is v.
func sampled(v float64) sample {
	s := none()
	s.value = v
	return s
}

// The report's shape would change under those who read it.
func TestReportGolden(t *testing.T) {
	rate := Result{Name: "publish", Unit: perSecond, Better: higher, What: "through the gate", Versus: "straight into the stream"}
	fast, slow := sampled(80_000), sampled(100_000)
	fast.cpu, slow.cpu = 8.1, 5.9
	slower, faster := fast, fast
	slower.value, faster.value = 70_000, 90_000
	rate.summarize([]sample{fast, slower, faster}, []sample{slow, slow, slow})
	rate.judge([]target{atLeast(0.75)})

	wait := Result{Name: "latency/interval", Unit: micros, Better: lower, What: "through the gate", Versus: "straight into the stream"}
	governed, against := sampled(52.3), sampled(30.04)
	governed.p50, governed.p99, against.p50, against.p99 = 52.3, 120, 30.04, 61.5
	wait.summarize([]sample{governed}, []sample{against})
	wait.judge([]target{atMost("p50.difference", 15)})

	engine := Result{Name: "engine/validate-order", Unit: perCore, Better: higher, What: "validate orders", Versus: byHandText}
	governed, against = sampled(1_000_000), sampled(25_000)
	governed.allocs, against.allocs = 0, 400
	engine.summarize([]sample{governed}, []sample{against})
	engine.judge([]target{atLeast(25), atMost("allocs", 0)})

	memory := Result{Name: "memory/load", Unit: megabytes, Better: lower, What: "a leaf at load", Note: "a note"}
	memory.summarize(inMegabytes(91.6), nil)
	memory.judge([]target{atMost("governed", 150)})

	clitest.Golden(t, "report", Report{
		Results: []Result{
			rate, wait, engine, memory,
			{Name: "engine/validate-github", Unit: perCore, Better: higher, What: "validate GitHub's events", Versus: byHandText, Skipped: "no corpus"},
			{Name: "deliver/interval", Unit: perSecond, Better: higher, What: "to staging", Versus: "a native source", Failed: "30 of 100 events are at the destination"},
		},
		Machine:  Machine{Machine: measure.Machine{CPU: "A CPU", Cores: 2, OS: "linux 6.1", Arch: "amd64", Go: "go1.26.8"}, NATS: "2.15.2"},
		Settings: Settings{Runs: 3, Seconds: 2, Events: 1_000_000}, Seconds: 61.5,
	})
}

// A number that JSON does not have would cost the whole report.
func TestSummarizeOfAnything(t *testing.T) {
	for name, samples := range map[string][2][]sample{
		"nothing":                            {nil, nil},
		"one side":                           {{sampled(1)}, nil},
		"nothing to divide":                  {{sampled(1), sampled(2)}, {sampled(0), sampled(0)}},
		"not numbers":                        {{sampled(math.NaN())}, {sampled(math.Inf(1))}},
		"more than there is to compare with": {{sampled(1), sampled(2)}, {sampled(3)}},
	} {
		r := Result{Name: name, Unit: micros}
		r.summarize(samples[0], samples[1])
		r.judge([]target{atLeast(1), atMost("p99.ratio", 1), atMost("nothing", 0)})
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_ = r.row()
	}
}
