package target

import "github.com/lockstep-mesh/lockstep/mesh/topology"

// Address is a flag for an address to listen on: HOST:PORT, where port 0 is
// any free one. The zero value is a flag that was not given.
type Address struct {
	topology.Address
}

// Set reads HOST:PORT.
func (a *Address) Set(text string) (err error) {
	a.Address, err = topology.ParseAddress(text)
	return err
}

// Type names the flag's type in help.
func (a *Address) Type() string { return "host:port" }

// Override is the address if it was given, for a configuration that takes nil
// for what mesh.yaml says.
func (a *Address) Override() *topology.Address {
	if a.IsZero() {
		return nil
	}
	return &a.Address
}
