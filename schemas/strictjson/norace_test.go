//go:build !race

package strictjson

// raceEnabled says that the race detector is on, under which pools keep nothing.
const raceEnabled = false
