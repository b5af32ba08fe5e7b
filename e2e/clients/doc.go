// Package clients tests the registry with the clients that people have, as they
// are. It is a module of its own, so that what they require is not required of
// the product. The test in e2e starts the registry and runs these; by themselves
// they skip.
package clients
