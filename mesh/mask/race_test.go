//go:build race

package mask

// raceEnabled: the race detector has pools lose what is put into them.
const raceEnabled = true
