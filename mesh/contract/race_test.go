//go:build race

package contract_test

// raceEnabled: the race detector has pools lose what is put into them.
const raceEnabled = true
