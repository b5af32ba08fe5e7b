package gate

import (
	"strconv"
	"sync/atomic"
	"time"
	"weak"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry"
)

const (
	touchEvery = 64          // uses of a contract, after which the catalog learns of it
	failedFor  = time.Second // how long a schema that does not compile is not tried again
)

// version is one version of the schema of an event type, and what the gate makes
// of it once. It does not keep the contract from being given up by the catalog,
// which bounds the memory of all.
type version struct {
	registry.Version
	header []byte // what the headers of its events begin with

	uses   atomic.Uint32
	held   atomic.Pointer[held]
	failed atomic.Pointer[failed]
}

type held struct {
	contract weak.Pointer[contract.Contract]
	keys     []string
}

type failed struct {
	err   error
	until time.Time
}

// ready is a contract that is ready for use.
type ready struct {
	contract *contract.Contract
	keys     []string
}

func newVersion(eventType string, v registry.Version) *version {
	return &version{Version: v, header: []byte(headerPrefix +
		wire.HeaderCESpecVersion + ": 1.0\r\n" +
		wire.HeaderCEType + ": " + eventType + "\r\n" +
		wire.HeaderCEDataSchema + ": " + wire.DataSchema(v.Subject, v.Version) + "\r\n" +
		wire.HeaderSchemaVersion + ": " + strconv.Itoa(v.Version) + "\r\n" +
		wire.HeaderSchemaID + ": " + strconv.Itoa(v.ID) + "\r\n")}
}

// ready gives the version's contract.
func (v *version) ready(c *catalog.Catalog) (ready, error) {
	if h := v.held.Load(); h != nil && v.uses.Add(1)%touchEvery != 0 {
		if made := h.contract.Value(); made != nil {
			return ready{made, h.keys}, nil
		}
	}
	if f := v.failed.Load(); f != nil && time.Now().Before(f.until) {
		return ready{}, f.err
	}
	made, err := c.Contract(v.Version)
	if err != nil {
		v.failed.Store(&failed{err: err, until: time.Now().Add(failedFor)})
		return ready{}, err
	}
	h := v.held.Load()
	if h == nil || h.contract.Value() != made {
		h = &held{contract: weak.Make(made), keys: made.Key()}
		v.held.Store(h)
	}
	return ready{made, h.keys}, nil
}
